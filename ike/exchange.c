/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "ike/limits.h"

enum status exchange_keep(struct exchange *x, struct bytes datagram)
{
    uint8_t *copy = malloc(datagram.len);
    if (copy == NULL)
        return ERR_MEMORY;
    memcpy(copy, datagram.data, datagram.len);
    free(x->sent);
    x->sent = copy;
    x->sent_len = datagram.len;
    x->has_answered = x->has_resent = false;
    x->tries = x->repeats = 0;
    x->tries_left = RETRANSMIT_TRIES;
    return OK;
}

void exchange_answers(struct exchange *x, uint64_t message_hash)
{
    x->answered = message_hash;
    x->has_answered = true;
}

void exchange_clear(struct exchange *x)
{
    free(x->sent);
    *x = (struct exchange){0};
}

bool exchange_is_repeat(const struct exchange *x, uint64_t message_hash)
{
    return x->sent != NULL && x->has_answered && x->answered == message_hash;
}

bool exchange_may_repeat(struct exchange *x, uint64_t now_ms)
{
    if (x->has_resent && now_ms - x->resent_ms < REPEAT_EVERY)
        return false;
    x->has_resent = true;
    x->resent_ms = now_ms;
    x->repeats++;
    return true;
}

bool exchange_try_again(struct exchange *x)
{
    if (x->tries_left == 0)
        return false;
    x->tries_left--;
    x->tries++;
    return true;
}

uint64_t exchange_wait_ms(const struct exchange *x)
{
    uint64_t wait = (uint64_t)RETRANSMIT_FIRST << (x->tries < 16 ? x->tries : 16);
    return wait < RETRANSMIT_LONGEST ? wait : RETRANSMIT_LONGEST;
}

void exchange_hurry(struct exchange *x)
{
    if (x->tries_left > HINTED_TRIES)
        x->tries_left = HINTED_TRIES;
    x->tries = 0;
}
