/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the table of fragments share. */
#ifndef TEST_UNIT_POLICY_FRAGMENTS_TEST_H
#define TEST_UNIT_POLICY_FRAGMENTS_TEST_H

#include "test/unit/unit_test.h"

#include "policy/fragments.h"
#include "policy/protocol.h"

enum { TCP = 6, UDP = 17, ICMP = 1, HIDDEN = 60, MORE = 1, LAST = 0 };

static struct random_seeded seeded;

static inline struct fragments *a_table(uint64_t seed)
{
    struct random random = random_of_seed(&seeded, seed);
    struct fragments *fragments = NULL;
    assert_int_equal(fragments_new(&random, &fragments), OK);
    assert_non_null(fragments);
    return fragments;
}

/* A fragment as flow_read gives it; a first one shows all its bytes as upper layer, and the ports 4711 and 443. */
static inline struct flow a_fragment(uint8_t family, uint8_t protocol, uint32_t id, unsigned offset, unsigned len,
                                     bool more)
{
    struct flow f = {
        .source = an_address(family == 4 ? "10.1.0.2" : "2001:db8:1::2"),
        .destination = an_address(family == 4 ? "10.3.0.9" : "2001:db8:2::9"),
        .protocol = protocol,
        .is_fragment = true,
        .fragment_id = id,
        .fragment_offset = (uint16_t)offset,
        .fragment_len = (uint16_t)len,
        .more_fragments = more,
    };
    if (offset > 0)
        return f;
    f.upper = family == 4 ? 20 : 48;
    f.upper_len = (uint16_t)len;
    f.has_ports = protocol_has_ports(protocol);
    f.source_port = f.has_ports ? 4711 : 0;
    f.destination_port = f.has_ports ? 443 : 0;
    return f;
}

/* As the way out goes under a rule without ports, which takes also what is UNKNOWN. */
static inline enum fragment_verdict pass_of(struct fragments *fragments, uint64_t owner, uint64_t scope, struct flow *f,
                                            uint64_t now_ms)
{
    enum fragment_verdict verdict = fragments_see_of(fragments, owner, scope, f, now_ms);
    if (verdict == FRAGMENT_UNKNOWN)
        fragments_let_through(fragments, owner, scope, f, now_ms);
    return verdict;
}

#endif
