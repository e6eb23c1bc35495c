/* SPDX-License-Identifier: Apache-2.0 */
#include "test/inner.h"
#include "test/unit/unit_test.h"

#include "esp/icmp.h"

enum { DF = 0x4000, MF = 0x2000, SPI = 0xc0ffee01 };

struct built {
    uint8_t data[2048];
    size_t len;
    struct flow flow;
};

static void fill(struct built *p, size_t header, size_t payload)
{
    p->len = header + payload;
    assert_true(p->len <= sizeof p->data);
    for (size_t i = 0; i < payload; i++)
        p->data[header + i] = (uint8_t)(i * 7 + 1);
}

static void read_flow(struct built *p)
{
    assert_int_equal(flow_read(bytes_of(p->data, p->len), &p->flow, NULL), OK);
}

static struct built ipv4(const char *from, const char *to, uint8_t protocol, unsigned fragment, size_t payload)
{
    struct built p = {.data = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol}};
    struct address source = an_address(from), destination = an_address(to);
    fill(&p, 20, payload);
    store_u16(p.data + 2, (uint16_t)p.len);
    store_u16(p.data + 6, (uint16_t)fragment);
    memcpy(p.data + 12, source.bytes, 4);
    memcpy(p.data + 16, destination.bytes, 4);
    read_flow(&p);
    return p;
}

static struct built ipv6(const char *from, const char *to, uint8_t next, size_t payload)
{
    struct built p = {.data = {0x60, 0, 0, 0, 0, 0, next, 64}};
    struct address source = an_address(from), destination = an_address(to);
    fill(&p, 40, payload);
    store_u16(p.data + 4, (uint16_t)payload);
    memcpy(p.data + 8, source.bytes, 16);
    memcpy(p.data + 24, destination.bytes, 16);
    return p;
}

static struct built udp6(size_t payload)
{
    struct built p = ipv6("2001:db8:1::2", "2001:db8:2::9", 17, payload);
    read_flow(&p);
    return p;
}

static size_t too_big(const struct built *p, uint32_t mtu, uint8_t out[ICMP_TOO_BIG_MAX])
{
    /* exact, so that a sanitizer sees what is read or written too far */
    uint8_t *copy = malloc(p->len), *exact = malloc(ICMP_TOO_BIG_MAX);
    assert_true(copy != NULL && exact != NULL);
    memcpy(copy, p->data, p->len);
    memset(exact, 0xaa, ICMP_TOO_BIG_MAX);
    size_t len = icmp_too_big(bytes_of(copy, p->len), &p->flow, mtu, exact);
    assert_true(len <= ICMP_TOO_BIG_MAX);
    memcpy(out, exact, ICMP_TOO_BIG_MAX);
    free(copy);
    free(exact);
    return len;
}

static bool speaks(const struct built *p)
{
    uint8_t out[ICMP_TOO_BIG_MAX];
    return too_big(p, 1400, out) > 0;
}

/* --- told to the sender --- */

static void test_may_be_fragmented(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 8; flags++) {
        struct built p = ipv4("10.1.0.2", "10.3.0.9", 17, flags << 13, 1480);
        assert_int_equal(speaks(&p), (flags & 2) != 0);
    }
}

static void test_later_fragments(void **state)
{
    (void)state;
    struct built p = ipv4("10.1.0.2", "10.3.0.9", 17, DF | MF, 1480);
    assert_true(speaks(&p));
    p = ipv4("10.1.0.2", "10.3.0.9", 17, DF | MF | 1, 1480);
    assert_false(speaks(&p));
    p = ipv4("10.1.0.2", "10.3.0.9", 17, DF | 8189, 3);
    assert_false(speaks(&p));
    for (unsigned offset = 0; offset <= 0xf000; offset += 8) {
        p = ipv6("2001:db8:1::2", "2001:db8:2::9", 44, 1400);
        memcpy(p.data + 40, "\x11\0\0\0\0\0\0\1", 8);
        store_u16(p.data + 42, (uint16_t)(offset | 1));
        read_flow(&p);
        assert_int_equal(speaks(&p), offset == 0);
    }
}

