/* SPDX-License-Identifier: Apache-2.0 */
#include "test/sim/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static unsigned roll(struct rig *rig, unsigned below)
{
    uint32_t n = 0;
    if (random_u32(&rig->dice, &n) != OK)
        abort();
    return below > 0 ? n % below : 0;
}

/* --- the network --- */

static void fly(struct rig *rig, const struct rig_datagram *d)
{
    if (rig->in_flight == RIG_FLIGHT_MAX)
        return; /* a full queue loses, as queues do */
    struct rig_datagram *slot = &rig->flight[rig->in_flight++];
    *slot = *d;
    const struct rig_network *n = &rig->network;
    slot->at_ms = rig->now_ms + n->delay_min_ms + roll(rig, n->delay_max_ms - n->delay_min_ms + 1);
    if (roll(rig, 1000) < n->corrupt && slot->len > 0)
        slot->data[roll(rig, (unsigned)slot->len)] ^= (uint8_t)(1u << roll(rig, 8));
}

static void op_send(void *arg, const struct path *path, struct bytes message)
{
    struct rig_end *end = arg;
    struct rig *rig = end->rig;
    end->sent++;
    if (message.len > RIG_DATAGRAM_MAX)
        abort();
    struct rig_datagram *d = &rig->history[rig->history_count++ % RIG_HISTORY];
    *d = (struct rig_datagram){.to = 1 - end->index, .len = message.len};
    d->path.local = path->remote;
    d->path.remote = (struct endpoint){end->address, path->local.port};
    memcpy(d->data, message.data, message.len);
    struct rig_datagram copy = *d;
    if (rig->filter != NULL && rig->filter(rig->filter_arg, rig, end->index, &copy))
        return;
    if (roll(rig, 1000) >= rig->network.loss)
        fly(rig, &copy);
    if (roll(rig, 1000) < rig->network.repeat)
        fly(rig, &copy);
}

static void op_keepalive(void *arg, const struct path *path)
{
    (void)path;
    ((struct rig_end *)arg)->keepalives++;
}

static uint32_t op_new_spi(void *arg, uint32_t connection, const struct address *peer)
{
    (void)connection;
    (void)peer;
    return sad_new_spi(((struct rig_end *)arg)->sad, 0);
}

static enum status op_child_add(void *arg, const struct child *child)
{
    return sad_add(((struct rig_end *)arg)->sad, child);
}

static void op_child_activate(void *arg, uint64_t id)
{
    if (sad_activate(((struct rig_end *)arg)->sad, id) != OK)
        abort();
}

static void op_child_remove(void *arg, uint64_t id)
{
    sad_remove(((struct rig_end *)arg)->sad, id);
}

static void op_child_move(void *arg, uint64_t id, const struct path *path)
{
    sad_move(((struct rig_end *)arg)->sad, id, path);
}

static uint64_t op_packets_in(void *arg, uint64_t id)
{
    const struct sa *sa = sad_by_child(((struct rig_end *)arg)->sad, id);
    return sa != NULL ? sa->in.packets : 0;
}

static void op_event(void *arg, const struct ike_event *event)
{
    struct rig_end *end = arg;
    end->events[event->kind]++;
    if (event->why[0] != '\0')
        snprintf(end->why, sizeof end->why, "%s", event->why);
}

static int64_t op_unix_time(void *arg)
{
    const struct rig_end *end = arg;
    return end->unix_time + (int64_t)(end->rig->now_ms / 1000);
}

const char rig_user[] = "alice", rig_password[] = "sesame";

