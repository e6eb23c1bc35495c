/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/ike.h"

#include <stdlib.h>

#include "ike/child.h"
#include "ike/net.h"
#include "ike/peer.h"
#include "ike/remote.h"
#include "ike/sa.h"
#include "ike/v1.h"

#define IKE_DROP_NAME(id, name) name,
static const char *const drop_names[] = {IKE_DROPS(IKE_DROP_NAME)};
#undef IKE_DROP_NAME

const char *ike_drop_name(enum ike_drop drop)
{
    return (unsigned)drop < IKE_DROP_COUNT ? drop_names[drop] : "ike_unknown";
}

uint64_t ike_drop_count(const struct ike *ike, enum ike_drop drop)
{
    return (unsigned)drop < IKE_DROP_COUNT ? ike->drops[drop] : 0;
}

/* --- made and freed --- */

enum status ike_new(const struct ike_setup *setup, struct ike **out)
{
    struct ike *ike = calloc(1, sizeof *ike);
    if (ike == NULL)
        return ERR_MEMORY;
    ike->setup = *setup;
    enum status status = random_fill(&setup->random, ike->seed, sizeof ike->seed);
    if (status == OK)
        status = ike_rules_find(setup->spd, setup->connection_count, &ike->rules);
    if (status == OK)
        status = remotes_make(setup->connections, setup->connection_count, ike->rules);
    for (uint32_t i = 0; i < setup->connection_count && status == OK; i++) {
        struct peer *peer;
        status = net_pools_new(ike, i);
        if (status == OK && !connection_is_any(&setup->connections[i]))
            status = peer_new(ike, i, NULL, &peer);
    }
    if (status != OK) {
        ike_free(ike);
        return status;
    }
    *out = ike;
    return OK;
}

void ike_free(struct ike *ike)
{
    if (ike == NULL)
        return;
    struct ike_sa *sa, *next_sa;
    struct peer *peer, *next;
    DL_FOREACH_SAFE (ike->strangers, sa, next_sa)
        ike_sa_free(ike, sa);
    DL_FOREACH_SAFE (ike->guests, sa, next_sa)
        ike_sa_free(ike, sa);
    DL_FOREACH_SAFE (ike->peers, peer, next)
        peer_free(ike, peer);
    net_pools_free(ike);
    ike_rules_free(ike->rules, ike->setup.connection_count);
    wipe(ike, sizeof *ike);
    free(ike);
}

/* --- what comes in --- */

void ike_input(struct ike *ike, uint64_t now_ms, const struct path *path, struct bytes message)
{
    struct ike_header header;
    ike->now_ms = now_ms;
    if (ike->closed)
        return;
    enum status status = header_read(message, &header);
    if (status != OK) {
        ike_drop(ike, status == ERR_LIMIT ? IKE_DROP_LIMIT : IKE_DROP_MALFORMED, path, "header: %s",
                 status_text(status));
        return;
    }
    if (header.major != ike_version1.number) {
        ike_drop(ike, IKE_DROP_VERSION, path, "IKE version %u.%u is not spoken here: set the peer to IKEv1",
                 header.major, header.minor);
        return;
    }
    ike->input_len = message.len;
    ike_version1.input(ike, &header, path, message);
    ike->input_len = 0;
}

void ike_acquire(struct ike *ike, uint64_t now_ms, uint32_t rule)
{
    ike->now_ms = now_ms;
    if (ike->closed || rule >= ike->setup.spd->count || ike->setup.spd->rules[rule].action != ACTION_PROTECT)
        return;
    uint32_t connection = ike->setup.spd->rules[rule].connection;
    if (connection_of(ike, connection)->start == START_NONE || remote_rests(ike, connection))
        return;
    struct peer *peer;
    DL_FOREACH (ike->peers, peer) {
        if (peer->connection != connection || child_of_rule(peer, rule) != NULL || peer->cleared)
            continue;
        peer->down = false;
        char text[RULE_TEXT];
        ike_say(ike, peer_wants(peer, rule) ? LOG_DEBUG : LOG_INFO, connection, "interesting traffic met %s",
                rule_print(&ike->setup.spd->rules[rule], text));
        peer_want(peer, rule);
        peer_pursue(ike, peer);
    }
}