static void test_not_about_errors_ipv4(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        struct built p = ipv4("10.1.0.2", "10.3.0.9", 1, DF, 1480);
        p.data[20] = (uint8_t)type;
        /* the queries and answers of RFC 792, 950, 1256, 8335: errors, and what nobody knows, are left alone */
        bool query = type == 0 || (type >= 8 && type <= 10) || (type >= 13 && type <= 18) || type == 42 || type == 43;
        assert_int_equal(speaks(&p), query);
        p.data[9] = 58; /* nothing of the kind in IPv4 */
        read_flow(&p);
        assert_true(speaks(&p));
    }
    struct built p = ipv4("10.1.0.2", "10.3.0.9", 1, DF, 0);
    assert_false(speaks(&p)); /* no type to be seen */
    p = ipv4("10.1.0.2", "10.3.0.9", 1, DF, 1480);
    p.data[20] = 8;
    assert_true(speaks(&p));
    p.flow.upper = 0;
    assert_false(speaks(&p));
}

static void test_not_about_errors_ipv6(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        struct built p = ipv6("2001:db8:1::2", "2001:db8:2::9", 58, 1400);
        p.data[40] = (uint8_t)type;
        read_flow(&p);
        assert_int_equal(speaks(&p), type >= 128 && type != 137);
        p = ipv6("2001:db8:1::2", "2001:db8:2::9", 60, 1400);
        memcpy(p.data + 40, "\x3a\0\1\4\0\0\0\0", 8);
        p.data[48] = (uint8_t)type;
        read_flow(&p);
        assert_int_equal(speaks(&p), type >= 128 && type != 137);
    }
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e.3 to e.6) */
static void test_single_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool single;
    } four[] =
        {
            {"0.0.0.0", false},         {"0.1.2.3", false},   {"1.0.0.0", true},      {"10.0.0.0", true},
            {"126.255.0.1", true},      {"127.0.0.1", false}, {"127.255.0.0", false}, {"128.0.0.1", true},
            {"223.255.255.1", true},    {"224.0.0.1", false}, {"239.1.2.3", false},   {"240.0.0.1", false},
            {"255.255.255.255", false},
        },
      six[] = {
          {"::", false},     {"::1", false},       {"::2", true},      {"::100", true},
          {"1::", true},     {"2001:db8::", true}, {"fe80::1", true},  {"fd00::1", true},
          {"feff::1", true}, {"ff00::", false},    {"ff02::1", false}, {"ff0e::1", false},
      };
    for (size_t i = 0; i < COUNT(four); i++) {
        struct built from = ipv4(four[i].address, "10.3.0.9", 17, DF, 1480);
        struct built to = ipv4("10.1.0.2", four[i].address, 17, DF, 1480);
        if (speaks(&from) != four[i].single || speaks(&to) != four[i].single)
            fail_msg("%s should%s be one host", four[i].address, four[i].single ? "" : " not");
    }
    for (size_t i = 0; i < COUNT(six); i++) {
        struct built from = ipv6(six[i].address, "2001:db8:2::9", 17, 1400);
        struct built to = ipv6("2001:db8:1::2", six[i].address, 17, 1400);
        read_flow(&from);
        read_flow(&to);
        if (speaks(&from) != six[i].single || speaks(&to) != six[i].single)
            fail_msg("%s should%s be one host", six[i].address, six[i].single ? "" : " not");
    }
}