static bool is_text(struct bytes b, const char *text)
{
    return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

/* rig_user, and rig_user-7. */
static bool is_user(struct bytes user)
{
    size_t len = strlen(rig_user);
    return is_text(user, rig_user) ||
           (user.len > len && memcmp(user.data, rig_user, len) == 0 && user.data[len] == '-');
}

static enum xauth_verdict op_xauth_check(void *arg, uint64_t ticket, uint32_t connection, struct bytes user,
                                         struct bytes password)
{
    struct rig_end *end = arg;
    bool right = is_user(user) && is_text(password, rig_password);
    (void)connection;
    end->logins++;
    if (end->login_takes_ms == 0)
        return right ? XAUTH_RIGHT : XAUTH_WRONG;
    end->verdict.at_ms = end->rig->now_ms + end->login_takes_ms;
    end->verdict.ticket = ticket;
    end->verdict.right = right;
    return XAUTH_LATER;
}

static enum status op_find_remote(void *arg, uint32_t connection)
{
    struct rig_end *end = arg;
    (void)connection;
    end->asked++;
    return end->fail_asking ? ERR_MEMORY : OK;
}

static void op_net_up(void *arg, uint32_t connection, const struct virtual_net *net)
{
    struct rig_end *end = arg;
    (void)connection;
    end->net = *net;
    end->net_ups++;
}

static void op_net_down(void *arg, uint32_t connection)
{
    (void)connection;
    ((struct rig_end *)arg)->net_downs++;
}

static void sink(void *arg, enum log_level level, const char *line)
{
    const struct rig_end *end = arg;
    (void)level;
    if (end->rig->verbose)
        fprintf(stderr, "%10.3f end %d  %s\n", (double)end->rig->now_ms / 1000, end->index, line);
}

static enum status end_random(void *arg, void *out, size_t len)
{
    struct rig_end *end = arg;
    return end->fail_random ? ERR_CRYPTO : random_fill(&end->inner, out, len);
}

/* --- made and freed --- */

static int only_connection(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return 0;
}

static void make_end(struct rig *rig, int i)
{
    static const char psk[] = "not so secret";
    struct rig_end *end = &rig->ends[i];
    struct connection *c = &end->connection;
    char why[256];
    *end = (struct rig_end){.rig = rig, .index = i, .unix_time = 1800000000};
    const uint8_t address[4] = {192, 0, 2, (uint8_t)(1 + i)}, other[4] = {192, 0, 2, (uint8_t)(2 - i)};
    end->address = address_of(4, address);
    *c = (struct connection){.ike_version = 1,
                             .local = end->address,
                             .remote = address_of(4, other),
                             .ike_lifetime_s = 28800,
                             .lifetime_s = 3600,
                             .replay_window = 1024,
                             .start = i == 0 ? START_START : START_TRAP};
    snprintf(c->name, sizeof c->name, "end%d", i);
    const char *rule = i == 0 ? "10.1.0.0/24 -> 10.2.0.0/24 via peer" : "10.2.0.0/24 -> 10.1.0.0/24 via peer";
    if (proposal_parse(PROPOSAL_IKE, "aes128-sha256-x25519", 0, &c->ike, why, sizeof why) != OK ||
        proposal_parse(PROPOSAL_ESP, "aes128gcm16-x25519, aes256-sha256-x25519", 0, &c->esp, why, sizeof why) != OK ||
        secret_copy(rig->vault, psk, sizeof psk - 1, &c->psk) != OK ||
        spd_add(&end->spd, ACTION_PROTECT, rule, 1, only_connection, NULL, why, sizeof why) != OK)
        abort();
    end->inner = random_of_seed(&end->seeded, rig->seed * 4 + (unsigned)i + 1);
    end->random = (struct random){.fill = end_random, .arg = end};
    end->log = (struct log){.level = LOG_DEBUG, .sink = sink, .arg = end};
}

struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = must(calloc(1, sizeof *rig));
    rig->seed = seed;
    rig->now_ms = 1000;
    rig->network = (struct rig_network){.delay_min_ms = 5, .delay_max_ms = 5};
    rig->dice = random_of_seed(&rig->dice_state, seed * 4);
    rig->flight = must(calloc(RIG_FLIGHT_MAX, sizeof *rig->flight));
    rig->history = must(calloc(RIG_HISTORY, sizeof *rig->history));
    rig->vault = must(vault_new());
    for (int i = 0; i < RIG_ENDS; i++)
        make_end(rig, i);
    return rig;
}

