/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/policy/fragments_test.h"

/* Sees a fragment of IPv4 with id 7 in scope 1, and looks at what became of its fields; what is UNKNOWN passes. */
static enum fragment_verdict see(struct fragments *fragments, uint8_t protocol, unsigned offset, unsigned len,
                                 bool more)
{
    struct flow f = a_fragment(4, protocol, 7, offset, len, more), before = f;
    enum fragment_verdict verdict = pass_of(fragments, 0, 1, &f, 1000);
    if (verdict == FRAGMENT_KNOWN) {
        assert_int_equal(f.protocol, protocol);
        assert_int_equal(f.has_ports, protocol_has_ports(protocol));
        assert_int_equal(f.source_port, f.has_ports ? 4711 : 0);
        assert_int_equal(f.destination_port, f.has_ports ? 443 : 0);
    } else {
        assert_memory_equal(&f, &before, sizeof f);
    }
    return verdict;
}

/* --- failure --- */

static enum status broken(void *arg, void *out, size_t len)
{
    (void)arg;
    (void)out;
    (void)len;
    return ERR_CRYPTO;
}

static void test_b45_no_randomness_no_table(void **state)
{
    (void)state;
    struct random random = {.fill = broken};
    struct fragments *fragments = (struct fragments *)&random;
    assert_int_equal(fragments_new(&random, &fragments), ERR_CRYPTO);
    assert_null(fragments);
    fragments_free(NULL);
}

/* --- tiny first fragments --- */

static void test_b38_tiny_tcp(void **state)
{
    (void)state;
    for (unsigned shown = 0; shown <= 40; shown++) {
        struct fragments *fragments = a_table(38);
        struct flow f = a_fragment(4, TCP, 7, 0, 40, true);
        f.upper_len = (uint16_t)shown; /* IPv6: extension headers take the rest */
        f.has_ports = shown >= 4;
        bool bad = shown < FRAGMENTS_TCP_FIRST_MIN;
        assert_int_equal(fragments_see(fragments, 1, &f, 0), bad ? FRAGMENT_BAD : FRAGMENT_KNOWN);
        /* A first fragment that was refused lends nothing. */
        assert_int_equal(see(fragments, TCP, 40, 8, LAST), bad ? FRAGMENT_UNKNOWN : FRAGMENT_KNOWN);
        fragments_free(fragments);
    }
    assert_int_equal(FRAGMENTS_TCP_FIRST_MIN, 16);
}

/* RFC 3128: the second fragment of TCP at offset 8 holds the flags. */
static void test_b38_tcp_flags_in_a_later_fragment(void **state)
{
    (void)state;
    for (unsigned offset = 8; offset <= 64; offset += 8) {
        struct fragments *fragments = a_table(38);
        bool bad = offset < 16;
        assert_int_equal(see(fragments, TCP, offset, 8, MORE), bad ? FRAGMENT_BAD : FRAGMENT_UNKNOWN);
        assert_int_equal(see(fragments, UDP, offset, 8, MORE), FRAGMENT_UNKNOWN);
        fragments_free(fragments);
    }
}

static void test_b38_first_without_ports(void **state)
{
    (void)state;
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct fragments *fragments = a_table(38);
        struct flow f = a_fragment(4, (uint8_t)protocol, 7, 0, 24, true);
        f.has_ports = false;
        f.source_port = f.destination_port = 0;
        assert_int_equal(fragments_see(fragments, 1, &f, 0),
                         protocol_has_ports(protocol) ? FRAGMENT_BAD : FRAGMENT_KNOWN);
        fragments_free(fragments);
    }
}