static void test_message_ipv4(void **state)
{
    (void)state;
    for (size_t payload = 0; payload < 1400; payload++) {
        struct built p = ipv4("10.1.0.2", "10.3.0.9", 17, DF, payload);
        uint8_t out[ICMP_TOO_BIG_MAX];
        size_t len = too_big(&p, 1438, out);
        assert_int_equal(len, p.len + 28 < 576 ? p.len + 28 : 576);
        assert_memory_equal(out, "\x45\xc0", 2);
        assert_int_equal(load_u16(out + 2), len);
        assert_memory_equal(out + 4, "\0\0\x40\0\x40\1", 6);
        assert_memory_equal(out + 12, "\x0a\x03\x00\x09\x0a\x01\x00\x02", 8);
        assert_int_equal(naive_sum(0, out, 20), 0xffff);
        assert_memory_equal(out + 20, "\3\4", 2);
        assert_int_equal(load_u32(out + 24), 1438);
        assert_int_equal(naive_sum(0, out + 20, len - 20), 0xffff);
        assert_memory_equal(out + 28, p.data, len - 28);
        struct flow flow;
        size_t read_len;
        assert_int_equal(flow_read(bytes_of(out, len), &flow, &read_len), OK);
        assert_int_equal(read_len, len);
    }
}

static void test_message_ipv6(void **state)
{
    (void)state;
    for (size_t payload = 0; payload < 1400; payload++) {
        struct built p = udp6(payload);
        uint8_t out[ICMP_TOO_BIG_MAX];
        size_t len = too_big(&p, 0x12345, out);
        assert_int_equal(len, p.len + 48 < 1280 ? p.len + 48 : 1280);
        assert_memory_equal(out, "\x6c\0\0\0", 4);
        assert_int_equal(load_u16(out + 4), len - 40);
        assert_memory_equal(out + 6, "\x3a\x40", 2);
        assert_memory_equal(out + 8, p.data + 24, 16);
        assert_memory_equal(out + 24, p.data + 8, 16);
        assert_memory_equal(out + 40, "\2\0", 2);
        assert_int_equal(load_u32(out + 44), 0x12345);
        assert_memory_equal(out + 48, p.data, len - 48);
        struct flow flow;
        assert_int_equal(flow_read(bytes_of(out, len), &flow, NULL), OK);
        assert_int_equal(naive_upper_sum(out, len, &flow), 0xffff);
    }
}

static void test_mtu_ipv4(void **state)
{
    (void)state;
    static const uint32_t mtus[] = {0, 68, 576, 1500, 65534, 65535, 65536, 65537, UINT32_MAX};
    struct built p = ipv4("10.1.0.2", "10.3.0.9", 17, DF, 1480);
    for (size_t i = 0; i < COUNT(mtus); i++) {
        uint8_t out[ICMP_TOO_BIG_MAX];
        assert_int_equal(too_big(&p, mtus[i], out), 576);
        assert_int_equal(load_u16(out + 24), 0); /* unused: RFC 1191 4 */
        assert_int_equal(load_u16(out + 26), mtus[i] < 65535 ? mtus[i] : 65535);
    }
}

/* --- said by a router --- */

struct message {
    uint8_t data[256];
    size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
    assert_true(len <= sizeof m->data - m->len);
    memcpy(m->data + m->len, data, len);
    m->len += len;
}

static void seal(struct message *m)
{
    store_u16(m->data + 2, 0);
    store_u16(m->data + 2, (uint16_t)(0xffff - naive_sum(0, m->data, m->len)));
}

/* From the ICMP header to the end of the quoted IP header. */
static struct message quoting4(uint8_t protocol, unsigned fragment, size_t options_len)
{
    struct message m = {0};
    uint8_t ip[60] = {(uint8_t)(0x45 + options_len / 4), 0, 5, 0xdc, 0, 1, 0, 0, 60, protocol};
    store_u16(ip + 6, (uint16_t)fragment);
    memcpy(ip + 12, "\xc0\0\2\1\xc6\x33\x64\x07", 8);
    memset(ip + 20, 1, sizeof ip - 20);
    put(&m, "\3\4\0\0\0\0\5\x78", 8);
    put(&m, ip, 20 + options_len);
    return m;
}

