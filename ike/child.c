/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/child.h"

#include <stdlib.h>

#include "ike/net.h"
#include "ike/peer.h"
#include "ike/sa.h"

static void wipe_keys(struct child *child)
{
    secret_free(&child->key_in);
    secret_free(&child->key_out);
}

enum status child_install(struct ike *ike, struct peer *peer, struct child *child, bool initiator, uint64_t replaces,
                          uint64_t lifetime_s, struct child_sa **out)
{
    struct child_sa *c = calloc(1, sizeof *c);
    enum status status = c != NULL ? OK : ERR_MEMORY;
    if (status == OK && peer->child_count >= CHILDREN_PER_PEER_MAX)
        status = ERR_LIMIT;
    child->id = ++ike->last_child_id;
    if (status == OK)
        status = ike->setup.ops.child_add(ike->setup.ops.arg, child);
    wipe_keys(child);
    if (status != OK) {
        free(c);
        return status;
    }
    c->child = *child;
    c->peer = peer;
    c->initiator = initiator;
    c->replaces = replaces;
    c->lifetime_s = lifetime_s;
    c->soft_ms = DEADLINE_NEVER;
    timer_init(&c->soft, TIMER_CHILD_SOFT, c);
    timer_init(&c->hard, TIMER_CHILD_HARD, c);
    HASH_ADD(by_id, ike->children, child.id, sizeof c->child.id, c);
    if (c->by_id.tbl == NULL) {
        ike->setup.ops.child_remove(ike->setup.ops.arg, c->child.id);
        free(c);
        return ERR_MEMORY;
    }
    DL_APPEND(peer->children, c);
    peer->child_count++;
    timer_in(ike, &c->hard, lifetime_s * 1000);
    *out = c;
    return OK;
}

/* Older children of the same selectors give way, and are cleaned up after packets under way have arrived. */
static uint64_t replace_older(struct ike *ike, struct child_sa *c)
{
    uint64_t replaced = 0;
    struct child_sa *other;
    DL_FOREACH (c->peer->children, other) {
        if (other == c || other->state == CHILD_INSTALLED || other->child.rule != c->child.rule ||
            !selector_equal(&other->child.selector, &c->child.selector))
            continue;
        if (other->state == CHILD_ACTIVE) {
            replaced = other->child.id;
            timer_stop(ike, &other->soft);
        }
        other->state = CHILD_REPLACED;
        other->packets_seen = ike->setup.ops.child_packets_in(ike->setup.ops.arg, other->child.id);
        other->renew_due = other->renewing = false;
        other->soft_ms = DEADLINE_NEVER;
        if (!other->soft.deadline.armed)
            timer_in(ike, &other->soft, ike_linger_ms(&c->child.path, c->initiator));
    }
    return replaced;
}

static struct log_subject subject_of(const struct child_sa *c, const char *why)
{
    return (struct log_subject){
        .connection = c->peer->connection, .spi_in = c->child.spi_in, .spi_out = c->child.spi_out, .reason = why};
}

static void tell_child(struct ike *ike, const struct child_sa *c, uint64_t replaced)
{
    const struct ike_sa *sa = peer_sa(c->peer);
    const struct ike_ends ends = {.child = &c->child,
                                  .who = &c->peer->id,
                                  .local_id = sa != NULL ? &sa->local_id : NULL,
                                  .remote_id = sa != NULL ? sa->remote_id : NULL,
                                  .user = sa != NULL ? sa->user : NULL,
                                  .net = c->peer->net};
    ike_tell(ike, (struct ike_event){.kind = replaced != 0 ? IKE_EVENT_CHILD_REKEYED : IKE_EVENT_CHILD_UP,
                                     .connection = c->peer->connection,
                                     .rule = c->child.rule,
                                     .child_id = c->child.id,
                                     .old_child_id = replaced,
                                     .spi_in = c->child.spi_in,
                                     .spi_out = c->child.spi_out,
                                     .ends = &ends});
}

/* Its successor is gone: it serves again. So two ends that renewed at once, and kept different children, meet on one.
 */
static void serve_again(struct ike *ike, struct child_sa *c)
{
    uint64_t soft = ike_soft_limit(ike, c->lifetime_s * 1000, c->initiator), age = ike->now_ms - c->established_ms;
    uint64_t rest = soft > age ? soft - age : REKEY_RETRY / 10;
    c->state = CHILD_ACTIVE;
    c->soft_ms = ike->now_ms + rest;
    timer_in(ike, &c->soft, rest);
    /* What was replaced later still opens, and must not seal. */
    ike->setup.ops.child_activate(ike->setup.ops.arg, c->child.id);
    ike_say_event(ike, LOG_DEBUG, subject_of(c, NULL), "SPIs %08x (in) %08x (out) serve again", c->child.spi_in,
                  c->child.spi_out);
    tell_child(ike, c, 0);
}

