/* SPDX-License-Identifier: Apache-2.0 */
/* Why a packet was dropped: one name and one counter each, as `esptun status` shows them. */
#ifndef ESP_DROP_H
#define ESP_DROP_H

#include "base/counter.h"

/* X(enumerator, "name in status"). Inbound first, in the order of RFC 4303 3.4. */
#define ESP_DROPS(X)                                                                                                   \
    X(DROP_ENCAP, "encap_malformed")               /* on 4500: neither IKE, ESP nor keepalive (B46) */                 \
    X(DROP_IN_OUTER_FRAGMENT, "in_outer_fragment") /* arrived in fragments, which the connection refuses */            \
    X(DROP_IN_SHORT, "in_short")                   /* shorter than header, IV, ICV and trailer, or unaligned (B31) */  \
    X(DROP_IN_NO_SA, "in_no_sa")                   /* unknown SPI */                                                   \
    X(DROP_IN_REPLAY, "in_replay")                 /* seen before, or left of the window (B32) */                      \
    X(DROP_IN_AUTH, "in_auth_failed")              /* ICV did not verify (B33) */                                      \
    X(DROP_IN_PADDING, "in_padding")               /* pad length or pad bytes wrong (B35) */                           \
    X(DROP_IN_DUMMY, "in_dummy")                   /* next header 59: discarded in silence (RFC 4303 2.6, B36) */      \
    X(DROP_IN_INNER, "in_inner_malformed")         /* next header, inner version or length wrong (B36) */              \
    X(DROP_IN_SELECTOR, "in_selector")             /* authentic, but outside the selectors of the SA (B37) */          \
    X(DROP_IN_FRAGMENT, "in_fragment")             /* an inner fragment that overlaps, is tiny, or hides its ports */  \
    X(DROP_IN_ECN, "in_ecn")                       /* congestion marked over what cannot carry the mark (RFC 6040) */  \
    X(DROP_IN_EXPIRED, "in_expired")               /* the SA has used up its bytes or packets */                       \
    X(DROP_IN_DEVICE, "in_device")                 /* TUN did not take it */                                           \
    X(DROP_IN_HANDOVER, "in_handover")             /* for the SA of another worker, which did not keep up */           \
    X(DROP_OUT_MALFORMED, "out_malformed")         /* from TUN, but not an IP packet */                                \
    X(DROP_OUT_LOOP, "out_loop")                   /* our own sealed packet came back: a route leads it to the TUN */  \
    X(DROP_OUT_FRAGMENT, "out_fragment")           /* a fragment that overlaps or is tiny (B38) */                     \
    X(DROP_OUT_DISCARD, "out_discard_rule")        /* a discard rule */                                                \
    X(DROP_OUT_NO_RULE, "out_no_rule")             /* the implicit discard at the end of the ACL */                    \
    X(DROP_OUT_QUEUE_FULL, "out_queue_full")       /* protect without an SA: the waiting queue is full */              \
    X(DROP_OUT_QUEUE_EXPIRED, "out_queue_expired") /* waited for an SA that did not come */                            \
    X(DROP_OUT_SELECTOR, "out_selector")           /* matches the rule, but no SA of it */                             \
    X(DROP_OUT_TOO_BIG, "out_too_big")             /* does not fit after sealing */                                    \
    X(DROP_OUT_EXPIRED, "out_expired")   /* numbers, bytes or packets used up: stops rather than goes clear (B41) */   \
    X(DROP_OUT_CRYPTO, "out_crypto")     /* sealing failed */                                                          \
    X(DROP_OUT_SOCKET, "out_socket")     /* the network did not take it */                                             \
    X(DROP_OUT_BYPASS, "out_bypass")     /* a bypass packet that could not leave */                                    \
    X(DROP_OUT_HANDOVER, "out_handover") /* for the SA of another worker, which did not keep up */                     \
    X(DROP_TOO_BIG_REFUSED,                                                                                            \
      "icmp_too_big_refused") /* a "too big" from outside that is not about our packets, or absurd (B40) */

#define ESP_DROP_ENUM(id, name) id,
enum drop { DROP_NONE = -1, ESP_DROPS(ESP_DROP_ENUM) DROP_COUNT };
#undef ESP_DROP_ENUM

struct drops {
    counter count[DROP_COUNT];
};

static inline void drop_count(struct drops *drops, enum drop why, uint64_t n)
{
    counter_add(&drops->count[why], n);
}

const char *drop_name(enum drop drop); /* never NULL */

#endif
