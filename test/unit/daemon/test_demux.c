/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/demux.h"

#include "daemon_test.h"

enum { OFFSET = 7 }; /* the datagram does not begin where its buffer does */

#define IKE(text) "\0\0\0\0" text
#define ESP(text) "\0\0\x10\1" text

struct piece {
    enum encap_kind kind;
    const char *bytes;
    size_t len;
};

struct row {
    enum udp_kind socket;
    uint32_t segment;
    const char *bytes;
    size_t len;
    size_t count;
    struct piece pieces[4];
};

#define BYTES(text) (text), sizeof(text) - 1

static void check(const struct row *row, size_t number)
{
    uint8_t *buffer = malloc(OFFSET + row->len + 1); /* exact, so that a sanitizer sees a read too far */
    assert_non_null(buffer);
    memcpy(buffer + OFFSET, row->bytes, row->len);
    struct datagram datagram = {.packet = packet_of(buffer, OFFSET + row->len, OFFSET), .segment = row->segment};
    datagram.packet.len = (uint32_t)row->len;
    struct demux demux = demux_of(row->socket, &datagram);
    struct packet piece;
    enum encap_kind kind;
    size_t count = 0;
    for (; demux_next(&demux, &kind, &piece); count++) {
        if (count >= row->count)
            fail_msg("row %zu: more than %zu pieces", number, row->count);
        const struct piece *wanted = &row->pieces[count];
        if (kind != wanted->kind || piece.len != wanted->len)
            fail_msg("row %zu, piece %zu: kind %d, %u bytes, not %d, %zu", number, count, (int)kind, piece.len,
                     (int)wanted->kind, wanted->len);
        assert_memory_equal(packet_data(&piece), wanted->bytes, wanted->len);
        assert_ptr_equal(piece.buffer, buffer);
        assert_true(piece.offset >= OFFSET && piece.offset + piece.len <= piece.capacity);
    }
    if (count != row->count)
        fail_msg("row %zu: %zu pieces, not %zu", number, count, row->count);
    assert_false(demux_next(&demux, &kind, &piece)); /* and it stays at its end */
    assert_int_equal(datagram.packet.len, row->len);
    free(buffer);
}

static void check_all(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(&rows[i], i);
}

static void test_one_datagram_is_one_piece(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {UDP_NATT, 0, BYTES(IKE("message")), 1, {{ENCAP_IKE, BYTES("message")}}},
        {UDP_NATT, 0, BYTES(ESP("sequence")), 1, {{ENCAP_ESP, BYTES(ESP("sequence"))}}},
        {UDP_NATT, 0, BYTES("\xff"), 1, {{ENCAP_KEEPALIVE, BYTES("")}}},
        {UDP_NATT, 0, BYTES("abc"), 1, {{ENCAP_MALFORMED, BYTES("")}}},
        {UDP_NATT, 0, BYTES(IKE("")), 1, {{ENCAP_IKE, BYTES("")}}},
        /* Elsewhere there is no marker: the socket says what it is. */
        {UDP_IKE, 0, BYTES(IKE("message")), 1, {{ENCAP_IKE, BYTES(IKE("message"))}}},
        {UDP_IKE, 0, BYTES("\xff"), 1, {{ENCAP_IKE, BYTES("\xff")}}},
        {UDP_RAW_ESP, 0, BYTES(IKE("message")), 1, {{ENCAP_ESP, BYTES(IKE("message"))}}},
        {UDP_RAW_ESP, 0, BYTES(ESP("sequence")), 1, {{ENCAP_ESP, BYTES(ESP("sequence"))}}},
    };
    check_all(rows, COUNT(rows));
}

/* One peer's datagrams, joined by the kernel: it looks at addresses, ports and lengths alone. */
static void test_joined_datagrams_are_looked_at_one_by_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {UDP_NATT,
         8,
         BYTES(ESP("0001") IKE("ike!") ESP("0002")),
         3,
         {{ENCAP_ESP, BYTES(ESP("0001"))}, {ENCAP_IKE, BYTES("ike!")}, {ENCAP_ESP, BYTES(ESP("0002"))}}},
        {UDP_NATT,
         8,
         BYTES(ESP("0001") IKE("ike!") "\xff"),
         3,
         {{ENCAP_ESP, BYTES(ESP("0001"))}, {ENCAP_IKE, BYTES("ike!")}, {ENCAP_KEEPALIVE, BYTES("")}}},
        {UDP_NATT, 1, BYTES("\xff\xff"), 2, {{ENCAP_KEEPALIVE, BYTES("")}, {ENCAP_KEEPALIVE, BYTES("")}}},
        /* A short tail, which may be no packet any more, spoils none before it. */
        {UDP_NATT,
         9,
         BYTES(ESP("00001") ESP("0002")),
         2,
         {{ENCAP_ESP, BYTES(ESP("00001"))}, {ENCAP_ESP, BYTES(ESP("0002"))}}},
        {UDP_NATT,
         9,
         BYTES(ESP("00001") "\0\0\x10"),
         2,
         {{ENCAP_ESP, BYTES(ESP("00001"))}, {ENCAP_MALFORMED, BYTES("")}}},
        {UDP_NATT,
         8,
         BYTES("\xff......."
               "\xff"),
         2,
         {{ENCAP_ESP, BYTES("\xff.......")}, {ENCAP_KEEPALIVE, BYTES("")}}},
        {UDP_IKE,
         4,
         BYTES("aaaabbbbc"),
         3,
         {{ENCAP_IKE, BYTES("aaaa")}, {ENCAP_IKE, BYTES("bbbb")}, {ENCAP_IKE, BYTES("c")}}},
        {UDP_RAW_ESP, 4, BYTES("aaaabbbb"), 2, {{ENCAP_ESP, BYTES("aaaa")}, {ENCAP_ESP, BYTES("bbbb")}}},
    };
    check_all(rows, COUNT(rows));
}

static void test_an_empty_datagram_is_one_piece(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {UDP_NATT, 0, BYTES(""), 1, {{ENCAP_MALFORMED, BYTES("")}}},
        {UDP_NATT, 8, BYTES(""), 1, {{ENCAP_MALFORMED, BYTES("")}}},
        {UDP_IKE, 0, BYTES(""), 1, {{ENCAP_IKE, BYTES("")}}},
        {UDP_RAW_ESP, 0, BYTES(""), 1, {{ENCAP_ESP, BYTES("")}}},
    };
    check_all(rows, COUNT(rows));
}

static void test_a_segment_as_long_as_the_datagram_or_longer(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {UDP_NATT, 12, BYTES(ESP("sequence")), 1, {{ENCAP_ESP, BYTES(ESP("sequence"))}}},
        {UDP_NATT, 13, BYTES(ESP("sequence")), 1, {{ENCAP_ESP, BYTES(ESP("sequence"))}}},
        {UDP_NATT, UINT32_MAX, BYTES(IKE("message")), 1, {{ENCAP_IKE, BYTES("message")}}},
        {UDP_IKE, UINT32_MAX, BYTES("message"), 1, {{ENCAP_IKE, BYTES("message")}}},
    };
    check_all(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_datagram_is_one_piece),
        cmocka_unit_test(test_joined_datagrams_are_looked_at_one_by_one),
        cmocka_unit_test(test_an_empty_datagram_is_one_piece),
        cmocka_unit_test(test_a_segment_as_long_as_the_datagram_or_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