static struct message quoting6(uint8_t next)
{
    struct message m = {0};
    put(&m, "\2\0\xaa\xaa\0\0\5\x78\x60\0\0\0\5\0", 14);
    put(&m, &next, 1);
    put(&m, "\x3c", 1);
    put(&m, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7", 32);
    return m;
}

static const uint8_t esp[8] = {0xc0, 0xff, 0xee, 0x01, 0, 0, 0, 7};
static const uint8_t udp_esp[16] = {0x11, 0x94, 0x30, 0x39, 0x05, 0x00, 0, 0, 0xc0, 0xff, 0xee, 0x01, 0, 0, 0, 7};

static struct message esp4(void)
{
    struct message m = quoting4(50, DF, 0);
    put(&m, esp, sizeof esp);
    seal(&m);
    return m;
}

static struct message udp4(void)
{
    struct message m = quoting4(17, DF, 0);
    put(&m, udp_esp, sizeof udp_esp);
    seal(&m);
    return m;
}

static struct message esp6(void)
{
    struct message m = quoting6(50);
    put(&m, esp, sizeof esp);
    return m;
}

static struct message udp6_esp(void)
{
    struct message m = quoting6(17);
    put(&m, udp_esp, sizeof udp_esp);
    return m;
}

static enum status claim_of(uint8_t family, const struct message *m, struct icmp_claim *out)
{
    static const struct icmp_claim none;
    uint8_t *exact = malloc(m->len > 0 ? m->len : 1);
    assert_non_null(exact);
    memcpy(exact, m->data, m->len);
    memset(out, 0xaa, sizeof *out);
    enum status status = icmp_read_claim(family, bytes_of(exact, m->len), out);
    free(exact);
    if (status != OK)
        assert_memory_equal(out, &none, sizeof none);
    return status;
}

static enum status status_of(uint8_t family, const struct message *m)
{
    struct icmp_claim claim;
    return claim_of(family, m, &claim);
}

static void assert_claim(uint8_t family, const struct message *m, bool udp, uint32_t mtu)
{
    struct icmp_claim claim;
    assert_int_equal(claim_of(family, m, &claim), OK);
    struct address local = an_address(family == 4 ? "192.0.2.1" : "2001:db8::1");
    struct address remote = an_address(family == 4 ? "198.51.100.7" : "2001:db8::7");
    assert_true(address_equal(&claim.path.local.address, &local));
    assert_true(address_equal(&claim.path.remote.address, &remote));
    assert_int_equal(claim.path.local.port, udp ? 4500 : 0);
    assert_int_equal(claim.path.remote.port, udp ? 12345 : 0);
    assert_int_equal(claim.spi, SPI);
    assert_int_equal(claim.udp, udp);
    assert_int_equal(claim.mtu, mtu);
}

static void test_claims(void **state)
{
    (void)state;
    struct message m = esp4();
    assert_claim(4, &m, false, 1400);
    m = udp4();
    assert_claim(4, &m, true, 1400);
    m = esp6();
    assert_claim(6, &m, false, 1400);
    m = udp6_esp();
    assert_claim(6, &m, true, 1400);
    for (size_t options = 0; options <= 40; options += 4) {
        m = quoting4(50, 0, options);
        put(&m, esp, sizeof esp);
        seal(&m);
        assert_claim(4, &m, false, 1400);
    }
}

/* Nothing shorter than up to the SPI says anything; from there on the length does not matter. */
static void test_cut_short(void **state)
{
    (void)state;
    struct message (*const messages[])(void) = {esp4, udp4, esp6, udp6_esp};
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct message whole = messages[i]();
        uint8_t family = i < 2 ? 4 : 6;
        for (size_t len = 0; len <= whole.len; len++) {
            struct message m = whole;
            m.len = len;
            if (family == 4 && len >= 4)
                seal(&m);
            assert_int_equal(status_of(family, &m), len + 4 < whole.len ? ERR_MALFORMED : OK);
        }
    }
}

