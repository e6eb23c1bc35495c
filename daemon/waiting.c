/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/waiting.h"

#include <stdlib.h>
#include <string.h>

#define NOBODY UINT16_MAX

/* One slot of the pool. All waiting slots also form one list by age, so that expiry looks only at the oldest. */
struct slot {
    uint64_t since_ms;
    uint32_t rule;
    uint32_t len;
    struct flow flow;
    uint16_t next;         /* of the same rule, or of the free list */
    uint16_t older, newer; /* of all */
};

struct queue {
    struct deadline ask; /* first: a deadline is its queue */
    uint64_t asked_ms;
    uint16_t first, last, count;
    bool asked;
};

struct waiting_queues {
    size_t count;
    struct queue items[]; /* by rule */
};

struct waiting {
    struct waiting_queues *rules; /* owned */
    struct deadlines asks;
    struct slot slots[WAITING_TOTAL];
    uint8_t *bytes; /* WAITING_TOTAL times packet_max */
    size_t packet_max;
    uint16_t free, oldest, newest;
};

_Static_assert(WAITING_TOTAL < NOBODY, "slots are named by 16 bits");

enum status waiting_queues_new(size_t rules, struct waiting_queues **out)
{
    struct waiting_queues *queues = calloc(1, sizeof *queues + rules * sizeof queues->items[0]);
    *out = queues;
    if (queues == NULL)
        return ERR_MEMORY;
    queues->count = rules;
    for (size_t i = 0; i < rules; i++)
        queues->items[i].first = queues->items[i].last = NOBODY;
    return OK;
}

void waiting_queues_free(struct waiting_queues *queues)
{
    free(queues);
}

enum status waiting_new(size_t rules, size_t packet_max, struct waiting **out)
{
    *out = NULL;
    struct waiting *w = calloc(1, sizeof *w);
    if (w == NULL)
        return ERR_MEMORY;
    w->bytes = calloc(WAITING_TOTAL, packet_max);
    if (waiting_queues_new(rules, &w->rules) != OK || w->bytes == NULL) {
        waiting_free(w);
        return ERR_MEMORY;
    }
    w->packet_max = packet_max;
    w->oldest = w->newest = NOBODY;
    for (unsigned i = 0; i < WAITING_TOTAL; i++)
        w->slots[i].next = i + 1 < WAITING_TOTAL ? (uint16_t)(i + 1) : NOBODY;
    *out = w;
    return OK;
}

void waiting_free(struct waiting *w)
{
    if (w == NULL)
        return;
    waiting_queues_free(w->rules);
    free(w->bytes);
    free(w);
}

static void link_newest(struct waiting *w, uint16_t at)
{
    struct slot *slot = &w->slots[at];
    slot->older = w->newest;
    slot->newer = NOBODY;
    if (w->newest != NOBODY)
        w->slots[w->newest].newer = at;
    else
        w->oldest = at;
    w->newest = at;
}

static void unlink_age(struct waiting *w, uint16_t at)
{
    struct slot *slot = &w->slots[at];
    if (slot->older != NOBODY)
        w->slots[slot->older].newer = slot->newer;
    else
        w->oldest = slot->newer;
    if (slot->newer != NOBODY)
        w->slots[slot->newer].older = slot->older;
    else
        w->newest = slot->older;
}

static void arm_first_ask(struct waiting *w, struct queue *queue, uint64_t now_ms)
{
    if (queue->ask.armed)
        return;
    uint64_t at = queue->asked ? queue->asked_ms + WAITING_ASK_PAUSE_MS : now_ms;
    deadline_set(&w->asks, &queue->ask, at > now_ms ? at : now_ms);
}

enum status waiting_push(struct waiting *w, uint32_t rule, const struct flow *flow, struct bytes packet,
                         uint64_t now_ms)
{
    struct queue *queue = &w->rules->items[rule];
    uint16_t at = w->free;
    arm_first_ask(w, queue, now_ms);
    if (queue->count >= WAITING_PER_RULE || at == NOBODY || packet.len > w->packet_max)
        return ERR_LIMIT;
    w->free = w->slots[at].next;
    w->slots[at] =
        (struct slot){.since_ms = now_ms, .rule = rule, .len = (uint32_t)packet.len, .flow = *flow, .next = NOBODY};
    memcpy(w->bytes + at * w->packet_max, packet.data, packet.len);
    if (queue->count++ == 0)
        queue->first = at;
    else
        w->slots[queue->last].next = at;
    queue->last = at;
    link_newest(w, at);
    return OK;
}

