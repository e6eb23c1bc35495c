/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/remote.h"

#include <stdlib.h>
#include <string.h>

#include "ike/peer.h"
#include "ike/sa.h"

struct remotes {
    struct ike_remote list[IKE_REMOTES_MAX]; /* the last answer */
    size_t count;
    size_t left;       /* at its end: not tried since the answer */
    bool asked;        /* an answer will come */
    uint64_t rests_ms; /* traffic does not make us ask before: there was none */
};

enum status remotes_make(const struct connection *all, size_t count, struct connection_rules *rules)
{
    for (size_t i = 0; i < count; i++) {
        if (all[i].remote_name == NULL)
            continue;
        rules[i].remotes = calloc(1, sizeof *rules[i].remotes);
        if (rules[i].remotes == NULL)
            return ERR_MEMORY;
    }
    return OK;
}

/* NULL: its remote is an address, or %any. */
static struct remotes *remotes_of(const struct ike *ike, uint32_t connection)
{
    return connection_of(ike, connection)->remote_name != NULL ? ike->rules[connection].remotes : NULL;
}

size_t ike_remotes(const struct ike *ike, uint32_t connection, const struct ike_remote **out)
{
    const struct remotes *r = connection < ike->setup.connection_count ? remotes_of(ike, connection) : NULL;
    *out = r != NULL ? r->list : NULL;
    return r != NULL ? r->count : 0;
}

/* --- who calls --- */

bool remote_may_be(const struct ike *ike, uint32_t connection, const struct address *address)
{
    const struct connection *c = connection_of(ike, connection);
    const struct remotes *r = remotes_of(ike, connection);
    if (r == NULL)
        return c->remote.family == 0 || address_equal(&c->remote, address);
    for (size_t i = 0; i < r->count; i++)
        if (address_equal(&r->list[i].remote, address))
            return true;
    return false;
}

bool remote_is_site(const struct ike *ike, uint32_t connection, const struct address *address)
{
    const struct remotes *r = remotes_of(ike, connection);
    if (r == NULL)
        return ike_same_site(&connection_of(ike, connection)->remote, address);
    for (size_t i = 0; i < r->count; i++)
        if (ike_same_site(&r->list[i].remote, address))
            return true;
    return false;
}

static enum status ask(struct ike *ike, uint32_t connection)
{
    struct remotes *r = remotes_of(ike, connection);
    if (r->asked)
        return OK;
    enum status status = ike->setup.ops.find_remote(ike->setup.ops.arg, connection);
    r->asked = status == OK;
    return status;
}

void remote_look_up(struct ike *ike, uint32_t connection)
{
    /* Without memory now: whoever calls makes us ask again. */
    if (remotes_of(ike, connection) != NULL && !ike->closed)
        (void)!ask(ike, connection);
}

void remote_ask_again(struct ike *ike)
{
    if (ike->now_ms < ike->ask_again_ms)
        return;
    ike->ask_again_ms = ike->now_ms + REMOTE_ASK_EVERY;
    for (uint32_t i = 0; i < ike->setup.connection_count; i++)
        remote_look_up(ike, i);
}

/* --- whom we call --- */

bool remote_is_left(const struct ike *ike, uint32_t connection)
{
    const struct remotes *r = remotes_of(ike, connection);
    return r != NULL && r->left > 0;
}

bool remote_rests(const struct ike *ike, uint32_t connection)
{
    const struct remotes *r = remotes_of(ike, connection);
    return r != NULL && ike->now_ms < r->rests_ms;
}

enum status remote_prepare(struct ike *ike, uint32_t connection, bool *ready)
{
    *ready = remotes_of(ike, connection) == NULL || remote_is_left(ike, connection);
    return *ready ? OK : ask(ike, connection);
}

struct ike_remote remote_take(struct ike *ike, const struct peer *peer)
{
    const struct connection *c = connection_of(ike, peer->connection);
    struct remotes *r = remotes_of(ike, peer->connection);
    if (r == NULL)
        return (struct ike_remote){c->local, c->remote};
    const struct ike_sa *sa = peer_sa(peer);
    if (sa != NULL)
        return (struct ike_remote){sa->path.local.address, sa->path.remote.address};
    /* Somebody has prepared it; else the first one is as good as any. */
    return r->list[r->left > 0 ? r->count - r->left-- : 0];
}

bool remote_is_enough(const struct ike *ike, const struct ike_sa *sa)
{
    bool is_first = sa->state == SA_SENT_SA || sa->state == SA_SENT_ID;
    return is_first && sa->exchange.tries > REMOTE_TRIES && peer_sa(sa->peer) == NULL &&
           remote_is_left(ike, sa->connection);
}

void remote_forget(struct ike *ike, uint32_t connection)
{
    struct remotes *r = remotes_of(ike, connection);
    if (r != NULL)
        r->left = 0;
}

/* --- what was found --- */

static bool is_other(const struct remotes *r, const struct ike_remote *list, size_t count)
{
    bool other = count != r->count;
    for (size_t i = 0; i < count && !other; i++) {
        other = true;
        for (size_t k = 0; k < r->count && other; k++)
            other = !address_equal(&list[i].remote, &r->list[k].remote);
    }
    return other;
}

static void keep(struct remotes *r, const struct ike_remote *list, size_t count)
{
    r->count = count;
    memcpy(r->list, list, count * sizeof *list);
}

bool ike_remotes_differ(const struct ike *ike, uint32_t connection, const struct ike_remote *list, size_t count)
{
    return is_other(remotes_of(ike, connection), list, count);
}

/* There is nobody to call. */
static void not_found(struct ike *ike, struct peer *peer, const char *why)
{
    if (!peer_is_due(peer))
        return;
    ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_FAILED, .connection = peer->connection, .why = why});
    peer_gave_up(ike, peer, connection_of(ike, peer->connection)->start == START_START);
}

void ike_found(struct ike *ike, uint64_t now_ms, uint32_t connection, const struct ike_remote *remotes, size_t count,
               const char *why)
{
    ike->now_ms = now_ms;
    struct remotes *r = connection < ike->setup.connection_count ? remotes_of(ike, connection) : NULL;
    struct peer *peer = r != NULL ? ike->rules[connection].peer : NULL;
    if (peer == NULL || ike->closed)
        return;
    count = count < IKE_REMOTES_MAX ? count : IKE_REMOTES_MAX;
    r->asked = false;
    bool trying = peer_is_connecting(peer), served = peer_sa(peer) != NULL;
    if (count > 0 && (!trying || is_other(r, remotes, count))) {
        keep(r, remotes, count);
        if (!trying)
            r->left = served ? 0 : count;
        else if (r->left > count) /* the new ones are for who calls: the turn does not begin anew */
            r->left = count;
    }
    if (trying || served)
        return;
    r->rests_ms = count > 0 || r->count > 0 ? 0 : now_ms + RETRY_FIRST;
    if (count == 0 && r->count > 0 && peer_is_due(peer)) { /* better one that was right than none; it proves itself */
        ike_say(ike, LOG_INFO, connection, "calling where %s was before: %s",
                connection_of(ike, connection)->remote_name, why);
        r->left = r->count;
    } else if (count == 0) {
        r->left = 0;
        not_found(ike, peer, why);
        return;
    }
    if (peer_is_due(peer))
        peer_pursue(ike, peer);
    else
        r->left = 0;
}
