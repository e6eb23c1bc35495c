/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's links and routes change under us: an interface gets another MTU, another route leads to a peer. Then the
 * routes of all peers are asked for again, in a round: some at each wake-up, so that packets do not wait for it.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/gateway_state.h"
#include "daemon/outgoing.h"

/* Our choices: routing daemons change routes without an end, and each question is a few system calls. */
enum { ROUND_PAUSE_MS = 500, STEP_PATHS = 16, STEP_PAUSE_MS = 10 };

/* What packets of some SA take. */
struct round_path {
    struct path path;
    bool udp;
    uint64_t child_id;
};

void gateway_open_watch(struct gateway *g)
{
    g->round.due_ms = DEADLINE_NEVER;
    int error = watch_open(&g->watch);
    if (error != 0)
        log_write(
            g->log, LOG_WARNING,
            "cannot watch the host's routes: %s; when a route to a peer changes its MTU, that is noticed only once "
            "packets do not fit, or when an SA is renewed",
            strerror(-error));
}

void gateway_routes_changed(struct gateway *g)
{
    uint64_t now = gateway_now(g);
    if (!watch_drain(&g->watch))
        return;
    g->round.again = true;
    if (g->round.due_ms == DEADLINE_NEVER)
        g->round.due_ms = now > g->round.not_before_ms ? now : g->round.not_before_ms;
}

static void note_path(void *arg, const struct sa *sa)
{
    struct path_round *round = arg;
    if (round->count == round->capacity) {
        size_t capacity = round->capacity > 0 ? round->capacity * 2 : 16;
        struct round_path *paths = realloc(round->paths, capacity * sizeof *paths);
        if (paths == NULL)
            return; /* what is left out keeps its MTU until a packet does not fit */
        round->paths = paths;
        round->capacity = capacity;
    }
    round->paths[round->count++] = (struct round_path){.path = sa->path, .udp = sa->udp, .child_id = sa->child_id};
}

static int compare_ends(const struct endpoint *a, const struct endpoint *b)
{
    int order = address_compare(&a->address, &b->address);
    return order != 0 ? order : (int)a->port - (int)b->port;
}

/* All of one peer side by side. */
static int compare_paths(const void *left, const void *right)
{
    const struct round_path *a = left, *b = right;
    int order = compare_ends(&a->path.remote, &b->path.remote);
    if (order == 0)
        order = compare_ends(&a->path.local, &b->path.local);
    return order != 0 ? order : (int)a->udp - (int)b->udp;
}

static void round_begin(struct gateway *g)
{
    struct path_round *round = &g->round;
    round->count = round->next = round->connection = 0;
    round->again = false;
    round->running = true;
    sad_each(g->sad, note_path, round);
    if (round->count > 0)
        qsort(round->paths, round->count, sizeof *round->paths, compare_paths);
}

/* One peer: its MTU is the least over the ways to it. Returns how many questions that took. */
static size_t ask_peer(struct gateway *g, struct path_round *round)
{
    const struct address peer = round->paths[round->next].path.remote.address;
    const struct round_path *last = NULL;
    uint32_t least = 0;
    size_t asked = 0;
    for (; round->next < round->count; round->next++) {
        const struct round_path *p = &round->paths[round->next];
        if (!address_equal(&p->path.remote.address, &peer))
            break;
        /* The SA may be gone since the round began, or have moved: then it was asked for. */
        const struct sa *sa = sad_by_child(g->sad, p->child_id);
        if (sa == NULL || !address_equal(&sa->path.remote.address, &peer) ||
            (last != NULL && compare_paths(last, p) == 0))
            continue;
        uint32_t mtu = outgoing_mtu(&p->path, p->udp);
        if (mtu != 0 && (least == 0 || mtu < least))
            least = mtu;
        last = p;
        asked++;
    }
    if (asked > 0)
        gateway_path_set_route(g, &peer, least);
    return asked;
}

void gateway_round(struct gateway *g)
{
    struct path_round *round = &g->round;
    size_t asked = 0;
    if (round->due_ms > gateway_now(g))
        return;
    if (!round->running)
        round_begin(g);
    while (round->next < round->count && asked < STEP_PATHS)
        asked += ask_peer(g, round);
    for (; round->connection < g->config->connection_count && asked < STEP_PATHS; asked++)
        gateway_path_of_connection(g, round->connection++);
    if (round->next < round->count || round->connection < g->config->connection_count) {
        round->due_ms = gateway_now(g) + STEP_PAUSE_MS;
        return;
    }
    round->running = false;
    round->not_before_ms = gateway_now(g) + ROUND_PAUSE_MS;
    round->due_ms = round->again ? round->not_before_ms : DEADLINE_NEVER;
}

void gateway_close_watch(struct gateway *g)
{
    watch_close(&g->watch);
    free(g->round.paths);
    g->round = (struct path_round){.due_ms = DEADLINE_NEVER};
}