static void ask_taken(struct waiting *w, struct queue *queue, uint64_t now_ms)
{
    queue->asked = true;
    queue->asked_ms = now_ms;
    deadline_set(&w->asks, &queue->ask, queue->count > 0 ? now_ms + WAITING_ASK_EVERY_MS : DEADLINE_NEVER);
}

bool waiting_should_ask(struct waiting *w, uint32_t rule, uint64_t now_ms)
{
    struct queue *queue = &w->rules->items[rule];
    if (!queue->ask.armed || queue->ask.at_ms > now_ms)
        return false;
    ask_taken(w, queue, now_ms);
    return true;
}

bool waiting_take_ask(struct waiting *w, uint64_t now_ms, uint32_t *rule)
{
    struct queue *queue = (struct queue *)(void *)deadline_take_due(&w->asks, now_ms);
    if (queue == NULL)
        return false;
    *rule = (uint32_t)(queue - w->rules->items);
    ask_taken(w, queue, now_ms);
    return true;
}

/* Takes the first of a rule out of both lists and gives its slot back; its bytes stay until the next push. */
static uint16_t take_first(struct waiting *w, uint32_t rule)
{
    struct queue *queue = &w->rules->items[rule];
    uint16_t at = queue->first;
    queue->first = w->slots[at].next;
    if (--queue->count == 0) {
        queue->first = queue->last = NOBODY;
        deadline_clear(&w->asks, &queue->ask);
    }
    unlink_age(w, at);
    w->slots[at].next = w->free;
    w->free = at;
    return at;
}

bool waiting_pop(struct waiting *w, uint32_t rule, struct flow *flow, struct packet *out)
{
    if (w->rules->items[rule].count == 0)
        return false;
    uint16_t at = take_first(w, rule);
    out->offset = PACKET_HEADROOM;
    out->len = w->slots[at].len;
    *flow = w->slots[at].flow;
    memcpy(packet_data(out), w->bytes + at * w->packet_max, out->len);
    return true;
}

size_t waiting_expire(struct waiting *w, uint64_t now_ms)
{
    size_t count = 0;
    /* The oldest of all is the first of its rule. */
    for (; w->oldest != NOBODY && now_ms >= w->slots[w->oldest].since_ms + WAITING_LIFE_MS; count++)
        (void)take_first(w, w->slots[w->oldest].rule);
    return count;
}

static size_t drop_queue(struct waiting *w, uint32_t rule)
{
    size_t count = 0;
    for (; w->rules->items[rule].count > 0; count++)
        (void)take_first(w, rule);
    deadline_clear(&w->asks, &w->rules->items[rule].ask);
    return count;
}

/* Its slots stay where they are: they are linked by place, and learn the new number. */
static void move_queue(struct waiting *w, struct queue *from, struct queue *to, uint32_t rule)
{
    uint64_t ask = from->ask.armed ? from->ask.at_ms : DEADLINE_NEVER;
    deadline_clear(&w->asks, &from->ask);
    *to = *from;
    deadline_set(&w->asks, &to->ask, ask);
    for (uint16_t at = to->first; to->count > 0 && at != NOBODY; at = w->slots[at].next)
        w->slots[at].rule = rule;
}

size_t waiting_renumber(struct waiting *w, struct waiting_queues *queues, const struct renumber *numbers)
{
    size_t dropped = 0;
    for (uint32_t i = 0; i < w->rules->count; i++) {
        uint32_t to = renumber_rule(numbers, i);
        if (to == RENUMBER_GONE)
            dropped += drop_queue(w, i);
        else
            move_queue(w, &w->rules->items[i], &queues->items[to], to);
    }
    waiting_queues_free(w->rules);
    w->rules = queues;
    return dropped;
}

uint64_t waiting_next(const struct waiting *w)
{
    uint64_t ask = deadline_next(&w->asks);
    uint64_t end = w->oldest != NOBODY ? w->slots[w->oldest].since_ms + WAITING_LIFE_MS : DEADLINE_NEVER;
    return ask < end ? ask : end;
}
