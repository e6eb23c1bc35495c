/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "ike/v1_body.h"
#include "ike/v1_proposal.h"
#include "policy/protocol.h"

/* --- identification of phase 1 --- */

static enum status id_status(const void *body, size_t len)
{
    struct identity id;
    uint8_t *exact = exact_copy(body, len);
    enum status status = v1_id_read(bytes_of(exact, len), &id);
    free(exact);
    return status;
}

static void b10_ids_that_are_refused(void **state)
{
    (void)state;
    static uint8_t big[4 + 65000] = {ID_FQDN};
    memset(big + 4, 'a', sizeof big - 4);
    for (size_t len = 0; len < 4; len++)
        assert_int_not_equal(id_status(big, len), OK);
    assert_int_not_equal(id_status(big, 4), OK); /* a name of no bytes */
    assert_int_equal(id_status(big, 4 + 1), OK);
    assert_int_equal(id_status(big, 4 + IDENTITY_MAX), OK);
    assert_int_not_equal(id_status(big, 4 + IDENTITY_MAX + 1), OK);
    assert_int_not_equal(id_status(big, 4 + 521), OK);
    assert_int_not_equal(id_status(big, 4 + 65000), OK);
    assert_int_not_equal(id_status("\x02\0\0\0gw\0x", 8), OK);      /* embedded NUL */
    assert_int_not_equal(id_status("\x01\0\0\0\xc0\0\x02", 7), OK); /* 3 bytes of IPv4 */
    assert_int_not_equal(id_status("\x01\0\0\0\xc0\0\x02\x01\x01", 9), OK);
    assert_int_not_equal(id_status("\x04\0\0\0\xc0\0\x02\0\xff\xff\xff\0", 12), OK); /* a subnet is no peer */
    assert_int_equal(id_status("\x01\0\0\0\xc0\0\x02\x01", 8), OK);
}

/* RFC 2407 4.6.2: 0/0 or UDP 500; peers behind NAT say 4500. */
static void protocol_and_port_of_a_phase_1_id(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        uint16_t port;
        bool fine;
    } rows[] = {{0, 0, true},    {17, 0, true},    {17, 500, true}, {17, 4500, true}, {0, 500, false},
                {6, 500, false}, {17, 501, false}, {17, 1, false},  {255, 0, false},  {6, 0, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t body[] = {ID_FQDN, rows[i].protocol, 0, 0, 'g', 'w'};
        store_u16(body + 2, rows[i].port);
        assert_int_equal(id_status(body, sizeof body), rows[i].fine ? OK : ERR_MALFORMED);
    }
}

static void a_phase_1_id_is_read_as_written(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::7", "gw.example.org", "user@example.org", "keyid:k1"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct identity id, read;
        uint8_t data[64];
        struct writer w = writer_of(data, sizeof data);
        assert_int_equal(identity_parse(texts[i], &id), OK);
        v1_id_write(&w, &id);
        assert_int_equal(v1_id_read(writer_bytes(&w), &read), OK);
        assert_true(identity_equal(&id, &read));
    }
}

/* --- one side of a selector --- */

static enum status side_status(const void *body, size_t len)
{
    struct v1_side side;
    uint8_t *exact = exact_copy(body, len);
    enum status status = v1_side_read(bytes_of(exact, len), &side);
    free(exact);
    return status;
}

static void sides_of_a_wrong_length(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        size_t len;
    } rows[] = {{1, 4}, {4, 8}, {5, 16}, {6, 32}, {7, 8}, {8, 32}};
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t len = 0; len < 48; len++) {
            uint8_t body[48] = {0};
            body[0] = rows[i].type;
            assert_int_equal(side_status(body, len), len == 4 + rows[i].len ? OK : ERR_MALFORMED);
        }
}

static void other_types_of_side_are_not_supported(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        uint8_t body[36] = {(uint8_t)type};
        bool known = type == 1 || (type >= 4 && type <= 8);
        if (!known)
            assert_int_equal(side_status(body, sizeof body), ERR_UNSUPPORTED);
    }
}

