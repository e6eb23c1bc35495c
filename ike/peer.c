/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/peer.h"

#include <stdlib.h>

#include "crypto/hash.h"
#include "ike/child.h"
#include "ike/net.h"
#include "ike/remote.h"
#include "ike/sa.h"

static uint32_t place_of(const struct ike *ike, uint32_t connection, const struct identity *id)
{
    uint8_t key[sizeof connection + 1 + IDENTITY_MAX];
    store_u32(key, connection);
    key[sizeof connection] = id->type;
    size_t len = sizeof connection + 1 + identity_fold(id, key + sizeof connection + 1);
    return (uint32_t)hash_short(ike->seed, key, len) % PEER_PLACES;
}

void peer_enter(struct ike *ike, struct peer *peer)
{
    if (peer->id.type == ID_NONE) {
        ike->rules[peer->connection].peer = peer;
        return;
    }
    ike->peers_of_any++;
    peer->place = place_of(ike, peer->connection, &peer->id);
    LL_PREPEND2(ike->by_identity[peer->place], peer, alike);
}

void peer_leave(struct ike *ike, struct peer *peer)
{
    if (ike->idle_next == peer)
        ike->idle_next = peer->next;
    if (peer->id.type == ID_NONE) {
        ike->rules[peer->connection].peer = NULL;
        return;
    }
    ike->peers_of_any--;
    LL_DELETE2(ike->by_identity[peer->place], peer, alike);
}

enum status peer_make(const struct connection_rules *rules, uint32_t connection, const struct identity *id,
                      struct peer **out)
{
    struct peer *peer = calloc(1, sizeof *peer);
    uint8_t *wanted = calloc(rules->count + 1, 1);
    if (peer == NULL || wanted == NULL) {
        free(peer);
        free(wanted);
        return ERR_MEMORY;
    }
    peer->connection = connection;
    if (id != NULL)
        peer->id = *id;
    peer->rules = rules->rules;
    peer->rule_count = rules->count;
    peer->wanted = wanted;
    timer_init(&peer->retry, TIMER_PEER_RETRY, peer);
    *out = peer;
    return OK;
}

void peer_drop(struct peer *peer)
{
    if (peer != NULL)
        free(peer->wanted);
    free(peer);
}

void peer_join(struct ike *ike, struct peer *peer)
{
    DL_APPEND(ike->peers, peer);
    peer_enter(ike, peer);
}

enum status peer_new(struct ike *ike, uint32_t connection, const struct identity *id, struct peer **out)
{
    enum status status = peer_make(&ike->rules[connection], connection, id, out);
    if (status == OK)
        peer_join(ike, *out);
    return status;
}

void peer_free(struct ike *ike, struct peer *peer)
{
    struct ike_sa *sa, *next;
    struct child_sa *child, *next_child;
    net_forget(peer);
    DL_FOREACH_SAFE (peer->sas, sa, next)
        ike_sa_free(ike, sa);
    DL_FOREACH_SAFE (peer->children, child, next_child)
        child_end(ike, child, false, false, "");
    timer_stop(ike, &peer->retry);
    peer_leave(ike, peer);
    DL_DELETE(ike->peers, peer);
    free(peer->wanted);
    free(peer);
}

struct peer *peer_of_connection(const struct ike *ike, uint32_t connection)
{
    return ike->rules[connection].peer;
}

static bool is_idle(const struct peer *peer)
{
    return peer->id.type != ID_NONE && peer->sas == NULL && peer->children == NULL;
}

/* Peers of a remote = %any connection come and go: one of whom nothing is left is forgotten when others come. Each
 * looks at a few, so that thousands cost no more than ten. */
static void forget_idle(struct ike *ike)
{
    for (unsigned i = 0; i < IDLE_LOOKS; i++) {
        struct peer *peer = ike->idle_next != NULL ? ike->idle_next : ike->peers;
        if (peer == NULL)
            return;
        ike->idle_next = peer->next;
        if (is_idle(peer))
            peer_free(ike, peer);
    }
}

struct peer *peer_of_identity(struct ike *ike, uint32_t connection, const struct identity *id)
{
    struct peer *peer = peer_of_connection(ike, connection);
    if (peer != NULL)
        return peer;
    LL_FOREACH2(ike->by_identity[place_of(ike, connection, id)], peer, alike)
    if (peer->connection == connection && identity_equal(&peer->id, id))
        return peer;
    forget_idle(ike);
    if (ike->peers_of_any >= PEERS_OF_ANY_MAX)
        return NULL;
    return peer_new(ike, connection, id, &peer) == OK ? peer : NULL;
}

struct ike_sa *peer_sa(const struct peer *peer)
{
    struct ike_sa *sa, *newest = NULL;
    DL_FOREACH (peer->sas, sa)
        if (sa->state == SA_ESTABLISHED)
            newest = sa;
    return newest;
}

/* --- what is wanted --- */

static uint8_t *want_of(const struct peer *peer, uint32_t rule)
{
    for (size_t i = 0; i < peer->rule_count; i++)
        if (peer->rules[i] == rule)
            return &peer->wanted[i];
    return NULL;
}

void peer_want(struct peer *peer, uint32_t rule)
{
    uint8_t *want = want_of(peer, rule);
    if (want == NULL || *want || child_is_coming(peer, rule))
        return;
    *want = 1;
}

void peer_want_all(struct peer *peer)
{
    for (size_t i = 0; i < peer->rule_count; i++)
        if (child_of_rule(peer, peer->rules[i]) == NULL)
            peer_want(peer, peer->rules[i]);
}

void peer_unwant(struct peer *peer, uint32_t rule)
{
    uint8_t *want = want_of(peer, rule);
    if (want != NULL)
        *want = 0;
}

