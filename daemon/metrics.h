/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page /metrics, in the text format 0.0.4 of Prometheus. Names and labels are a contract with dashboards and
 * alerts: doc/metrics.md lists them. 1 means up.
 *
 * An SA is gone after its renewal, and its series with it: sums over a connection are what to draw.
 */
#ifndef DAEMON_METRICS_H
#define DAEMON_METRICS_H

#include "daemon/status.h"

/* Series of single rules are left out beyond so many rules: a page of many megabytes helps nobody. */
enum { METRICS_RULES_MAX = 1000 };

/* How a connection does. */
struct metrics_connection {
    bool required, healthy;
    size_t rules, rules_up;
};

struct metrics_input {
    const struct status_input *status;
    const struct metrics_connection *connections; /* status->connection_count of them */
    void (*visit)(const struct ike *ike, const struct ike_visitor *visitor);
    const struct ike *ike;
};

/* The text, to be freed by the caller; NULL when memory is short. */
char *metrics_text(const struct metrics_input *input, size_t *len);

#endif