/* Each of the 2^8 values of one byte of a mask is either 8 steps of a prefix or has holes. */
static void masks_with_holes(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        uint8_t body[12] = {4, 0, 0, 0, 10, 0, 0, 0, 255, (uint8_t)value, 0, 0};
        unsigned inverted = ~value & 0xff;
        bool prefix = (inverted & (inverted + 1)) == 0;
        assert_int_equal(side_status(body, sizeof body), prefix ? OK : ERR_MALFORMED);
    }
    assert_int_equal(side_status("\x04\0\0\0\x0a\0\0\0\0\xff\0\0", 12), ERR_MALFORMED);
    assert_int_equal(side_status("\x04\0\0\0\x0a\0\0\0\xff\0\0\xff", 12), ERR_MALFORMED);
}

static void a_range_that_runs_backwards(void **state)
{
    (void)state;
    assert_int_equal(side_status("\x07\0\0\0\x0a\0\0\x02\x0a\0\0\x01", 12), ERR_MALFORMED);
    assert_int_equal(side_status("\x07\0\0\0\x0a\0\0\x01\x0a\0\0\x01", 12), OK);
}

static void host_bits_behind_a_mask_are_cut(void **state)
{
    (void)state;
    struct v1_side side;
    char text[RANGE_TEXT];
    assert_int_equal(v1_side_read(bytes_of("\x04\0\0\0\x0a\x01\x02\x03\xff\xff\xff\0", 12), &side), OK);
    assert_string_equal(range_print(&side.range, text), "10.1.2.0/24");
}

static struct selector a_selector(const char *local, const char *remote)
{
    struct selector s = {.local_port = port_any(), .remote_port = port_any()};
    assert_int_equal(range_parse(local, &s.local), OK);
    assert_int_equal(range_parse(remote, &s.remote), OK);
    return s;
}

static void a_range_of_ports_cannot_be_written(void **state)
{
    (void)state;
    uint8_t data[64];
    struct selector s = a_selector("10.1.0.0/24", "10.2.0.0/24");
    s.protocol = 6;
    s.remote_port = (struct port_range){80, 81};
    struct writer w = writer_of(data, sizeof data);
    assert_int_equal(v1_side_write(&w, &s, true), OK);
    assert_int_equal(v1_side_write(&w, &s, false), ERR_UNSUPPORTED);
    s.remote_port = (struct port_range){0, 0}; /* port 0 alone would read as "any" */
    assert_int_equal(v1_side_write(&w, &s, false), ERR_UNSUPPORTED);
    s.remote_port = (struct port_range){443, 443};
    assert_int_equal(v1_side_write(&w, &s, false), OK);
    w = writer_of(data, 3);
    assert_int_equal(v1_side_write(&w, &s, false), ERR_LIMIT);
}

static void selectors_are_read_as_written(void **state)
{
    (void)state;
    static const char *const ranges[][2] = {
        {"10.1.0.0/24", "10.2.0.0/24"},     {"10.1.0.1", "0.0.0.0/0"},           {"10.1.0.1-10.1.0.9", "10.3.0.0/31"},
        {"2001:db8::/32", "2001:db8:1::5"}, {"2001:db8::1-2001:db8::9", "::/0"}, {"10.1.0.0/25", "10.2.0.128/27"},
    };
    for (size_t i = 0; i < COUNT(ranges); i++)
        for (unsigned port = 0; port < 3; port++) {
            struct selector s = a_selector(ranges[i][0], ranges[i][1]), read;
            uint8_t a[64], b[64];
            struct v1_side local, remote;
            struct writer wa = writer_of(a, sizeof a), wb = writer_of(b, sizeof b);
            s.protocol = port == 0 ? 0 : 17;
            if (port == 2)
                s.remote_port = (struct port_range){53, 53};
            assert_int_equal(v1_side_write(&wa, &s, true), OK);
            assert_int_equal(v1_side_write(&wb, &s, false), OK);
            assert_int_equal(v1_side_read(writer_bytes(&wa), &local), OK);
            assert_int_equal(v1_side_read(writer_bytes(&wb), &remote), OK);
            assert_int_equal(v1_selector(&local, &remote, &read), OK);
            assert_true(selector_equal(&s, &read));
        }
}

