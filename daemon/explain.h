/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `esptun explain`: which rule and which SA a packet would meet, and why. Pure: rules, connections and a read-only view
 * of SAs in, text out.
 *   explain_query.c  the question
 *   explain.c        the walk through the rules, and what becomes of the packet
 *   explain_sas.c    the SAs of a protect rule, and which one would carry it
 */
#ifndef DAEMON_EXPLAIN_H
#define DAEMON_EXPLAIN_H

#include <stdio.h>

#include "daemon/explain_query.h"
#include "daemon/worker.h"
#include "ike/ike.h"

/* The answer is bounded: what is beyond is counted. */
enum {
    EXPLAIN_RULES_SHOWN = 256, /* that do not decide */
    EXPLAIN_MAYBE_MAX = 64,    /* that depend on what the question does not tell */
    EXPLAIN_SAS_SHOWN = 16,    /* of IKE */
    EXPLAIN_CHILDREN_SHOWN = 64,
};

struct explain_input {
    const struct spd *spd;
    const struct connection *connections; /* as the rules index them */
    bool guard;                           /* the key of [gateway] */
    /* Of a running daemon; all NULL without one. */
    const struct rule_counters *rules; /* one per entry of the SPD */
    const struct sad *sad;
    const struct ike *ike;
    void (*visit)(const struct ike *ike, const struct ike_visitor *visitor); /* ike_visit */
};

/* What the rules say of a packet, first match first. */
struct explain_walk {
    /* These take a part of the packets that the question may mean: it does not tell protocol or ports. */
    uint32_t maybe[EXPLAIN_MAYBE_MAX];
    size_t maybe_count, maybe_more; /* more: did not fit */
    int decides;                    /* all others: an index, or SPD_RULE_NONE for the implicit discard */
};

/* The query as seen from us: its source is on our side. For a whole packet `decides` is what spd_lookup says. */
void explain_walk(const struct spd *spd, const struct explain_query *query, struct explain_walk *out);

void explain(const struct explain_input *input, const struct explain_query *query, FILE *out);

/* --- between the files of explain --- */

/* One direction. */
struct explain_sight {
    const struct explain_input *input;
    struct explain_query query; /* as seen from us: its source is on our side */
    bool inbound;               /* the packet comes from the peer: our side is its destination */
    FILE *out;
};

/* "source 10.9.0.1 is not in 10.1.0.0/24, protocol is udp, not tcp" */
void explain_differs(const struct explain_sight *sight, const struct selector *s, unsigned differs);
/* "tcp with destination port 443" */
void explain_open(const struct explain_sight *sight, const struct selector *s, unsigned open);

/* The connection of a protect rule, its SAs, and the result for the packet. */
void explain_protect(const struct explain_sight *sight, uint32_t rule);

#endif
