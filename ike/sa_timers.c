/* SPDX-License-Identifier: Apache-2.0 */
/* What is due in the life of an IKE SA: retransmission, renewal, the end, clean-up, signs of life. */
#include <stdio.h>

#include "ike/auth.h"
#include "ike/peer.h"
#include "ike/refusal.h"
#include "ike/remote.h"
#include "ike/sa.h"

static void give_up(struct ike *ike, struct ike_sa *sa)
{
    char why[REFUSAL_TEXT], end[ENDPOINT_TEXT];
    endpoint_print(&sa->path.remote, end);
    if (sa->hint[0] != '\0')
        snprintf(why, sizeof why, "%s", sa->hint);
    else if (sa->refusal != 0)
        refusal_of_phase1(connection_of(ike, sa->connection), sa, sa->refusal, why);
    else if (sa->state == SA_SENT_AUTH)
        snprintf(why, sizeof why,
                 "peer not responding at %s once our identity was sent: %s, or it does not know our local_id", end,
                 auth_remedy(connection_of(ike, sa->connection)));
    else if (sa->state == SA_SENT_ID)
        snprintf(why, sizeof why,
                 "peer not responding at %s: check the address, that UDP 500 and 4500 pass both ways, and that the "
                 "peer does aggressive mode and knows our local_id",
                 end);
    else
        snprintf(why, sizeof why,
                 "peer not responding at %s: check the address and that UDP 500 and 4500 pass both ways", end);
    ike_sa_fail(ike, sa, why);
}

static void on_retransmit(struct ike *ike, struct ike_sa *sa)
{
    if (!exchange_try_again(&sa->exchange) || remote_is_enough(ike, sa)) {
        give_up(ike, sa);
        return;
    }
    sa->version->send(ike, sa, bytes_of(sa->exchange.sent, sa->exchange.sent_len), sa->exchange.tries);
    timer_in(ike, &sa->retransmit, exchange_wait_ms(&sa->exchange));
}

static void on_life(struct ike *ike, struct ike_sa *sa)
{
    if (sa->state < SA_ESTABLISHED)
        ike_sa_fail(ike, sa,
                    sa->state == SA_CONFIGURING ? "the peer did not finish XAUTH and mode-config"
                                                : "the peer did not finish phase 1");
    else
        ike_sa_end_one(ike, sa, true, "its lifetime is over");
}

/* With it would end what is being made under it, and the peer may be sealing on that already; or the peer does not have
 * the new one, and then this one serves again. */
static bool is_needed(const struct ike *ike, const struct ike_sa *sa, const struct ike_sa *newest)
{
    return sa->version->is_creating_any(ike, sa) ||
           (sa->told == 0 && newest != NULL && newest->unconfirmed && newest->probe.deadline.armed);
}

static void clean_up(struct ike *ike, struct ike_sa *sa)
{
    const struct ike_sa *newest = peer_sa(sa->peer);
    bool crossed = newest != NULL && newest->initiator != sa->initiator;
    if (is_needed(ike, sa, newest)) {
        timer_in(ike, &sa->renew, DELETE_AGAIN);
        return;
    }
    if (ike_told_enough(sa->told, sa->heard_ms > sa->told_ms, crossed)) {
        ike_sa_end(ike, sa, false, "replaced by a newer one");
        return;
    }
    sa->version->delete_sa(ike, sa);
    sa->told_ms = ike->now_ms;
    timer_in(ike, &sa->renew, ike_tell_again_ms(++sa->told));
}

void ike_sa_tell_again(struct ike_sa *sa)
{
    if (sa->state == SA_REPLACED && sa->told >= DELETE_TRIES)
        sa->told = DELETE_TRIES - 1;
}

static void on_renew(struct ike *ike, struct ike_sa *sa)
{
    if (sa->state == SA_REPLACED) {
        clean_up(ike, sa);
        return;
    }
    struct peer *peer = sa->peer;
    if (connection_is_any(connection_of(ike, sa->connection))) {
        ike_say(ike, LOG_DEBUG, sa->connection, "phase 1 ends soon; its peer (remote = %%any) has to rekey it");
        return;
    }
    timer_in(ike, &sa->renew, REKEY_RETRY * 6); /* if nothing comes of it */
    struct ike_sa *other;
    DL_FOREACH (peer->sas, other)
        if (other->initiator && other->state < SA_ESTABLISHED)
            return; /* a renewal is under way */
    ike_say(ike, LOG_INFO, sa->connection, "rekeying phase 1");
    if (sa->version->initiate(ike, peer) != OK)
        ike_say(ike, LOG_ERROR, sa->connection, "cannot rekey phase 1: out of memory or randomness");
}

