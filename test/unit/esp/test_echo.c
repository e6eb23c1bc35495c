/* SPDX-License-Identifier: Apache-2.0 */
#include "test/inner.h"
#include "test/unit/unit_test.h"

#include "base/checksum.h"
#include "esp/echo.h"

static const struct echo_mark mark = {.identifier = 0xbeef, .token = "0123456789abcde"};

struct built {
    uint8_t data[ECHO_MAX + 8];
    size_t len;
};

static struct echo an_echo(bool six)
{
    return (struct echo){.source = an_address(six ? "2001:db8:1::1" : "10.1.0.1"),
                         .destination = an_address(six ? "2001:db8:2::9" : "10.2.0.9"),
                         .subject = 7,
                         .sequence = 0x1234,
                         .nonce = UINT64_C(0x1122334455667788)};
}

static size_t message_at(bool six)
{
    return six ? IPV6_HEADER : IPV4_HEADER;
}

/* From the first byte on, without looking at what the code under test thinks of it. */
static uint16_t sum_of(const struct built *p, bool six)
{
    size_t at = message_at(six), len = p->len - at;
    uint8_t all[64 + ECHO_MAX] = {0};
    size_t used = 0;
    if (six) {
        memcpy(all, p->data + 8, 32);
        store_u32(all + 32, (uint32_t)len);
        all[39] = 58;
        used = 40;
    }
    memcpy(all + used, p->data + at, len);
    return checksum_of(all, used + len);
}

/* Checksums are made right again. */
static void repair(struct built *p, bool six)
{
    size_t at = message_at(six) + 2;
    store_u16(p->data + at, 0);
    store_u16(p->data + at, sum_of(p, six));
}

static struct built request(bool six)
{
    struct built p = {0};
    uint8_t *exact = malloc(ECHO_MAX);
    struct echo echo = an_echo(six);
    assert_non_null(exact);
    p.len = echo_request(&mark, &echo, exact);
    assert_int_equal(p.len, message_at(six) + ECHO_MESSAGE);
    memcpy(p.data, exact, p.len);
    free(exact);
    return p;
}

/* As a host answers: addresses change places, the type is another, the data stay. */
static struct built reply(bool six)
{
    struct built p = request(six);
    size_t at = six ? 8 : 12, len = six ? 16 : 4;
    uint8_t source[16];
    memcpy(source, p.data + at, len);
    memcpy(p.data + at, p.data + at + len, len);
    memcpy(p.data + at + len, source, len);
    p.data[message_at(six)] = six ? 129 : 0;
    repair(&p, six);
    return p;
}

static bool is_ours(const struct built *p, struct echo *out)
{
    struct flow flow;
    size_t len;
    uint8_t *exact = malloc(p->len);
    assert_non_null(exact);
    memcpy(exact, p->data, p->len);
    bool ours =
        flow_read(bytes_of(exact, p->len), &flow, &len) == OK && echo_answer(&mark, bytes_of(exact, len), &flow, out);
    free(exact);
    return ours;
}

static void a_request_is_a_whole_packet(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        struct built p = request(six);
        struct flow flow;
        size_t len;
        struct echo echo = an_echo(six), out;
        assert_int_equal(flow_read(bytes_of(p.data, p.len), &flow, &len), OK);
        assert_int_equal(len, p.len);
        assert_true(address_equal(&flow.source, &echo.source) && address_equal(&flow.destination, &echo.destination));
        assert_int_equal(flow.protocol, six ? 58 : 1);
        assert_int_equal(p.data[message_at(six)], six ? 128 : 8);
        assert_int_equal(sum_of(&p, six), 0);
        if (!six)
            assert_int_equal(checksum_of(p.data, IPV4_HEADER), 0);
        assert_false(is_ours(&p, &out)); /* it is no answer, should it come back */
    }
}

static void an_answer_tells_what_was_asked(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        struct built p = reply(six);
        struct echo asked = an_echo(six), out;
        assert_true(is_ours(&p, &out));
        assert_true(address_equal(&out.source, &asked.destination));
        assert_true(address_equal(&out.destination, &asked.source));
        assert_int_equal(out.subject, asked.subject);
        assert_int_equal(out.sequence, asked.sequence);
        assert_true(out.nonce == asked.nonce);
    }
}

/* Each bit of what makes it ours; with a checksum that is right all the same, as a forger would write it. */
static void what_is_not_ours_is_left_alone(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        for (size_t bit = 0; bit < 8 * (ECHO_HEADER + ECHO_TOKEN); bit++) {
            struct built p = reply(six);
            struct echo out;
            size_t byte = bit / 8;
            bool sequence = byte == 6 || byte == 7, checksum = byte == 2 || byte == 3;
            p.data[message_at(six) + byte] ^= (uint8_t)(1 << bit % 8);
            if (!checksum)
                repair(&p, six);
            if (is_ours(&p, &out) != sequence)
                fail_msg("IPv%d, bit %zu of the message", six ? 6 : 4, bit);
        }
    }
}

static void a_wrong_checksum_is_no_answer(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        struct echo out;
        struct built p = reply(six);
        p.data[p.len - 1] ^= 1;
        assert_false(is_ours(&p, &out));
        repair(&p, six);
        assert_true(is_ours(&p, &out)); /* whether that was asked is for the caller to know */
    }
}

static void set_length(struct built *p, bool six, size_t len)
{
    p->len = len;
    store_u16(p->data + (six ? 4 : 2), (uint16_t)(six ? len - IPV6_HEADER : len));
}

static void other_lengths_are_no_answer(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++)
        for (size_t len = message_at(six) + 1; len <= message_at(six) + ECHO_MESSAGE + 8; len++) {
            struct echo out;
            struct built p = reply(six);
            set_length(&p, six, len);
            repair(&p, six);
            assert_int_equal(is_ours(&p, &out), len == message_at(six) + ECHO_MESSAGE);
        }
}

/* Cut off behind the header's length, and padding behind the packet (RFC 4303 2.7). */
static void truncation_and_padding(void **state)
{
    (void)state;
    for (int six = 0; six < 2; six++) {
        struct echo out;
        struct built p = reply(six);
        size_t whole = p.len;
        for (p.len = 1; p.len < whole; p.len++)
            assert_false(is_ours(&p, &out));
        p.len = whole + 8;
        assert_true(is_ours(&p, &out));
    }
}

static void fragments_and_other_protocols_are_no_answer(void **state)
{
    (void)state;
    struct echo out;
    struct built p = reply(false);
    p.data[6] = 0x20;
    assert_false(is_ours(&p, &out));
    p = reply(false);
    p.data[9] = 17;
    assert_false(is_ours(&p, &out));
    p = reply(false);
    p.data[9] = 58; /* ICMPv6 in IPv4 */
    assert_false(is_ours(&p, &out));
    p = reply(true);
    p.data[6] = 1;
    assert_false(is_ours(&p, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_a_whole_packet),
        cmocka_unit_test(an_answer_tells_what_was_asked),
        cmocka_unit_test(what_is_not_ours_is_left_alone),
        cmocka_unit_test(a_wrong_checksum_is_no_answer),
        cmocka_unit_test(other_lengths_are_no_answer),
        cmocka_unit_test(truncation_and_padding),
        cmocka_unit_test(fragments_and_other_protocols_are_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
