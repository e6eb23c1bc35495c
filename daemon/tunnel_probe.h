/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe through a tunnel, as a pure state machine: when the next request is due, what an answer and its absence mean,
 * and when the tunnel is to be made anew. Who drives it (daemon/gateway_probe.c) finds `source`; and, when due_ms has
 * come, calls judge, counts `sequence` up, sends a request, and says so by sent, or by skipped. It is not dead-peer
 * detection (version.probe), and has nothing to do with the tests of offloads (tun/probe, daemon/udp_probe).
 */
#ifndef DAEMON_TUNNEL_PROBE_H
#define DAEMON_TUNNEL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/address.h"

enum {
    /* Between two restarts, doubled each time until an answer comes: a dead host behind a living peer costs little. */
    PROBE_RESTART_MIN_MS = 60000,
    PROBE_RESTART_MAX_MS = 3600000,
};

enum probe_state { PROBE_UNKNOWN, PROBE_UP, PROBE_DOWN };
enum probe_news { PROBE_NO_NEWS, PROBE_WENT_UP, PROBE_WENT_DOWN };

struct probe_terms {
    uint64_t interval_ms; /* between requests; an answer that takes longer is none */
    uint32_t failures;    /* so many in a row without an answer: down */
    bool restart;
};

/* Zero-initialised is new: nothing is known, and a request is due. */
struct tunnel_probe {
    enum probe_state state;
    struct address source; /* of the requests; family 0: none was found */
    uint64_t due_ms;
    /* The request that waits for its answer. */
    bool waits;
    uint16_t sequence;
    uint64_t nonce, sent_us;
    /* For people. */
    uint64_t sent, answered, rtt_us;
    uint64_t answered_ms; /* the last answer; 0: none yet */
    uint32_t lost;        /* in a row, since the last answer */
    /* In a row on this tunnel: one that has come up has its own tries. */
    uint32_t lost_here;
    uint64_t restart_wait_ms, restart_not_before_ms;
};

/* The time has come: a request without an answer is lost. *restart: the tunnel is to be made anew, now. */
enum probe_news tunnel_probe_judge(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now_ms,
                                   bool *restart);

/* What came of it: a request left; or there is no tunnel (or no address) to send it with: up becomes unknown, down
 * stays down. */
void tunnel_probe_sent(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t nonce, uint64_t now_ms,
                       uint64_t now_us);
void tunnel_probe_skipped(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now_ms);

/* An answer: counts only when it is to the request that waits. */
enum probe_news tunnel_probe_answered(struct tunnel_probe *p, uint16_t sequence, uint64_t nonce, uint64_t now_ms,
                                      uint64_t now_us);

/* The tunnel has come up (it was not only renewed): it is tried at once, and has all its tries. */
void tunnel_probe_tunnel_up(struct tunnel_probe *p, uint64_t now_ms);

const char *probe_state_name(enum probe_state state); /* "unknown", "up", "down" */

#endif