static void sides_that_do_not_fit_together(void **state)
{
    (void)state;
    struct v1_side four = {.range = range_any(4)}, six = {.range = range_any(6)},
                   tcp = {.range = range_any(4), .protocol = 6};
    struct selector s;
    assert_int_equal(v1_selector(&four, &six, &s), ERR_MALFORMED);
    assert_int_equal(v1_selector(&six, &four, &s), ERR_MALFORMED);
    assert_int_equal(v1_selector(&four, &tcp, &s), ERR_MALFORMED);
    assert_int_equal(v1_selector(&four, &four, &s), OK);
}

/* A port means nothing where the protocol has none: a selector of it would match no packet, or too many. */
static void ports_of_a_protocol_that_has_none(void **state)
{
    (void)state;
    struct v1_side plain = {.range = range_any(4)}, port = {.range = range_any(4), .port = 80};
    struct selector s;
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        plain.protocol = port.protocol = (uint8_t)protocol;
        assert_int_equal(v1_selector(&plain, &port, &s), protocol_has_ports(protocol) ? OK : ERR_MALFORMED);
        assert_int_equal(v1_selector(&port, &plain, &s), protocol_has_ports(protocol) ? OK : ERR_MALFORMED);
    }
}

/* --- notification --- */

static void every_truncation_of_a_notification(void **state)
{
    (void)state;
    const uint8_t body[] = {0, 0, 0, 1, 1, 4, 0, 14, 1, 2, 3, 4, 0xaa, 0xbb};
    struct v1_notify n;
    for (size_t cut = 0; cut <= sizeof body; cut++) {
        uint8_t *exact = exact_copy(body, cut);
        assert_int_equal(v1_notify_read(bytes_of(exact, cut), &n), cut >= 12 ? OK : ERR_MALFORMED);
        if (cut >= 12)
            assert_int_equal(n.data.len, cut - 12);
        free(exact);
    }
    uint8_t other[sizeof body];
    memcpy(other, body, sizeof body);
    other[3] = 2;
    assert_int_equal(v1_notify_read(bytes_of(other, sizeof other), &n), ERR_UNSUPPORTED);
    memcpy(other, body, sizeof body);
    other[5] = 255; /* an SPI longer than the rest */
    assert_int_equal(v1_notify_read(bytes_of(other, sizeof other), &n), ERR_MALFORMED);
}

static void a_notification_is_read_as_written(void **state)
{
    (void)state;
    uint8_t data[64];
    const struct v1_notify n = {
        .type = NOTIFY_R_U_THERE, .protocol = 1, .spi = bytes_of("0123456789abcdef", 16), .data = bytes_of("seq!", 4)};
    struct v1_notify read;
    struct writer w = writer_of(data, sizeof data);
    v1_notify_write(&w, &n);
    assert_int_equal(v1_notify_read(writer_bytes(&w), &read), OK);
    assert_int_equal(read.type, NOTIFY_R_U_THERE);
    assert_int_equal(read.spi.len, 16);
    assert_memory_equal(read.data.data, "seq!", 4);
}

static void every_notification_has_a_name(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 65536; type++)
        assert_non_null(v1_notify_name(type));
    assert_string_equal(v1_notify_name(NOTIFY_NO_PROPOSAL_CHOSEN), "NO_PROPOSAL_CHOSEN");
    assert_string_equal(v1_notify_name(NOTIFY_R_U_THERE_ACK), "R_U_THERE_ACK");
    assert_string_equal(v1_notify_name(0), "notify");
    assert_string_equal(v1_notify_name(31), "notify");
    assert_string_equal(v1_notify_name(70000), "notify");
}

