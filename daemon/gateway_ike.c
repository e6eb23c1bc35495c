/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gateway_state.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/keylog.h"
#include "daemon/outgoing.h"

/* --- what IKE asks of us: called from inside the engine, which must not be called back --- */

/* IKE repeats what stays unanswered, so the same error comes again and again. */
static void warn_unsent(struct gateway *g, const struct endpoint *to, int error)
{
    char end[ENDPOINT_TEXT], more[48] = "";
    uint32_t suppressed;
    if (!log_rate_allow(&g->unsent_rate, gateway_now(g), &suppressed))
        return;
    if (suppressed > 0)
        (void)snprintf(more, sizeof more, " (%u more times)", suppressed);
    bool no_route = error == ENETUNREACH || error == EHOSTUNREACH;
    log_write(g->log, LOG_WARNING, "cannot send to %s: %s%s%s", endpoint_print(to, end), strerror(error),
              no_route ? ": is there a route?" : "", more);
}

static void send_message(void *arg, const struct path *path, struct bytes message)
{
    struct gateway *g = arg;
    if (!udp_send(g->udp, path, path->local.port == IKE_NATT_PORT, message))
        warn_unsent(g, &path->remote, errno);
}

static void send_keepalive(void *arg, const struct path *path)
{
    static const uint8_t keepalive = 0xff;
    struct gateway *g = arg;
    (void)udp_send(g->udp, path, false, bytes_of(&keepalive, 1));
}

static uint32_t new_spi(void *arg, uint32_t connection, const struct address *peer)
{
    struct gateway *g = arg;
    return sad_new_spi(g->sad, shards_pick(g->shards, connection, peer));
}

static enum status child_add(void *arg, const struct child *child)
{
    struct gateway *g = arg;
    gateway_path_ask(g, &child->path, child->udp);
    shards_pause(g->shards);
    enum status status = sad_add(g->sad, child);
    if (status == OK) {
        gateway_path_of_child(g, child->id);
        gateway_probe_mark(g, child->id);
    }
    shards_resume(g->shards);
    return status;
}

static void child_activate(void *arg, uint64_t child_id)
{
    struct gateway *g = arg;
    shards_pause(g->shards);
    enum status status = sad_activate(g->sad, child_id);
    shards_resume(g->shards);
    const struct sa *sa = status == OK ? sad_by_child(g->sad, child_id) : NULL;
    if (sa == NULL || sa->rule >= g->config->spd.count || g->tables.released[sa->rule])
        return;
    g->tables.released[sa->rule] = true;
    g->tables.released_rules[g->released_count++] = sa->rule;
}

static void child_remove(void *arg, uint64_t child_id)
{
    struct gateway *g = arg;
    const struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa == NULL)
        return;
    const struct address peer = sa->path.remote.address;
    shards_pause(g->shards);
    sad_remove(g->sad, child_id);
    shards_resume(g->shards);
    gateway_path_forget(g, &peer);
}

static void child_move(void *arg, uint64_t child_id, const struct path *path)
{
    struct gateway *g = arg;
    const struct sa *sa = sad_by_child(g->sad, child_id);
    if (sa == NULL)
        return;
    const struct address before = sa->path.remote.address;
    gateway_path_ask(g, path, sa->udp);
    shards_pause(g->shards);
    sad_move(g->sad, child_id, path);
    gateway_path_of_child(g, child_id);
    shards_resume(g->shards);
    if (!address_equal(&before, &path->remote.address))
        gateway_path_forget(g, &before);
}

static uint64_t child_packets_in(void *arg, uint64_t child_id)
{
    const struct sa *sa = sad_by_child(((struct gateway *)arg)->sad, child_id);
    return sa != NULL ? counter_get(&sa->in.packets) : 0;
}

static int64_t unix_time(void *arg)
{
    (void)arg;
    return (int64_t)time(NULL);
}

static void on_event(void *arg, const struct ike_event *event)
{
    struct gateway *g = arg;
    commands_note(&g->commands, event);
    gateway_monitor_tell(g, event);
    gateway_hooks_event(g, event);
    gateway_probe_event(g, event);
    g->look_at_commands = true;
}

