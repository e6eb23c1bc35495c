/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its reply, whatever the version of IKE: the last datagram that we sent is kept, to be sent again by a
 * timer (as the one who waits) or byte-identically when the peer repeats the request that it answers (RFC 2408 3.1, RFC
 * 7296 2.1).
 */
#ifndef IKE_EXCHANGE_H
#define IKE_EXCHANGE_H

#include <stdbool.h>

#include "base/wire.h"

struct exchange {
    uint8_t *sent; /* owned */
    size_t sent_len;
    uint64_t answered; /* keyed hash of the message that `sent` answers */
    bool has_answered;
    bool has_resent;
    uint64_t resent_ms;
    unsigned repeats;    /* times that the peer has asked for `sent` again and got it */
    unsigned tries;      /* times `sent` has been sent again by the timer */
    unsigned tries_left; /* before the peer is called silent */
};

/* Keeps a copy of the datagram about to be sent and starts its count of tries anew. */
MUST_USE enum status exchange_keep(struct exchange *x, struct bytes datagram);
void exchange_answers(struct exchange *x, uint64_t message_hash);
void exchange_clear(struct exchange *x);

/* Is this message the one that `sent` answers? */
bool exchange_is_repeat(const struct exchange *x, uint64_t message_hash);

/* A repeat is answered now: at most once in REPEAT_EVERY (B16). */
bool exchange_may_repeat(struct exchange *x, uint64_t now_ms);

/* The timer fired: true to send again and wait exchange_wait_ms, false when the tries are used up. */
bool exchange_try_again(struct exchange *x);
uint64_t exchange_wait_ms(const struct exchange *x);

/* After an unauthenticated "no": give a truthful answer a little longer, not the whole time. */
void exchange_hurry(struct exchange *x);

#endif
