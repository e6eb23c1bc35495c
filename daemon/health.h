/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a connection of use at the moment? Its rules have SAs, and packets come back. A tunnel that is up at both ends can
 * still lead nowhere, which no message of IKE shows: so what arrives is watched, too.
 */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HEALTH_SAMPLE_MS = 5000,
    /* So many packets, over so long, without one that comes back: then it leads nowhere. Much is said before an answer
     * is due, and what is said into one direction only (syslog, say) needs a probe to be judged by. */
    HEALTH_UNANSWERED = 10,
    HEALTH_SILENCE_MS = 30000,
    HEALTH_WHY = 192,
};

/* What came in and went out by the SAs of one connection, sampled. Zero-initialised is new. */
struct health_flow {
    uint64_t in, out;     /* packets, of the last sample */
    uint64_t unanswered;  /* went out since the last one that came in */
    uint64_t silent_from; /* ms: the first sample at which one was unanswered; 0: none is */
};

/* The sums of this moment. They fall when SAs go: that is no news of either kind. */
void health_sample(struct health_flow *flow, uint64_t in, uint64_t out, uint64_t now_ms);

enum health_probe {
    HEALTH_NOT_PROBED,
    HEALTH_PROBE_HOMELESS, /* there is no address to send it from */
    HEALTH_PROBE_WAITS,
    HEALTH_PROBE_ANSWERED,
    HEALTH_PROBE_FAILS,
};

struct health_view {
    size_t rules, rules_up; /* protect rules, and those with an SA that may seal */
    const struct health_flow *flow;
    enum health_probe probe; /* once there is one, its word counts, and that of the flow does not */
    uint32_t probe_lost;     /* in a row */
};

/* Whether packets get through; why: what is wrong, for people, "" when nothing is. */
bool health_judge(const struct health_view *view, uint64_t now_ms, char why[HEALTH_WHY]);

#endif