bool peer_is_due(const struct peer *peer)
{
    for (size_t i = 0; i < peer->rule_count; i++)
        if (peer->wanted[i])
            return true;
    struct child_sa *child;
    DL_FOREACH (peer->children, child)
        if (child->renew_due && !child->renewing)
            return true;
    return false;
}

bool peer_wants(const struct peer *peer, uint32_t rule)
{
    const uint8_t *want = want_of(peer, rule);
    return (want != NULL && *want) || child_is_coming(peer, rule);
}

/* Phase 2 for a rule could not even be started. */
static void cannot_create(struct ike *ike, struct peer *peer, uint32_t rule, enum status status)
{
    const char *why = status == ERR_UNSUPPORTED ? "IKEv1 carries one port or all, not a range: write one rule a port"
                      : status == ERR_MISMATCH
                          ? "the rule does not cover the virtual address: write 'any' for that side"
                          : status_text(status);
    peer_unwant(peer, rule);
    ike_say_event(ike, LOG_ERROR, (struct log_subject){.connection = peer->connection, .reason = why},
                  "phase 2 cannot be started");
    ike_tell(ike, (struct ike_event){
                      .kind = IKE_EVENT_CHILD_FAILED, .connection = peer->connection, .rule = rule, .why = why});
}

static void create_children(struct ike *ike, struct peer *peer, struct ike_sa *sa)
{
    struct child_sa *child;
    DL_FOREACH (peer->children, child) {
        if (!child->renew_due || child->renewing || !sa->version->has_room(sa))
            continue;
        enum status status = sa->version->create_child(ike, sa, child->child.rule, child);
        if (status == OK)
            child->renewing = true;
        else
            child_renew_failed(ike, child->child.id);
    }
    for (size_t i = 0; i < peer->rule_count && sa->version->has_room(sa); i++) {
        if (!peer->wanted[i] || sa->version->is_creating(sa, peer->rules[i]))
            continue;
        enum status status = sa->version->create_child(ike, sa, peer->rules[i], NULL);
        if (status != OK)
            cannot_create(ike, peer, peer->rules[i], status);
    }
}

bool peer_is_connecting(const struct peer *peer)
{
    struct ike_sa *sa;
    DL_FOREACH (peer->sas, sa)
        if (sa->state < SA_ESTABLISHED)
            return true;
    return false;
}

void peer_pursue(struct ike *ike, struct peer *peer)
{
    if (ike->closed || !peer_is_due(peer))
        return;
    struct ike_sa *sa = peer_sa(peer);
    if (sa != NULL) {
        create_children(ike, peer, sa);
        return;
    }
    const struct connection *c = connection_of(ike, peer->connection);
    if (peer_is_connecting(peer) || connection_is_any(c))
        return;
    bool ready;
    enum status status = remote_prepare(ike, peer->connection, &ready);
    if (status == OK && ready)
        status = version_of(c)->initiate(ike, peer);
    if (status == OK)
        return;
    ike_say_event(ike, LOG_ERROR, (struct log_subject){.connection = peer->connection, .reason = status_text(status)},
                  "phase 1 cannot be started");
    ike_tell(ike, (struct ike_event){
                      .kind = IKE_EVENT_PHASE1_FAILED, .connection = peer->connection, .why = status_text(status)});
    peer_gave_up(ike, peer, c->start == START_START);
}

static void try_later(struct ike *ike, struct peer *peer)
{
    if (peer->down || peer->cleared || ike->closed || peer->retry.deadline.armed)
        return;
    peer->retry_wait_ms = peer->retry_wait_ms == 0 ? RETRY_FIRST : peer->retry_wait_ms * 2;
    if (peer->retry_wait_ms > RETRY_LONGEST)
        peer->retry_wait_ms = RETRY_LONGEST;
    ike_say(ike, LOG_INFO, peer->connection, "trying again in %u s", (unsigned)(peer->retry_wait_ms / 1000));
    timer_in(ike, &peer->retry, peer->retry_wait_ms);
}

void peer_gave_up(struct ike *ike, struct peer *peer, bool restart)
{
    for (size_t i = 0; i < peer->rule_count; i++)
        peer->wanted[i] = 0;
    remote_forget(ike, peer->connection);
    struct child_sa *child;
    DL_FOREACH (peer->children, child)
        if (child->renew_due)
            child_renew_failed(ike, child->child.id);
    if (restart)
        try_later(ike, peer);
}

void peer_lost(struct ike *ike, struct peer *peer)
{
    const struct connection *c = connection_of(ike, peer->connection);
    if (c->start == START_START && !connection_is_any(c))
        try_later(ike, peer);
}

void peer_end(struct ike *ike, struct peer *peer, bool tell_peer, const char *why)
{
    struct child_sa *child, *next_child;
    struct ike_sa *sa, *next;
    for (size_t i = 0; i < peer->rule_count; i++)
        peer->wanted[i] = 0;
    remote_forget(ike, peer->connection);
    DL_FOREACH_SAFE (peer->children, child, next_child)
        child_end(ike, child, tell_peer, true, why);
    DL_FOREACH_SAFE (peer->sas, sa, next) {
        if (sa->state >= SA_ESTABLISHED) {
            ike_sa_end(ike, sa, tell_peer, why);
            continue;
        }
        if (tell_peer && sa->state == SA_CONFIGURING)
            sa->version->delete_sa(ike, sa);
        ike_sa_free(ike, sa);
        ike_say_event(ike, LOG_INFO, (struct log_subject){.connection = peer->connection, .reason = why},
                      "phase 1 given up");
        ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_FAILED, .connection = peer->connection, .why = why});
    }
    timer_stop(ike, &peer->retry);
}

void peer_timer(struct ike *ike, struct peer *peer)
{
    peer_want_all(peer);
    peer_pursue(ike, peer);
}
