/* SPDX-License-Identifier: Apache-2.0 */
/* The packet that `esptun explain` is asked about, as people write it. */
#ifndef DAEMON_EXPLAIN_QUERY_H
#define DAEMON_EXPLAIN_QUERY_H

#include "base/wire.h"
#include "policy/selector.h"

enum {
    EXPLAIN_LINE_MAX = 200,  /* characters of a question; its widest right form has 130 */
    EXPLAIN_QUERY_TEXT = 160 /* of explain_query_print */
};

#define EXPLAIN_SYNTAX "[PROTOCOL] SRC[:PORT] DST[:PORT]"

/* A whole packet of which perhaps not all is told. */
struct explain_query {
    struct flow flow; /* what was not told is zero; has_ports: at least one port was */
    unsigned told;    /* FIELD_PROTOCOL, FIELD_LOCAL_PORT (of the source), FIELD_REMOTE_PORT */
};

/*
 * "tcp 10.1.0.5 10.3.0.9:443", "[2001:db8::1]:4000 [2001:db8::2]:443", "udp 10.1.0.5 port 53 -> 10.3.0.9". The text is
 * untrusted. On ERR_MALFORMED why says what is wrong and what would be right.
 */
MUST_USE enum status explain_query_parse(struct bytes text, struct explain_query *out, char *why, size_t why_len);

/* between: " ", the form that the parser and a shell take, or " -> " for people. Returns out. */
const char *explain_query_print(const struct explain_query *query, const char *between, char out[EXPLAIN_QUERY_TEXT]);

/* The same packet with its ends exchanged. */
struct explain_query explain_query_turned(const struct explain_query *query);

/* A packet of the question that the selector takes. open: of selector_explain, whose differs is 0. */
struct explain_query explain_query_filled(const struct explain_query *query, const struct selector *s, unsigned open);

#endif
