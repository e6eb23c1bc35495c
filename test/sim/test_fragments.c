/* SPDX-License-Identifier: Apache-2.0 */
/* IKE messages in fragments: when they are sent, that they come together, and bad ones. bNN names the bad input. */
#include "ike/v1_fragment.h"
#include "test/sim/spoil.h"

/* What the initiator sends, apart from fragments, which are collected here and do not arrive. */
struct catch
{
    struct rig_datagram pieces[16];
    size_t count;
    bool off;
};

static bool is_fragment(const struct rig_datagram *d)
{
    return d->len > IKE_HEADER_LEN && d->data[IKE_HEADER_NEXT_AT] == PAYLOAD_FRAGMENT;
}

static bool catch_fragments(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct catch *c = arg;
    (void)rig;
    if (from != I || !is_fragment(d) || c->off)
        return false;
    if (c->count < COUNT(c->pieces))
        c->pieces[c->count++] = *d;
    return true;
}

static struct bench *with_long_offer(struct catch *c)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    for (int i = I; i <= R; i++) {
        struct connection *k = &end(b, i)->connection;
        k->fragmentation = true;
        rig_make_long(k);
    }
    b->rig->filter = catch_fragments;
    b->rig->filter_arg = c;
    return b;
}

/* Phase 1 is up, and the first quick mode of the initiator has been caught, in two fragments. */
static struct bench *caught(struct catch *c)
{
    *c = (struct catch){0};
    struct bench *b = with_long_offer(c);
    rig_start(b->rig);
    rig_run(b->rig, 100);
    assert_int_equal(c->count, 2);
    assert_int_equal(rig_sas(end(b, R), "established"), 1);
    return b;
}

static void put(struct bench *b, const struct rig_datagram *d)
{
    uint8_t *exact = malloc(d->len);
    assert_non_null(exact);
    memcpy(exact, d->data, d->len);
    rig_inject(b->rig, R, d->path.local.port, bytes_of(exact, d->len));
    free(exact);
}

static void comes_about(struct bench *b, struct catch *c)
{
    c->off = true;
    assert_true(rig_run_until(b->rig, 10 * SECOND, rig_both_carry));
    assert_int_equal(end(b, R)->events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

/* --- sending --- */

static void each_fits_and_together_they_are_the_message(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    uint8_t whole[RIG_DATAGRAM_MAX];
    size_t len = 0;
    for (size_t i = 0; i < c.count; i++) {
        struct ike_header h;
        struct v1_fragment f;
        struct bytes message = bytes_of(c.pieces[i].data, c.pieces[i].len);
        assert_int_equal(header_read(message, &h), OK);
        assert_int_equal(v1_fragment_read(&h, message, &f), OK);
        assert_true(c.pieces[i].len + 20 + 8 <= FRAGMENT_USUAL);
        assert_int_equal(h.flags, 0);
        assert_int_equal(h.exchange, EXCHANGE_QUICK);
        assert_int_equal(f.number, i + 1);
        assert_int_equal(f.last, i + 1 == c.count);
        memcpy(whole + len, f.data.data, f.data.len);
        len += f.data.len;
    }
    struct ike_header h;
    assert_int_equal(header_read(bytes_of(whole, len), &h), OK);
    assert_int_equal(h.flags, FLAG_ENCRYPTION);
    comes_about(b, &c);
}

static void nobody_gets_fragments_who_has_not_asked(void **state)
{
    (void)state;
    for (int without = I; without <= R; without++) {
        static struct catch c;
        c = (struct catch){0};
        struct bench *b = with_long_offer(&c);
        end(b, without)->connection.fragmentation = false;
        rig_start(b->rig);
        assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
        assert_int_equal(c.count, 0);
        bench_free(b);
    }
}

/* A message that stays unanswered is cut smaller, on IPv4: 576 bytes get through where 1280 do not. */
static bool is_narrow(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    (void)arg;
    (void)rig;
    (void)from;
    return d->len + 20 + 8 > FRAGMENT_SMALL;
}

static void over_a_narrow_path_the_second_repetition_is_smaller(void **state)
{
    (void)state;
    for (int mode = MODE_MAIN; mode <= MODE_AGGRESSIVE; mode++) {
        struct bench *b = with_long_offer(NULL);
        for (int i = I; i <= R; i++)
            end(b, i)->connection.mode = (enum ike_mode)mode;
        b->rig->filter = is_narrow;
        rig_start(b->rig);
        assert_true(rig_run_until(b->rig, 8 * SECOND, rig_both_carry));
        bench_free(b);
    }
}

/* --- receiving --- */

static void b21_in_any_order_and_repeated(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    put(b, &c.pieces[1]);
    put(b, &c.pieces[1]);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 0);
    put(b, &c.pieces[0]);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 1);
    assert_null(craft_sa(end(b, R)->ike)->collected);
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_MALFORMED), 0);
    comes_about(b, &c);
}

