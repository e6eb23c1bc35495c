/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that has the keys and lies: the message that the bench holds back is opened, its payloads are changed, its
 * hash made right again, and it is sealed anew. And what a refusal looks like.
 */
#ifndef TEST_SIM_FORGE_H
#define TEST_SIM_FORGE_H

#include "test/sim/bench.h"

#include "ike/v1_message.h"
#include "ike/v1_phase1.h"

typedef void change_payloads(struct payloads *p, const void *arg);

static inline struct payload *payload_in(struct payloads *p, uint8_t type)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].type == type)
            return &p->items[i];
    fail_msg("there is no payload %u", type);
    return NULL;
}

/* Writes the payloads into c again. */
static inline void put_back(struct craft *c, const struct payloads *p)
{
    static uint8_t text[CRAFT_MAX + 1]; /* one byte before it is the type of the first payload */
    struct writer w = writer_of(text, sizeof text);
    write_u8(&w, 0);
    struct chain chain = chain_begin(0);
    for (size_t i = 0; i < p->count; i++)
        chain_add(&chain, &w, p->items[i].type, p->items[i].body);
    assert_false(w.failed);
    c->header.next_payload = text[0];
    c->len = w.len - 1;
    memcpy(c->text, text + 1, c->len);
}

/* HASH_I or HASH_R of main mode over the identity that stands there now, by the values of the end that waits. */
static inline void prove_again(struct bench *b, struct payloads *p)
{
    static uint8_t hash[HASH_MAX];
    const struct ike_sa *sa = craft_sa(end(b, 1 - b->hold.from)->ike);
    const struct v1_phase1_values values = phase1_values(sa);
    if (payload_count(p, PAYLOAD_HASH) == 0 || payload_count(p, PAYLOAD_ID) == 0 ||
        payload_in(p, PAYLOAD_HASH)->body.len != v1_hash_len(&sa->keys))
        return;
    assert_int_equal(v1_auth_hash(&sa->keys, &values, b->hold.from == I, payload_body(p, PAYLOAD_ID), hash), OK);
    payload_in(p, PAYLOAD_HASH)->body.data = hash;
}

/* The held message of phase 1, which is encrypted; `prove`: with its HASH made right. Returns the datagram's length. */
static inline size_t forge_held(struct bench *b, change_payloads *change, const void *arg, bool prove,
                                uint8_t out[CRAFT_MAX + 64])
{
    static struct craft c, copy;
    static struct payloads p;
    uint8_t iv[IV_MAX];
    const struct ike_sa *sa = craft_sa(end(b, 1 - b->hold.from)->ike);
    memcpy(iv, sa->iv, sizeof iv);
    assert_true(craft_open(sa, iv, bytes_of(b->hold.datagram.data, b->hold.datagram.len), &c));
    copy = c;
    assert_int_equal(payloads_read(c.header.next_payload, bytes_of(copy.text, copy.len), true, &p), OK);
    change(&p, arg);
    if (prove)
        prove_again(b, &p);
    put_back(&c, &p);
    memcpy(iv, sa->iv, sizeof iv);
    return craft_seal(sa, iv, &c, out);
}

/* Message 5 or 6 of main mode. */
static inline size_t forge_auth(struct bench *b, change_payloads *change, const void *arg, uint8_t out[CRAFT_MAX + 64])
{
    return forge_held(b, change, arg, true, out);
}

/* Message 1 of quick mode (offer: NULL), or message 2, which answers that offer. */
static inline size_t forge_quick(struct bench *b, const struct rig_datagram *offer, change_payloads *change,
                                 const void *arg, uint8_t out[CRAFT_MAX + 64])
{
    static struct craft c, copy, first;
    static struct payloads p;
    uint8_t iv[IV_MAX], next[IV_MAX];
    const struct ike_sa *sa = craft_sa(end(b, R)->ike);
    const struct rig_datagram *held = &b->hold.datagram;
    struct bytes nonce = {0};
    craft_first_iv(sa, load_u32(held->data + 20), iv);
    if (offer != NULL) {
        assert_true(craft_open(sa, iv, bytes_of(offer->data, offer->len), &first));
        nonce = craft_body(&first, PAYLOAD_NONCE);
    }
    memcpy(next, iv, sizeof next);
    assert_true(craft_open(sa, next, bytes_of(held->data, held->len), &c));
    copy = c;
    assert_int_equal(payloads_read(c.header.next_payload, bytes_of(copy.text, copy.len), true, &p), OK);
    change(&p, arg);
    put_back(&c, &p);
    craft_rehash(sa, nonce, &c);
    return craft_seal(sa, iv, &c, out);
}

static inline uint64_t all_drops(const struct rig_end *e)
{
    uint64_t sum = 0;
    for (enum ike_drop d = 0; d < IKE_DROP_COUNT; d++)
        sum += rig_drops(e, d);
    return sum;
}

/* The type of the notification in the last datagram of an end, clear or opened with the keys of the other. 0: none. */
static inline unsigned last_notification(struct bench *b, int from)
{
    static struct craft c;
    const struct rig_datagram *d = rig_sent(b->rig, from, 0);
    const struct ike_sa *sa = craft_sa(end(b, 1 - from)->ike);
    struct v1_notify n;
    uint8_t iv[IV_MAX];
    assert_non_null(d);
    if (!(d->data[19] & FLAG_ENCRYPTION)) {
        static struct payloads p;
        assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                       bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                         OK);
        return v1_notify_read(payload_body(&p, PAYLOAD_NOTIFY), &n) == OK ? n.type : 0;
    }
    craft_first_iv(sa, load_u32(d->data + 20), iv);
    assert_true(craft_open(sa, iv, bytes_of(d->data, d->len), &c));
    return v1_notify_read(craft_body(&c, PAYLOAD_NOTIFY), &n) == OK ? n.type : 0;
}

#endif
