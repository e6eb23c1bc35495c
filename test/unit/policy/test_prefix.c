/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/prefix.h"

#include "policy_test.h"

static void print_split(const struct prefix *prefixes, size_t count, char *out, size_t len)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char text[ADDRESS_TEXT];
        used += (size_t)snprintf(out + used, len - used, "%s%s/%u", i > 0 ? " " : "",
                                 address_print(&prefixes[i].base, text), prefixes[i].len);
    }
}

static void test_what_is_no_range_has_no_prefixes(void **state)
{
    (void)state;
    struct prefix out[PREFIX_SPLIT_MAX];
    struct address_range none = {0}, backwards = {an_address("10.0.0.2"), an_address("10.0.0.1")};
    struct address_range mixed = {an_address("10.0.0.2"), an_address("fd00::1")};
    assert_int_equal(prefix_split(&none, out), 0);
    assert_int_equal(prefix_split(&backwards, out), 0);
    assert_int_equal(prefix_split(&mixed, out), 0);
}

static void test_ranges(void **state)
{
    (void)state;
    const struct {
        const char *range, *prefixes;
    } rows[] = {
        {"10.1.0.0/24", "10.1.0.0/24"},
        {"10.1.0.7", "10.1.0.7/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"0.0.0.0-255.255.255.255", "0.0.0.0/0"},
        {"::/0", "::/0"},
        {"fd00::1", "fd00::1/128"},
        {"10.0.0.1-10.0.0.9", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/30 10.0.0.8/31"},
        {"10.0.0.0-10.0.1.255", "10.0.0.0/23"},
        {"10.0.0.255-10.0.1.0", "10.0.0.255/32 10.0.1.0/32"},
        {"255.255.255.254-255.255.255.255", "255.255.255.254/31"},
        {"fd00::-fd00::2", "fd00::/127 fd00::2/128"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct prefix out[PREFIX_SPLIT_MAX];
        struct address_range range = a_range(rows[i].range);
        char text[1024];
        print_split(out, prefix_split(&range, out), text, sizeof text);
        assert_string_equal(text, rows[i].prefixes);
    }
}

static void test_the_worst_range_fits(void **state)
{
    (void)state;
    struct prefix out[PREFIX_SPLIT_MAX];
    struct address_range worst = a_range("::1-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
    assert_int_equal(prefix_split(&worst, out), PREFIX_SPLIT_MAX);
    worst = a_range("0.0.0.1-255.255.255.254");
    assert_int_equal(prefix_split(&worst, out), 62);
}

/* Every range inside 10.0.0.0/27: contiguous, exact, and none of two neighbours could be one. */
static void test_sweep_covers_exactly(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 32; first++)
        for (unsigned last = first; last < 32; last++) {
            struct address_range range = {an_address("10.0.0.0"), an_address("10.0.0.0")};
            struct prefix out[PREFIX_SPLIT_MAX];
            range.first.bytes[3] = (uint8_t)first;
            range.last.bytes[3] = (uint8_t)last;
            size_t count = prefix_split(&range, out);
            unsigned next = first;
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(out[i].base.bytes[3], next);
                next += 1u << (32 - out[i].len);
            }
            assert_int_equal(next, last + 1);
        }
}

/* Every range that ends at most 40 ports behind its start, and both ends of all ports. */
static void test_ports_are_covered_exactly(void **state)
{
    (void)state;
    static const uint16_t starts[] = {0, 1, 31, 32, 80, 1023, 1024, 32767, 65495};
    struct port_prefix out[PORT_SPLIT_MAX];
    for (size_t s = 0; s < COUNT(starts); s++)
        for (unsigned last = starts[s]; last <= starts[s] + 40u; last++) {
            unsigned next = starts[s];
            size_t count = port_split(starts[s], (uint16_t)last, out);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(out[i].base, next);
                assert_int_equal(next & ((1u << (16 - out[i].len)) - 1), 0);
                next += 1u << (16 - out[i].len);
            }
            assert_int_equal(next, last + 1);
        }
    assert_int_equal(port_split(0, 65535, out), 1);
    assert_int_equal(out[0].len, 0);
    assert_int_equal(port_split(1, 65534, out), PORT_SPLIT_MAX);
    assert_int_equal(port_split(2, 1, out), 0);
}

static void test_shorten_clears_host_bits(void **state)
{
    (void)state;
    const struct {
        const char *base;
        uint8_t len;
        const char *shorter;
    } rows[] = {
        {"10.255.3.7", 32, "10.255.3.7"},    {"10.255.3.7", 31, "10.255.3.6"}, {"10.255.3.7", 24, "10.255.3.0"},
        {"10.255.3.7", 12, "10.240.0.0"},    {"10.255.3.7", 9, "10.128.0.0"},  {"10.255.3.7", 0, "0.0.0.0"},
        {"fd00:ffff::1", 17, "fd00:8000::"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct prefix p = {.base = an_address(rows[i].base), .len = 32};
        struct prefix q = prefix_shorten(&p, rows[i].len);
        char text[ADDRESS_TEXT];
        assert_string_equal(address_print(&q.base, text), rows[i].shorter);
        assert_int_equal(q.len, rows[i].len);
    }
}

static void test_has(void **state)
{
    (void)state;
    const struct {
        const char *base;
        uint8_t len;
        const char *address;
        bool has;
    } rows[] = {
        {"10.1.0.0", 24, "10.1.0.0", true},
        {"10.1.0.0", 24, "10.1.0.255", true},
        {"10.1.0.0", 24, "10.1.1.0", false},
        {"10.1.0.0", 24, "10.0.255.255", false},
        {"10.1.0.8", 32, "10.1.0.8", true},
        {"10.1.0.8", 32, "10.1.0.9", false},
        {"0.0.0.0", 0, "255.255.255.255", true},
        {"0.0.0.0", 0, "::", false},
        {"::", 0, "10.1.0.1", false},
        {"fd00::", 17, "fd00:7fff::1", true},
        {"fd00::", 17, "fd00:8000::", false},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct prefix p = {.base = an_address(rows[i].base), .len = rows[i].len};
        struct address a = an_address(rows[i].address);
        assert_int_equal(prefix_has(&p, &a), rows[i].has);
    }
    assert_false(prefix_has(&(struct prefix){0}, &(struct address){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_range_has_no_prefixes),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_the_worst_range_fits),
        cmocka_unit_test(test_sweep_covers_exactly),
        cmocka_unit_test(test_ports_are_covered_exactly),
        cmocka_unit_test(test_shorten_clears_host_bits),
        cmocka_unit_test(test_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