static uint64_t probe_wait(struct ike_sa *sa)
{
    uint64_t wait = (uint64_t)RETRANSMIT_FIRST << sa->dpd_tries++;
    return wait < RETRANSMIT_LONGEST ? wait : RETRANSMIT_LONGEST;
}

/* A renewal may have nothing to say for long, and a peer without dead-peer detection answers no probe: so message 3
 * goes out again a few times. One that has got it takes it for the repeat that it is. */
static void repeat_last(struct ike *ike, struct ike_sa *sa)
{
    if (sa->dpd_tries >= CONFIRM_TRIES || sa->exchange.sent_len == 0)
        return;
    timer_in(ike, &sa->probe, probe_wait(sa));
    sa->version->send(ike, sa, bytes_of(sa->exchange.sent, sa->exchange.sent_len), 0);
}

/* In aggressive mode nothing answers message 3. While the peer has not shown that it has got it, probes ask; to one
 * that has not, they are a reason to repeat message 2 (v1_aggressive_overtaken). */
static void on_unconfirmed(struct ike *ike, struct ike_sa *sa)
{
    static const char why[] = "the peer has not confirmed phase 1: check that UDP 500 and 4500 pass both ways";
    struct peer *peer = sa->peer;
    if (!sa->peer_dpd) {
        repeat_last(ike, sa);
        return;
    }
    if (sa->dpd_tries > RETRANSMIT_TRIES && peer->children == NULL && sa->state == SA_ESTABLISHED) {
        ike_sa_peer_dead(ike, sa, why);
        return;
    }
    if (sa->dpd_tries > RETRANSMIT_TRIES) { /* a renewal: what it was to adopt may be well */
        ike_sa_end_one(ike, sa, true, why); /* it may have got message 3 at the last moment */
        peer_pursue(ike, peer);
        return;
    }
    timer_in(ike, &sa->probe, probe_wait(sa));
    sa->version->probe(ike, sa);
}

/* RFC 3706 5.4: a probe is only needed when nothing has come from the peer since the last look. */
static void on_probe(struct ike *ike, struct ike_sa *sa)
{
    uint64_t delay = connection_of(ike, sa->connection)->dpd_delay_s * 1000;
    uint64_t packets = 0;
    struct child_sa *child;
    if (sa->unconfirmed) { /* replaced ones too: if the peer gets message 3 with our delete only, it is its newest */
        on_unconfirmed(ike, sa);
        return;
    }
    if (sa->state != SA_ESTABLISHED)
        return;
    if (delay == 0 || !sa->peer_dpd)
        return; /* it was only there for the confirmation */
    DL_FOREACH (sa->peer->children, child)
        packets += ike->setup.ops.child_packets_in(ike->setup.ops.arg, child->child.id);
    bool alive = packets != sa->packets_seen || ike->now_ms - sa->heard_ms < delay;
    sa->packets_seen = packets;
    if (alive)
        sa->dpd_tries = 0;
    if (alive && sa->dpd_tries == 0) {
        timer_in(ike, &sa->probe, delay);
        return;
    }
    if (sa->dpd_tries > RETRANSMIT_TRIES) {
        ike_sa_peer_dead(ike, sa, "no answer to dead-peer detection");
        return;
    }
    timer_in(ike, &sa->probe, probe_wait(sa));
    sa->version->probe(ike, sa);
}

void ike_sa_timer(struct ike *ike, struct ike_sa *sa, enum timer_kind kind)
{
    switch (kind) {
    case TIMER_SA_RETRANSMIT: on_retransmit(ike, sa); break;
    case TIMER_SA_LIFE: on_life(ike, sa); break;
    case TIMER_SA_RENEW: on_renew(ike, sa); break;
    case TIMER_SA_PROBE: on_probe(ike, sa); break;
    case TIMER_SA_FRAGMENTS: sa->version->forget_fragments(ike, sa); break;
    case TIMER_SA_LINGER: exchange_clear(&sa->exchange); break;
    case TIMER_SA_KEEPALIVE:
        ike->setup.ops.send_keepalive(ike->setup.ops.arg, &sa->path);
        timer_in(ike, &sa->keepalive, KEEPALIVE_EVERY);
        break;
    default: break;
    }
}
