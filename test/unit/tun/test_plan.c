/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/plan.h"

#include "tun_test.h"

static void print_routes(const struct plan_routes *routes, char *out, size_t len)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < routes->count; i++) {
        char to[ADDRESS_TEXT], source[ADDRESS_TEXT];
        const struct plan_route *r = &routes->items[i];
        bool sourced = r->source.family != 0;
        used += (size_t)snprintf(out + used, len - used, "%s%s%s/%u%s%s", i > 0 ? ", " : "",
                                 r->kind == PLAN_THROW ? "throw " : "", address_print(&r->to.base, to), r->to.len,
                                 sourced ? " src " : "", sourced ? address_print(&r->source, source) : "");
    }
}

struct row {
    const char *rules[5];
    const char *host[3]; /* "10.1.0.1/24", or without a length: nothing is attached by it */
    const char *outbound, *from_device, *missing;
};

static struct host_place a_place(const char *text)
{
    char copy[ADDRESS_TEXT + 4];
    (void)snprintf(copy, sizeof copy, "%s", text);
    char *slash = strchr(copy, '/');
    if (slash != NULL)
        *slash = '\0';
    struct host_place place = {.address = an_address(copy)};
    if (slash != NULL) {
        struct prefix whole = {.base = place.address, .len = (uint8_t)(address_len(&place.address) * 8)};
        place.on_link = prefix_shorten(&whole, (uint8_t)strtoul(slash + 1, NULL, 10));
    }
    return place;
}

/* 198.18.0.0/15 is behind some router. */
static bool has_route(void *arg, const struct address *to)
{
    struct address_range routed = a_range("198.18.0.0/15");
    (void)arg;
    return range_has(&routed, to);
}

static void check(const struct row *row)
{
    size_t rules = 0, hosts = 0;
    struct host_place places[3];
    while (rules < COUNT(row->rules) && row->rules[rules] != NULL)
        rules++;
    for (; hosts < COUNT(row->host) && row->host[hosts] != NULL; hosts++)
        places[hosts] = a_place(row->host[hosts]);
    struct spd spd = an_spd(row->rules, rules);
    struct plan plan;
    char text[1024];
    struct plan_host host = {.places = places, .count = hosts, .has_route = has_route};
    assert_int_equal(plan_make(&spd, &host, &plan), OK);
    print_routes(&plan.outbound, text, sizeof text);
    assert_string_equal(text, row->outbound);
    print_routes(&plan.from_device, text, sizeof text);
    assert_string_equal(text, row->from_device);
    text[0] = '\0';
    for (size_t i = 0; i < plan.missing_count; i++) {
        char address[ADDRESS_TEXT];
        strcat(text, address_print(&plan.missing[i], address));
    }
    assert_string_equal(text, row->missing);
    plan_free(&plan);
    spd_free(&spd);
}

