/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ESP as a whole: esp_seal and esp_open, and the engine, which is all that the data plane does to a packet between TUN
 * and socket but the system calls. Out: classify, SA, seal. In: SA by SPI, open with every check of RFC 4303 3.4. With
 * "super", a TCP super-packet is split before, and the segments are merged again behind.
 */
#include <stdlib.h>
#include <string.h>

#include "base/slab.h"
#include "crypto/aead_backend.h"
#include "esp/header.h"
#include "esp/open.h"
#include "esp/sad.h"
#include "esp/seal.h"
#include "policy/flow_cache.h"
#include "test/bench/micro.h"
#include "tun/coalesce.h"
#include "tun/split.h"

enum { KEY_MAX = 128, SPI_LEFT = 0x1001, SPI_RIGHT = 0x1002, WINDOW = 1024, SLAB = 2 * PACKET_BUFFER };

/* Two ends of a tunnel: left seals, right opens. */
struct tunnel_ends {
    struct spd spd;
    struct flow_cache *cache;
    struct sad *left, *right;
    struct sa *sealing, *opening;
};

/* One case at work. Its packets lie in a slab, as a worker's do. */
static uint8_t slab_bytes[SLAB], super[PACKET_BUFFER];
static struct packet packets[MICRO_BATCH_MAX], *batch_of[MICRO_BATCH_MAX];
static struct flow flows[MICRO_BATCH_MAX];
static enum drop why[MICRO_BATCH_MAX];
static struct coalesce merging;
static size_t super_len;
static struct vnet super_vnet;

/* --- the two ends --- */

static struct sad *new_end(const struct micro_library *m, struct child *child)
{
    struct sad *sad;
    child->id = 1;
    if (sad_new(1, m->library, m->random, &sad) != OK || sad_add(sad, child) != OK || sad_activate(sad, 1) != OK)
        micro_fail("an SA cannot be made");
    return sad;
}

static struct tunnel_ends *new_ends(const struct micro_library *m, const struct aead_suite *suite)
{
    static uint8_t keys[2][KEY_MAX];
    struct tunnel_ends *ends = calloc(1, sizeof *ends);
    size_t len = esp_keymat_len(suite->encr, suite->key_bits, suite->integ);
    if (ends == NULL || random_fill(m->random, keys, sizeof keys) != OK)
        micro_fail("out of memory");
    inner_spd(&ends->spd, 1, m->random);
    if (flow_cache_new(m->random, &ends->cache) != OK)
        micro_fail("flow_cache_new");
    struct child child = {
        .connection = "p",
        .spi_in = SPI_LEFT,
        .spi_out = SPI_RIGHT,
        .suite = {.encr = (uint16_t)suite->encr, .key_bits = suite->key_bits, .integ = (uint16_t)suite->integ},
        .selector = ends->spd.rules[0].selector,
        .key_in = {.data = keys[0], .len = len},
        .key_out = {.data = keys[1], .len = len},
        .replay_window = WINDOW,
    };
    ends->left = new_end(m, &child);
    struct selector back = child.selector;
    child.selector.local = back.remote;
    child.selector.remote = back.local;
    child.spi_in = SPI_RIGHT;
    child.spi_out = SPI_LEFT;
    child.key_in.data = keys[1];
    child.key_out.data = keys[0];
    ends->right = new_end(m, &child);
    ends->sealing = sad_inbound(ends->left, SPI_LEFT);
    ends->opening = sad_inbound(ends->right, SPI_RIGHT);
    return ends;
}

static void free_ends(void *state)
{
    struct tunnel_ends *ends = state;
    sad_free(ends->left);
    sad_free(ends->right);
    flow_cache_free(ends->cache);
    spd_free(&ends->spd);
    free(ends);
}

/* --- parts that the cases share --- */

static struct slab new_slab(void)
{
    return (struct slab){.bytes = slab_bytes, .size = sizeof slab_bytes};
}

static void take_place(struct slab *slab, size_t i, uint32_t room)
{
    if (!slab_next(slab, room, &packets[i]))
        micro_fail("the slab is full");
    batch_of[i] = &packets[i];
}

static void must_pass(size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (why[i] != DROP_NONE)
            micro_fail(drop_name(why[i]));
}

static void seal(struct sa *sa, size_t n)
{
    esp_seal(sa, batch_of, why, n);
    must_pass(n);
}

static struct sa *outbound(const struct tunnel_ends *ends, struct bytes packet, struct flow *flow)
{
    bool rule_has_sa;
    size_t len;
    if (flow_read(packet, flow, &len) != OK)
        micro_fail("flow_read");
    int rule = flow_cache_lookup(ends->cache, &ends->spd, flow);
    struct sa *sa = rule >= 0 ? sad_outbound(ends->left, (uint32_t)rule, flow, &rule_has_sa) : NULL;
    if (sa == NULL)
        micro_fail("no SA for a packet");
    return sa;
}

/* Splits the super-packet, from its segment number s->next on, until the batch is full. Returns how many. */
static size_t fill_batch(struct splitter *s)
{
    struct slab slab = new_slab();
    size_t n = 0;
    for (; n < MICRO_BATCH_MAX && s->next < s->count; n++) {
        take_place(&slab, n, s->largest);
        if (!split_next(s, &packets[n]))
            micro_fail("split_next");
        slab_keep(&slab, &packets[n]);
    }
    return n;
}

static void begin_split(struct splitter *s, const struct flow *flow, const struct sa *sa)
{
    if (split_begin(s, bytes_of(super, super_len), flow, &super_vnet, sa->inner_mtu) != OK)
        micro_fail("split_begin");
}

/* --- outside the clock --- */

