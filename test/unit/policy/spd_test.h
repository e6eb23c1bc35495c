/* SPDX-License-Identifier: Apache-2.0 */
/* Random rules and packets that meet each other often: few addresses, few ports, few protocols. */
#ifndef TEST_UNIT_POLICY_SPD_TEST_H
#define TEST_UNIT_POLICY_SPD_TEST_H

#include "test/unit/unit_test.h"

#include "policy/protocol.h"
#include "policy/spd.h"

/* xorshift64: the failing seed is printed, and gives the same run again. */
static inline uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (*state >> 11) % below;
}

static inline struct address draw_address(uint64_t *rng, uint8_t family)
{
    struct address a = family == 4 ? an_address("10.0.0.0") : an_address("2001:db8::");
    size_t len = family == 4 ? 4 : 16;
    a.bytes[len - 1] = (uint8_t)draw(rng, 256);
    a.bytes[len - 2] = (uint8_t)(draw(rng, 4) == 0 ? draw(rng, 3) : 0);
    if (draw(rng, 16) == 0)
        a.bytes[draw(rng, len)] ^= (uint8_t)draw(rng, 256);
    return a;
}

static inline struct address_range draw_range(uint64_t *rng, uint8_t family)
{
    struct address_range r = {draw_address(rng, family), draw_address(rng, family)};
    uint64_t kind = draw(rng, 10);
    size_t width = address_len(&r.first) * 8, len = width - draw(rng, draw(rng, 8) == 0 ? width + 1 : 11);
    if (kind < 2)
        return range_any(family);
    if (kind < 8) { /* a prefix */
        r.last = r.first;
        for (size_t bit = len; bit < width; bit++) {
            r.first.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
            r.last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
        }
    } else if (address_compare(&r.first, &r.last) > 0) {
        r = (struct address_range){r.last, r.first};
    }
    return r;
}

static inline uint8_t draw_protocol(uint64_t *rng)
{
    static const uint8_t some[] = {0, 1, 6, 6, 6, 17, 17, 43, 44, 47, 50, 51, 58, 60, 132};
    return some[draw(rng, COUNT(some))];
}

static inline uint16_t draw_port(uint64_t *rng)
{
    return (uint16_t)(draw(rng, 10) == 0 ? draw(rng, 65536) : 440 + draw(rng, 12));
}

static inline struct port_range draw_port_range(uint64_t *rng)
{
    uint16_t a = draw_port(rng), b = draw(rng, 2) == 0 ? a : draw_port(rng);
    return draw(rng, 3) == 0 ? port_any() : (struct port_range){a < b ? a : b, a < b ? b : a};
}

static inline struct rule draw_rule(uint64_t *rng)
{
    const uint8_t family = draw(rng, 2) == 0 ? 4 : 6;
    struct rule rule = {.action = (enum action)draw(rng, 3), .connection = (uint32_t)draw(rng, 3)};
    rule.selector = (struct selector){
        .local = draw_range(rng, family),
        .remote = draw_range(rng, family),
        .protocol = draw_protocol(rng),
        .local_port = port_any(),
        .remote_port = port_any(),
    };
    /* Ports without a protocol cannot be written, but a selector can hold them. */
    if (protocol_has_ports(rule.selector.protocol) || draw(rng, 32) == 0) {
        rule.selector.local_port = draw_port_range(rng);
        rule.selector.remote_port = draw_port_range(rng);
    }
    return rule;
}

static inline void draw_spd(uint64_t *rng, struct spd *spd, size_t count)
{
    *spd = (struct spd){.rules = calloc(count + 1, sizeof *spd->rules), .count = count, .capacity = count + 1};
    assert_non_null(spd->rules);
    for (size_t i = 0; i < count; i++)
        spd->rules[i] = i > 0 && draw(rng, 8) == 0 ? spd->rules[draw(rng, i)] : draw_rule(rng);
}

static inline struct flow draw_flow(uint64_t *rng)
{
    const uint8_t family = draw(rng, 2) == 0 ? 4 : 6;
    struct flow f = {
        .source = draw_address(rng, family), .destination = draw_address(rng, family), .protocol = draw_protocol(rng)};
    f.has_ports = protocol_has_ports(f.protocol) && draw(rng, 4) > 0;
    f.is_fragment = !f.has_ports && draw(rng, 2) == 0;
    if (f.has_ports) {
        f.source_port = draw_port(rng);
        f.destination_port = draw_port(rng);
    }
    return f;
}

#endif