static void test_protect(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{NULL}, {NULL}, "", "", ""},
        {{"discard any -> any"}, {NULL}, "", "", ""},
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x"}, {NULL}, "10.2.0.0/24", "", ""},
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x"}, {"192.0.2.1", "10.1.0.5"}, "10.2.0.0/24 src 10.1.0.5", "", ""},
        /* one prefix of several rules: the first one's source */
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "protect 10.9.0.0/24 -> 10.2.0.0/24 via x"},
         {"10.9.0.1", "10.1.0.1"},
         "10.2.0.0/24 src 10.1.0.1",
         "",
         ""},
        {{"protect 10.1.0.0/24 -> 10.2.0.1-10.2.0.2 via x"}, {NULL}, "10.2.0.1/32, 10.2.0.2/32", "", ""},
        {{"protect fd01::/64 -> fd02::/64 via x"}, {"fd01::1"}, "fd02::/64 src fd01::1", "", ""},
        /* with any source the kernel chooses better than we do */
        {{"protect any -> 10.2.0.0/24 via x"}, {"192.0.2.1"}, "10.2.0.0/24", "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_a_single_local_address_that_nobody_has(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{"protect 10.1.0.7/32 -> 10.2.0.0/24 via x"}, {"10.1.0.8"}, "10.2.0.0/24 src 10.1.0.7", "", "10.1.0.7"},
        {{"protect 10.1.0.7/32 -> 10.2.0.0/24 via x"}, {"10.1.0.7"}, "10.2.0.0/24 src 10.1.0.7", "", ""},
        /* only once, and only for protect */
        {{"protect 10.1.0.7/32 -> 10.2.0.0/24 via x", "protect 10.1.0.7/32 -> 10.3.0.0/24 via x",
          "bypass 10.1.0.9/32 -> 10.4.0.0/24"},
         {NULL},
         "10.2.0.0/24 src 10.1.0.7, 10.3.0.0/24 src 10.1.0.7",
         "",
         "10.1.0.7"},
        /* it belongs to a host of the LAN, or to one behind a router; then it is no source either */
        {{"protect 10.1.0.7/32 -> 10.2.0.0/24 via x"}, {"10.1.0.8/24"}, "10.2.0.0/24", "", ""},
        {{"protect 10.1.1.7/32 -> 10.2.0.0/24 via x"}, {"10.1.0.8/24"}, "10.2.0.0/24 src 10.1.1.7", "", "10.1.1.7"},
        {{"protect fd01::7/128 -> fd02::/64 via x"}, {"10.1.0.8/24", "fd01::1/64"}, "fd02::/64", "", ""},
        {{"protect 198.18.0.7/32 -> 10.2.0.0/24 via x"}, {NULL}, "10.2.0.0/24", "", ""},
        /* our own address, whatever it attaches */
        {{"protect 10.1.0.7/32 -> 10.2.0.0/24 via x"}, {"10.1.0.7/24"}, "10.2.0.0/24 src 10.1.0.7", "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_bypass_is_thrown_only_where_nothing_protected_could_slip_out(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{"bypass any -> 192.168.0.0/16", "protect any -> 0.0.0.0/0 via x"},
         {NULL},
         "0.0.0.0/0, throw 192.168.0.0/16",
         "",
         ""},
        /* below the protect rule that covers it: the protect rule is asked first */
        {{"protect 10.1.0.0/24 -> 10.0.0.0/8 via x", "bypass any -> 10.2.0.0/16"},
         {NULL},
         "10.0.0.0/8",
         "10.0.0.0/8, throw 10.1.0.0/24",
         ""},
        /* the narrower protect rule above stays in force by the longer prefix */
        {{"protect 10.1.0.0/24 -> 172.16.5.0/24 via x", "bypass any -> 172.16.0.0/16",
          "protect 10.1.0.0/24 -> 172.0.0.0/8 via x"},
         {NULL},
         "172.0.0.0/8, throw 172.16.0.0/16, 172.16.5.0/24",
         "",
         ""},
        /* of one source only: other sources may be protected */
        {{"bypass 10.1.0.9/32 -> 192.168.0.0/16", "protect 172.16.0.0/16 -> 0.0.0.0/0 via x"},
         {NULL},
         "0.0.0.0/0",
         "0.0.0.0/0, throw 172.16.0.0/16",
         ""},
        {{"bypass tcp any -> 192.168.0.0/16", "protect any -> 0.0.0.0/0 via x"}, {NULL}, "0.0.0.0/0", "", ""},
        /* a discard above would be passed by */
        {{"discard any -> 192.168.7.0/24", "bypass any -> 192.168.0.0/16", "protect any -> 0.0.0.0/0 via x"},
         {NULL},
         "0.0.0.0/0",
         "",
         ""},
        {{"discard any -> 192.0.0.0/8", "bypass any -> 192.168.0.0/16", "protect any -> 0.0.0.0/0 via x"},
         {NULL},
         "0.0.0.0/0",
         "",
         ""},
        /* one elsewhere, or below, is not */
        {{"discard any -> 192.169.0.0/16", "bypass any -> 192.168.0.0/16", "discard any -> 192.168.7.0/24",
          "protect any -> 0.0.0.0/0 via x"},
         {NULL},
         "0.0.0.0/0, throw 192.168.0.0/16",
         "",
         ""},
        /* the same prefix: whoever comes first */
        {{"bypass any -> 10.2.0.0/24", "protect 10.1.0.0/24 -> 10.2.0.0/24 via x"},
         {NULL},
         "throw 10.2.0.0/24",
         "",
         ""},
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "bypass any -> 10.2.0.0/24"}, {NULL}, "10.2.0.0/24", "", ""},
        /* nothing to except from */
        {{"bypass any -> 192.168.0.0/16", "protect 10.1.0.0/24 -> 10.2.0.0/24 via x"}, {NULL}, "10.2.0.0/24", "", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_what_is_attached_on_the_local_side_is_thrown(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{"protect 10.1.0.0/24 -> 0.0.0.0/0 via x"},
         {"10.1.0.1/24", "192.0.2.1/24"},
         "0.0.0.0/0 src 10.1.0.1, throw 10.1.0.0/24",
         "0.0.0.0/0 src 10.1.0.1, throw 10.1.0.0/24",
         ""},
        /* no remote side holds it */
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x"}, {"10.1.0.1/24"}, "10.2.0.0/24 src 10.1.0.1", "", ""},
        /* "any" names no side */
        {{"protect any -> 0.0.0.0/0 via x"}, {"10.1.0.1/24"}, "0.0.0.0/0", "", ""},
        {{"protect any -> 10.1.0.0/16 via x"}, {"10.1.0.1/24", "fd01::1/64"}, "10.1.0.0/16", "", ""},
        {{"protect ::/0 -> ::/0 via x"}, {"fd01::1/64"}, "::/0", "", ""},
        /* only what both hold: the link is the wider, then the narrower one, then neither */
        {{"protect 10.1.0.64/26 -> 10.0.0.0/8 via x"},
         {"10.1.0.1/16"},
         "10.0.0.0/8, throw 10.1.0.64/26",
         "10.0.0.0/8, throw 10.1.0.64/26",
         ""},
        {{"protect 10.1.0.0/16 -> 0.0.0.0/0 via x"},
         {"10.1.7.1/24"},
         "0.0.0.0/0 src 10.1.7.1, throw 10.1.7.0/24",
         "0.0.0.0/0 src 10.1.7.1, throw 10.1.0.0/16, throw 10.1.7.0/24",
         ""},
        {{"protect 10.1.0.2-10.1.0.4 -> 0.0.0.0/0 via x"},
         {"10.1.0.1/24"},
         "0.0.0.0/0, throw 10.1.0.2/31, throw 10.1.0.4/32",
         "0.0.0.0/0, throw 10.1.0.2/31, throw 10.1.0.4/32",
         ""},
        /* the network that only leads to the peer is not our side */
        {{"protect 10.1.0.0/24 -> 192.0.2.0/24 via x"}, {"192.0.2.1/24"}, "192.0.2.0/24", "", ""},
        /* a hub: a rule with exactly that remote side, or a part of it, keeps its route; a wider one does not */
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "protect 10.2.0.0/24 -> 10.1.0.0/24 via x"},
         {"10.1.0.1/24"},
         "10.1.0.0/24, 10.2.0.0/24 src 10.1.0.1",
         "",
         ""},
        {{"protect any -> 10.1.0.200/32 via x", "protect 10.1.0.0/24 -> 0.0.0.0/0 via x"},
         {"10.1.0.1/24"},
         "0.0.0.0/0 src 10.1.0.1, throw 10.1.0.0/24, 10.1.0.200/32",
         "0.0.0.0/0 src 10.1.0.1, throw 10.1.0.0/24, 10.1.0.200/32",
         ""},
        {{"protect fd01::/64 -> ::/0 via x"},
         {"fd01::1/64", "10.1.0.1/24"},
         "::/0 src fd01::1, throw fd01::/64",
         "::/0 src fd01::1, throw fd01::/64",
         ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

static void test_what_comes_out_of_the_device_reaches_its_local_side(void **state)
{
    (void)state;
    const struct row rows[] = {
        {{"protect 10.1.0.0/24 -> 0.0.0.0/0 via x"}, {NULL}, "0.0.0.0/0", "0.0.0.0/0, throw 10.1.0.0/24", ""},
        {{"protect 10.1.0.0/24 -> 10.0.0.0/8 via x"}, {NULL}, "10.0.0.0/8", "10.0.0.0/8, throw 10.1.0.0/24", ""},
        /* a hub between two spokes: each local side is a remote one too, and stays so */
        {{"protect 10.1.0.0/24 -> 10.2.0.0/24 via x", "protect 10.2.0.0/24 -> 10.1.0.0/24 via x"},
         {NULL},
         "10.1.0.0/24, 10.2.0.0/24",
         "",
         ""},
        {{"protect 10.1.0.0/16 -> 10.0.0.0/8 via x", "protect 10.0.0.0/8 -> 10.1.5.0/24 via x"},
         {NULL},
         "10.0.0.0/8, 10.1.5.0/24",
         "10.0.0.0/8, throw 10.1.0.0/16, 10.1.5.0/24",
         ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check(&rows[i]);
}

/* ::/0 without fe80::/10 and ff00::/8 */
#define ALL_BUT_LINKS "::/1, 8000::/2, c000::/3, e000::/4, f000::/5, f800::/6, fc00::/7, fe00::/9, fec0::/10"

/* What a socket that is bound to an interface must not reach. */
static void test_bound_is_what_goes_to_the_device_without_what_is_thrown(void **state)
{
    (void)state;
    const struct {
        const char *rules[4], *host, *bound;
    } rows[] = {
        {{"discard any -> any"}, NULL, ""},
        {{"bypass any -> any"}, NULL, ""},
        {{"protect 10.1.0.0/24 -> 0.0.0.0/0 via x"}, NULL, ""},
        {{"protect fd01::/64 -> fd02::/64 via x", "protect 10.1.0.0/24 -> 10.2.0.0/24 via x"}, NULL, "fd02::/64"},
        {{"protect fd01::/64 -> fd02::/64 via x", "protect fd01::/64 -> fd02::7/128 via x"}, NULL, "fd02::/64"},
        {{"protect fd01::/64 -> fd02::/64 via x", "protect fd01::/64 -> fd02:0:0:1::/64 via x"}, NULL, "fd02::/63"},
        {{"protect fd01::/64 -> fd02::/64 via x", "protect fd01::/64 -> fd02:0:0:2::/64 via x"},
         NULL,
         "fd02::/64, fd02:0:0:2::/64"},
        {{"protect fd01::/64 -> ::1-::2 via x"}, NULL, "::1/128, ::2/128"},
        {{"protect any -> any via x"}, NULL, ALL_BUT_LINKS},
        {{"protect fd01::/64 -> fe80::1/128 via x", "protect fd01::/64 -> ff02::/16 via x"}, NULL, ""},
        {{"bypass any -> 8000::/1", "protect any -> any via x"}, NULL, "::/1"},
        {{"bypass any -> fd02::/18", "protect fd01::/64 -> fd00::/16 via x", "protect fd01::/64 -> fd02::/16 via x"},
         NULL,
         "fd00::/16, fd02:4000::/18, fd02:8000::/17"},
        /* protected, in bypassed, in protected */
        {{"protect any -> fd02::/20 via x", "bypass any -> fd02::/18", "protect any -> fd02::/16 via x"},
         NULL,
         "fd02::/20, fd02:4000::/18, fd02:8000::/17"},
        {{"bypass any -> fd02::/17", "bypass any -> fd02:8000::/17", "protect any -> fd02::/16 via x"}, NULL, ""},
        {{"protect fd01::/30 -> fd01::/28 via x"}, "fd01::1/30", "fd01:4::/30, fd01:8::/29"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t count = 0;
        char text[1024];
        while (count < COUNT(rows[i].rules) && rows[i].rules[count] != NULL)
            count++;
        struct spd spd = an_spd(rows[i].rules, count);
        struct host_place place = rows[i].host != NULL ? a_place(rows[i].host) : (struct host_place){0};
        struct plan plan;
        assert_int_equal(plan_make(&spd, &(struct plan_host){.places = &place, .count = 1}, &plan), OK);
        print_routes(&plan.bound, text, sizeof text);
        assert_string_equal(text, rows[i].bound);
        for (size_t k = 0; k < plan.bound.count; k++)
            assert_int_equal(plan.bound.items[k].kind, PLAN_NOWHERE);
        plan_free(&plan);
        spd_free(&spd);
    }
}

/* The kind of the longest prefix that holds the address; PLAN_THROW where there is none. */
static enum plan_kind kind_at(const struct plan_routes *routes, const struct address *a)
{
    const struct plan_route *best = NULL;
    for (size_t i = 0; i < routes->count; i++)
        if (prefix_has(&routes->items[i].to, a) && (best == NULL || routes->items[i].to.len > best->to.len))
            best = &routes->items[i];
    return best != NULL ? best->kind : PLAN_THROW;
}

static void test_bound_agrees_with_longest_match(void **state)
{
    (void)state;
    const unsigned seed = 20260;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int round = 0; round < 200; round++) {
        char texts[8][96];
        const char *rules[COUNT(texts)];
        for (size_t i = 0; i < COUNT(texts); i++) {
            unsigned len = 1 + (unsigned)rand() % 7; /* of the last eight bits */
            unsigned base = (unsigned)rand() % 256 & 0xffu << (8 - len);
            (void)snprintf(texts[i], sizeof texts[i],
                           rand() % 2 ? "protect any -> fd::%x/%u via x" : "bypass any -> fd::%x/%u", base, 120 + len);
            rules[i] = texts[i];
        }
        struct spd spd = an_spd(rules, COUNT(texts));
        struct plan plan;
        assert_int_equal(plan_make(&spd, &(struct plan_host){0}, &plan), OK);
        for (unsigned last = 0; last < 256; last++) {
            struct address a = an_address("fd::");
            a.bytes[15] = (uint8_t)last;
            unsigned holders = 0;
            for (size_t i = 0; i < plan.bound.count; i++)
                holders += prefix_has(&plan.bound.items[i].to, &a);
            if (holders != (kind_at(&plan.outbound, &a) == PLAN_DEVICE))
                fail_msg("round %d, fd::%x: %u prefixes hold it", round, last, holders);
        }
        plan_free(&plan);
        spd_free(&spd);
    }
}

static void test_family(void **state)
{
    (void)state;
    const char *const rules[] = {"bypass any -> fd00::/64", "protect 10.1.0.0/24 -> 10.2.0.0/24 via x"};
    struct spd spd = an_spd(rules, COUNT(rules));
    struct plan plan;
    assert_int_equal(plan_make(&spd, &(struct plan_host){0}, &plan), OK);
    assert_true(plan_has_family(&plan.outbound, 4));
    assert_false(plan_has_family(&plan.outbound, 6));
    plan_free(&plan);
    spd_free(&spd);
}

static void test_what_leads_to_the_device(void **state)
{
    (void)state;
    static const struct {
        const char *base;
        uint8_t len;
        bool leads;
    } rows[] = {{"10.2.3.0", 24, true},  {"10.2.0.0", 16, true},  {"10.0.0.0", 8, true},
                {"10.3.0.0", 16, false}, {"10.9.0.0", 16, false}, {"fd00::", 8, false}};
    const char *const rules[] = {"bypass any -> 10.9.0.0/16", "protect 10.1.0.0/24 -> 10.2.0.0/16 via x"};
    struct spd spd = an_spd(rules, COUNT(rules));
    struct plan plan;
    assert_int_equal(plan_make(&spd, &(struct plan_host){0}, &plan), OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct prefix prefix = {.base = an_address(rows[i].base), .len = rows[i].len};
        assert_int_equal(plan_leads_to_device(&plan.outbound, &prefix), rows[i].leads);
    }
    plan_free(&plan);
    spd_free(&spd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protect),
        cmocka_unit_test(test_a_single_local_address_that_nobody_has),
        cmocka_unit_test(test_bypass_is_thrown_only_where_nothing_protected_could_slip_out),
        cmocka_unit_test(test_what_is_attached_on_the_local_side_is_thrown),
        cmocka_unit_test(test_what_comes_out_of_the_device_reaches_its_local_side),
        cmocka_unit_test(test_bound_is_what_goes_to_the_device_without_what_is_thrown),
        cmocka_unit_test(test_bound_agrees_with_longest_match),
        cmocka_unit_test(test_family),
        cmocka_unit_test(test_what_leads_to_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
