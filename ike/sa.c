/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/sa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ike/child.h"
#include "ike/half_open.h"
#include "ike/net.h"
#include "ike/peer.h"
#include "ike/remote.h"

static void init_timers(struct ike_sa *sa)
{
    timer_init(&sa->retransmit, TIMER_SA_RETRANSMIT, sa);
    timer_init(&sa->life, TIMER_SA_LIFE, sa);
    timer_init(&sa->renew, TIMER_SA_RENEW, sa);
    timer_init(&sa->probe, TIMER_SA_PROBE, sa);
    timer_init(&sa->keepalive, TIMER_SA_KEEPALIVE, sa);
    timer_init(&sa->linger, TIMER_SA_LINGER, sa);
    timer_init(&sa->collecting, TIMER_SA_FRAGMENTS, sa);
}

static void stop_timers(struct ike *ike, struct ike_sa *sa)
{
    struct timer *const all[] = {&sa->retransmit, &sa->life, &sa->renew, &sa->probe, &sa->keepalive, &sa->linger};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        timer_stop(ike, all[i]);
}

static enum status fresh_spi(struct ike *ike, uint64_t *spi)
{
    for (int i = 0; i < 8; i++) {
        enum status status = random_fill(&ike->setup.random, spi, sizeof *spi);
        if (status != OK)
            return status;
        struct ike_sa *taken;
        HASH_FIND(by_spi, ike->sas, spi, sizeof *spi, taken);
        if (*spi != 0 && taken == NULL)
            return OK;
    }
    return ERR_CRYPTO;
}

enum status ike_sa_new(struct ike *ike, const struct version *version, struct peer *peer, uint32_t connection,
                       const struct path *path, struct ike_sa **out)
{
    struct ike_sa *sa = calloc(1, sizeof *sa);
    struct phase1 *phase1 = calloc(1, sizeof *phase1);
    enum status status = sa != NULL && phase1 != NULL ? OK : ERR_MEMORY;
    uint64_t spi = 0;
    if (status == OK)
        status = fresh_spi(ike, &spi);
    if (status != OK) {
        free(sa);
        free(phase1);
        return status;
    }
    const struct connection *c = connection_of(ike, connection);
    sa->phase1 = phase1;
    sa->version = version;
    sa->initiator = peer != NULL;
    sa->own_spi = spi;
    sa->created_ms = ike->now_ms;
    *(sa->initiator ? &sa->spi_i : &sa->spi_r) = spi;
    sa->peer = peer;
    sa->connection = connection;
    sa->path = *path;
    sa->lifetime_s = c->ike_lifetime_s;
    sa->lifetime_bytes = c->ike_lifetime_bytes;
    sa->local_id = c->local_id.type != ID_NONE ? c->local_id : identity_of_address(&path->local.address);
    init_timers(sa);
    HASH_ADD(by_spi, ike->sas, own_spi, sizeof sa->own_spi, sa);
    if (sa->by_spi.tbl == NULL) {
        free(sa);
        free(phase1);
        return ERR_MEMORY;
    }
    if (peer != NULL) {
        DL_APPEND(peer->sas, sa);
        peer->sa_count++;
    } else {
        DL_APPEND(ike->strangers, sa);
        timer_in(ike, &sa->life, HALF_OPEN_LIFE);
    }
    *out = sa;
    return OK;
}

static void free_phase1(struct ike_sa *sa)
{
    if (sa->phase1 == NULL)
        return;
    dh_free(sa->phase1->dh);
    free(sa->phase1->sai_b);
    free(sa->phase1->peer_id);
    wipe(sa->phase1, sizeof *sa->phase1);
    free(sa->phase1);
    sa->phase1 = NULL;
    secret_free(&sa->keys.skeyid);
}

static void leave_list(struct ike *ike, struct ike_sa *sa)
{
    if (sa->peer != NULL) {
        DL_DELETE(sa->peer->sas, sa);
        sa->peer->sa_count--;
    } else if (sa->state == SA_CONFIGURING) {
        DL_DELETE(ike->guests, sa);
    } else {
        DL_DELETE(ike->strangers, sa);
    }
}

