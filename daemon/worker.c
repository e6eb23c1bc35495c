/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "daemon/worker_state.h"

/* A drain ends at DEVICE_DRAIN, so one packet more is the most that the first slab sees; the second has room for a
 * batch of pieces of the usual size, and for one of any size. */
enum {
    READS_SIZE = DEVICE_DRAIN + 2 * PACKET_BUFFER + WORKER_BATCH * 1024,
    CUTS_SIZE = 512 << 10,
    DATAGRAMS_SIZE = WORKER_BATCH * PACKET_BUFFER,
    MEMORY_SIZE = READS_SIZE + CUTS_SIZE + DATAGRAMS_SIZE + PACKET_BUFFER,
};

_Static_assert((int)CUTS_SIZE >= (int)PACKET_BUFFER, "room for a piece of any size");

static enum status make_buffers(struct worker *w)
{
    void *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return ERR_MEMORY;
    w->memory = memory;
    w->reads = (struct slab){.bytes = w->memory, .size = READS_SIZE};
    w->cuts = (struct slab){.bytes = w->memory + READS_SIZE, .size = CUTS_SIZE};
    uint8_t *rest = w->memory + READS_SIZE + CUTS_SIZE;
    for (size_t i = 0; i < WORKER_BATCH; i++)
        w->datagrams[i].packet = packet_of(rest + i * PACKET_BUFFER, PACKET_BUFFER, PACKET_HEADROOM);
    w->scratch = packet_of(rest + DATAGRAMS_SIZE, PACKET_BUFFER, PACKET_HEADROOM);
    return OK;
}

static enum status make(struct worker *w)
{
    size_t rules = w->setup.spd->count;
    w->rules = calloc(rules > 0 ? rules : 1, sizeof *w->rules);
    enum status status = w->rules != NULL ? make_buffers(w) : ERR_MEMORY;
    if (status == OK)
        status = waiting_new(rules, w->setup.packet_max, &w->waiting);
    if (status == OK)
        status = fragments_new(w->setup.random, &w->fragments_in);
    if (status == OK)
        status = fragments_new(w->setup.random, &w->fragments_out);
    if (status == OK)
        status = flow_cache_new(w->setup.random, &w->flow_cache);
    return status;
}

enum status worker_new(const struct worker_setup *setup, struct worker **out)
{
    *out = NULL;
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    w->setup = *setup;
    w->merges = setup->device->tcp_segments;
    coalesce_begin(&w->coalesce, setup->device->udp_segments);
    enum status status = make(w);
    if (status != OK) {
        worker_free(w);
        return status;
    }
    *out = w;
    return OK;
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    if (w->memory != NULL)
        munmap(w->memory, MEMORY_SIZE);
    waiting_free(w->waiting);
    fragments_free(w->fragments_in);
    fragments_free(w->fragments_out);
    flow_cache_free(w->flow_cache);
    free(w->rules);
    free(w);
}

/* --- notes --- */

void worker_note(struct worker *w, const struct note *n)
{
    if (w->note_count < NOTES_MAX)
        w->notes[w->note_count++] = *n;
}

void worker_note_limits(struct worker *w, struct sa *sa)
{
    if (w->note_count == NOTES_MAX)
        return; /* a soft limit is told once: it waits for a note that is not lost */
    if (sa->dead)
        worker_note(w, &(struct note){.kind = NOTE_HARD, .child_id = sa->child_id});
    else if (sa_take_soft(sa))
        worker_note(w, &(struct note){.kind = NOTE_SOFT, .child_id = sa->child_id});
}

/* All other notes are made again by the next packets; a soft limit is told once. */
static void say_again(struct worker *w, uint64_t child_id)
{
    struct sa *sa = sad_by_child(w->setup.sad, child_id);
    if (sa != NULL && sa->shard == w->setup.shard)
        sa->soft_reported = false;
}

void worker_tell_notes(struct worker *w)
{
    const struct worker_ops *ops = &w->setup.ops;
    for (size_t i = 0; i < w->note_count; i++)
        if (!ops->note(ops->arg, &w->notes[i]) && w->notes[i].kind == NOTE_SOFT)
            say_again(w, w->notes[i].child_id);
    w->note_count = 0;
}

void worker_hand_over(struct worker *w, const struct sa *sa, const struct stray *stray, struct bytes packet,
                      enum drop why)
{
    const struct worker_ops *ops = &w->setup.ops;
    if (!ops->hand_over(ops->arg, sa->shard, stray, packet))
        worker_drop(w, why);
}

/* --- time --- */

void worker_expire(struct worker *w, uint64_t now_ms)
{
    const struct worker_ops *ops = &w->setup.ops;
    struct note note = {.kind = NOTE_ACQUIRE};
    drop_count(&w->drops, DROP_OUT_QUEUE_EXPIRED, waiting_expire(w->waiting, now_ms));
    while (waiting_take_ask(w->waiting, now_ms, &note.rule))
        (void)ops->note(ops->arg, &note);
}

uint64_t worker_next(const struct worker *w)
{
    return waiting_next(w->waiting);
}

/* --- another SPD --- */

struct worker_rules {
    struct waiting_queues *queues; /* owned, as are the next */
    struct rule_counters *counters;
};

enum status worker_rules_new(size_t rules, struct worker_rules **out)
{
    struct worker_rules *r = calloc(1, sizeof *r);
    *out = r;
    if (r == NULL)
        return ERR_MEMORY;
    r->counters = calloc(rules > 0 ? rules : 1, sizeof *r->counters);
    if (r->counters != NULL && waiting_queues_new(rules, &r->queues) == OK)
        return OK;
    worker_rules_free(r);
    *out = NULL;
    return ERR_MEMORY;
}

void worker_rules_free(struct worker_rules *rules)
{
    if (rules == NULL)
        return;
    waiting_queues_free(rules->queues);
    free(rules->counters);
    free(rules);
}

/* The flow cache sees by itself that the SPD is another one. */
void worker_renumber(struct worker *w, const struct spd *spd, struct worker_rules *rules,
                     const struct renumber *numbers)
{
    for (uint32_t i = 0; i < w->setup.spd->count; i++) {
        uint32_t to = renumber_rule(numbers, i);
        if (to == RENUMBER_GONE)
            continue;
        counter_set(&rules->counters[to].packets, counter_get(&w->rules[i].packets));
        counter_set(&rules->counters[to].bytes, counter_get(&w->rules[i].bytes));
    }
    drop_count(&w->drops, DROP_OUT_QUEUE_EXPIRED, waiting_renumber(w->waiting, rules->queues, numbers));
    rules->queues = NULL;
    free(w->rules);
    w->rules = rules->counters;
    rules->counters = NULL;
    worker_rules_free(rules);
    w->setup.spd = spd;
}

/* --- counters --- */

const struct drops *worker_drops(const struct worker *w)
{
    return &w->drops;
}

const struct rule_counters *worker_rules(const struct worker *w)
{
    return w->rules;
}
