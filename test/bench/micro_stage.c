/* SPDX-License-Identifier: Apache-2.0 */
/* What a packet meets beside the cipher, each stage alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/slab.h"
#include "esp/replay.h"
#include "esp/sad.h"
#include "policy/flow_cache.h"
#include "test/bench/micro.h"
#include "tun/coalesce.h"
#include "tun/split.h"

static uint8_t inner[MICRO_BATCH_MAX][MICRO_SLOT], copies[MICRO_BATCH_MAX][MICRO_SLOT];
static uint8_t super[PACKET_BUFFER], pieces[PACKET_BUFFER * 2];
static size_t super_len;
static struct vnet super_vnet;
static volatile uint64_t sink; /* results that nobody else wants: else they are not computed */

static void *must_have(void *memory)
{
    if (memory == NULL)
        micro_fail("out of memory");
    return memory;
}

/* --- classify: the fields of a packet, and its rule --- */

struct classify {
    struct spd spd;
    struct flow_cache *cache;
};

static void classify_free(void *state)
{
    struct classify *c = state;
    flow_cache_free(c->cache);
    spd_free(&c->spd);
    free(c);
}

static void read_flow(const struct trial *t, size_t i, struct flow *flow)
{
    size_t len;
    if (flow_read(bytes_of(inner[i], t->bytes), flow, &len) != OK)
        micro_fail("flow_read");
}

static size_t run_flow(struct trial *t, size_t batch)
{
    struct flow flow;
    for (size_t i = 0; i < batch; i++)
        read_flow(t, i, &flow);
    return batch;
}

static size_t run_walk(struct trial *t, size_t batch)
{
    const struct classify *c = t->state;
    struct flow flow;
    for (size_t i = 0; i < batch; i++) {
        read_flow(t, i, &flow);
        if (spd_walk(&c->spd, &flow) < 0)
            micro_fail("the walk");
    }
    return batch;
}

static size_t run_index(struct trial *t, size_t batch)
{
    const struct classify *c = t->state;
    struct flow flow;
    for (size_t i = 0; i < batch; i++) {
        read_flow(t, i, &flow);
        if (spd_lookup(&c->spd, &flow) < 0)
            micro_fail("the index");
    }
    return batch;
}

static size_t run_cache(struct trial *t, size_t batch)
{
    const struct classify *c = t->state;
    struct flow flow;
    for (size_t i = 0; i < batch; i++) {
        read_flow(t, i, &flow);
        if (flow_cache_lookup(c->cache, &c->spd, &flow) < 0)
            micro_fail("the flow cache");
    }
    return batch;
}

static void prepare_inner(struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        inner_udp(inner[i], t->bytes);
}

static void add_rules(const char *by, size_t (*run)(struct trial *t, size_t batch), size_t rules,
                      const struct random *random)
{
    char name[MICRO_NAME];
    (void)snprintf(name, sizeof name, "spd:%zu", rules);
    struct trial *t = trial_new(name, by, "classify", MICRO_SMALL);
    struct classify *c = must_have(calloc(1, sizeof *c));
    inner_spd(&c->spd, rules, random);
    if (flow_cache_new(random, &c->cache) != OK)
        micro_fail("flow_cache_new");
    t->state = c;
    t->prepare = prepare_inner;
    t->run = run;
    t->free = classify_free;
}

/* The walk is what the index and the cache save: of many rules it would take too long. */
static void add_classify(const struct random *random)
{
    static const size_t rules[] = {1, 1000, INNER_RULES_MAX};
    struct trial *t = trial_new("flow", "", "read", MICRO_SMALL);
    t->prepare = prepare_inner;
    t->run = run_flow;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i] < INNER_RULES_MAX)
            add_rules("walk", run_walk, rules[i], random);
        add_rules("index", run_index, rules[i], random);
        add_rules("cache", run_cache, rules[i], random);
    }
}

/* --- replay --- */

struct window {
    struct replay replay;
    uint64_t next;
    bool swapped; /* each pair of packets comes the wrong way round */
};

static void window_free(void *state)
{
    struct window *w = state;
    replay_free(&w->replay);
    free(w);
}

static size_t run_window(struct trial *t, size_t batch)
{
    struct window *w = t->state;
    for (size_t i = 0; i < batch; i++) {
        uint64_t sequence = replay_infer(&w->replay, (uint32_t)(w->next ^ (w->swapped ? 1 : 0)));
        if (replay_check(&w->replay, sequence) != OK || replay_accept(&w->replay, sequence) != OK)
            micro_fail("replay");
        w->next++;
    }
    return batch;
}