/* flow_read refuses these before; the table does not rely on it. */
static void test_b38_bounds(void **state)
{
    (void)state;
    static const struct {
        uint16_t offset, len;
        bool more, bad;
    } rows[] = {
        {0, 0, true, true},       {8, 0, false, true},     {8, 8, false, false},     {8, 7, true, true},
        {8, 7, false, false},     {9, 8, true, true},      {1, 8, false, true},      {65528, 7, false, false},
        {65528, 8, false, true},  {65520, 8, true, false}, {65520, 16, true, true},  {65528, 65535, false, true},
        {8, 65527, false, false}, {8, 65528, true, true},  {0, 65535, false, false}, {0, 65528, true, false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fragments *fragments = a_table(38);
        enum fragment_verdict verdict = see(fragments, UDP, rows[i].offset, rows[i].len, rows[i].more);
        enum fragment_verdict good = rows[i].offset == 0 ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN;
        if (verdict != (rows[i].bad ? FRAGMENT_BAD : good))
            fail_msg("row %zu: %d", i, verdict);
        fragments_free(fragments);
    }
}

/* --- overlaps --- */

/* One fragment of 64 bytes at 128, then every other that fits in 256 bytes: exactly those that share a byte are bad. */
static void test_b38_every_overlap(void **state)
{
    (void)state;
    for (unsigned offset = 8; offset < 256; offset += 8) {
        for (unsigned len = 1; len <= 256 - offset; len++) {
            for (unsigned more = 0; more <= 1; more++) {
                if (more && len % 8 != 0)
                    continue;
                struct fragments *fragments = a_table(38);
                assert_int_equal(see(fragments, UDP, 0, 8, MORE), FRAGMENT_KNOWN);
                assert_int_equal(see(fragments, UDP, 128, 64, MORE), FRAGMENT_KNOWN);
                bool overlap = offset < 192 && offset + len > 128;
                bool ends_before_data = !more && offset + len <= 128;
                assert_int_equal(see(fragments, UDP, offset, len, more),
                                 overlap || ends_before_data ? FRAGMENT_BAD : FRAGMENT_KNOWN);
                /* What was bad was not remembered: the places beside it are still free. */
                if (overlap && offset > 8)
                    assert_int_equal(see(fragments, UDP, 8, offset < 128 ? offset - 8 : 120, MORE), FRAGMENT_KNOWN);
                fragments_free(fragments);
            }
        }
    }
}

static void test_b38_second_first_fragment(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    assert_int_equal(see(fragments, UDP, 0, 64, MORE), FRAGMENT_KNOWN);
    for (unsigned len = 8; len <= 128; len += 8) {
        struct flow f = a_fragment(4, UDP, 7, 0, len, true);
        assert_int_equal(fragments_see(fragments, 1, &f, 1000), FRAGMENT_BAD); /* even the exact repeat */
        f.destination_port = 22;
        assert_int_equal(fragments_see(fragments, 1, &f, 1000), FRAGMENT_BAD);
    }
    assert_int_equal(see(fragments, UDP, 64, 8, MORE), FRAGMENT_KNOWN); /* with port 443: see() looks */
    assert_int_equal(see(fragments, UDP, 64, 8, MORE), FRAGMENT_BAD);
    fragments_free(fragments);
}

/* Bytes that went before the first fragment came are gone as well. */
static void test_b38_later_before_first(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    assert_int_equal(see(fragments, UDP, 64, 64, MORE), FRAGMENT_UNKNOWN);
    assert_int_equal(see(fragments, UDP, 64, 64, MORE), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 0, 72, MORE), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 0, 64, MORE), FRAGMENT_KNOWN);
    assert_int_equal(see(fragments, UDP, 64, 64, MORE), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 128, 64, LAST), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

static void test_b38_one_end_behind_all_data(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, len;
        bool more;
        enum fragment_verdict verdict;
    } rows[] = {
        {0, 64, true, FRAGMENT_KNOWN},    {256, 64, true, FRAGMENT_KNOWN},
        {64, 8, false, FRAGMENT_BAD},                                   /* data are behind it */
        {320, 13, false, FRAGMENT_KNOWN}, {328, 8, true, FRAGMENT_BAD}, /* in the last unit, which is not full */
        {336, 8, true, FRAGMENT_BAD},                                   /* behind the end */
        {336, 8, false, FRAGMENT_BAD},    {128, 8, false, FRAGMENT_BAD},
        {128, 128, true, FRAGMENT_KNOWN}, {128, 128, true, FRAGMENT_BAD},
        {64, 64, true, FRAGMENT_KNOWN},   {64, 64, true, FRAGMENT_UNKNOWN}, /* it was whole: another packet */
    };
    struct fragments *fragments = a_table(38);
    for (size_t i = 0; i < COUNT(rows); i++) {
        enum fragment_verdict verdict = see(fragments, UDP, rows[i].offset, rows[i].len, rows[i].more);
        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %d, not %d", i, verdict, rows[i].verdict);
    }
    fragments_free(fragments);
}

/* The largest packet, in pieces of every size, forwards and backwards; each piece again before the last one came, and
 * then the next packet of that name. */