void ike_sa_free(struct ike *ike, struct ike_sa *sa)
{
    sa->version->forget_exchanges(ike, sa, NULL);
    sa->version->forget_fragments(ike, sa);
    stop_timers(ike, sa);
    HASH_DELETE(by_spi, ike->sas, sa);
    leave_list(ike, sa);
    free_phase1(sa);
    v1_keys_free(&sa->keys);
    exchange_clear(&sa->exchange);
    id_set_free(&sa->quick_ids);
    id_set_free(&sa->info_ids);
    free(sa->remote_id);
    free(sa->user);
    struct peer *peer = sa->peer;
    wipe(sa, sizeof *sa);
    free(sa);
    if (peer != NULL)
        net_left(ike, peer);
}

struct ike_sa *ike_sa_find(const struct ike *ike, uint64_t spi_i, uint64_t spi_r)
{
    struct ike_sa *sa = NULL;
    if (spi_r != 0)
        HASH_FIND(by_spi, ike->sas, &spi_r, sizeof spi_r, sa);
    if (sa != NULL && !sa->initiator && sa->spi_i == spi_i)
        return sa;
    HASH_FIND(by_spi, ike->sas, &spi_i, sizeof spi_i, sa);
    if (sa == NULL || !sa->initiator)
        return NULL;
    /* Before message 2 we do not know the responder's cookie yet. */
    return sa->spi_r == spi_r || sa->spi_r == 0 ? sa : NULL;
}

enum status ike_sa_remember(struct ike *ike, struct ike_sa *sa, struct id_set *set, uint32_t id, size_t most)
{
    if (set->count == most / 8 * IDS_RENEW_EIGHTHS && sa->state == SA_ESTABLISHED)
        timer_in(ike, &sa->renew, 0);
    return id_set_add(set, id, most);
}

bool ike_same_site(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == 4 ? 4 : 8) == 0;
}

enum status ike_sa_send(struct ike *ike, struct ike_sa *sa, struct bytes datagram, bool waits)
{
    enum status status = exchange_keep(&sa->exchange, datagram);
    if (status != OK)
        return status;
    timer_stop(ike, &sa->retransmit);
    if (waits)
        timer_in(ike, &sa->retransmit, exchange_wait_ms(&sa->exchange));
    sa->version->send(ike, sa, datagram, 0);
    return OK;
}

/* A user who logs in again may do so from another device, of which the former one knows nothing. */
static void tell_former(struct ike *ike, const struct ike_sa *sa, struct ike_sa *former)
{
    const struct child_sa *child;
    DL_FOREACH (sa->peer->children, child)
        if (child->established_ms < sa->created_ms)
            former->version->delete_child(ike, former, child);
}

/* A restarted peer says that it knows nothing of the past: forget it here too (RFC 2407 4.6.3.3). Bound to the
 * identity, and only what the peer knew before this exchange: when both ends call at once, the other exchange is not
 * the past. */
void ike_sa_initial_contact(struct ike *ike, struct ike_sa *sa)
{
    struct peer *peer = sa->peer;
    struct ike_sa *other, *next;
    struct child_sa *child, *next_child;
    bool lost = false;
    DL_FOREACH_SAFE (peer->sas, other, next) {
        bool past = other->state >= SA_ESTABLISHED && !other->unconfirmed && other->confirmed_ms < sa->created_ms;
        if (other == sa || !past)
            continue;
        if (sa->user != NULL)
            tell_former(ike, sa, other);
        ike_sa_end(ike, other, sa->user != NULL, "the peer started anew (INITIAL_CONTACT)");
    }
    DL_FOREACH_SAFE (peer->children, child, next_child)
        if (child->state != CHILD_INSTALLED && child->established_ms < sa->created_ms) {
            child_end(ike, child, false, true, "the peer started anew (INITIAL_CONTACT)");
            lost = true;
        }
    if (lost)
        peer_lost(ike, peer);
}