/* The peer that commands act on, or a reason why there is none. */
static struct peer *commanded(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why)
{
    ike->now_ms = now_ms;
    *why = "";
    if (ike->closed || connection >= ike->setup.connection_count) {
        *why = "no such connection";
        return NULL;
    }
    struct peer *peer = peer_of_connection(ike, connection);
    if (peer == NULL)
        *why = "remote = %any: only the peer can call; wait for it";
    return peer;
}

enum status ike_up(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why)
{
    struct peer *peer = commanded(ike, now_ms, connection, why);
    if (peer == NULL)
        return ERR_STATE;
    if (peer->rule_count == 0) {
        *why = "no protect rule of the ACL names this connection: there is nothing to bring up";
        return ERR_STATE;
    }
    peer->down = peer->cleared = false;
    timer_stop(ike, &peer->retry);
    peer_want_all(peer);
    peer_pursue(ike, peer);
    return OK;
}

enum status ike_down(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why)
{
    ike->now_ms = now_ms;
    *why = "";
    bool any = false;
    struct peer *peer;
    DL_FOREACH (ike->peers, peer)
        if (peer->connection == connection) {
            any |= peer->sas != NULL || peer->children != NULL;
            peer->down = true;
            peer_end(ike, peer, true, "ended by command");
        }
    if (any)
        return OK;
    *why = "it is not up";
    return ERR_STATE;
}

void ike_restart(struct ike *ike, uint64_t now_ms, uint32_t connection, const char *why)
{
    ike->now_ms = now_ms;
    struct peer *peer = ike->closed ? NULL : peer_of_connection(ike, connection);
    if (peer == NULL || connection_of(ike, connection)->start == START_NONE ||
        (peer->sas == NULL && peer->children == NULL))
        return;
    ike_say(ike, LOG_WARNING, connection, "the tunnel is made anew: %s", why);
    peer_end(ike, peer, true, why);
    peer_want_all(peer);
    peer_pursue(ike, peer);
}

enum status ike_rekey(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why)
{
    ike->now_ms = now_ms;
    *why = "it is not up: there is nothing to renew";
    bool any = false;
    struct peer *peer;
    struct child_sa *child;
    DL_FOREACH (ike->peers, peer) {
        if (peer->connection != connection)
            continue;
        DL_FOREACH (peer->children, child)
            if (child->state == CHILD_ACTIVE) {
                any = true;
                child_renew(ike, child);
            }
    }
    return any ? OK : ERR_STATE;
}

void ike_child_soft(struct ike *ike, uint64_t now_ms, uint64_t child_id)
{
    ike->now_ms = now_ms;
    struct child_sa *child = child_by_id(ike, child_id);
    if (child != NULL && !ike->closed)
        child_renew(ike, child);
}

void ike_child_hard(struct ike *ike, uint64_t now_ms, uint64_t child_id)
{
    ike->now_ms = now_ms;
    struct child_sa *child = child_by_id(ike, child_id);
    if (child != NULL && !ike->closed)
        child_end_one(ike, child, true, "its bytes or sequence numbers are used up");
}

void ike_child_moved(struct ike *ike, uint64_t now_ms, uint64_t child_id, const struct endpoint *remote)
{
    ike->now_ms = now_ms;
    struct child_sa *child = child_by_id(ike, child_id);
    struct ike_sa *sa = child != NULL ? peer_sa(child->peer) : NULL;
    if (sa == NULL || !child->child.udp || ike->closed)
        return;
    struct path path = {.local = sa->path.local, .remote = *remote};
    ike_sa_heard(ike, sa, &path);
}

void ike_start(struct ike *ike, uint64_t now_ms)
{
    struct peer *peer;
    ike->now_ms = now_ms;
    DL_FOREACH (ike->peers, peer)
        if (connection_of(ike, peer->connection)->start == START_START) {
            peer_want_all(peer);
            peer_pursue(ike, peer);
        }
    for (uint32_t i = 0; i < ike->setup.connection_count; i++)
        remote_look_up(ike, i);
}