static void test_largest_packet_in_pieces(void **state)
{
    (void)state;
    static const unsigned sizes[] = {8, 16, 56, 504, 512, 520, 1400, 1480, 4096, 32768, 65528};
    for (size_t s = 0; s < COUNT(sizes); s++) {
        for (unsigned backwards = 0; backwards <= 1; backwards++) {
            struct fragments *fragments = a_table(38);
            unsigned size = sizes[s], pieces = (65535 + size - 1) / size;
            for (unsigned i = 0; i < 2 * pieces; i++) {
                unsigned piece = backwards ? pieces - 1 - i % pieces : i % pieces, offset = piece * size;
                unsigned len = 65535 - offset < size ? 65535 - offset : size;
                bool more = offset + len < 65535, known = !backwards || piece == 0;
                assert_int_equal(see(fragments, UDP, offset, len, more), known ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN);
                if (i % pieces < pieces - 1)
                    assert_int_equal(see(fragments, UDP, offset, len, more), FRAGMENT_BAD);
            }
            fragments_free(fragments);
        }
    }
}

/* --- whose fragment it is --- */

static void test_what_is_one_packet(void **state)
{
    (void)state;
    enum { SCOPE = 1, SOURCE, DESTINATION, ID, PROTOCOL, ALL };
    for (unsigned family = 4; family <= 6; family += 2) {
        for (unsigned differs = 0; differs < ALL; differs++) {
            struct fragments *fragments = a_table(38);
            struct flow first = a_fragment((uint8_t)family, UDP, 7, 0, 64, true);
            struct flow later = a_fragment((uint8_t)family, UDP, 7, 64, 64, false);
            assert_int_equal(fragments_see(fragments, 1, &first, 0), FRAGMENT_KNOWN);
            later.source.bytes[address_len(&later.source) - 1] ^= differs == SOURCE;
            later.destination.bytes[0] ^= differs == DESTINATION;
            later.fragment_id ^= differs == ID ? 0x8000 : 0;
            later.protocol = differs == PROTOCOL ? ICMP : UDP;
            /* RFC 8200 4.5: IPv6 tells packets apart without the protocol, and takes it from the first. */
            bool same = differs == 0 || (family == 6 && differs == PROTOCOL);
            assert_int_equal(fragments_see(fragments, differs == SCOPE ? 2 : 1, &later, 0),
                             same ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN);
            assert_int_equal(later.has_ports, same);
            if (same)
                assert_true(later.protocol == UDP && later.source_port == 4711 && later.destination_port == 443);
            fragments_free(fragments);
        }
    }
    /* All 32 bits of an IPv6 identification count. */
    struct fragments *fragments = a_table(38);
    for (unsigned bit = 0; bit < 32; bit++) {
        struct flow first = a_fragment(6, UDP, (uint32_t)1 << bit, 0, 64, true);
        assert_int_equal(fragments_see(fragments, 1, &first, 0), FRAGMENT_KNOWN);
    }
    fragments_free(fragments);
}

/* Destination options stand before TCP in the first fragment: the later ones name the options as their protocol. */
static void test_b38_hidden_protocol_comes_from_the_first(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    struct flow first = a_fragment(6, TCP, 7, 0, 64, true);
    first.upper_len = 40;
    struct flow later = a_fragment(6, HIDDEN, 7, 64, 64, false);
    struct selector s = {a_range("2001:db8:1::/48"), a_range("2001:db8:2::/48"), TCP, port_any(), {443, 443}};
    assert_false(selector_matches(&s, &later));
    assert_true(selector_may_match(&s, &later));
    assert_int_equal(fragments_see(fragments, 1, &first, 0), FRAGMENT_KNOWN);
    assert_int_equal(fragments_see(fragments, 1, &later, 0), FRAGMENT_KNOWN);
    assert_int_equal(later.protocol, TCP);
    assert_true(selector_matches(&s, &later));
    fragments_free(fragments);
}