/* Older SAs of this peer give way to the newest, and are cleaned up a little later, when their exchanges are over. */
static void replace_older(struct ike *ike, struct ike_sa *sa)
{
    struct ike_sa *other;
    DL_FOREACH (sa->peer->sas, other)
        if (other != sa &&
            other->state == SA_ESTABLISHED) { /* NOLINT(clang-analyzer-unix.Malloc): ended SAs left the list */
            other->state = SA_REPLACED;
            timer_in(ike, &other->renew, ike_linger_ms(&sa->path, sa->initiator));
        }
}

void ike_sa_shorten(struct ike *ike, struct ike_sa *sa, uint64_t lifetime_s, uint64_t lifetime_bytes)
{
    if (sa->state == SA_ESTABLISHED && lifetime_bytes != 0 &&
        (sa->lifetime_bytes == 0 || lifetime_bytes < sa->lifetime_bytes)) {
        sa->lifetime_bytes = lifetime_bytes;
        sa->soft_bytes = ike_soft_limit(ike, lifetime_bytes, sa->initiator);
    }
    if (lifetime_s == 0 || lifetime_s >= sa->lifetime_s || sa->state != SA_ESTABLISHED)
        return;
    sa->lifetime_s = lifetime_s;
    uint64_t age = ike->now_ms - sa->established_ms, soft = ike_soft_limit(ike, lifetime_s * 1000, sa->initiator);
    sa->soft_ms = sa->established_ms + soft;
    timer_in(ike, &sa->renew, soft > age ? soft - age : 0);
    timer_in(ike, &sa->life, lifetime_s * 1000 > age ? lifetime_s * 1000 - age : 0);
}

static void start_probes(struct ike *ike, struct ike_sa *sa)
{
    const struct connection *c = connection_of(ike, sa->connection);
    if (sa->unconfirmed)
        timer_in(ike, &sa->probe, RETRANSMIT_FIRST);
    else if (sa->peer_dpd && c->dpd_delay_s != 0)
        timer_in(ike, &sa->probe, c->dpd_delay_s * 1000);
}

static void start_life(struct ike *ike, struct ike_sa *sa)
{
    uint64_t soft = ike_soft_limit(ike, sa->lifetime_s * 1000, sa->initiator);
    sa->established_ms = sa->confirmed_ms = sa->heard_ms = ike->now_ms;
    sa->soft_ms = ike->now_ms + soft;
    sa->soft_bytes = ike_soft_limit(ike, sa->lifetime_bytes, sa->initiator);
    timer_in(ike, &sa->renew, soft);
    timer_in(ike, &sa->life, sa->lifetime_s * 1000);
    timer_in(ike, &sa->linger, LINGER);
    start_probes(ike, sa);
    if (sa->nat_local)
        timer_in(ike, &sa->keepalive, KEEPALIVE_EVERY);
}

static enum status adopt(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    const struct identity *who = sa->user != NULL ? sa->user : remote_id; /* users may share one identity */
    struct peer *peer = sa->peer != NULL ? sa->peer : peer_of_identity(ike, sa->connection, who);
    struct identity *id = malloc(sizeof *id);
    if (peer == NULL || id == NULL) {
        free(id);
        return peer == NULL && ike->peers_of_any >= PEERS_OF_ANY_MAX ? ERR_LIMIT : ERR_MEMORY;
    }
    if (peer->sa_count >= SAS_PER_PEER_MAX) {
        free(id);
        return ERR_LIMIT;
    }
    *id = *remote_id;
    free(sa->remote_id);
    sa->remote_id = id;
    if (sa->peer == NULL) {
        leave_list(ike, sa);
        sa->peer = peer;
        DL_APPEND(peer->sas, sa);
        peer->sa_count++;
    }
    return OK;
}

static enum status set_identity(struct identity **to, const struct identity *from)
{
    struct identity *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return ERR_MEMORY;
    *copy = *from;
    free(*to);
    *to = copy;
    return OK;
}

