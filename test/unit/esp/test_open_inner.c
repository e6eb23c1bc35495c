/* SPDX-License-Identifier: Apache-2.0 */
/* esp_open behind the ICV: what an authentic peer may have put inside. */
#include "esp_test.h"

static const struct aead_suite gcm = {ENCR_AES_GCM_16, 256, INTEG_NONE, false};
static const struct aead_suite cbc = {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false};

/* Text of body_len bytes of an inner packet, then `pad` bytes by rule, pad length and next header as given. */
static uint32_t make_text(uint8_t *text, const void *body, uint32_t body_len, uint32_t pad, uint8_t pad_len,
                          uint8_t next_header)
{
    memcpy(text, body, body_len);
    for (uint32_t i = 0; i < pad; i++)
        text[body_len + i] = (uint8_t)(i + 1);
    text[body_len + pad] = pad_len;
    text[body_len + pad + 1] = next_header;
    return body_len + pad + 2;
}

static enum drop open_text(struct pair *pair, const uint8_t *text, uint32_t len, struct packet *p, uint8_t *buffer)
{
    uint64_t sequence = pair->right->replay.top + 1;
    *p = craft(pair->left, sequence, text, len, buffer, SMALL_BUFFER);
    struct packet again = *p;
    static uint8_t copy[SMALL_BUFFER];
    memcpy(copy, buffer, SMALL_BUFFER);
    again.buffer = copy;
    enum drop why = open_one(pair->right, p);
    assert_true(pair->right->replay.top == sequence); /* the ICV was good: the window moves, whatever is inside */
    assert_int_equal(open_one(pair->right, &again), DROP_IN_REPLAY);
    return why;
}

static void padding(const struct aead_suite *suite)
{
    struct pair pair;
    pair_open(&pair, suite, 4);
    uint32_t block = pair.left->shape.block, body_len = 46;
    uint8_t inner[64], text[512], buffer[SMALL_BUFFER];
    struct packet p;
    make_inner(inner, 4, body_len, 0);
    uint64_t malformed = 0;
    for (uint32_t pad = 0; pad < 256; pad++) {
        if ((body_len + pad + 2) % block != 0)
            continue;
        uint32_t len = make_text(text, inner, body_len, pad, (uint8_t)pad, 4);
        assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_NONE); /* up to 255 is legal */
        assert_int_equal(p.len, body_len);
        assert_memory_equal(packet_data(&p), inner, body_len);
        for (uint32_t i = 0; i < pad; i += pad / 7 + 1) { /* a wrong byte anywhere */
            text[body_len + i] ^= 0x40;
            assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_IN_PADDING);
            text[body_len + i] ^= 0x40;
            malformed++;
        }
    }
    uint32_t len = block * ((16 + block - 1) / block);
    for (uint32_t claimed = len - 1; claimed < 256; claimed++) { /* pad length over the payload */
        for (uint32_t i = 0; i < len - 2; i++)
            text[i] = (uint8_t)(claimed - (len - 2) + i + 1); /* the tail of a longer, right padding */
        text[len - 2] = (uint8_t)claimed;
        text[len - 1] = 4;
        assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_IN_PADDING);
        malformed++;
    }
    assert_int_equal(pair.right->in.malformed, malformed);
    pair_close(&pair);
}

static void test_b35_padding(void **state)
{
    (void)state;
    struct aead_suite suites[SUITES_MAX];
    size_t n = all_suites(suites);
    for (size_t i = 0; i < n; i++)
        padding(&suites[i]);
}

/* All is padding: no inner packet is left. */
static void test_b35_nothing_but_padding(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &gcm, 4);
    uint8_t text[64], buffer[SMALL_BUFFER];
    struct packet p;
    for (uint32_t pad = 2; pad < 60; pad += 4) {
        uint32_t len = make_text(text, "", 0, pad, (uint8_t)pad, 4);
        assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_IN_INNER);
        text[len - 1] = 59;
        assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_IN_DUMMY);
    }
    pair_close(&pair);
}

/* An inner packet, one field of it replaced, under a next header. */
struct inner_row {
    uint8_t family, len;
    int at; /* -1: nothing replaced */
    uint8_t value, next_header;
    enum drop why;
};