/* Some peers mark fragments as encrypted, which they are not. */
static void the_encryption_flag_means_nothing(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    for (size_t i = 0; i < 2; i++) {
        c.pieces[i].data[19] |= FLAG_ENCRYPTION;
        put(b, &c.pieces[i]);
    }
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 1);
    comes_about(b, &c);
}

/* A fragment of our own making for the SA in hand. */
static struct rig_datagram forged(const struct catch *c, uint32_t message_id, struct v1_fragment f)
{
    struct ike_header h;
    struct rig_datagram d = c->pieces[0];
    assert_int_equal(header_read(bytes_of(d.data, d.len), &h), OK);
    h.message_id = message_id;
    struct writer w = writer_of(d.data, sizeof d.data);
    v1_fragment_write(&w, &h, &f);
    assert_false(w.failed);
    d.len = w.len;
    return d;
}

static struct v1_fragment first_of(const struct catch *c, struct ike_header *h)
{
    struct v1_fragment f;
    assert_int_equal(header_read(bytes_of(c->pieces[0].data, c->pieces[0].len), h), OK);
    assert_int_equal(v1_fragment_read(h, bytes_of(c->pieces[0].data, c->pieces[0].len), &f), OK);
    return f;
}

/* `bad` between the two true ones: dropped, counted, and they come together all the same. */
static void is_dropped(const struct catch *c, struct bench *b, const struct rig_datagram *bad, enum ike_drop why)
{
    (void)c;
    uint64_t before = rig_drops(end(b, R), why);
    unsigned sent = end(b, R)->sent;
    put(b, bad);
    if (rig_drops(end(b, R), why) != before + 1)
        fail_msg("not counted as %s", ike_drop_name(why));
    assert_int_equal(end(b, R)->sent, sent);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 0);
}

static void h2016_1287_b20_too_short_empty_number_0_and_over_the_total(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    struct ike_header h;
    struct v1_fragment f = first_of(&c, &h);
    put(b, &c.pieces[1]); /* the last: the total is 2 */
    for (size_t len = 0; len <= 8; len++) {
        struct rig_datagram bad = c.pieces[0];
        bad.len = IKE_HEADER_LEN + len;
        store_u32(bad.data + IKE_HEADER_LENGTH_AT, (uint32_t)bad.len);
        if (len >= 4)
            store_u16(bad.data + IKE_HEADER_LEN + 2, (uint16_t)len);
        is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    }
    struct v1_fragment zero = {f.id, 0, false, f.data}, three = {f.id, 3, false, f.data},
                       last = {f.id, 200, true, f.data};
    struct rig_datagram bad = forged(&c, h.message_id, zero);
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    bad = forged(&c, h.message_id, three);
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    bad = forged(&c, h.message_id, last);
    is_dropped(&c, b, &bad, IKE_DROP_LIMIT);
    /* Something behind the fragment. */
    bad = c.pieces[0];
    bad.data[IKE_HEADER_LEN] = PAYLOAD_VENDOR;
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    put(b, &c.pieces[0]);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 1);
    comes_about(b, &c);
}

