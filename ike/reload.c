/* SPDX-License-Identifier: Apache-2.0 */
/* Another configuration under a running engine: what is the same in both goes on, under its new number. */
#include <stdlib.h>

#include "ike/child.h"
#include "ike/net.h"
#include "ike/peer.h"
#include "ike/remote.h"
#include "ike/sa.h"

static const char why_gone[] = "a reload has changed or removed its connection";
static const char why_no_rule[] = "a reload has removed its rule";

/* What a peer that stays gets, so that the commit needs no memory. */
struct seat {
    struct peer *peer;
    uint8_t *wanted; /* owned, by new rule of its connection */
    bool gained;     /* rules that it did not have */
};

struct ike_reload {
    struct ike *ike;
    struct ike_change change;
    struct connection_rules *rules; /* owned; NULL once handed over */
    struct pools **pools;           /* likewise, but of connections that are kept NULL */
    struct peer **fresh;            /* owned array, by new connection; of those that are kept, or %any, NULL */
    struct seat *seats;             /* owned */
    size_t seat_count;
    bool committed;
};

enum status ike_rules_find(const struct spd *spd, size_t connections, struct connection_rules **out)
{
    struct connection_rules *all = calloc(connections + 1, sizeof *all);
    *out = NULL;
    if (all == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT)
            all[spd->rules[i].connection].count++;
    for (size_t i = 0; i < connections; i++) {
        all[i].rules = calloc(all[i].count + 1, sizeof *all[i].rules);
        all[i].count = 0;
        if (all[i].rules == NULL) {
            ike_rules_free(all, connections);
            return ERR_MEMORY;
        }
    }
    for (uint32_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT) {
            struct connection_rules *r = &all[spd->rules[i].connection];
            r->rules[r->count++] = i;
        }
    *out = all;
    return OK;
}

void ike_rules_free(struct connection_rules *rules, size_t connections)
{
    for (size_t i = 0; rules != NULL && i < connections; i++) {
        free(rules[i].rules);
        free(rules[i].remotes);
    }
    free(rules);
}

/* --- what ends --- */

static void end_gone_rules(struct ike *ike, struct peer *peer, const struct renumber *numbers)
{
    struct ike_sa *sa;
    struct child_sa *child, *next;
    DL_FOREACH (peer->sas, sa)
        sa->version->forget_gone(ike, sa, numbers, why_no_rule);
    DL_FOREACH_SAFE (peer->children, child, next)
        if (renumber_rule(numbers, child->child.rule) == RENUMBER_GONE)
            child_end(ike, child, true, true, why_no_rule);
}

/* Half-open ones, and those who have not logged in yet. */
static void end_strangers(struct ike *ike, const struct renumber *numbers)
{
    struct ike_sa *sa, *next;
    DL_FOREACH_SAFE (ike->strangers, sa, next)
        if (renumber_connection(numbers, sa->connection) == RENUMBER_GONE)
            ike_sa_free(ike, sa);
    DL_FOREACH_SAFE (ike->guests, sa, next) {
        if (renumber_connection(numbers, sa->connection) != RENUMBER_GONE)
            continue;
        sa->version->delete_sa(ike, sa);
        ike_sa_free(ike, sa);
    }
}

void ike_reload_end(struct ike *ike, uint64_t now_ms, const struct renumber *numbers)
{
    struct peer *peer;
    ike->now_ms = now_ms;
    DL_FOREACH (ike->peers, peer) {
        if (renumber_connection(numbers, peer->connection) != RENUMBER_GONE) {
            end_gone_rules(ike, peer, numbers);
            continue;
        }
        peer->down = true;
        peer_end(ike, peer, true, why_gone);
    }
    end_strangers(ike, numbers);
}

/* --- prepared --- */

static enum status prepare_fresh(struct ike_reload *r, const bool *kept)
{
    struct ike *ike = r->ike;
    const struct ike_change *change = &r->change;
    enum status status = OK;
    for (uint32_t i = 0; i < change->connection_count && status == OK; i++) {
        const struct connection *c = &change->connections[i];
        if (kept[i])
            continue;
        status = net_pools_make(ike, c, &r->pools[i]);
        if (status == OK && !connection_is_any(c))
            status = peer_make(&r->rules[i], i, NULL, &r->fresh[i]);
    }
    return status;
}