static void test_other_messages(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        for (unsigned code = 0; code < 256; code++) {
            struct message m = esp4();
            m.data[0] = (uint8_t)type;
            m.data[1] = (uint8_t)code;
            seal(&m);
            assert_int_equal(status_of(4, &m), type == 3 && code == 4 ? OK : ERR_UNSUPPORTED);
            m = esp6();
            m.data[0] = (uint8_t)type;
            m.data[1] = (uint8_t)code; /* RFC 4443 3.2: the receiver ignores it */
            assert_int_equal(status_of(6, &m), type == 2 ? OK : ERR_UNSUPPORTED);
        }
    }
    struct message m = esp4();
    for (unsigned family = 0; family < 256; family++)
        if (family != 4 && family != 6)
            assert_int_equal(status_of((uint8_t)family, &m), ERR_UNSUPPORTED);
}

/* Each bit of each byte: of an IPv4 message all are under the checksum. */
static void test_checksum(void **state)
{
    (void)state;
    struct message m = udp4();
    for (size_t bit = 16; bit < m.len * 8; bit++) {
        m.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(status_of(4, &m), ERR_MALFORMED);
        m.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_claim(4, &m, true, 1400);
}

static void test_mtu(void **state)
{
    (void)state;
    static const uint32_t words[] = {0, 1, 68, 1400, 65535, 65536, 0x00060578, UINT32_MAX};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct message m = esp4(); /* the high half: RFC 4884 puts a length there */
        store_u32(m.data + 4, words[i]);
        seal(&m);
        assert_claim(4, &m, false, words[i] & 0xffff);
        m = esp6();
        store_u32(m.data + 4, words[i]);
        assert_claim(6, &m, false, words[i]);
    }
}

static void test_quoted_version(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        struct message m = quoting4(50, DF, 40); /* long enough for each header length */
        put(&m, esp, sizeof esp);
        m.data[8] = (uint8_t)first;
        seal(&m);
        assert_int_equal(status_of(4, &m), first >> 4 == 4 && (first & 15) >= 5 ? OK : ERR_MALFORMED);
        m = esp6();
        m.data[8] = (uint8_t)first;
        assert_int_equal(status_of(6, &m), first >> 4 == 6 ? OK : ERR_MALFORMED);
    }
}

static void test_quoted_protocol(void **state)
{
    (void)state;
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        struct message m = udp4(); /* as raw ESP it has an SPI too: the ports */
        m.data[8 + 9] = (uint8_t)protocol;
        seal(&m);
        assert_int_equal(status_of(4, &m), protocol == 50 || protocol == 17 ? OK : ERR_UNSUPPORTED);
        m = udp6_esp();
        m.data[8 + 6] = (uint8_t)protocol;
        enum status expected = protocol == 50 || protocol == 17 ? OK : ERR_UNSUPPORTED;
        if (protocol != 44) /* as one of those it is another test */
            assert_int_equal(status_of(6, &m), expected);
    }
}

/* Our kernel may have cut what we sent; only the first piece shows an SPI. */
static void test_quoted_fragment(void **state)
{
    (void)state;
    for (unsigned fragment = 0; fragment <= 0xffff; fragment++) {
        struct message m = quoting4(50, fragment, 0);
        put(&m, esp, sizeof esp);
        seal(&m);
        assert_int_equal(status_of(4, &m), (fragment & 0x1fff) == 0 ? OK : ERR_UNSUPPORTED);
        m = quoting6(44);
        put(&m, "\x32\xff", 2);
        put(&m, (uint8_t[]){(uint8_t)(fragment >> 8), (uint8_t)fragment}, 2);
        put(&m, "\1\2\3\4", 4);
        put(&m, esp, sizeof esp);
        assert_int_equal(status_of(6, &m), (fragment & 0xfff8) == 0 ? OK : ERR_UNSUPPORTED);
    }
    struct message m = quoting6(44);
    put(&m, "\x11\0\0\1\1\2\3\4", 8);
    put(&m, udp_esp, sizeof udp_esp);
    assert_claim(6, &m, true, 1400);
    for (size_t len = 48; len < 48 + 8 + 12; len++) {
        m.len = len;
        assert_int_equal(status_of(6, &m), ERR_MALFORMED);
    }
    m = quoting6(44); /* one behind the other */
    put(&m, "\x2c\0\0\1\1\2\3\4\x32\0\0\1\1\2\3\4", 16);
    put(&m, esp, sizeof esp);
    assert_int_equal(status_of(6, &m), ERR_UNSUPPORTED);
}

