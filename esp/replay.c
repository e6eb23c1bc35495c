/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/replay.h"

#include <stdlib.h>

enum { WORD_BITS = 64 };

enum status replay_init(struct replay *r, uint32_t window, bool esn)
{
    *r = (struct replay){.esn = esn};
    if (window < REPLAY_WINDOW_MIN || window > REPLAY_WINDOW_MAX)
        return ERR_LIMIT;
    window = (window + WORD_BITS - 1) / WORD_BITS * WORD_BITS;

    /* A window that does not start at a word touches one word more than its size says. */
    uint32_t words = 2;
    while (words < window / WORD_BITS + 1)
        words *= 2;
    r->ring = calloc(words, sizeof *r->ring);
    if (r->ring == NULL)
        return ERR_MEMORY;
    r->window = window;
    r->mask = words - 1;
    return OK;
}

void replay_free(struct replay *r)
{
    free(r->ring);
    *r = (struct replay){0};
}

/* RFC 4303 A2.1, cases A and B. */
uint64_t replay_infer(const struct replay *r, uint32_t low)
{
    if (!r->esn)
        return low;
    uint32_t top_low = (uint32_t)r->top, high = (uint32_t)(r->top >> 32);
    uint32_t bottom = top_low - r->window + 1; /* modulo 2^32 */

    if (top_low >= r->window - 1)
        high += low < bottom; /* past the end of 2^64 it becomes 0: left of the window, so it never wraps */
    else if (high > 0)        /* before the first 2^32 there is nothing: such a number can only lie ahead */
        high -= low >= bottom;
    return (uint64_t)high << 32 | low;
}

static uint64_t *word_of(const struct replay *r, uint64_t sequence)
{
    return &r->ring[(sequence / WORD_BITS) & r->mask];
}

static uint64_t bit_of(uint64_t sequence)
{
    return UINT64_C(1) << (sequence % WORD_BITS);
}

enum status replay_check(const struct replay *r, uint64_t sequence)
{
    if (sequence == 0)
        return ERR_REPLAY; /* the first number is 1: RFC 4303 3.3.3 */
    if (sequence > r->top)
        return OK;
    if (r->top - sequence >= r->window)
        return ERR_REPLAY;
    return *word_of(r, sequence) & bit_of(sequence) ? ERR_REPLAY : OK;
}

/* Moves the right edge; the words that the window enters hold numbers of a lap ago. */
static void advance(struct replay *r, uint64_t sequence)
{
    uint64_t words = sequence / WORD_BITS - r->top / WORD_BITS;
    if (words > r->mask)
        words = (uint64_t)r->mask + 1;
    for (uint64_t i = 0; i < words; i++)
        *word_of(r, sequence - i * WORD_BITS) = 0;
    r->top = sequence;
}

enum status replay_accept(struct replay *r, uint64_t sequence)
{
    enum status status = replay_check(r, sequence);
    if (status != OK)
        return status;
    if (sequence > r->top)
        advance(r, sequence);
    *word_of(r, sequence) |= bit_of(sequence);
    return OK;
}