/* By new number: where a rule comes from. */
static bool *rules_that_were(const struct ike_change *change)
{
    bool *were = calloc(change->spd->count + 1, sizeof *were);
    for (size_t i = 0; were != NULL && i < change->numbers.rule_count; i++)
        if (change->numbers.rules[i] != RENUMBER_GONE)
            were[change->numbers.rules[i]] = true;
    return were;
}

static size_t count_peers(const struct ike *ike)
{
    size_t count = 0;
    const struct peer *peer;
    DL_FOREACH (ike->peers, peer)
        count++;
    return count;
}

static enum status prepare_seats(struct ike_reload *r)
{
    bool *were = rules_that_were(&r->change);
    struct peer *peer;
    r->seats = calloc(count_peers(r->ike) + 1, sizeof *r->seats);
    enum status status = were != NULL && r->seats != NULL ? OK : ERR_MEMORY;
    if (status == OK)
        DL_FOREACH (r->ike->peers, peer) {
            uint32_t connection = renumber_connection(&r->change.numbers, peer->connection);
            if (connection == RENUMBER_GONE)
                continue;
            const struct connection_rules *rules = &r->rules[connection];
            struct seat *seat = &r->seats[r->seat_count++];
            *seat = (struct seat){.peer = peer, .wanted = calloc(rules->count + 1, 1)};
            if (seat->wanted == NULL)
                status = ERR_MEMORY;
            for (size_t i = 0; i < rules->count; i++)
                seat->gained |= !were[rules->rules[i]];
        }
    free(were);
    return status;
}

static enum status prepare(struct ike_reload *r)
{
    const struct ike_change *change = &r->change;
    bool *kept = calloc(change->connection_count + 1, sizeof *kept);
    r->pools = calloc(change->connection_count + 1, sizeof *r->pools);
    r->fresh = calloc(change->connection_count + 1, sizeof *r->fresh);
    enum status status = kept != NULL && r->pools != NULL && r->fresh != NULL ? OK : ERR_MEMORY;
    for (size_t i = 0; status == OK && i < change->numbers.connection_count; i++)
        if (change->numbers.connections[i] != RENUMBER_GONE)
            kept[change->numbers.connections[i]] = true;
    if (status == OK)
        status = ike_rules_find(change->spd, change->connection_count, &r->rules);
    if (status == OK)
        status = remotes_make(change->connections, change->connection_count, r->rules);
    if (status == OK)
        status = prepare_fresh(r, kept);
    if (status == OK)
        status = prepare_seats(r);
    free(kept);
    return status;
}

enum status ike_reload_prepare(struct ike *ike, const struct ike_change *change, struct ike_reload **out)
{
    struct ike_reload *r = calloc(1, sizeof *r);
    *out = NULL;
    if (r == NULL)
        return ERR_MEMORY;
    *r = (struct ike_reload){.ike = ike, .change = *change};
    enum status status = prepare(r);
    if (status == OK)
        *out = r;
    else
        ike_reload_free(r);
    return status;
}

/* --- committed --- */

/* Before the peer has its new rules. */
static void carry_wishes(struct seat *seat, const struct connection_rules *rules, const struct renumber *numbers)
{
    const struct peer *peer = seat->peer;
    for (size_t i = 0; i < peer->rule_count; i++) {
        uint32_t rule = renumber_rule(numbers, peer->rules[i]);
        for (size_t k = 0; peer->wanted[i] && k < rules->count; k++)
            if (rules->rules[k] == rule)
                seat->wanted[k] = 1;
    }
}

static void move_peer(struct ike_reload *r, struct seat *seat)
{
    const struct renumber *numbers = &r->change.numbers;
    struct peer *peer = seat->peer;
    struct ike_sa *sa;
    struct child_sa *child;
    peer->connection = renumber_connection(numbers, peer->connection);
    const struct connection_rules *rules = &r->rules[peer->connection];
    carry_wishes(seat, rules, numbers);
    free(peer->wanted);
    peer->wanted = seat->wanted;
    seat->wanted = NULL;
    peer->rules = rules->rules;
    peer->rule_count = rules->count;
    DL_FOREACH (peer->sas, sa) {
        sa->connection = peer->connection;
        sa->version->renumber(sa, numbers);
    }
    DL_FOREACH (peer->children, child) {
        child->child.rule = renumber_rule(numbers, child->child.rule);
        child->child.connection = r->change.connections[peer->connection].name;
    }
}