static void b22_another_total_or_other_bytes(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    struct ike_header h;
    struct v1_fragment f = first_of(&c, &h);
    uint8_t other[4] = {9, 9, 9, 9};
    put(b, &c.pieces[1]);
    struct rig_datagram bad = forged(&c, h.message_id, (struct v1_fragment){f.id, 1, true, f.data});
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    bad = forged(&c, h.message_id, (struct v1_fragment){f.id, 2, false, bytes_of(other, sizeof other)});
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    bad = c.pieces[1];
    bad.data[bad.len - 1] ^= 1;
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    put(b, &c.pieces[0]);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 1);
    comes_about(b, &c);
}

/* Peers reuse the id of fragments: what belongs together the message id tells as well. */
static void another_message_with_the_same_id_takes_over(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    struct ike_header h;
    struct v1_fragment f = first_of(&c, &h);
    struct rig_datagram other = forged(&c, h.message_id + 1, (struct v1_fragment){f.id, 1, false, f.data});
    put(b, &other);
    put(b, &c.pieces[1]);
    put(b, &c.pieces[0]);
    assert_int_equal(craft_sa(end(b, R)->ike)->quick_count, 1);
    comes_about(b, &c);
}

static void b21_what_is_never_complete_is_forgotten(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    put(b, &c.pieces[1]);
    assert_non_null(craft_sa(end(b, R)->ike)->collected);
    rig_run(b->rig, FRAGMENTS_LIFE);
    assert_null(craft_sa(end(b, R)->ike)->collected);
    comes_about(b, &c);
}

/* However it is cut: number and size of what is held have their limits. */
static void h2016_10396_b21_many_and_large(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    static const uint8_t filler[4096];
    uint64_t limit = rig_drops(end(b, R), IKE_DROP_LIMIT);
    for (unsigned number = 255; number > 0; number--) {
        struct rig_datagram d =
            forged(&c, 77, (struct v1_fragment){7, (uint8_t)number, false, bytes_of(filler, 1 + number % 3)});
        put(b, &d);
    }
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT), limit + 255 - FRAGMENTS_MAX);
    for (unsigned number = 1; number <= 6; number++) {
        struct rig_datagram d =
            forged(&c, 78, (struct v1_fragment){7, (uint8_t)number, false, bytes_of(filler, sizeof filler)});
        put(b, &d);
    }
    assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT),
                     limit + 255 - FRAGMENTS_MAX + 6 - IKE_MESSAGE_MAX / sizeof filler);
    comes_about(b, &c);
}

/* What comes out must be a message of this SA, and no fragment again. */
static void what_comes_together_is_looked_at_anew(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    struct ike_header h;
    struct v1_fragment f = first_of(&c, &h);
    uint8_t inner[RIG_DATAGRAM_MAX];
    memcpy(inner, c.pieces[0].data, c.pieces[0].len); /* a fragment inside */
    struct rig_datagram bad = forged(&c, 5, (struct v1_fragment){f.id, 1, true, bytes_of(inner, c.pieces[0].len)});
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    inner[IKE_HEADER_NEXT_AT] = PAYLOAD_HASH;
    inner[3] ^= 1; /* another cookie inside */
    bad = forged(&c, 5, (struct v1_fragment){f.id, 1, true, bytes_of(inner, c.pieces[0].len)});
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    inner[3] ^= 1;
    inner[IKE_HEADER_LENGTH_AT + 3] ^= 1; /* not as long as it says */
    bad = forged(&c, 5, (struct v1_fragment){f.id, 1, true, bytes_of(inner, c.pieces[0].len)});
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    bad = forged(&c, 5, (struct v1_fragment){f.id, 1, true, bytes_of(inner, 3)}); /* not even a header */
    is_dropped(&c, b, &bad, IKE_DROP_MALFORMED);
    comes_about(b, &c);
}