enum status ike_sa_set_user(struct ike_sa *sa, const struct identity *user)
{
    return set_identity(&sa->user, user);
}

/* A responder's SA is nobody's until its user is known, but no stranger's either: it has caps of its own. */
enum status ike_sa_configure(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    enum status status = set_identity(&sa->remote_id, remote_id);
    if (status != OK)
        return status;
    if (sa->peer == NULL && !guest_make_room(ike, sa)) {
        sa->version->delete_sa(ike, sa);
        return ERR_LIMIT;
    }
    sa->version->forget_fragments(ike, sa);
    free_phase1(sa);
    timer_stop(ike, &sa->retransmit);
    if (sa->peer == NULL) {
        DL_DELETE(ike->strangers, sa);
        DL_APPEND(ike->guests, sa);
    }
    sa->state = SA_CONFIGURING;
    timer_in(ike, &sa->life, CONFIG_LIFE);
    return OK;
}

enum status ike_sa_establish(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    enum status status = adopt(ike, sa, remote_id);
    if (status != OK)
        return status;
    free_phase1(sa);
    timer_stop(ike, &sa->retransmit);
    sa->state = SA_ESTABLISHED;
    if (sa->initial_contact)
        ike_sa_initial_contact(ike, sa);
    replace_older(ike, sa);
    start_life(ike, sa);
    sa->peer->down = sa->peer->cleared = false;
    remote_forget(ike, sa->connection);
    char local[IDENTITY_TEXT], remote[IDENTITY_TEXT], end[ENDPOINT_TEXT], suite[PROPOSAL_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "phase 1 established with %s: %s...%s, %s%s%s",
            endpoint_print(&sa->path.remote, end), identity_print(&sa->local_id, local),
            identity_print(remote_id, remote), proposal_print(&sa->suite, suite),
            sa->nat_local ? ", we are behind NAT" : "", sa->nat_remote ? ", the peer is behind NAT or forces UDP" : "");
    ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_UP, .connection = sa->connection});
    return OK;
}

void ike_sa_fail(struct ike *ike, struct ike_sa *sa, const char *why)
{
    struct peer *peer = sa->peer;
    uint32_t connection = sa->connection;
    bool was_initiator = sa->initiator;
    const struct log_subject failed = {.connection = connection, .reason = why};
    ike_sa_free(ike, sa);
    if (!was_initiator) {
        uint32_t suppressed;
        char more[LOG_RATE_TEXT];
        if (log_rate_allow(&ike->log_rate, ike->now_ms, &suppressed))
            ike_say_event(ike, LOG_WARNING, failed, "phase 1 failed%s", log_rate_note(more, suppressed));
        return;
    }
    ike_say_event(ike, LOG_ERROR, failed, "phase 1 failed");
    if (peer_sa(peer) == NULL && peer_is_due(peer) && remote_is_left(ike, connection)) {
        ike_say(ike, LOG_INFO, connection, "trying the next address of %s",
                connection_of(ike, connection)->remote_name);
        peer_pursue(ike, peer);
        return;
    }
    ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_FAILED, .connection = connection, .why = why});
    /* Another phase 1 with this peer may be up (both ends started at once): then what waits goes on there. */
    if (peer_sa(peer) != NULL)
        peer_pursue(ike, peer);
    else
        peer_gave_up(ike, peer, connection_of(ike, connection)->start == START_START);
}

/* Nobody waits for a renewal. Keys and names were right before, so the "no" is forged, or the message was changed on
 * the way; and who gives up early, but after message 5, may leave the peer with an SA that it takes for the newest one.
 */
bool ike_sa_hurry(struct ike_sa *sa)
{
    if (peer_sa(sa->peer) != NULL || sa->peer->children != NULL)
        return false;
    exchange_hurry(&sa->exchange);
    return true;
}