/* clang-format off */
static const struct inner_row inner_rows[] = {
    /*  0 */ {4, 46, -1, 0, 4, DROP_NONE},
    /*  1 */ {6, 46, -1, 0, 41, DROP_NONE},
    /*  2 */ {4, 46, -1, 0, 41, DROP_IN_INNER},    /* the version is not what the next header says */
    /*  3 */ {6, 46, -1, 0, 4, DROP_IN_INNER},
    /*  4 */ {4, 46, -1, 0, 59, DROP_IN_DUMMY},
    /*  5 */ {6, 46, -1, 0, 59, DROP_IN_DUMMY},
    /*  6 */ {4, 46, -1, 0, 0, DROP_IN_INNER},
    /*  7 */ {4, 46, -1, 0, 6, DROP_IN_INNER},     /* transport mode was not negotiated */
    /*  8 */ {4, 46, -1, 0, 50, DROP_IN_INNER},
    /*  9 */ {4, 46, -1, 0, 255, DROP_IN_INNER},
    /* 10 */ {4, 46, 0, 0x55, 4, DROP_IN_INNER},   /* version 5 */
    /* 11 */ {4, 46, 0, 0x05, 4, DROP_IN_INNER},
    /* 12 */ {4, 46, 0, 0x65, 4, DROP_IN_INNER},
    /* 13 */ {4, 46, 0, 0x44, 4, DROP_IN_INNER},   /* header length 16 */
    /* 14 */ {4, 46, 0, 0x40, 4, DROP_IN_INNER},
    /* 15 */ {4, 46, 0, 0x4f, 4, DROP_IN_INNER},   /* header length 60 of 46 */
    /* 16 */ {4, 46, 3, 47, 4, DROP_IN_INNER},     /* total length one too many */
    /* 17 */ {4, 46, 3, 45, 4, DROP_NONE},         /* one less: TFC padding */
    /* 18 */ {4, 46, 3, 20, 4, DROP_NONE},
    /* 19 */ {4, 46, 3, 19, 4, DROP_IN_INNER},     /* under its header */
    /* 20 */ {4, 46, 3, 0, 4, DROP_IN_INNER},
    /* 21 */ {4, 46, 2, 0xff, 4, DROP_IN_INNER},   /* far too many */
    /* 22 */ {4, 18, -1, 0, 4, DROP_IN_INNER},     /* no room for a header */
    /* 23 */ {4, 2, -1, 0, 4, DROP_IN_INNER},
    /* 24 */ {6, 38, -1, 0, 41, DROP_IN_INNER},
    /* 25 */ {6, 46, 5, 7, 41, DROP_IN_INNER},     /* payload length one too many */
    /* 26 */ {6, 46, 5, 5, 41, DROP_NONE},
    /* 27 */ {6, 46, 4, 0xff, 41, DROP_IN_INNER},
    /* 28 */ {6, 46, 0, 0x40, 41, DROP_IN_INNER},
    /* 29 */ {6, 46, 6, 0, 41, DROP_IN_INNER},     /* hop-by-hop options that are not there: 6 bytes of 8 */
};
/* clang-format on */

static void check_inner(const struct inner_row *row, size_t number)
{
    struct pair pair;
    pair_open(&pair, &gcm, row->family);
    uint8_t inner[64], text[128], buffer[SMALL_BUFFER];
    struct packet p;
    make_inner(inner, row->family, row->len < 40 ? 40 : row->len, 0);
    if (row->at >= 0)
        inner[row->at] = row->value;
    uint32_t pad = (4 - (row->len + 2u) % 4) % 4;
    uint32_t len = make_text(text, inner, row->len, pad, (uint8_t)pad, row->next_header);
    enum drop why = open_text(&pair, text, len, &p, buffer);
    if (why != row->why)
        fail_msg("row %zu: %s", number, drop_name(why));
    assert_int_equal(pair.right->in.malformed, why == DROP_IN_INNER);
    assert_int_equal(pair.right->in.packets, why == DROP_NONE);
    if (why == DROP_NONE) {
        uint32_t told = row->family == 4 ? load_u16(inner + 2) : 40u + load_u16(inner + 4);
        assert_int_equal(p.len, told);
        assert_int_equal(pair.right->in.bytes, told);
        assert_memory_equal(packet_data(&p), inner, told);
    }
    pair_close(&pair);
}

static void test_b36_next_header_and_inner_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inner_rows); i++)
        check_inner(&inner_rows[i], i);
}

static void test_b36_every_next_header(void **state)
{
    (void)state;
    for (unsigned next = 0; next < 256; next++) {
        enum drop why = next == 4 ? DROP_NONE : next == 59 ? DROP_IN_DUMMY : DROP_IN_INNER;
        const struct inner_row row = {4, 46, -1, 0, (uint8_t)next, why};
        check_inner(&row, 1000 + next);
    }
}

static void test_b36_tfc_padding_is_trimmed(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &cbc, 4);
    uint8_t inner[1600], text[1700], buffer[SMALL_BUFFER];
    struct packet p;
    for (uint32_t tfc = 0; tfc < 1500; tfc += 16) {
        make_inner(inner, 4, 94, tfc);
        memset(inner + 94, 0xee, tfc);
        uint32_t len = make_text(text, inner, 94 + tfc, 0, 0, 4);
        assert_int_equal(open_text(&pair, text, len, &p, buffer), DROP_NONE);
        assert_int_equal(p.len, 94);
        assert_memory_equal(packet_data(&p), inner, 94);
    }
    pair_close(&pair);
}

