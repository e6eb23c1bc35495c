/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anti-replay window: a ring of 64-bit words as RFC 6479, 64 to 8192 packets, with the inference of the high half
 * of extended sequence numbers (RFC 4303 A2). One owner, no lock. Check first, verify the ICV, and only then accept
 * (RFC 4303 3.4.3).
 */
#ifndef ESP_REPLAY_H
#define ESP_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { REPLAY_WINDOW_MIN = 64, REPLAY_WINDOW_MAX = 8192, REPLAY_WORDS_MAX = REPLAY_WINDOW_MAX / 64 * 2 };

struct replay {
    uint64_t top;    /* highest sequence number accepted; 0: none yet */
    uint32_t window; /* packets */
    uint32_t mask;   /* words of the ring - 1 (a power of two, with at least one word of slack) */
    uint64_t *ring;  /* owned */
    bool esn;
};

/* window is rounded up to a multiple of 64. ERR_LIMIT when out of range. */
MUST_USE enum status replay_init(struct replay *r, uint32_t window, bool esn);
void replay_free(struct replay *r);

/* The 64-bit number that the 32 bits on the wire stand for, given the window (RFC 4303 A2.1). Without ESN: the low
 * bits. */
uint64_t replay_infer(const struct replay *r, uint32_t low);

/* OK when unseen and inside or ahead of the window. ERR_REPLAY: seen, too old, or 0. No state changes. */
MUST_USE enum status replay_check(const struct replay *r, uint64_t sequence);

/* Marks it; only after the ICV has verified. ERR_REPLAY when it was accepted meanwhile (another packet of the same
 * batch). */
MUST_USE enum status replay_accept(struct replay *r, uint64_t sequence);

#endif