void rig_make_long(struct connection *c)
{
    static const char esp[] =
        "aes128gcm16-x25519, aes192gcm16-x25519, aes256gcm16-x25519, aes128gcm12-x25519, "
        "aes192gcm12-x25519, aes256gcm12-x25519, aes128gcm8-x25519, aes192gcm8-x25519, "
        "aes256gcm8-x25519, aes128ccm16-x25519, aes192ccm16-x25519, aes256ccm16-x25519, "
        "aes128ccm12-x25519, aes192ccm12-x25519, aes256ccm12-x25519, aes128ccm8-x25519, "
        "aes192ccm8-x25519, aes256ccm8-x25519, aes128-sha256-x25519, aes192-sha256-x25519, "
        "aes256-sha256-x25519, aes128-sha384-x25519, aes192-sha384-x25519, aes256-sha384-x25519, "
        "aes128-sha512-x25519, aes192-sha512-x25519, aes256-sha512-x25519, aes128ctr-sha256-x25519, "
        "aes192ctr-sha256-x25519, aes256ctr-sha256-x25519, aes128ctr-sha384-x25519, "
        "aes192ctr-sha384-x25519";
    char why[256];
    c->esp.count = 0;
    if (proposal_parse(PROPOSAL_ESP, esp, 0, &c->esp, why, sizeof why) != OK)
        abort();
}

/* As the daemon has it. With randomness of its own, so that what the ends draw stays what it was. */
static void compile_rules(struct rig_end *end)
{
    struct random_seeded state;
    const struct random random = random_of_seed(&state, end->rig->seed);
    if (spd_compile(&end->spd, &random) != OK)
        abort();
}

void rig_set_rule(struct rig_end *end, const char *rule)
{
    char why[256];
    spd_free(&end->spd);
    if (rule != NULL && spd_add(&end->spd, ACTION_PROTECT, rule, 1, only_connection, NULL, why, sizeof why) != OK)
        abort();
}

void rig_use_access(struct rig *rig)
{
    struct connection *client = &rig->ends[0].connection, *server = &rig->ends[1].connection;
    client->access = must(calloc(1, sizeof *client->access));
    server->access = must(calloc(1, sizeof *server->access));
    snprintf(client->access->user, sizeof client->access->user, "%s", rig_user);
    if (secret_copy(rig->vault, rig_password, strlen(rig_password), &client->access->password) != OK ||
        range_parse("10.1.0.1", &server->access->pool[FAMILY_IPV4]) != OK)
        abort();
    server->access->server = true;
    server->remote = (struct address){0};
    server->start = START_NONE;
    rig_set_rule(&rig->ends[0], "0.0.0.0/0 -> 10.2.0.0/24 via peer");
}

static void make_engine(struct rig_end *end)
{
    const struct ike_setup setup = {
        .connections = end->several != NULL ? end->several : &end->connection,
        .connection_count = end->several != NULL ? end->several_count : 1,
        .spd = &end->spd,
        .random = end->random,
        .vault = end->rig->vault,
        .log = &end->log,
        .ops = {.arg = end,
                .find_remote = op_find_remote,
                .send = op_send,
                .send_keepalive = op_keepalive,
                .new_spi = op_new_spi,
                .child_add = op_child_add,
                .child_activate = op_child_activate,
                .child_remove = op_child_remove,
                .child_move = op_child_move,
                .child_packets_in = op_packets_in,
                .event = op_event,
                .unix_time = op_unix_time,
                .xauth_check = op_xauth_check,
                .net_up = op_net_up,
                .net_down = op_net_down},
    };
    if (sad_new(end->spd.count, NULL, &end->random, &end->sad) != OK || ike_new(&setup, &end->ike) != OK)
        abort();
}

void rig_start(struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++)
        compile_rules(&rig->ends[i]);
    for (int i = 0; i < RIG_ENDS; i++)
        make_engine(&rig->ends[i]);
    for (int i = 0; i < RIG_ENDS; i++)
        ike_start(rig->ends[i].ike, rig->now_ms);
}

void rig_reboot(struct rig *rig, int i)
{
    struct rig_end *end = &rig->ends[i];
    ike_free(end->ike);
    sad_free(end->sad);
    make_engine(end);
    ike_start(end->ike, rig->now_ms);
}

