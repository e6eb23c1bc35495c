/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many initiators against one responder, for ./test/bench/ike:
 *
 *     bench_ike_load run SUITES REMOTE PSK|FOLDER SOURCES OUTSTANDING COUNT
 *         COUNT handshakes (main mode, quick mode, and deletes later on), OUTSTANDING at once, in turn from SOURCES
 *         addresses, 198.18.0.1 and up. SUITES: of phase 1, a blank, of phase 2. PSK begins with "psk:".
 *     bench_ike_load hold ... COUNT
 *         the same without deletes, so that SOURCES must be COUNT at least; stops at a fifth of COUNT, and at COUNT,
 *         until it gets a line
 *     bench_ike_load certificates FOLDER ec256|rsa2048 COUNT
 *     bench_ike_load floor
 *
 * Each prints JSON, one line for each stop.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/key_file.h"
#include "ike/ike.h"
#include "test/bench/ike_load.h"

/* KEPT: so many SAs are up at any time, the newest; those before them are deleted. A responder with many threads and a
 * queue would else take an early delete before the last message of quick mode, and save itself the SAs. At the end they
 * stay for LAST_MS more. */
enum {
    SOURCES_MAX = 60000,
    FILE_MAX = 1 << 16,
    WAIT_MAX_MS = 20,
    SILENT_MS = 30000,
    KEPT = 256,
    LAST_MS = 300,
    WHY_MAX = 256,
};

/* Of one source. */
enum phase { IDLE, CALLING, CARRIES };

struct load {
    struct load_udp udp;
    struct connection *connections;
    enum phase *phases;
    struct spd spd;
    struct random random;
    struct vault *vault;
    struct log log;
    struct ike *ike;
    unsigned sources, outstanding, next;
    uint64_t under_way, begun, done, failed, want;
    uint64_t now_ms, last_ms; /* the last handshake that came about */
    bool hold;
    uint32_t last_spi;
    struct { /* in the order in which they are to end */
        unsigned items[SOURCES_MAX];
        size_t first, count;
    } finished;
    char why[WHY_MAX];
};

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_ike_load: %s: %s\n", what, why);
    exit(1);
}

static double clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t clock_ms(void)
{
    return (uint64_t)(clock_s() * 1000);
}

/* --- what the engine asks for --- */

static void on_send(void *arg, const struct path *path, struct bytes message)
{
    load_udp_send(&((struct load *)arg)->udp, path, message);
}

static void on_keepalive(void *arg, const struct path *path)
{
    (void)arg;
    (void)path; /* nobody on the way has to be reminded */
}

static uint32_t on_new_spi(void *arg, uint32_t connection, const struct address *peer)
{
    (void)connection;
    (void)peer;
    return ++((struct load *)arg)->last_spi;
}

/* Connections are called c0, c1, ... */
static unsigned source_of(const char *name)
{
    return (unsigned)strtoul(name + 1, NULL, 10);
}

static void finish(struct load *l, unsigned source, bool failed)
{
    l->finished.items[(l->finished.first + l->finished.count++) % SOURCES_MAX] = source;
    l->phases[source] = CARRIES;
    l->under_way--;
    l->last_ms = l->now_ms;
    if (failed)
        l->failed++;
    else
        l->done++;
}

/* The last message leaves right behind this. */
static enum status on_child_add(void *arg, const struct child *child)
{
    struct load *l = arg;
    unsigned source = source_of(child->connection);
    if (l->phases[source] == CALLING)
        finish(l, source, false);
    return OK;
}

static void on_child(void *arg, uint64_t child_id)
{
    (void)arg;
    (void)child_id;
}

static void on_child_move(void *arg, uint64_t child_id, const struct path *path)
{
    (void)arg;
    (void)child_id;
    (void)path;
}

static uint64_t on_packets_in(void *arg, uint64_t child_id)
{
    (void)arg;
    (void)child_id;
    return 0;
}

static int64_t on_unix_time(void *arg)
{
    (void)arg;
    return (int64_t)time(NULL);
}

static void on_event(void *arg, const struct ike_event *event)
{
    struct load *l = arg;
    bool failed = event->kind == IKE_EVENT_PHASE1_FAILED || event->kind == IKE_EVENT_CHILD_FAILED;
    if (l->phases[event->connection] != CALLING || !failed)
        return;
    finish(l, event->connection, true);
    (void)snprintf(l->why, sizeof l->why, "%s", event->why);
}