static void add_window(const char *what, bool swapped)
{
    struct trial *t = trial_new("replay:1024", "", what, 0);
    struct window *w = must_have(calloc(1, sizeof *w));
    if (replay_init(&w->replay, 1024, true) != OK)
        micro_fail("replay_init");
    w->next = 2; /* a pair never holds 0, which is no number */
    w->swapped = swapped;
    t->state = w;
    t->run = run_window;
    t->free = window_free;
}

/* --- checksums --- */

static size_t run_add(struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        sink = checksum_add(0, inner[i], t->bytes);
    return batch;
}

static size_t run_add_portable(struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        sink = checksum_add_portable(0, inner[i], t->bytes);
    return batch;
}

static size_t run_copy(struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        sink = checksum_copy(0, copies[i], inner[i], t->bytes);
    return batch;
}

static size_t run_copy_portable(struct trial *t, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        sink = checksum_copy_portable(0, copies[i], inner[i], t->bytes);
    return batch;
}

static void add_checksums(size_t bytes)
{
    const struct {
        const char *by, *what;
        size_t (*run)(struct trial *, size_t);
    } kinds[] = {{"best", "add", run_add},
                 {"portable", "add", run_add_portable},
                 {"best", "copy", run_copy},
                 {"portable", "copy", run_copy_portable}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        trial_new("checksum", kinds[i].by, kinds[i].what, bytes)->run = kinds[i].run;
}

/* --- split and coalesce --- */

static void prepare_super(struct trial *t, size_t batch)
{
    (void)batch;
    super_len = inner_super(super, t->bytes, &super_vnet);
}

static size_t run_split(struct trial *t, size_t batch)
{
    struct slab slab = {.bytes = pieces, .size = sizeof pieces};
    struct splitter s;
    struct flow flow;
    struct packet piece;
    (void)t;
    (void)batch;
    if (flow_read(bytes_of(super, super_len), &flow, NULL) != OK ||
        split_begin(&s, bytes_of(super, super_len), &flow, &super_vnet, 0) != OK)
        micro_fail("split_begin");
    while (slab_next(&slab, s.largest, &piece) && split_next(&s, &piece))
        slab_keep(&slab, &piece);
    if (s.next != s.count)
        micro_fail("split_next");
    return s.count;
}

struct merging {
    struct coalesce coalesce;
    struct flow flows[MICRO_BATCH_MAX];
    bool tcp; /* segments of one stream; else datagrams, which stay alone */
};

/* coalesce changes headers: each time anew. */
static void prepare_merging(struct trial *t, size_t batch)
{
    struct merging *m = t->state;
    for (size_t i = 0; i < batch; i++) {
        if (m->tcp)
            inner_tcp(inner[i], t->bytes, (uint32_t)i);
        else
            inner_udp(inner[i], t->bytes);
        if (flow_read(bytes_of(inner[i], t->bytes), &m->flows[i], NULL) != OK)
            micro_fail("flow_read");
    }
}

static size_t run_merging(struct trial *t, size_t batch)
{
    struct merging *m = t->state;
    struct coalesced out;
    size_t packets = 0;
    for (size_t i = 0; i < batch; i++)
        if (!coalesce_add(&m->coalesce, inner[i], t->bytes, &m->flows[i]))
            micro_fail("coalesce_add");
    while (coalesce_next(&m->coalesce, &out))
        packets += out.packets;
    return packets;
}

static void add_merging(const char *what, bool tcp, size_t bytes)
{
    struct trial *t = trial_new("coalesce", "", what, bytes);
    struct merging *m = must_have(calloc(1, sizeof *m));
    coalesce_begin(&m->coalesce, false);
    m->tcp = tcp;
    t->state = m;
    t->prepare = prepare_merging;
    t->run = run_merging;
    t->free = free;
}

void add_stages(const struct random *random)
{
    add_classify(random);
    add_window("in order", false);
    add_window("swapped", true);
    add_checksums(MICRO_SMALL);
    add_checksums(MICRO_LARGE);
    struct trial *split = trial_new("split:64K", "", "tcp", MICRO_LARGE);
    split->prepare = prepare_super;
    split->run = run_split;
    add_merging("tcp", true, MICRO_LARGE);
    add_merging("alone", false, MICRO_SMALL);
}