static void fragments_of_nobody(void **state)
{
    (void)state;
    static struct catch c;
    struct bench *b = caught(&c);
    struct rig_datagram d = c.pieces[0];
    d.data[0] ^= 1; /* cookies that are not ours */
    is_dropped(&c, b, &d, IKE_DROP_UNKNOWN_SA);
    memset(d.data + 8, 0, 8); /* a first message */
    is_dropped(&c, b, &d, IKE_DROP_UNKNOWN_SA);
    comes_about(b, &c);
}

/* Before phase 1 is complete: only from where it began, and all strangers together have few. */
static void strangers_cannot_fill_our_memory(void **state)
{
    (void)state;
    static struct catch c;
    static uint64_t cookies[2 * STRANGER_MESSAGES_MAX];
    struct bench *b = bench_until(I, MAIN3);
    end(b, R)->connection.fragmentation = true;
    end(b, R)->connection.remote = (struct address){0};
    bench_go(b);
    struct rig_datagram first = *rig_sent(b->rig, I, 1);
    const uint8_t piece[100] = {1};
    size_t made = 0;
    for (unsigned i = 0; i < 2 * STRANGER_MESSAGES_MAX; i++) {
        struct path path = {.local = {end(b, R)->address, 500}, .remote = {end(b, I)->address, 500}};
        path.remote.address.bytes[2] = (uint8_t)(10 + i / 8);
        store_u32(first.data, i + 1);
        unsigned sent = end(b, R)->sent;
        ike_input(end(b, R)->ike, b->rig->now_ms, &path, bytes_of(first.data, first.len));
        assert_int_equal(end(b, R)->sent, sent + 1);
        memcpy(&cookies[made], rig_sent(b->rig, R, 0)->data + 8, 8);
        c.pieces[0] = first;
        memcpy(c.pieces[0].data + 8, &cookies[made], 8);
        struct rig_datagram d = forged(&c, 0, (struct v1_fragment){1, 2, false, bytes_of(piece, sizeof piece)});
        uint64_t limit = rig_drops(end(b, R), IKE_DROP_LIMIT);
        ike_input(end(b, R)->ike, b->rig->now_ms, &path, bytes_of(d.data, d.len));
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_LIMIT),
                         limit + (i >= STRANGER_MESSAGES_MAX - STRANGER_MESSAGES_RESERVED));
        path.remote.address.bytes[3] ^= 1; /* from elsewhere */
        uint64_t wrong = rig_drops(end(b, R), IKE_DROP_STATE);
        ike_input(end(b, R)->ike, b->rig->now_ms, &path, bytes_of(d.data, d.len));
        assert_int_equal(rig_drops(end(b, R), IKE_DROP_STATE), wrong + 1);
        made++;
    }
    rig_run(b->rig, FRAGMENTS_LIFE); /* and it all comes back */
    assert_int_equal(end(b, R)->ike->stranger_messages, 0);
    the_right_one_succeeds(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fits_and_together_they_are_the_message),
        cmocka_unit_test(nobody_gets_fragments_who_has_not_asked),
        cmocka_unit_test(over_a_narrow_path_the_second_repetition_is_smaller),
        cmocka_unit_test(b21_in_any_order_and_repeated),
        cmocka_unit_test(the_encryption_flag_means_nothing),
        cmocka_unit_test(h2016_1287_b20_too_short_empty_number_0_and_over_the_total),
        cmocka_unit_test(b22_another_total_or_other_bytes),
        cmocka_unit_test(another_message_with_the_same_id_takes_over),
        cmocka_unit_test(b21_what_is_never_complete_is_forgotten),
        cmocka_unit_test(h2016_10396_b21_many_and_large),
        cmocka_unit_test(what_comes_together_is_looked_at_anew),
        cmocka_unit_test(fragments_of_nobody),
        cmocka_unit_test(strangers_cannot_fill_our_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