static void move_pools(struct ike_reload *r)
{
    struct ike *ike = r->ike;
    for (uint32_t i = 0; ike->pools != NULL && i < ike->setup.connection_count; i++) {
        uint32_t to = renumber_connection(&r->change.numbers, i);
        if (to == RENUMBER_GONE)
            net_pools_drop(ike->pools[i]);
        else
            r->pools[to] = ike->pools[i];
    }
    free(ike->pools);
    ike->pools = r->pools;
    r->pools = NULL;
}

/* Those of connections that are new stay empty. */
static void move_remotes(struct ike_reload *r)
{
    struct connection_rules *before = r->ike->rules, *after = r->rules;
    for (uint32_t i = 0; i < r->ike->setup.connection_count; i++) {
        uint32_t to = renumber_connection(&r->change.numbers, i);
        if (to == RENUMBER_GONE)
            continue;
        struct remotes *empty = after[to].remotes;
        after[to].remotes = before[i].remotes;
        before[i].remotes = empty;
    }
}

static void free_gone_peers(struct ike_reload *r)
{
    struct peer *peer, *next;
    DL_FOREACH_SAFE (r->ike->peers, peer, next)
        if (renumber_connection(&r->change.numbers, peer->connection) == RENUMBER_GONE)
            peer_free(r->ike, peer);
}

void ike_reload_commit(struct ike_reload *r)
{
    struct ike *ike = r->ike;
    const struct ike_change *change = &r->change;
    struct ike_sa *sa;
    free_gone_peers(r);
    for (size_t i = 0; i < r->seat_count; i++)
        peer_leave(ike, r->seats[i].peer);
    for (size_t i = 0; i < r->seat_count; i++)
        move_peer(r, &r->seats[i]);
    DL_FOREACH (ike->strangers, sa)
        sa->connection = renumber_connection(&change->numbers, sa->connection);
    DL_FOREACH (ike->guests, sa)
        sa->connection = renumber_connection(&change->numbers, sa->connection);
    move_pools(r);
    move_remotes(r);
    ike_rules_free(ike->rules, ike->setup.connection_count);
    ike->rules = r->rules;
    r->rules = NULL;
    ike->setup.connections = change->connections;
    ike->setup.connection_count = change->connection_count;
    ike->setup.spd = change->spd;
    for (size_t i = 0; i < r->seat_count; i++)
        peer_enter(ike, r->seats[i].peer);
    for (size_t i = 0; i < change->connection_count; i++)
        if (r->fresh[i] != NULL)
            peer_join(ike, r->fresh[i]);
    r->committed = true;
}

static void start_peer(struct ike *ike, struct peer *peer)
{
    if (connection_of(ike, peer->connection)->start != START_START || peer->down)
        return;
    peer_want_all(peer);
    peer_pursue(ike, peer);
}

/* No peer has gone since the commit: nothing was called in between. */
void ike_reload_start(struct ike_reload *r, uint64_t now_ms)
{
    struct ike *ike = r->ike;
    ike->now_ms = now_ms;
    for (size_t i = 0; i < r->seat_count; i++) {
        if (r->seats[i].gained && r->seats[i].peer->id.type == ID_NONE)
            start_peer(ike, r->seats[i].peer);
        peer_pursue(ike, r->seats[i].peer); /* rules may have waited for the place of one that is gone */
    }
    for (size_t i = 0; i < r->change.connection_count; i++)
        if (r->fresh[i] != NULL) {
            start_peer(ike, r->fresh[i]);
            remote_look_up(ike, r->fresh[i]->connection);
        }
}

void ike_reload_free(struct ike_reload *r)
{
    if (r == NULL)
        return;
    size_t count = r->change.connection_count;
    for (size_t i = 0; r->pools != NULL && i < count; i++)
        net_pools_drop(r->pools[i]);
    for (size_t i = 0; !r->committed && r->fresh != NULL && i < count; i++)
        peer_drop(r->fresh[i]);
    for (size_t i = 0; i < r->seat_count; i++)
        free(r->seats[i].wanted);
    ike_rules_free(r->rules, count);
    free(r->pools);
    free(r->fresh);
    free(r->seats);
    free(r);
}