/* A protocol that has no ports: the later fragment is known to have none. */
static void test_protocols_without_ports(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    assert_int_equal(see(fragments, ICMP, 0, 8, MORE), FRAGMENT_KNOWN);
    assert_int_equal(see(fragments, ICMP, 8, 8, LAST), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

/* --- time and space --- */

static void test_life(void **state)
{
    (void)state;
    static const uint64_t starts[] = {0, 1, 123456789};
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct fragments *fragments = a_table(38);
        struct flow first = a_fragment(4, UDP, 7, 0, 64, true), again = first;
        struct flow later = a_fragment(4, UDP, 7, 64, 64, true), late = a_fragment(4, UDP, 7, 128, 64, true);
        uint64_t end = starts[i] + FRAGMENTS_LIFE_MS;
        assert_int_equal(fragments_see(fragments, 1, &first, starts[i]), FRAGMENT_KNOWN);
        /* What comes does not prolong it. */
        assert_int_equal(fragments_see(fragments, 1, &later, end - 1), FRAGMENT_KNOWN);
        assert_int_equal(fragments_see(fragments, 1, &late, end), FRAGMENT_UNKNOWN);
        assert_int_equal(fragments_see(fragments, 1, &again, end), FRAGMENT_KNOWN); /* a new packet of that name */
        fragments_free(fragments);
    }
}

/* An incomplete packet spoils the next one of its name only for a while: then what does not fit to it is another. */
static void test_an_incomplete_packet_gives_way(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < 3; shape++) {
        struct fragments *fragments = a_table(38);
        struct flow first = a_fragment(4, UDP, 7, 0, 64, true), behind = a_fragment(4, UDP, 7, 128, 64, true);
        struct flow clash = shape == 0   ? first                                /* overlaps */
                            : shape == 1 ? a_fragment(4, UDP, 7, 64, 64, false) /* ends before other data */
                                         : a_fragment(4, UDP, 7, 136, 8, true); /* overlaps, and is no first */
        clash.destination_port = shape == 0 ? 22 : 0;
        assert_int_equal(fragments_see(fragments, 1, &first, 0), FRAGMENT_KNOWN);
        assert_int_equal(fragments_see(fragments, 1, &behind, 0), FRAGMENT_KNOWN);
        struct flow early = clash, right = clash;
        assert_int_equal(fragments_see(fragments, 1, &early, FRAGMENTS_STALE_MS - 1), FRAGMENT_BAD);
        enum fragment_verdict verdict = fragments_see(fragments, 1, &right, FRAGMENTS_STALE_MS);
        assert_int_equal(verdict, shape == 0 ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN);
        /* Only a first one begins another, and lends to its own; else what was there is still there. */
        struct flow rest = a_fragment(4, UDP, 7, 64, 64, true);
        assert_int_equal(fragments_see(fragments, 1, &rest, FRAGMENTS_STALE_MS), FRAGMENT_KNOWN);
        assert_int_equal(rest.destination_port, shape == 0 ? 22 : 443);
        fragments_free(fragments);
    }
}

/* Forty-five fragments that take long: a slow line, and no two of them at odds. */
static void test_a_slow_packet_gets_whole(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    for (unsigned i = 0; i < 45; i++) {
        struct flow f = a_fragment(4, UDP, 7, i * 1448, 1448, i < 44);
        assert_int_equal(fragments_see(fragments, 1, &f, i * (FRAGMENTS_LIFE_MS / 50)), FRAGMENT_KNOWN);
    }
    fragments_free(fragments);
}