void ike_shutdown(struct ike *ike, uint64_t now_ms)
{
    struct peer *peer;
    ike->now_ms = now_ms;
    ike->closed = true;
    DL_FOREACH (ike->peers, peer)
        peer_end(ike, peer, true, "esptun stops");
}

/* --- time --- */

static void fire(struct ike *ike, struct timer *t)
{
    switch (t->kind) {
    case TIMER_CONFIG: v1_config_timer(ike, t->owner); break;
    case TIMER_QUICK: v1_quick_timer(ike, t->owner); break;
    case TIMER_CHILD_SOFT:
    case TIMER_CHILD_HARD: child_timer(ike, t->owner, t->kind); break;
    case TIMER_PEER_RETRY: peer_timer(ike, t->owner); break;
    default: ike_sa_timer(ike, t->owner, t->kind); break;
    }
}

void ike_tick(struct ike *ike, uint64_t now_ms)
{
    struct deadline *due;
    ike->now_ms = now_ms;
    /* struct timer begins with its deadline. */
    while ((due = deadline_take_due(&ike->deadlines, now_ms)) != NULL)
        fire(ike, (struct timer *)due);
}

uint64_t ike_next(const struct ike *ike)
{
    return deadline_next(&ike->deadlines);
}

/* --- status --- */

static const char *sa_state_word(const struct ike_sa *sa)
{
    if (sa->state < SA_ESTABLISHED)
        return "connecting";
    return sa->state == SA_REPLACED ? "deleting" : "established";
}

static const char *child_state_word(const struct child_sa *c)
{
    if (c->state == CHILD_INSTALLED)
        return "connecting";
    if (c->state == CHILD_REPLACED)
        return "deleting";
    return c->renewing ? "rekeying" : "established";
}

static void visit_sa(const struct ike_sa *sa, const struct ike_visitor *v)
{
    const struct ike_sa_info info = {
        .connection = sa->connection,
        .state = sa_state_word(sa),
        .initiator = sa->initiator,
        .version = sa->version->number,
        .spi_i = sa->spi_i,
        .spi_r = sa->spi_r,
        .path = sa->path,
        .local_id = &sa->local_id,
        .remote_id = sa->remote_id,
        .user = sa->user,
        .net = sa->peer != NULL ? sa->peer->net : NULL,
        .nat_local = sa->nat_local,
        .nat_remote = sa->nat_remote,
        .proposal = sa->suite.encr != ENCR_NONE ? &sa->suite : NULL,
        .established_ms = sa->established_ms,
        .rekey_at_ms = sa->state == SA_ESTABLISHED ? sa->soft_ms : DEADLINE_NEVER,
    };
    v->sa(v->arg, &info);
}

static void visit_children(const struct peer *peer, const struct ike_visitor *v)
{
    const struct child_sa *c;
    DL_FOREACH (peer->children, c) {
        const struct ike_child_info info = {
            .id = c->child.id,
            .rule = c->child.rule,
            .state = child_state_word(c),
            .child = &c->child,
            .established_ms = c->established_ms,
            .rekey_at_ms = c->soft_ms,
        };
        v->child(v->arg, &info);
    }
}

/* Children that have outlived their IKE SA are shown under one that stands for it. */
static void visit_orphans(const struct peer *peer, const struct ike_visitor *v)
{
    const struct ike_sa_info info = {.connection = peer->connection,
                                     .state = "deleting",
                                     .version = ike_version1.number,
                                     .path = peer->children->child.path,
                                     .rekey_at_ms = DEADLINE_NEVER};
    v->sa(v->arg, &info);
    visit_children(peer, v);
}

void ike_visit(const struct ike *ike, const struct ike_visitor *visitor)
{
    const struct peer *peer;
    const struct ike_sa *sa;
    DL_FOREACH (ike->peers, peer) {
        const struct ike_sa *newest = peer_sa(peer);
        DL_FOREACH (peer->sas, sa) {
            visit_sa(sa, visitor);
            if (sa == newest)
                visit_children(peer, visitor);
        }
        if (newest == NULL && peer->children != NULL)
            visit_orphans(peer, visitor);
    }
    DL_FOREACH (ike->strangers, sa)
        visit_sa(sa, visitor);
    DL_FOREACH (ike->guests, sa)
        visit_sa(sa, visitor);
}