/* The peer sends on the old one, and has not sent on the new one: it may still wait for message 3, and has no other to
 * send on. It repeats message 2 until it has it, or gives the new one up, and then the old one serves again. A peer
 * that likes the old one better is told in the end, and without that delay where the two were started at once. */
static bool may_be_unconfirmed(const struct ike *ike, const struct child_sa *old, const struct child_sa *newest,
                               bool old_in_use)
{
    return newest != NULL && newest->initiator && old_in_use &&
           newest->established_ms > old->established_ms + CONFIRM_PATIENCE &&
           ike->now_ms < newest->established_ms + CONFIRM_PATIENCE &&
           ike->setup.ops.child_packets_in(ike->setup.ops.arg, newest->child.id) == 0;
}

/* What was replaced stays to open what arrives, until the peer sends on it no more. */
static void clean_up(struct ike *ike, struct child_sa *c)
{
    uint64_t packets = ike->setup.ops.child_packets_in(ike->setup.ops.arg, c->child.id);
    bool in_use = packets != c->packets_seen;
    struct ike_sa *sa = peer_sa(c->peer);
    const struct child_sa *newest = child_of_rule(c->peer, c->child.rule);
    bool crossed = newest != NULL && newest->initiator != c->initiator;
    c->packets_seen = packets;
    if (c->told == 0 && may_be_unconfirmed(ike, c, newest, in_use)) {
        timer_in(ike, &c->soft, DELETE_AGAIN);
        return;
    }
    if (ike_told_enough(c->told, in_use, crossed)) {
        child_end_one(ike, c, false, "replaced by a newer one");
        return;
    }
    if (sa != NULL)
        sa->version->delete_child(ike, sa, c);
    timer_in(ike, &c->soft, ike_tell_again_ms(++c->told));
}

void child_end_one(struct ike *ike, struct child_sa *c, bool tell_peer, const char *why)
{
    struct peer *peer = c->peer;
    uint32_t rule = c->child.rule;
    struct selector selector = c->child.selector;
    child_end(ike, c, tell_peer, true, why);
    if (child_of_rule(peer, rule) != NULL || child_is_coming(peer, rule))
        return;
    struct child_sa *other, *newest = NULL;
    DL_FOREACH (peer->children, other)
        if (other->state == CHILD_REPLACED && other->told == 0 && other->child.rule == rule &&
            selector_equal(&other->child.selector, &selector))
            newest = other;
    if (newest != NULL)
        serve_again(ike, newest);
    else
        peer_lost(ike, peer);
}

static void say_established(struct ike *ike, const struct child_sa *c, bool rekeyed)
{
    char selector[SELECTOR_TEXT], suite[PROPOSAL_TEXT];
    ike_say_event(ike, LOG_INFO, subject_of(c, NULL), "phase 2 %s: %s, SPIs %08x (in) %08x (out), %s, %s",
                  rekeyed ? "rekeyed, new SAs established" : "established",
                  selector_print(&c->child.selector, selector), c->child.spi_in, c->child.spi_out,
                  proposal_print(&c->child.suite, suite), c->child.udp ? "ESP in UDP" : "ESP");
}

/* Two clients of one rule ask for the same addresses, by mistake or by malice. Both may send; packets for these
 * addresses go by the newest pair, as they do when one client comes again under another name. */
static void say_shared(const struct ike *ike, const struct child_sa *c)
{
    const struct peer *peer;
    const struct child_sa *other;
    DL_FOREACH (ike->peers, peer) {
        if (peer == c->peer || peer->connection != c->peer->connection)
            continue;
        DL_FOREACH (peer->children, other) {
            if (other->state != CHILD_ACTIVE || other->child.rule != c->child.rule ||
                !range_overlaps(&other->child.selector.remote, &c->child.selector.remote))
                continue;
            char one[IDENTITY_TEXT], two[IDENTITY_TEXT], range[RANGE_TEXT];
            ike_say_event(
                ike, LOG_WARNING, subject_of(c, NULL),
                "%s now has %s, of which %s also has some: packets for it go to who came last; give each client "
                "addresses of its own, or a pool",
                net_name(&c->peer->id, one), range_print(&c->child.selector.remote, range), net_name(&peer->id, two));
            return;
        }
    }
}

