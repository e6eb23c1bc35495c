/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bench of the hostile tests: two gateways that talk until one chosen datagram is held back; and what must not
 * change when rubbish arrives.
 */
#ifndef TEST_SIM_BENCH_H
#define TEST_SIM_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ike/v1_body.h"
#include "test/sim/craft.h"
#include "test/sim/rig.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum { I = 0, R = 1, SECOND = 1000 };
/* --- the bench: a filter that holds one chosen datagram back --- */

struct hold {
    int from;
    unsigned skip; /* datagrams of `from` that pass first */
    bool held;
    struct rig_datagram datagram;
};

static inline bool hold_one(void *arg, struct rig *rig, int from, struct rig_datagram *datagram)
{
    struct hold *hold = arg;
    (void)rig;
    if (from != hold->from || hold->held)
        return hold->held; /* time stands still at both ends */
    if (hold->skip-- > 0)
        return false;
    hold->held = true;
    hold->datagram = *datagram;
    return true;
}

/* Which datagrams of a connection are which, counted per sender. */
enum { MAIN1 = 0, MAIN3, MAIN5, QUICK1, QUICK3, MAIN2 = 0, MAIN4, MAIN6, QUICK2 };

struct bench {
    struct rig *rig;
    struct hold hold;
};

static inline struct bench *bench_until(int from, unsigned nth)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    b->hold = (struct hold){.from = from, .skip = nth};
    b->rig->filter = hold_one;
    b->rig->filter_arg = &b->hold;
    return b;
}

/* Starts, and stops where the chosen datagram has been written but not delivered. */
static inline void bench_go(struct bench *b)
{
    rig_start(b->rig);
    rig_run(b->rig, 100);
    assert_true(b->hold.held);
}

static inline struct bench *held_at(int from, unsigned nth)
{
    struct bench *b = bench_until(from, nth);
    bench_go(b);
    return b;
}

static inline struct bench *established(void)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->rig = rig_new(42);
    rig_start(b->rig);
    assert_true(rig_run_until(b->rig, 5 * SECOND, rig_both_carry));
    return b;
}

/* No secret may be alive at the end. */
static inline void bench_free(struct bench *b)
{
    assert_int_equal(rig_free(b->rig), 0);
    free(b);
}

static inline void deliver(struct bench *b, const void *data, size_t len)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    assert_non_null(exact);
    if (len > 0)
        memcpy(exact, data, len);
    rig_inject(b->rig, 1 - b->hold.from, b->hold.datagram.path.local.port, bytes_of(exact, len));
    free(exact);
}

static inline void deliver_right(struct bench *b)
{
    deliver(b, b->hold.datagram.data, b->hold.datagram.len);
}

/* The held message arrives at last, unchanged, and all comes about. */
static inline void the_right_one_succeeds(struct bench *b)
{
    b->rig->filter = NULL;
    deliver_right(b);
    assert_true(rig_run_until(b->rig, 3 * SECOND, rig_both_carry));
    assert_int_equal(b->rig->ends[I].events[IKE_EVENT_PHASE1_UP], 1);
    assert_int_equal(b->rig->ends[R].events[IKE_EVENT_PHASE1_UP], 1);
    bench_free(b);
}

static inline struct rig_end *end(struct bench *b, int i)
{
    return &b->rig->ends[i];
}

/* Everything of an IKE SA that a dropped message must leave alone. */
struct snapshot {
    uint8_t iv[IV_MAX];
    enum sa_state state;
    size_t quicks, ids, children, sas;
    struct path path;
    unsigned events;
};

static inline unsigned all_events(const struct rig_end *e)
{
    unsigned sum = 0;
    for (size_t i = 0; i < COUNT(e->events); i++)
        sum += e->events[i];
    return sum;
}

static inline struct snapshot snapshot(struct bench *b, int i)
{
    const struct ike_sa *sa = craft_sa(end(b, i)->ike);
    assert_non_null(sa);
    struct snapshot s = {.state = sa->state,
                         .quicks = sa->quick_count,
                         .ids = sa->quick_ids.count,
                         .children = rig_children(end(b, i)),
                         .sas = rig_sas(end(b, i), NULL),
                         .path = sa->path,
                         .events = all_events(end(b, i))};
    memcpy(s.iv, sa->iv, sizeof s.iv);
    return s;
}

static inline void unchanged(struct bench *b, int i, const struct snapshot *was)
{
    struct snapshot now = snapshot(b, i);
    assert_memory_equal(now.iv, was->iv, sizeof now.iv);
    assert_int_equal(now.state, was->state);
    assert_int_equal(now.quicks, was->quicks);
    assert_int_equal(now.ids, was->ids);
    assert_int_equal(now.children, was->children);
    assert_int_equal(now.sas, was->sas);
    assert_int_equal(now.events, was->events);
    assert_true(endpoint_equal(&now.path.remote, &was->path.remote));
}

/* Where the body of the first payload of a type lies in a clear message. */
static inline uint8_t *body_in(struct rig_datagram *d, uint8_t type, size_t *len)
{
    static struct payloads p;
    assert_int_equal(payloads_read(d->data[IKE_HEADER_NEXT_AT],
                                   bytes_of(d->data + IKE_HEADER_LEN, d->len - IKE_HEADER_LEN), false, &p),
                     OK);
    const struct payload *found = payload_find(&p, type, 0);
    assert_non_null(found);
    *len = found->body.len;
    return d->data + (found->body.data - d->data);
}

/* For rig_comes_up, where the other end can only be asked. */
static inline void traffic_of_the_client(struct rig *rig)
{
    ike_acquire(rig->ends[I].ike, rig->now_ms, 0);
}

#endif