/* --- RESPONDER-LIFETIME --- */

static void every_truncation_of_a_lifetime(void **state)
{
    (void)state;
    uint8_t data[64];
    uint64_t seconds, kilobytes;
    struct writer w = writer_of(data, sizeof data);
    v1_lifetime_write(&w, 3600, 0x12345678);
    assert_int_equal(w.len, 24);
    for (size_t cut = 0; cut <= w.len; cut++) {
        uint8_t *exact = exact_copy(data, cut);
        bool whole = cut == 0 || cut == 4 || cut == 12 || cut == 16 || cut == 24; /* between attributes */
        assert_int_equal(v1_lifetime_read(bytes_of(exact, cut), &seconds, &kilobytes), whole ? OK : ERR_MALFORMED);
        free(exact);
    }
    assert_int_equal(seconds, 3600);
    assert_int_equal(kilobytes, 0x12345678);
}

/* RFC 2409 App. A: 11 and 12, where RFC 2407 4.5 has 1 and 2. */
static void lifetimes_of_phase_1_have_other_numbers(void **state)
{
    (void)state;
    uint8_t data[32];
    uint64_t seconds = 0, kilobytes = 0;
    struct writer w = writer_of(data, sizeof data);
    v1_lifetime_write_phase1(&w, 3600);
    struct bytes written = writer_bytes(&w);
    assert_int_equal(written.len, 12);
    assert_memory_equal(written.data, "\x80\x0b\0\x01\0\x0c\0\x04\0\0\x0e\x10", 12);
    assert_int_equal(v1_lifetime_read(written, &seconds, &kilobytes), OK);
    assert_int_equal(seconds, 3600);
    assert_int_equal(kilobytes, 0);
}

static void lifetimes_in_odd_shapes(void **state)
{
    (void)state;
    uint64_t seconds, kilobytes;
    /* Short form; a duration without a unit counts for nothing; a long value of 8 and of 9 bytes. */
    assert_int_equal(v1_lifetime_read(bytes_of("\x80\x01\0\x01\x80\x02\x0e\x10", 8), &seconds, &kilobytes), OK);
    assert_int_equal(seconds, 3600);
    assert_int_equal(v1_lifetime_read(bytes_of("\x80\x02\x0e\x10", 4), &seconds, &kilobytes), OK);
    assert_true(seconds == 0 && kilobytes == 0);
    assert_int_equal(v1_lifetime_read(bytes_of("\x80\x01\0\x02\0\x02\0\x08\xff\xff\xff\xff\xff\xff\xff\xff", 16),
                                      &seconds, &kilobytes),
                     OK);
    assert_true(kilobytes == UINT64_MAX);
    assert_int_equal(
        v1_lifetime_read(bytes_of("\x80\x01\0\x02\0\x02\0\x09\1\1\1\1\1\1\1\1\1", 17), &seconds, &kilobytes),
        ERR_MALFORMED);
}

/* --- delete --- */

static enum status delete_status(uint8_t protocol, uint8_t spi_len, uint16_t count, size_t spi_bytes)
{
    static uint8_t body[8 + 65535];
    memset(body, 0, 8);
    body[3] = 1;
    body[4] = protocol;
    body[5] = spi_len;
    store_u16(body + 6, count);
    struct v1_delete d;
    uint8_t *exact = exact_copy(body, 8 + spi_bytes);
    enum status status = v1_delete_read(bytes_of(exact, 8 + spi_bytes), &d);
    free(exact);
    return status;
}

static void b13_delete_of_65535_spis(void **state)
{
    (void)state;
    assert_int_not_equal(delete_status(V1_PROTOCOL_ESP, 4, 65535, 4), OK);
    assert_int_equal(delete_status(V1_PROTOCOL_ESP, 4, 65535, 65528), ERR_LIMIT);
    assert_int_equal(delete_status(V1_PROTOCOL_ESP, 4, DELETE_SPIS_MAX - 1, 4 * (DELETE_SPIS_MAX - 1)), OK);
    assert_int_equal(delete_status(V1_PROTOCOL_ESP, 4, DELETE_SPIS_MAX, 4 * DELETE_SPIS_MAX), OK);
    assert_int_equal(delete_status(V1_PROTOCOL_ESP, 4, DELETE_SPIS_MAX + 1, 4 * (DELETE_SPIS_MAX + 1)), ERR_LIMIT);
}