void child_activate(struct ike *ike, struct child_sa *c)
{
    if (c->state != CHILD_INSTALLED)
        return;
    c->state = CHILD_ACTIVE;
    c->established_ms = ike->now_ms;
    uint64_t soft = ike_soft_limit(ike, c->lifetime_s * 1000, c->initiator);
    c->soft_ms = ike->now_ms + soft;
    timer_in(ike, &c->soft, soft);
    timer_in(ike, &c->hard, c->lifetime_s * 1000);
    ike->setup.ops.child_activate(ike->setup.ops.arg, c->child.id);
    peer_unwant(c->peer, c->child.rule);
    uint64_t replaced = replace_older(ike, c);
    say_established(ike, c, replaced != 0);
    if (replaced == 0)
        say_shared(ike, c);
    tell_child(ike, c, replaced);
}

void child_activate_soon(struct ike *ike, struct child_sa *c, bool must_wait)
{
    bool renewal = child_of_rule(c->peer, c->child.rule) != NULL;
    peer_unwant(c->peer, c->child.rule);
    timer_in(ike, &c->soft, must_wait ? COMMIT_WAIT : renewal ? CONFIRM_GRACE_RENEWAL : CONFIRM_GRACE);
}

bool child_is_coming(const struct peer *peer, uint32_t rule)
{
    const struct child_sa *c;
    DL_FOREACH (peer->children, c)
        if (c->child.rule == rule && c->initiator && c->state == CHILD_INSTALLED)
            return true;
    return false;
}

void child_end(struct ike *ike, struct child_sa *c, bool tell_peer, bool event, const char *why)
{
    struct peer *peer = c->peer;
    struct ike_sa *sa = peer_sa(peer);
    if (tell_peer && sa != NULL)
        sa->version->delete_child(ike, sa, c);
    bool was_up = c->state == CHILD_ACTIVE;
    if (was_up && ike->now_ms - c->established_ms >= STABLE_AFTER)
        peer->retry_wait_ms = 0;
    struct ike_event down = {.kind = IKE_EVENT_CHILD_DOWN,
                             .connection = peer->connection,
                             .rule = c->child.rule,
                             .child_id = c->child.id,
                             .spi_in = c->child.spi_in,
                             .spi_out = c->child.spi_out,
                             .why = why};
    timer_stop(ike, &c->soft);
    timer_stop(ike, &c->hard);
    HASH_DELETE(by_id, ike->children, c);
    DL_DELETE(peer->children, c);
    peer->child_count--;
    if (event) {
        ike->setup.ops.child_remove(ike->setup.ops.arg, c->child.id);
        ike_say_event(ike, was_up ? LOG_INFO : LOG_DEBUG, subject_of(c, why),
                      "phase 2 ended: SPIs %08x (in) %08x (out)", c->child.spi_in, c->child.spi_out);
    }
    free(c);
    if (event && was_up)
        ike_tell(ike, down);
    net_left(ike, peer);
}

struct child_sa *child_by_id(const struct ike *ike, uint64_t id)
{
    struct child_sa *c;
    HASH_FIND(by_id, ike->children, &id, sizeof id, c);
    return c;
}

struct child_sa *child_by_spi_out(const struct peer *peer, uint32_t spi_out)
{
    struct child_sa *c;
    DL_FOREACH (peer->children, c)
        if (c->child.spi_out == spi_out)
            return c;
    return NULL;
}

struct child_sa *child_of_rule(const struct peer *peer, uint32_t rule)
{
    struct child_sa *c, *newest = NULL;
    DL_FOREACH (peer->children, c)
        if (c->child.rule == rule && c->state == CHILD_ACTIVE)
            newest = c;
    return newest;
}

void child_renew(struct ike *ike, struct child_sa *c)
{
    if (c->state != CHILD_ACTIVE || c->renew_due)
        return;
    c->renew_due = true;
    ike_say_event(ike, LOG_INFO, subject_of(c, NULL), "rekeying phase 2: SPIs %08x (in) %08x (out)", c->child.spi_in,
                  c->child.spi_out);
    peer_pursue(ike, c->peer);
}

void child_renew_failed(struct ike *ike, uint64_t id)
{
    struct child_sa *c = child_by_id(ike, id);
    if (c == NULL || c->state != CHILD_ACTIVE)
        return;
    c->renew_due = c->renewing = false;
    timer_in(ike, &c->soft, REKEY_RETRY);
}

static void on_soft(struct ike *ike, struct child_sa *c)
{
    if (c->state == CHILD_REPLACED)
        clean_up(ike, c);
    else if (c->state == CHILD_INSTALLED)
        child_activate(ike, c);
    else
        child_renew(ike, c);
}

void child_timer(struct ike *ike, struct child_sa *c, enum timer_kind kind)
{
    if (kind == TIMER_CHILD_SOFT)
        on_soft(ike, c);
    else
        child_end_one(ike, c, true,
                      c->state == CHILD_INSTALLED ? "the peer never confirmed it" : "its lifetime is over");
}
