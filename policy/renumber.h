/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections and rules are named by their place in the configuration. When another configuration takes its place, this
 * says what becomes of the numbers. Plain values, made by daemon/config_diff.h.
 */
#ifndef POLICY_RENUMBER_H
#define POLICY_RENUMBER_H

#include <stddef.h>
#include <stdint.h>

#define RENUMBER_GONE UINT32_MAX

struct renumber {
    const uint32_t *connections; /* by old number: the new one; GONE: no longer there, or not the same any more */
    size_t connection_count;     /* old */
    const uint32_t *rules;       /* likewise */
    size_t rule_count;           /* old */
};

static inline uint32_t renumber_connection(const struct renumber *r, uint32_t old)
{
    return old < r->connection_count ? r->connections[old] : RENUMBER_GONE;
}

static inline uint32_t renumber_rule(const struct renumber *r, uint32_t old)
{
    return old < r->rule_count ? r->rules[old] : RENUMBER_GONE;
}

#endif