static void b13_delete_with_a_wrong_spi_size(void **state)
{
    (void)state;
    for (unsigned len = 0; len < 256; len++) {
        assert_int_equal(delete_status(V1_PROTOCOL_ESP, (uint8_t)len, 1, len), len == 4 ? OK : ERR_MALFORMED);
        assert_int_equal(delete_status(V1_PROTOCOL_ISAKMP, (uint8_t)len, 1, len), len == 16 ? OK : ERR_MALFORMED);
    }
}

static void b13_delete_whose_count_lies(void **state)
{
    (void)state;
    for (uint16_t count = 0; count <= 8; count++)
        for (size_t bytes = 0; bytes <= 32; bytes++)
            assert_int_equal(delete_status(V1_PROTOCOL_ESP, 4, count, bytes), bytes == 4u * count ? OK : ERR_MALFORMED);
    for (size_t cut = 0; cut < 8; cut++) {
        struct v1_delete d;
        uint8_t *exact = exact_copy("\0\0\0\x01\x03\x04\0\0", cut);
        assert_int_equal(v1_delete_read(bytes_of(exact, cut), &d), ERR_MALFORMED);
        free(exact);
    }
}

static void deletes_are_read_as_written(void **state)
{
    (void)state;
    uint8_t data[64];
    struct v1_delete d;
    struct writer w = writer_of(data, sizeof data);
    v1_delete_write_esp(&w, 0xdeadbeef);
    assert_int_equal(v1_delete_read(writer_bytes(&w), &d), OK);
    assert_int_equal(d.protocol, V1_PROTOCOL_ESP);
    assert_int_equal(d.count, 1);
    assert_int_equal(load_u32(d.spis.data), 0xdeadbeef);
    w = writer_of(data, sizeof data);
    v1_delete_write_ike(&w, 1, 2);
    assert_int_equal(v1_delete_read(writer_bytes(&w), &d), OK);
    assert_int_equal(d.protocol, V1_PROTOCOL_ISAKMP);
    assert_int_equal(d.spis.len, 16);
    assert_int_equal(d.spis.data[7], 1);
    assert_int_equal(d.spis.data[15], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b10_ids_that_are_refused),
        cmocka_unit_test(protocol_and_port_of_a_phase_1_id),
        cmocka_unit_test(a_phase_1_id_is_read_as_written),
        cmocka_unit_test(sides_of_a_wrong_length),
        cmocka_unit_test(other_types_of_side_are_not_supported),
        cmocka_unit_test(masks_with_holes),
        cmocka_unit_test(a_range_that_runs_backwards),
        cmocka_unit_test(host_bits_behind_a_mask_are_cut),
        cmocka_unit_test(a_range_of_ports_cannot_be_written),
        cmocka_unit_test(selectors_are_read_as_written),
        cmocka_unit_test(sides_that_do_not_fit_together),
        cmocka_unit_test(ports_of_a_protocol_that_has_none),
        cmocka_unit_test(every_truncation_of_a_notification),
        cmocka_unit_test(a_notification_is_read_as_written),
        cmocka_unit_test(every_notification_has_a_name),
        cmocka_unit_test(every_truncation_of_a_lifetime),
        cmocka_unit_test(lifetimes_of_phase_1_have_other_numbers),
        cmocka_unit_test(lifetimes_in_odd_shapes),
        cmocka_unit_test(b13_delete_of_65535_spis),
        cmocka_unit_test(b13_delete_with_a_wrong_spi_size),
        cmocka_unit_test(b13_delete_whose_count_lies),
        cmocka_unit_test(deletes_are_read_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