static void test_spi_zero(void **state)
{
    (void)state;
    struct message m = quoting4(50, DF, 0);
    put(&m, "\0\0\0\0\0\0\0\1", 8);
    seal(&m);
    assert_int_equal(status_of(4, &m), ERR_MALFORMED); /* never sent */
    m = udp4();
    memset(m.data + 8 + 20 + 8, 0, 4);
    seal(&m);
    assert_int_equal(status_of(4, &m), ERR_UNSUPPORTED); /* IKE */
    m = udp6_esp();
    memset(m.data + 8 + 40 + 8, 0, 4);
    assert_int_equal(status_of(6, &m), ERR_UNSUPPORTED);
}

/* The length in the quoted UDP header: a keepalive is none of ours to measure with; below ESP's header it is nothing.
 */
static void test_udp_length(void **state)
{
    (void)state;
    for (unsigned len = 0; len <= 0xffff; len++) {
        struct message m = udp4();
        store_u16(m.data + 8 + 20 + 4, (uint16_t)len);
        seal(&m);
        assert_int_equal(status_of(4, &m), len == 9 ? ERR_UNSUPPORTED : len < 16 ? ERR_MALFORMED : OK);
    }
    struct message m = quoting4(17, DF, 0);
    put(&m, "\x11\x94\x11\x94\0\x09\0\0\xff", 9);
    seal(&m);
    assert_int_equal(status_of(4, &m), ERR_UNSUPPORTED);
}

/* What we say of a packet, we can read. */
static void test_round_trip(void **state)
{
    (void)state;
    uint8_t out[ICMP_TOO_BIG_MAX];
    struct icmp_claim claim;
    struct built p = ipv4("192.0.2.1", "198.51.100.7", 50, DF, 1480);
    size_t len = too_big(&p, 1300, out);
    assert_int_equal(icmp_read_claim(4, bytes_of(out + 20, len - 20), &claim), OK);
    assert_int_equal(claim.spi, load_u32(p.data + 20));
    assert_int_equal(claim.mtu, 1300);
    assert_true(address_equal(&claim.path.local.address, &p.flow.source));
    p = ipv6("2001:db8::1", "2001:db8::7", 50, 1400);
    read_flow(&p);
    len = too_big(&p, 1290, out);
    assert_int_equal(icmp_read_claim(6, bytes_of(out + 40, len - 40), &claim), OK);
    assert_int_equal(claim.spi, load_u32(p.data + 40));
    assert_int_equal(claim.mtu, 1290);
    assert_true(address_equal(&claim.path.remote.address, &p.flow.destination));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_may_be_fragmented),
        cmocka_unit_test(test_later_fragments),
        cmocka_unit_test(test_not_about_errors_ipv4),
        cmocka_unit_test(test_not_about_errors_ipv6),
        cmocka_unit_test(test_single_hosts),
        cmocka_unit_test(test_message_ipv4),
        cmocka_unit_test(test_message_ipv6),
        cmocka_unit_test(test_mtu_ipv4),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_other_messages),
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_mtu),
        cmocka_unit_test(test_quoted_version),
        cmocka_unit_test(test_quoted_protocol),
        cmocka_unit_test(test_quoted_fragment),
        cmocka_unit_test(test_spi_zero),
        cmocka_unit_test(test_udp_length),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
