/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What first fragments showed: later fragments of the same packet borrow protocol and ports from it, so that rules with
 * ports hold for whole packets (RFC 4301 7.3, stateful fragment checking). Every byte of a packet is let through at
 * most once, so that no fragment can overwrite what was looked at (RFC 1858, RFC 3128, RFC 5722).
 *
 * A fast sender comes back to the identification of a packet within a second (RFC 4963). So once all of a packet went
 * through, what follows under its name (addresses, identification and, in IPv4, protocol) is another packet; and what
 * does not fit to one that has been incomplete for a while is one, too. What a receiver makes of parts of two packets
 * is its own matter, as it is without us (RFC 5722).
 *
 * Fixed memory, one thread, no lock, no allocation after the start. What is pushed out can no longer be completed,
 * which costs a retransmission and leaks nothing. The room is shared fairly: a flood pushes out its own packets, not
 * those of another owner (the peer's rule), within one owner not those of another scope, and within one scope not those
 * of another source, as long as these have no more than the flood (and no more than eight meet in one set of the
 * table).
 */
#ifndef POLICY_FRAGMENTS_H
#define POLICY_FRAGMENTS_H

#include "crypto/random.h"
#include "policy/flow.h"

enum {
    FRAGMENTS_TRACKED = 256,      /* packets at a time */
    FRAGMENTS_LIFE_MS = 15000,    /* RFC 791 3.2 suggests 15 s */
    FRAGMENTS_STALE_MS = 2000,    /* an incomplete packet so old gives way to what clashes, or wants its room */
    FRAGMENTS_TCP_FIRST_MIN = 16, /* bytes of TCP header that a first fragment must show: up to its flags (RFC 3128) */
};

struct fragments;

/* random seeds the table, so that nobody outside can aim for one bucket. ERR_MEMORY, ERR_CRYPTO (no randomness). */
MUST_USE enum status fragments_new(const struct random *random, struct fragments **out);
void fragments_free(struct fragments *fragments); /* NULL is fine */

enum fragment_verdict {
    FRAGMENT_KNOWN,   /* flow now has the protocol and the ports of the whole packet (has_ports where it has some) */
    FRAGMENT_UNKNOWN, /* a later fragment whose first was not seen: flow is as it was */
    FRAGMENT_BAD,     /* to be dropped: overlaps, repeats, does not fit the others, or a tiny first fragment */
};

/*
 * flow: of a fragment (is_fragment). scope separates SAs (child ids, which never come again): a fragment borrows only
 * within its scope. owner: who shares the room with others; it may have several scopes. A first fragment is remembered;
 * a later one is completed from it. One that is BAD or UNKNOWN leaves no trace: a first one that was lost must not
 * spoil the next packet of that name.
 */
enum fragment_verdict fragments_see_of(struct fragments *fragments, uint64_t owner, uint64_t scope, struct flow *flow,
                                       uint64_t now_ms);

/* An UNKNOWN one goes through all the same, as some rule without ports takes it: its bytes count. */
void fragments_let_through(struct fragments *fragments, uint64_t owner, uint64_t scope, const struct flow *flow,
                           uint64_t now_ms);

/* Where all scopes are one owner's. */
static inline enum fragment_verdict fragments_see(struct fragments *fragments, uint64_t scope, struct flow *flow,
                                                  uint64_t now_ms)
{
    return fragments_see_of(fragments, 0, scope, flow, now_ms);
}

#endif