void ike_sa_end(struct ike *ike, struct ike_sa *sa, bool tell_peer, const char *why)
{
    uint32_t connection = sa->connection;
    bool was_newest = sa->state == SA_ESTABLISHED;
    if (tell_peer)
        sa->version->delete_sa(ike, sa);
    sa->version->forget_exchanges(ike, sa, why);
    ike_sa_free(ike, sa);
    ike_say_event(ike, was_newest ? LOG_INFO : LOG_DEBUG, (struct log_subject){.connection = connection, .reason = why},
                  "phase 1 ended");
    if (was_newest)
        ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_DOWN, .connection = connection, .why = why});
}

/* Its successor is gone: it serves again. So two ends that renewed at once, and kept different ones, meet on one. */
static void serve_again(struct ike *ike, struct ike_sa *sa)
{
    sa->state = SA_ESTABLISHED;
    timer_in(ike, &sa->renew, sa->soft_ms > ike->now_ms ? sa->soft_ms - ike->now_ms : REKEY_RETRY / 10);
    start_probes(ike, sa);
    ike_tell(ike, (struct ike_event){.kind = IKE_EVENT_PHASE1_UP, .connection = sa->connection});
}

void ike_sa_end_one(struct ike *ike, struct ike_sa *sa, bool tell_peer, const char *why)
{
    struct peer *peer = sa->peer;
    struct ike_sa *other, *newest = NULL;
    ike_sa_end(ike, sa, tell_peer, why);
    DL_FOREACH (peer->sas, other)
        if (other->state == SA_REPLACED && other->told == 0)
            newest = other;
    if (peer_sa(peer) == NULL && newest != NULL)
        serve_again(ike, newest);
}

void ike_sa_peer_dead(struct ike *ike, struct ike_sa *sa, const char *why)
{
    struct peer *peer = sa->peer;
    const struct connection *c = connection_of(ike, sa->connection);
    ike_say_event(ike, LOG_WARNING, (struct log_subject){.connection = sa->connection, .reason = why},
                  "peer not responding");
    peer_end(ike, peer, false, why);
    peer->cleared = c->dpd_action == DPD_CLEAR;
    if (c->dpd_action == DPD_RESTART && !connection_is_any(c) && c->start != START_NONE)
        peer_want_all(peer);
    peer_pursue(ike, peer);
}

void ike_sa_count(struct ike *ike, struct ike_sa *sa, size_t len)
{
    if (sa->state != SA_ESTABLISHED || sa->lifetime_bytes == 0)
        return;
    sa->bytes += len;
    if (sa->bytes >= sa->lifetime_bytes)
        timer_in(ike, &sa->life, 0);
    else if (sa->soft_bytes != 0 && sa->bytes >= sa->soft_bytes) {
        sa->soft_bytes = 0;
        timer_in(ike, &sa->renew, 0);
    }
}

void ike_sa_heard(struct ike *ike, struct ike_sa *sa, const struct path *path)
{
    ike_sa_count(ike, sa, ike->input_len);
    sa->heard_ms = ike->now_ms;
    sa->dpd_tries = 0;
    if (sa->unconfirmed) {
        sa->unconfirmed = false;
        sa->confirmed_ms = ike->now_ms;
    }
    if (!sa->udp || endpoint_equal(&sa->path.remote, &path->remote) || path->local.port != IKE_NATT_PORT)
        return;
    if (sa->moved_ms != 0 && ike->now_ms < sa->moved_ms + MOVE_PAUSE_MS)
        return; /* the next message or packet says it again */
    sa->moved_ms = ike->now_ms;
    char end[ENDPOINT_TEXT];
    ike_say(ike, LOG_INFO, sa->connection, "the peer is now at %s (NAT)", endpoint_print(&path->remote, end));
    sa->path = *path;
    struct child_sa *child;
    if (sa->peer == NULL)
        return;
    DL_FOREACH (sa->peer->children, child)
        if (child->child.udp) {
            child->child.path = *path;
            ike->setup.ops.child_move(ike->setup.ops.arg, child->child.id, path);
        }
}