/* RFC 4963: the identifications of IPv4 come again within a second; each packet is looked at by itself. */
static void test_identifications_come_again(void **state)
{
    (void)state;
    enum { PIECES = 4 };
    static const unsigned orders[][PIECES] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}};
    struct fragments *fragments = a_table(38);
    for (unsigned round = 0; round < 1000; round++) {
        const unsigned *order = orders[round % COUNT(orders)];
        bool first = false;
        for (unsigned i = 0; i < PIECES; i++) {
            struct flow f = a_fragment(4, UDP, 7, order[i] * 64, order[i] == 3 ? 1 + round % 64 : 64, order[i] < 3);
            if (order[i] == 0)
                f.destination_port = (uint16_t)(1 + round);
            first = first || order[i] == 0;
            enum fragment_verdict verdict = pass_of(fragments, 0, 1, &f, 1000 + round / 100);
            assert_int_equal(verdict, first ? FRAGMENT_KNOWN : FRAGMENT_UNKNOWN);
            assert_int_equal(f.destination_port, first ? 1 + round : 0);
        }
    }
    /* The next one is tiny, or ends before its data: that a whole packet went before excuses nothing. */
    assert_int_equal(see(fragments, UDP, 0, 0, MORE), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 64, 64, MORE), FRAGMENT_UNKNOWN);
    assert_int_equal(see(fragments, UDP, 0, 8, LAST), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 0, 128, MORE), FRAGMENT_BAD);
    assert_int_equal(see(fragments, UDP, 0, 64, MORE), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

/* One fragment lost or doubled costs one packet of its name at most, also where all have the same. What is UNKNOWN was
 * dropped here, as under rules with ports. */
static void test_what_one_lost_or_doubled_fragment_costs(void **state)
{
    (void)state;
    enum { FIRST_LOST, LAST_LOST, FIRST_DOUBLED, LAST_DOUBLED, MISHAPS, PACKETS = 1000 };
    for (unsigned mishap = 0; mishap < MISHAPS; mishap++) {
        struct fragments *fragments = a_table(38);
        unsigned whole = 0;
        for (unsigned i = 0; i < PACKETS; i++) {
            bool came[2] = {false, false};
            for (unsigned part = 0; part < 2; part++) {
                bool hit = i == 0 && part == mishap % 2;
                for (unsigned times = !hit ? 1 : mishap >= FIRST_DOUBLED ? 2 : 0; times > 0; times--) {
                    struct flow f = a_fragment(4, UDP, 7, part * 64, 64, part == 0);
                    came[part] |= fragments_see(fragments, 1, &f, i * 100) == FRAGMENT_KNOWN;
                }
            }
            whole += came[0] && came[1];
        }
        /* A lost last one leaves an incomplete packet, which takes the next one's first for an overlap. */
        unsigned lost = mishap == FIRST_LOST ? 1 : mishap == LAST_LOST ? 2 : 0;
        if (whole != PACKETS - lost)
            fail_msg("mishap %u: %u of %u packets came through", mishap, whole, PACKETS);
        fragments_free(fragments);
    }
}

/* Never more than there is room for, and what is remembered is right: the destination port tells which it is. */
static void test_flood_of_firsts(void **state)
{
    (void)state;
    enum { FLOOD = 20000 };
    struct fragments *fragments = a_table(38);
    for (uint32_t id = 0; id < FLOOD; id++) {
        struct flow f = a_fragment(6, UDP, id, 0, 64, true);
        f.destination_port = (uint16_t)id;
        assert_int_equal(fragments_see(fragments, 1, &f, 0), FRAGMENT_KNOWN);
        struct flow next = a_fragment(6, UDP, id, 64, 64, true);
        assert_int_equal(fragments_see(fragments, 1, &next, 0), FRAGMENT_KNOWN); /* the newest is always there */
    }
    unsigned known = 0;
    for (uint32_t id = FLOOD; id-- > 0;) {
        struct flow f = a_fragment(6, UDP, id, 128, 64, false);
        if (fragments_see(fragments, 1, &f, 0) != FRAGMENT_KNOWN) {
            assert_true(id + 32 < FLOOD); /* the oldest were pushed out, also within one millisecond */
            continue;
        }
        assert_int_equal(f.destination_port, (uint16_t)id);
        known++;
    }
    assert_true(known > 0 && known <= FRAGMENTS_TRACKED);
    fragments_free(fragments);
}

/* Packets that are whole make room for those that are not. */
static void test_whole_packets_go_first(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    struct flow waits = a_fragment(4, UDP, 60000, 0, 64, true);
    assert_int_equal(fragments_see(fragments, 1, &waits, 0), FRAGMENT_KNOWN);
    for (uint32_t id = 0; id < 20000; id++) {
        struct flow first = a_fragment(4, UDP, id, 0, 64, true), last = a_fragment(4, UDP, id, 64, 13, false);
        assert_int_equal(fragments_see(fragments, 1, &first, 1), FRAGMENT_KNOWN);
        assert_int_equal(fragments_see(fragments, 1, &last, 1), FRAGMENT_KNOWN);
    }
    struct flow rest = a_fragment(4, UDP, 60000, 64, 64, false);
    assert_int_equal(fragments_see(fragments, 1, &rest, 2), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

/* A flood of later fragments is remembered too, but pushes out no first that its fragments wait for. */
static void test_flood_of_later_fragments(void **state)
{
    (void)state;
    struct fragments *fragments = a_table(38);
    struct flow first = a_fragment(4, UDP, 60000, 0, 64, true), rest = a_fragment(4, UDP, 60000, 64, 64, false);
    assert_int_equal(fragments_see(fragments, 1, &first, 0), FRAGMENT_KNOWN);
    for (uint32_t id = 0; id < 20000; id++) {
        struct flow later = a_fragment(4, UDP, id, 64, 64, true), again = later;
        assert_int_equal(pass_of(fragments, 0, 1, &later, 1), FRAGMENT_UNKNOWN);
        assert_int_equal(pass_of(fragments, 0, 1, &again, 1), FRAGMENT_BAD);
    }
    assert_int_equal(fragments_see(fragments, 1, &rest, 2), FRAGMENT_KNOWN);
    fragments_free(fragments);
}

/* The seed decides where a packet stands: the same flood leaves others behind. */
static void test_seed_decides_who_is_pushed_out(void **state)
{
    (void)state;
    enum { FLOOD = 1024 };
    static bool known[2][FLOOD];
    for (unsigned t = 0; t < 2; t++) {
        struct fragments *fragments = a_table(100 + t);
        for (uint32_t id = 0; id < FLOOD; id++) {
            struct flow f = a_fragment(4, UDP, id, 0, 64, true);
            assert_int_equal(fragments_see(fragments, 1, &f, id), FRAGMENT_KNOWN);
        }
        for (uint32_t id = FLOOD; id-- > 0;) {
            struct flow f = a_fragment(4, UDP, id, 64, 64, true);
            known[t][id] = fragments_see(fragments, 1, &f, FLOOD) == FRAGMENT_KNOWN;
        }
        fragments_free(fragments);
    }
    assert_memory_not_equal(known[0], known[1], sizeof known[0]);
}

/* --- against a model that marks single bytes --- */

struct model {
    bool byte[512], has_first;
    unsigned end, furthest;
};

static bool model_is_whole(const struct model *m)
{
    return m->end > 0 && memchr(m->byte, false, m->end) == NULL;
}

static bool model_takes(struct model *m, unsigned offset, unsigned len, bool more)
{
    if (model_is_whole(m))
        *m = (struct model){0};
    bool good = more ? m->end == 0 || offset + len < m->end : m->end == 0 && offset + len >= m->furthest;
    for (unsigned i = offset; i < offset + len; i++)
        good = good && !m->byte[i];
    if (!good)
        return false;
    memset(m->byte + offset, true, len);
    m->furthest = offset + len > m->furthest ? offset + len : m->furthest;
    m->end = more ? m->end : offset + len;
    m->has_first = m->has_first || offset == 0;
    return true;
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void test_b38_random_fragments_against_a_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct fragments *fragments = a_table(seed);
        struct model models[4] = {0};
        uint64_t rng = seed;
        for (unsigned i = 0; i < 60; i++) {
            unsigned which = next_random(&rng) % 4, offset = next_random(&rng) % 48 * 8;
            bool more = next_random(&rng) % 8 != 0;
            unsigned len = more ? (1 + next_random(&rng) % 12) * 8 : 1 + next_random(&rng) % 96;
            struct flow f = a_fragment(which < 2 ? 4 : 6, UDP, which, offset, len, more);
            f.destination_port = offset == 0 ? (uint16_t)(1000 + which) : 0;
            bool takes = model_takes(&models[which], offset, len, more);
            enum fragment_verdict expected = !takes                    ? FRAGMENT_BAD
                                             : models[which].has_first ? FRAGMENT_KNOWN
                                                                       : FRAGMENT_UNKNOWN;
            enum fragment_verdict verdict = pass_of(fragments, 0, 1, &f, i);
            if (verdict != expected)
                fail_msg("seed %u, fragment %u: %d, not %d", (unsigned)seed, i, verdict, expected);
            if (verdict == FRAGMENT_KNOWN)
                assert_int_equal(f.destination_port, 1000 + which);
        }
        fragments_free(fragments);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b45_no_randomness_no_table),
        cmocka_unit_test(test_b38_tiny_tcp),
        cmocka_unit_test(test_b38_tcp_flags_in_a_later_fragment),
        cmocka_unit_test(test_b38_first_without_ports),
        cmocka_unit_test(test_b38_bounds),
        cmocka_unit_test(test_b38_every_overlap),
        cmocka_unit_test(test_b38_second_first_fragment),
        cmocka_unit_test(test_b38_later_before_first),
        cmocka_unit_test(test_b38_one_end_behind_all_data),
        cmocka_unit_test(test_largest_packet_in_pieces),
        cmocka_unit_test(test_what_is_one_packet),
        cmocka_unit_test(test_b38_hidden_protocol_comes_from_the_first),
        cmocka_unit_test(test_protocols_without_ports),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_an_incomplete_packet_gives_way),
        cmocka_unit_test(test_a_slow_packet_gets_whole),
        cmocka_unit_test(test_identifications_come_again),
        cmocka_unit_test(test_what_one_lost_or_doubled_fragment_costs),
        cmocka_unit_test(test_flood_of_firsts),
        cmocka_unit_test(test_whole_packets_go_first),
        cmocka_unit_test(test_flood_of_later_fragments),
        cmocka_unit_test(test_seed_decides_who_is_pushed_out),
        cmocka_unit_test(test_b38_random_fragments_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