struct selector_row {
    const char *local, *remote; /* of the receiver */
    uint8_t protocol;
    enum drop why;
};

/* clang-format off */
static const struct selector_row selector_rows[] = { /* the packet: protocol 253, 10.1.0.2 -> 10.2.0.3 */
    /* 0 */ {"10.2.0.0/24", "10.1.0.0/24", 0, DROP_NONE},
    /* 1 */ {"10.1.0.0/24", "10.2.0.0/24", 0, DROP_IN_SELECTOR}, /* local and remote are not to be mixed up */
    /* 2 */ {"10.2.0.0/24", "10.1.1.0/24", 0, DROP_IN_SELECTOR},
    /* 3 */ {"10.3.0.0/24", "10.1.0.0/24", 0, DROP_IN_SELECTOR},
    /* 4 */ {"10.2.0.0/24", "10.1.0.0/24", 6, DROP_IN_SELECTOR},
    /* 5 */ {"10.2.0.0/24", "10.1.0.0/24", 253, DROP_NONE},
    /* 6 */ {"10.2.0.3", "10.1.0.2", 0, DROP_NONE},
    /* 7 */ {"10.2.0.4-10.2.0.9", "10.1.0.2", 0, DROP_IN_SELECTOR},
    /* 8 */ {"::/0", "::/0", 0, DROP_IN_SELECTOR},               /* the other family */
};
/* clang-format on */

static void test_b37_outside_the_selectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(selector_rows); i++) {
        struct pair pair;
        pair_prepare(&pair, &gcm, 4);
        struct selector *s = &pair.child[1].selector;
        assert_int_equal(range_parse(selector_rows[i].local, &s->local), OK);
        assert_int_equal(range_parse(selector_rows[i].remote, &s->remote), OK);
        s->protocol = selector_rows[i].protocol;
        pair_start(&pair);
        uint8_t buffer[SMALL_BUFFER];
        struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        enum drop why = open_one(pair.right, &p);
        if (why != selector_rows[i].why)
            fail_msg("row %zu: %s", i, drop_name(why));
        assert_int_equal(pair.right->in.selector, why == DROP_IN_SELECTOR);
        assert_int_equal(pair.right->in.packets, why == DROP_NONE);
        assert_int_equal(pair.right->in.malformed, 0);
        assert_int_equal(pair.right->replay.top, 1); /* it was authentic */
        pair_close(&pair);
    }
}

/* TCP to port 443 only: another port, and a fragment whose ports nobody knows. */
static void test_b37_b38_ports(void **state)
{
    (void)state;
    struct pair pair;
    pair_prepare(&pair, &gcm, 4);
    pair.child[1].selector.protocol = 6;
    pair.child[1].selector.local_port = (struct port_range){443, 443};
    pair_start(&pair);
    uint8_t inner[60], buffer[SMALL_BUFFER];
    static const struct {
        uint16_t port, fragment;
        enum drop why;
    } rows[] = {
        {443, 0, DROP_NONE},
        {444, 0, DROP_IN_SELECTOR},
        {443, 1, DROP_IN_FRAGMENT},      /* offset 8 */
        {443, 0x2001, DROP_IN_FRAGMENT}, /* the same, more to come */
        {443, 0x1ff8, DROP_IN_FRAGMENT},
        {443, 0x1fff, DROP_IN_INNER}, /* beyond 65,535 bytes */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        make_inner(inner, 4, sizeof inner, 0);
        inner[9] = 6;
        store_u16(inner + 6, rows[i].fragment);
        store_u16(inner + 22, rows[i].port);
        struct packet p = packet_with(buffer, sizeof buffer, inner, sizeof inner);
        assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
        enum drop why = open_one(pair.right, &p);
        if (why != rows[i].why)
            fail_msg("row %zu: %s", i, drop_name(why));
    }
    pair_close(&pair);
}

static enum drop open_with(struct pair *pair, struct fragments *fragments, const uint8_t *inner, size_t len)
{
    uint8_t buffer[SMALL_BUFFER];
    struct packet p = packet_with(buffer, sizeof buffer, inner, len), *list = &p;
    const struct esp_inbound inbound = {.fragments = fragments, .now_ms = 1};
    struct flow flow;
    enum drop why;
    assert_int_equal(seal_one(pair->left, &p), DROP_NONE);
    esp_open(pair->right, &inbound, &list, &flow, &why, 1);
    return why;
}