size_t rig_free(struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++) {
        struct rig_end *end = &rig->ends[i];
        ike_free(end->ike);
        sad_free(end->sad);
        connection_clear(&end->connection);
        spd_free(&end->spd);
    }
    size_t live = vault_live(rig->vault);
    vault_free(rig->vault);
    free(rig->flight);
    free(rig->history);
    free(rig);
    return live;
}

/* --- time --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_event(const struct rig *rig)
{
    uint64_t next = DEADLINE_NEVER;
    for (int i = 0; i < RIG_ENDS; i++)
        if (!rig->ends[i].asleep)
            next = earlier(next, ike_next(rig->ends[i].ike));
    for (int i = 0; i < RIG_ENDS; i++)
        if (rig->ends[i].verdict.at_ms != 0)
            next = earlier(next, rig->ends[i].verdict.at_ms);
    for (size_t i = 0; i < rig->in_flight; i++)
        next = earlier(next, rig->flight[i].at_ms);
    return next;
}

static void deliver_due(struct rig *rig)
{
    for (size_t i = 0; i < rig->in_flight;) {
        if (rig->flight[i].at_ms > rig->now_ms) {
            i++;
            continue;
        }
        struct rig_datagram d = rig->flight[i];
        rig->flight[i] = rig->flight[--rig->in_flight];
        if (!rig->ends[d.to].asleep)
            ike_input(rig->ends[d.to].ike, rig->now_ms, &d.path, bytes_of(d.data, d.len));
    }
}

static void answer_logins(struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++) {
        struct rig_end *end = &rig->ends[i];
        if (end->verdict.at_ms == 0 || end->verdict.at_ms > rig->now_ms)
            continue;
        end->verdict.at_ms = 0;
        ike_xauth_answer(end->ike, rig->now_ms, end->verdict.ticket, end->verdict.right);
    }
}

static void step(struct rig *rig)
{
    deliver_due(rig);
    answer_logins(rig);
    for (int i = 0; i < RIG_ENDS; i++)
        if (!rig->ends[i].asleep)
            ike_tick(rig->ends[i].ike, rig->now_ms);
}

bool rig_run_until(struct rig *rig, uint64_t for_ms, bool (*done)(const struct rig *rig))
{
    uint64_t end = rig->now_ms + for_ms;
    for (;;) {
        if (done != NULL && done(rig))
            return true;
        uint64_t next = next_event(rig);
        if (next > end)
            break;
        if (next > rig->now_ms)
            rig->now_ms = next;
        step(rig);
    }
    rig->now_ms = end;
    return done != NULL && done(rig);
}

void rig_traffic(struct rig *rig)
{
    for (int i = 0; i < RIG_ENDS; i++)
        if (!rig_carries(rig, i))
            ike_acquire(rig->ends[i].ike, rig->now_ms, 0);
}

bool rig_comes_up(struct rig *rig, void (*traffic)(struct rig *rig))
{
    for (int i = 0; i < 40; i++) {
        if (rig_run_until(rig, 15000, rig_both_carry))
            return true;
        traffic(rig);
    }
    return false;
}

void rig_run(struct rig *rig, uint64_t for_ms)
{
    (void)rig_run_until(rig, for_ms, NULL);
}

void rig_inject(struct rig *rig, int to, uint16_t port, struct bytes message)
{
    const struct path path = {.local = {rig->ends[to].address, port}, .remote = {rig->ends[1 - to].address, port}};
    ike_input(rig->ends[to].ike, rig->now_ms, &path, message);
}

const struct rig_datagram *rig_sent(const struct rig *rig, int from, size_t n)
{
    size_t kept = rig->history_count < RIG_HISTORY ? rig->history_count : RIG_HISTORY;
    for (size_t i = 1; i <= kept; i++) {
        const struct rig_datagram *d = &rig->history[(rig->history_count - i) % RIG_HISTORY];
        if (d->to == 1 - from && n-- == 0)
            return d;
    }
    return NULL;
}