struct ike_ops gateway_ike_ops(struct gateway *g)
{
    return (struct ike_ops){
        .arg = g,
        .find_remote = gateway_find_remote,
        .send = send_message,
        .send_keepalive = send_keepalive,
        .new_spi = new_spi,
        .child_add = child_add,
        .child_activate = child_activate,
        .child_remove = child_remove,
        .child_move = child_move,
        .child_packets_in = child_packets_in,
        .event = on_event,
        .unix_time = unix_time,
        .xauth_check = gateway_xauth_check,
        .net_up = gateway_net_up,
        .net_down = gateway_net_down,
#ifdef ESPTUN_KEYLOG
        .keylog = keylog_line,
#endif
    };
}

/* --- what the packet path tells IKE --- */

static bool on_ike_message(void *arg, const struct path *path, struct bytes message)
{
    struct gateway *g = arg;
    ike_input(g->ike, gateway_now(g), path, message);
    return true;
}

static uint32_t on_route_mtu(void *arg, const struct address *to)
{
    (void)arg;
    return outgoing_mtu(&(struct path){.remote.address = *to}, false);
}

/* Said once for each kind, however many workers find out. */
static void say_refused(struct gateway *g, bool udp, int error)
{
    bool *used = udp ? &g->device.udp_segments : &g->device.tcp_segments;
    if (*used)
        log_write(
            g->log, LOG_WARNING,
            "%s: the kernel has refused a super-packet of %s (%s) and took its packets one by one; it gets no more "
            "of them, which is slower; 'tun_offload = no' does without from the start",
            g->device.name, udp ? "UDP" : "TCP", strerror(error));
    *used = false;
}

static bool on_note(void *arg, const struct note *n)
{
    struct gateway *g = arg;
    uint64_t now = gateway_now(g);
    switch (n->kind) {
    case NOTE_ACQUIRE: ike_acquire(g->ike, now, n->rule); break;
    case NOTE_SOFT: ike_child_soft(g->ike, now, n->child_id); break;
    case NOTE_HARD: ike_child_hard(g->ike, now, n->child_id); break;
    case NOTE_MOVED:
        shards_pause(g->shards); /* once for all SAs of the peer */
        ike_child_moved(g->ike, now, n->child_id, &n->remote);
        shards_resume(g->shards);
        break;
    case NOTE_TOO_BIG: gateway_path_recheck(g, n->child_id, n->size); break;
    case NOTE_ANSWER: gateway_probe_answered(g, n->child_id, &n->echo); break;
    case NOTE_REFUSED: say_refused(g, n->udp, n->error); break;
    }
    return true;
}

struct worker_ops gateway_worker_ops(struct gateway *g)
{
    return (struct worker_ops){
        .arg = g,
        .ike_message = on_ike_message,
        .note = on_note,
        .route_mtu = on_route_mtu,
    };
}

/* --- what follows --- */

void gateway_release_waiting(struct gateway *g)
{
    if (g->released_count == 0)
        return;
    shards_pause(g->shards);
    while (g->released_count > 0) {
        uint32_t rule = g->tables.released_rules[--g->released_count];
        g->tables.released[rule] = false;
        shards_release(g->shards, rule, gateway_now(g));
    }
    shards_resume(g->shards);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void gateway_settle(struct gateway *g)
{
    if (g->stopping)
        return;
    gateway_release_waiting(g);
    gateway_follow_mtu(g);
    gateway_hooks_run(g);
    if (g->look_at_commands) {
        g->look_at_commands = false;
        gateway_judge_commands(g);
    }
    uint64_t next = earlier(ike_next(g->ike), shards_next(g->shards));
    next = earlier(earlier(next, g->health_due_ms), gateway_hooks_next(g));
    next = earlier(next, g->probe_due_ms);
    next = earlier(earlier(next, path_mtus_next(g->path_mtus)), earlier(g->round.due_ms, gateway_follow_next(g)));
    loop_wake_at(&g->loop, earlier(next, commands_next(&g->commands)));
}