/* With the first fragment seen on the same SA, later ones pass; none passes twice, and none borrows across SAs. */
static void test_b38_fragments_borrow_ports(void **state)
{
    (void)state;
    struct pair pair;
    struct fragments *fragments;
    uint8_t inner[60];
    pair_prepare(&pair, &gcm, 4);
    pair.child[1].selector.protocol = 6;
    pair.child[1].selector.local_port = (struct port_range){443, 443};
    pair_start(&pair);
    assert_int_equal(fragments_new(&pair.random, &fragments), OK);
    static const struct {
        uint16_t port, fragment, id;
        enum drop why;
    } rows[] = {
        {443, 0x2000, 7, DROP_NONE},       {0, 0x2005, 7, DROP_NONE},          {0, 0x2005, 7, DROP_IN_FRAGMENT},
        {0, 0x2005, 8, DROP_IN_FRAGMENT},  {443, 0x2000, 7, DROP_IN_FRAGMENT}, {0, 0x000a, 7, DROP_NONE},
        {80, 0x2000, 9, DROP_IN_SELECTOR}, {0, 0x2005, 9, DROP_IN_SELECTOR},   {0, 0x2005, 7, DROP_IN_FRAGMENT},
        {80, 0x2000, 7, DROP_IN_SELECTOR}, /* 7 was whole: another packet */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        make_inner(inner, 4, sizeof inner, 0);
        inner[9] = 6;
        store_u16(inner + 4, rows[i].id);
        store_u16(inner + 6, rows[i].fragment);
        store_u16(inner + 22, rows[i].port);
        enum drop why = open_with(&pair, fragments, inner, sizeof inner);
        if (why != rows[i].why)
            fail_msg("row %zu: %s", i, drop_name(why));
    }
    fragments_free(fragments);
    pair_close(&pair);
}

/* RFC 4301 6.2: an error is taken from whoever speaks, about what this SA may carry, and about nothing else. */
static void test_icmp_errors_by_what_they_quote(void **state)
{
    (void)state;
    struct pair pair;
    uint8_t inner[20 + 8 + 28], quoted[28];
    pair_prepare(&pair, &gcm, 4);
    assert_int_equal(range_parse("10.1.0.0/16", &pair.child[1].selector.remote), OK);
    pair.child[1].selector.protocol = 6;
    pair.child[1].selector.remote_port = (struct port_range){443, 443};
    pair_start(&pair);
    static const struct {
        uint16_t port;
        uint8_t third; /* octet of the quoted destination */
        enum drop why;
    } rows[] = {{443, 0, DROP_NONE}, {80, 0, DROP_IN_SELECTOR}, {443, 77, DROP_IN_SELECTOR}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        make_inner(inner, 4, sizeof inner, 0);
        /* The quoted packet went the other way, over TCP. */
        memcpy(quoted, inner, 20);
        memcpy(quoted + 12, inner + 16, 4);
        memcpy(quoted + 16, inner + 12, 4);
        quoted[16 + 1] = (uint8_t)(quoted[16 + 1] + rows[i].third);
        quoted[9] = 6;
        store_u16(quoted + 20, 1024);
        store_u16(quoted + 22, rows[i].port);
        inner[9] = 1; /* ICMP, from a router of its own address */
        memcpy(inner + 12, "\xc6\x33\x64\x01", 4);
        memset(inner + 20, 0, 8);
        inner[20] = 3;
        memcpy(inner + 28, quoted, sizeof quoted);
        enum drop why = open_with(&pair, NULL, inner, sizeof inner);
        if (why != rows[i].why)
            fail_msg("row %zu: %s", i, drop_name(why));
    }
    pair_close(&pair);
}

static void test_flow_of_what_is_opened(void **state)
{
    (void)state;
    struct pair pair;
    pair_open(&pair, &cbc, 4);
    uint8_t buffer[SMALL_BUFFER];
    struct packet p = inner_packet(buffer, sizeof buffer, 4, 100, 0), *list = &p;
    assert_int_equal(seal_one(pair.left, &p), DROP_NONE);
    struct flow flow = {0};
    enum drop why;
    esp_open(pair.right, NULL, &list, &flow, &why, 1);
    assert_int_equal(why, DROP_NONE);
    struct address source, destination;
    assert_int_equal(address_parse("10.1.0.2", &source), OK);
    assert_int_equal(address_parse("10.2.0.3", &destination), OK);
    assert_true(address_equal(&flow.source, &source));
    assert_true(address_equal(&flow.destination, &destination));
    assert_int_equal(flow.protocol, 253);
    pair_close(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b35_padding),
        cmocka_unit_test(test_b35_nothing_but_padding),
        cmocka_unit_test(test_b36_next_header_and_inner_packet),
        cmocka_unit_test(test_b36_every_next_header),
        cmocka_unit_test(test_b36_tfc_padding_is_trimmed),
        cmocka_unit_test(test_b37_outside_the_selectors),
        cmocka_unit_test(test_b37_b38_ports),
        cmocka_unit_test(test_b38_fragments_borrow_ports),
        cmocka_unit_test(test_icmp_errors_by_what_they_quote),
        cmocka_unit_test(test_flow_of_what_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