static void on_log(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

/* --- configuration --- */

static struct bytes read_file(const char *folder, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(FILE_MAX);
    if (file == NULL || data == NULL)
        die(path, strerror(errno));
    size_t len = fread(data, 1, FILE_MAX, file);
    fclose(file);
    return bytes_of(data, len);
}

static struct credentials *credentials_from(const char *folder, unsigned number)
{
    char name[32], text[512] = "";
    const struct why why = {text, sizeof text};
    struct credentials *c = NULL;
    snprintf(name, sizeof name, "client-%u.pem", number);
    const struct bytes key = read_file(folder, "client.key"), cert = read_file(folder, name),
                       ca = read_file(folder, "ca.pem");
    if (credentials_new(0, &c) != OK || key_file_read(key, (struct bytes){0}, 0, &c->key, &c->chain, &why) != OK ||
        cert_list_read(cert, CERTS_MAX, &c->chain, &why) != OK || trust_add_ca(c->trust, ca, &why) != OK)
        die(name, text);
    free((void *)(uintptr_t)key.data);
    free((void *)(uintptr_t)cert.data);
    free((void *)(uintptr_t)ca.data);
    return c;
}

static void authenticate(struct load *l, struct connection *c, const char *with, unsigned number)
{
    char name[64];
    if (strncmp(with, "psk:", 4) == 0) {
        if (secret_copy(l->vault, with + 4, strlen(with + 4), &c->psk) != OK)
            die("the pre-shared key", "does not fit");
        return;
    }
    c->auth = AUTH_PUBKEY;
    c->credentials = credentials_from(with, number);
    snprintf(name, sizeof name, "c%u.example.org", number);
    if (identity_parse(name, &c->local_id) != OK || identity_parse("gw.example.org", &c->remote_id) != OK)
        die(name, "is no name");
}

static int connection_of_name(void *arg, const char *name)
{
    (void)arg;
    return (int)source_of(name);
}

static void parse_suites(char *suites, struct connection *c)
{
    char why[EXPLAIN_TEXT];
    char *esp = strchr(suites, ' ');
    if (esp == NULL)
        die(suites, "a suite of phase 2 is missing behind a blank");
    *esp++ = '\0';
    if (proposal_parse(PROPOSAL_IKE, suites, 0, &c->ike, why, sizeof why) != OK ||
        proposal_parse(PROPOSAL_ESP, esp, 0, &c->esp, why, sizeof why) != OK)
        die(suites, why);
}

/* Source i is 198.18.x.y and protects 10.64.x.y -> 10.2.0.0/16. */
static void make_source(struct load *l, unsigned i, const struct connection *model, const char *with)
{
    char rule[96], why[256];
    struct connection *c = &l->connections[i];
    unsigned high = (i + 1) >> 8, low = (i + 1) & 255;
    const uint8_t local[4] = {198, 18, (uint8_t)high, (uint8_t)low};
    *c = *model;
    c->local = address_of(4, local);
    snprintf(c->name, sizeof c->name, "c%u", i);
    authenticate(l, c, with, i);
    snprintf(rule, sizeof rule, "10.64.%u.%u -> 10.2.0.0/16 via c%u", high, low, i);
    if (spd_add(&l->spd, ACTION_PROTECT, rule, i + 1, connection_of_name, NULL, why, sizeof why) != OK)
        die(rule, why);
}

static void start_engine(struct load *l)
{
    const struct ike_setup setup = {.connections = l->connections,
                                    .connection_count = l->sources,
                                    .spd = &l->spd,
                                    .random = l->random,
                                    .vault = l->vault,
                                    .log = &l->log,
                                    .ops = {.arg = l,
                                            .send = on_send,
                                            .send_keepalive = on_keepalive,
                                            .new_spi = on_new_spi,
                                            .child_add = on_child_add,
                                            .child_activate = on_child,
                                            .child_remove = on_child,
                                            .child_move = on_child_move,
                                            .child_packets_in = on_packets_in,
                                            .event = on_event,
                                            .unix_time = on_unix_time}};
    if (spd_compile(&l->spd, &l->random) != OK || ike_new(&setup, &l->ike) != OK)
        die("the engine", "does not start");
}

static void prepare(struct load *l, char *suites, const char *remote, const char *with)
{
    struct connection model = {.ike_version = 1,
                               .ike_lifetime_s = 28800,
                               .lifetime_s = 3600,
                               .replay_window = 1024,
                               .fragmentation = true,
                               .start = START_NONE};
    l->log = (struct log){.level = getenv("BENCH_IKE_VERBOSE") != NULL ? LOG_DEBUG : LOG_ERROR, .sink = on_log};
    l->vault = vault_new();
    l->connections = calloc(l->sources, sizeof *l->connections);
    l->phases = calloc(l->sources, sizeof *l->phases);
    l->random = random_system();
    l->last_spi = 4096;
    if (l->vault == NULL || l->connections == NULL || l->phases == NULL)
        die("starting", "out of memory");
    if (address_parse(remote, &model.remote) != OK)
        die(remote, "is no address");
    parse_suites(suites, &model);
    for (unsigned i = 0; i < l->sources; i++)
        make_source(l, i, &model, with);
    start_engine(l);
    load_udp_open(&l->udp);
}

/* --- the closed loop --- */

static void take(void *arg, const struct path *path, struct bytes message)
{
    struct load *l = arg;
    ike_input(l->ike, l->now_ms, path, message);
}

static void begin_some(struct load *l)
{
    const char *why = "";
    for (unsigned looked = 0; l->begun < l->want && l->under_way < l->outstanding && looked < l->sources; looked++) {
        unsigned i = l->next;
        l->next = (l->next + 1) % l->sources;
        if (l->phases[i] != IDLE)
            continue;
        l->phases[i] = CALLING;
        l->under_way++;
        l->begun++;
        if (ike_up(l->ike, l->now_ms, i, &why) != OK)
            die("cannot call", why);
    }
}

static void end_all_but(struct load *l, size_t kept)
{
    const char *why = "";
    while (!l->hold && l->finished.count > kept) {
        unsigned i = l->finished.items[l->finished.first];
        l->finished.first = (l->finished.first + 1) % SOURCES_MAX;
        l->finished.count--;
        if (ike_down(l->ike, l->now_ms, i, &why) != OK && l->failed == 0)
            die("cannot end", why);
        l->phases[i] = IDLE;
    }
}

static void turn(struct load *l)
{
    l->now_ms = clock_ms();
    ike_tick(l->ike, l->now_ms);
    end_all_but(l, KEPT);
    begin_some(l);
    uint64_t next = ike_next(l->ike), wait = next > l->now_ms ? next - l->now_ms : 0;
    load_udp_receive(&l->udp, wait < WAIT_MAX_MS ? (int)wait : WAIT_MAX_MS, take, l);
    if (l->now_ms - l->last_ms > SILENT_MS)
        die("no handshake for 30 s", l->why);
}

/* Until `want` handshakes have come about, or failed. Returns how long that took. */
static double run(struct load *l, uint64_t want)
{
    double start = clock_s();
    l->want = want;
    l->now_ms = l->last_ms = clock_ms();
    while (l->done + l->failed < want)
        turn(l);
    double took = clock_s() - start;
    for (uint64_t end = l->now_ms + LAST_MS; !l->hold && l->now_ms < end;)
        turn(l);
    end_all_but(l, 0);
    return took;
}

static void report(const struct load *l, double seconds)
{
    char why[WHY_MAX];
    size_t n = 0;
    for (const char *at = l->why; *at != '\0'; at++) /* escaped already, but for lines */
        why[n++] = *at == '"' || *at == '\\' || *at < ' ' ? ' ' : *at;
    why[n] = '\0';
    printf("{\"done\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"seconds\": %.6f, \"messages\": %" PRIu64
           ", \"refused\": %" PRIu64 ", \"why\": \"%s\"}\n",
           l->done, l->failed, seconds, l->udp.sent, l->udp.refused, why);
    fflush(stdout);
}

static void hold(struct load *l, uint64_t count)
{
    const uint64_t stops[2] = {count / 5, count};
    double seconds = 0;
    l->hold = true;
    for (int i = 0; i < 2; i++) {
        seconds += run(l, stops[i]);
        report(l, seconds);
        (void)getchar();
    }
}

static unsigned number(const char *text, unsigned most)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || value == 0 || value > most)
        die(text, "is not a number from 1 on, or too large");
    return (unsigned)value;
}

static int drive(char **argv, bool holds)
{
    struct load *l = calloc(1, sizeof *l);
    if (l == NULL)
        die("starting", "out of memory");
    l->sources = number(argv[3], SOURCES_MAX);
    l->outstanding = number(argv[4], l->sources);
    unsigned count = number(argv[5], holds ? l->sources : 10000000);
    prepare(l, argv[0], argv[1], argv[2]);
    if (holds)
        hold(l, count);
    else
        report(l, run(l, count));
    return l->failed > 0; /* all ends with the process: nothing here is worth a tidy end */
}

int main(int argc, char **argv)
{
    if (argc == 8 && (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "hold") == 0))
        return drive(argv + 2, argv[1][0] == 'h');
    if (argc == 5 && strcmp(argv[1], "certificates") == 0) {
        load_make_certificates(argv[2], argv[3], number(argv[4], 1000));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "floor") == 0) {
        load_print_floor();
        return 0;
    }
    die("usage", "see the top of test/bench/ike_load.c");
}