static void prepare_packets(struct trial *t, size_t batch)
{
    struct slab slab = new_slab();
    for (size_t i = 0; i < batch; i++) {
        take_place(&slab, i, (uint32_t)t->bytes);
        inner_udp(packet_append(&packets[i], t->bytes), t->bytes);
        slab_keep(&slab, &packets[i]);
    }
}

static void prepare_super(struct trial *t, size_t batch)
{
    (void)batch;
    super_len = inner_super(super, t->bytes, &super_vnet);
}

static void prepare_sealed(struct trial *t, size_t batch)
{
    const struct tunnel_ends *ends = t->state;
    prepare_packets(t, batch);
    seal(ends->sealing, batch);
}

static size_t sealed_of_super; /* packets that prepare_sealed_super has made */

static void prepare_sealed_super(struct trial *t, size_t batch)
{
    const struct tunnel_ends *ends = t->state;
    struct splitter s;
    struct flow flow;
    prepare_super(t, batch);
    if (flow_read(bytes_of(super, super_len), &flow, NULL) != OK)
        micro_fail("flow_read");
    begin_split(&s, &flow, ends->sealing);
    sealed_of_super = fill_batch(&s);
    seal(ends->sealing, sealed_of_super);
}

/* --- by the clock --- */

static size_t run_seal(struct trial *t, size_t batch)
{
    const struct tunnel_ends *ends = t->state;
    seal(ends->sealing, batch);
    return batch;
}

static void unseal(struct sa *sa, size_t n)
{
    esp_open(sa, NULL, batch_of, flows, why, n);
    must_pass(n);
}

static size_t run_open(struct trial *t, size_t batch)
{
    const struct tunnel_ends *ends = t->state;
    unseal(ends->opening, batch);
    return batch;
}

/* Each packet could be of another SA; most often it is of the same as the one before. */
static void look_up_and_open(const struct tunnel_ends *ends, size_t n)
{
    struct sa *sa = NULL;
    for (size_t i = 0; i < n; i++) {
        uint32_t spi;
        if (!esp_peek_spi(bytes_of(packet_data(&packets[i]), packets[i].len), &spi))
            micro_fail("esp_peek_spi");
        if (sa == NULL || sa->spi_in != spi)
            sa = sad_inbound(ends->right, spi);
        if (sa == NULL)
            micro_fail("no SA for an SPI");
    }
    unseal(sa, n);
}

static size_t run_in(struct trial *t, size_t batch)
{
    look_up_and_open(t->state, batch);
    return batch;
}

static size_t run_out(struct trial *t, size_t batch)
{
    const struct tunnel_ends *ends = t->state;
    struct sa *sa = NULL;
    struct flow flow;
    for (size_t i = 0; i < batch; i++)
        sa = outbound(ends, bytes_of(packet_data(&packets[i]), packets[i].len), &flow);
    seal(sa, batch);
    return batch;
}

static size_t run_out_super(struct trial *t, size_t batch)
{
    struct splitter s;
    struct flow flow;
    struct sa *sa = outbound(t->state, bytes_of(super, super_len), &flow);
    (void)batch;
    begin_split(&s, &flow, sa);
    while (s.next < s.count)
        seal(sa, fill_batch(&s));
    return s.count;
}

static size_t run_in_super(struct trial *t, size_t batch)
{
    struct coalesced out;
    size_t done = 0;
    (void)batch;
    look_up_and_open(t->state, sealed_of_super);
    for (size_t i = 0; i < sealed_of_super; i++)
        if (!coalesce_add(&merging, packet_data(&packets[i]), packets[i].len, &flows[i]))
            micro_fail("coalesce_add");
    while (coalesce_next(&merging, &out))
        done += out.packets;
    return done;
}

/* --- the cases --- */

bool is_engine(const struct trial *t)
{
    return t->run == run_out || t->run == run_out_super || t->run == run_in || t->run == run_in_super;
}

struct way {
    const char *what;
    size_t bytes;
    void (*prepare)(struct trial *t, size_t batch);
    size_t (*run)(struct trial *t, size_t batch);
};

static void add_ways(const struct micro_library *m, size_t s, const struct way *ways, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct trial *t = trial_new(micro_suites[s].name, aead_backend_of(m->library, &micro_suites[s].suite)->name,
                                    ways[i].what, ways[i].bytes);
        t->state = new_ends(m, &micro_suites[s].suite);
        t->prepare = ways[i].prepare;
        t->run = ways[i].run;
        t->free = free_ends;
    }
}

void add_engine(const struct micro_library *m, const char *filter)
{
    static const struct way ways[] = {
        {"esp_seal", MICRO_SMALL, prepare_packets, run_seal},
        {"esp_seal", MICRO_LARGE, prepare_packets, run_seal},
        {"esp_open", MICRO_SMALL, prepare_sealed, run_open},
        {"esp_open", MICRO_LARGE, prepare_sealed, run_open},
        {"out", MICRO_SMALL, prepare_packets, run_out},
        {"out", MICRO_LARGE, prepare_packets, run_out},
        {"in", MICRO_SMALL, prepare_sealed, run_in},
        {"in", MICRO_LARGE, prepare_sealed, run_in},
        {"out super", MICRO_LARGE, prepare_super, run_out_super},
        {"in super", MICRO_LARGE, prepare_sealed_super, run_in_super},
    };
    for (size_t s = 0; s < micro_suite_count; s++)
        if (micro_suites[s].engine && strstr(micro_suites[s].name, filter) != NULL &&
            !micro_shown_before(m, &micro_suites[s].suite))
            add_ways(m, s, ways, sizeof ways / sizeof *ways);
}
