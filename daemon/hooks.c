/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

struct hook_lineage {
    UT_hash_handle hh;
    struct hook_what what;
    size_t children;
    enum hook_verb is;          /* the last one that ran, or had nothing to run */
    bool running;               /* it does so still */
    struct hook_lineage **wait; /* the list that it is in, or NULL */
    struct hook_lineage *prev, *next;
    uint64_t due_ms; /* nobody has followed the last child by then */
    size_t key_len;
    uint8_t text[]; /* key, environment */
};

struct hook_child {
    UT_hash_handle hh;
    uint64_t id;
    struct hook_lineage *lineage;
};

/* --- who waits for what --- */

static int by_time(const struct hook_lineage *a, const struct hook_lineage *b)
{
    return (a->due_ms > b->due_ms) - (a->due_ms < b->due_ms);
}

static void wait_in(struct hooks *h, struct hook_lineage *l, struct hook_lineage **list)
{
    l->wait = list;
    h->blocked = false;
    if (list == &h->lingering)
        DL_INSERT_INORDER(*list, l, by_time);
    else
        DL_APPEND(*list, l);
}

static void forget(struct hooks *h, struct hook_lineage *l)
{
    HASH_DELETE(hh, h->by_key, l);
    free(l);
}

/* After every change. A verb without a program is done at once. */
static void judge(struct hooks *h, struct hook_lineage *l, uint64_t now_ms)
{
    enum hook_verb wanted = l->children > 0 ? HOOK_UP : HOOK_DOWN;
    if (l->wait != NULL)
        DL_DELETE(*l->wait, l);
    l->wait = NULL;
    if (l->running)
        return;
    if (l->is != wanted && wanted == HOOK_DOWN && !h->last && now_ms < l->due_ms) {
        wait_in(h, l, &h->lingering);
        return;
    }
    if (l->is != wanted && l->what.program[wanted] != HOOK_PROGRAM_NONE) {
        wait_in(h, l, wanted == HOOK_UP ? &h->ups : &h->downs);
        return;
    }
    l->is = wanted;
    if (wanted == HOOK_DOWN)
        forget(h, l);
}

/* --- children --- */

static unsigned digest(const struct hooks *h, struct bytes key)
{
    return (unsigned)hash_short(h->seed, key.data, key.len);
}

static struct hook_lineage *lineage_new(struct hooks *h, struct bytes key, const struct hook_what *what)
{
    struct hook_lineage *l = calloc(1, sizeof *l + key.len + what->environment.len);
    if (l == NULL)
        return NULL;
    l->what = *what;
    l->key_len = key.len;
    memcpy(l->text, key.data, key.len);
    if (what->environment.len > 0)
        memcpy(l->text + key.len, what->environment.data, what->environment.len);
    l->what.environment = bytes_of(l->text + key.len, what->environment.len);
    HASH_ADD_KEYPTR_BYHASHVALUE(hh, h->by_key, l->text, l->key_len, digest(h, key), l);
    if (l->hh.tbl != NULL)
        return l;
    free(l);
    return NULL;
}

static struct hook_child *child_of(const struct hooks *h, uint64_t id)
{
    struct hook_child *c;
    HASH_FIND(hh, h->by_child, &id, sizeof id, c);
    return c;
}

static bool child_new(struct hooks *h, uint64_t id, struct hook_lineage *l)
{
    struct hook_child *c = calloc(1, sizeof *c);
    if (c == NULL)
        return false;
    *c = (struct hook_child){.id = id, .lineage = l};
    HASH_ADD(hh, h->by_child, id, sizeof c->id, c);
    if (c->hh.tbl == NULL) {
        free(c);
        return false;
    }
    l->children++;
    return true;
}

/* Without a judgement. */
static struct hook_lineage *child_gone(struct hooks *h, uint64_t id)
{
    struct hook_child *c = child_of(h, id);
    if (c == NULL)
        return NULL;
    struct hook_lineage *l = c->lineage;
    HASH_DELETE(hh, h->by_child, c);
    free(c);
    l->children--;
    return l;
}

enum status hooks_child_up(struct hooks *h, uint64_t child, uint64_t replaced, struct bytes key,
                           const struct hook_what *what)
{
    struct hook_lineage *l, *before;
    HASH_FIND_BYHASHVALUE(hh, h->by_key, key.data, key.len, digest(h, key), l);
    if (l == NULL)
        l = lineage_new(h, key, what);
    if (l == NULL)
        return ERR_MEMORY;
    bool counted = child_of(h, child) != NULL || child_new(h, child, l);
    before = replaced != child ? child_gone(h, replaced) : NULL;
    if (before != NULL && before != l)
        judge(h, before, 0); /* the key says otherwise: the engine would not replace it */
    judge(h, l, 0);
    return counted ? OK : ERR_MEMORY;
}

void hooks_child_down(struct hooks *h, uint64_t child, uint64_t now_ms)
{
    struct hook_lineage *l = child_gone(h, child);
    if (l == NULL)
        return;
    if (l->children == 0)
        l->due_ms = now_ms + HOOKS_LINGER_MS;
    judge(h, l, now_ms);
}

void hooks_last(struct hooks *h)
{
    struct hook_lineage *l, *next;
    h->last = true;
    h->blocked = false;
    DL_FOREACH_SAFE (h->lingering, l, next)
        judge(h, l, 0);
}

/* --- what runs --- */

static bool may_run(const struct hooks *h, const struct hook_lineage *l)
{
    size_t same = 0;
    for (size_t i = 0; i < HOOKS_RUNNING_MAX; i++)
        same += h->running[i] != NULL && h->running[i]->what.connection == l->what.connection;
    return h->last || same < HOOKS_PER_CONNECTION;
}

/* Those that go first: so no more of them can wait than there were tunnels. */
static struct hook_lineage *first_that_may(const struct hooks *h)
{
    struct hook_lineage *l;
    DL_FOREACH (h->downs, l)
        if (may_run(h, l))
            return l;
    DL_FOREACH (h->ups, l)
        if (may_run(h, l))
            return l;
    return NULL;
}

static void end_lingering(struct hooks *h, uint64_t now_ms)
{
    while (h->lingering != NULL && h->lingering->due_ms <= now_ms)
        judge(h, h->lingering, now_ms);
}

bool hooks_at(const struct hooks *h, uint32_t slot, struct hook_job *out)
{
    if (slot >= HOOKS_RUNNING_MAX || h->running[slot] == NULL)
        return false;
    *out = (struct hook_job){.slot = slot, .verb = h->running[slot]->is, .what = &h->running[slot]->what};
    return true;
}

bool hooks_take(struct hooks *h, uint64_t now_ms, struct hook_job *out)
{
    uint32_t slot = 0;
    end_lingering(h, now_ms);
    if (h->running_count == HOOKS_RUNNING_MAX || h->blocked)
        return false;
    struct hook_lineage *l = first_that_may(h);
    if (l == NULL) {
        h->blocked = true;
        return false;
    }
    while (h->running[slot] != NULL)
        slot++;
    l->is = l->wait == &h->ups ? HOOK_UP : HOOK_DOWN;
    DL_DELETE(*l->wait, l);
    l->wait = NULL;
    l->running = true;
    h->running[slot] = l;
    h->running_count++;
    return hooks_at(h, slot, out);
}

static struct hook_lineage *leave(struct hooks *h, uint32_t slot)
{
    struct hook_lineage *l = slot < HOOKS_RUNNING_MAX ? h->running[slot] : NULL;
    if (l == NULL)
        return NULL;
    h->running[slot] = NULL;
    h->running_count--;
    h->blocked = l->running = false;
    return l;
}

void hooks_ended(struct hooks *h, uint32_t slot, uint64_t now_ms)
{
    struct hook_lineage *l = leave(h, slot);
    if (l != NULL)
        judge(h, l, now_ms);
}

void hooks_not_begun(struct hooks *h, uint32_t slot, uint64_t now_ms)
{
    struct hook_lineage *l = leave(h, slot);
    if (l == NULL)
        return;
    l->is = l->is == HOOK_UP ? HOOK_DOWN : HOOK_UP;
    judge(h, l, now_ms);
}

void hooks_renumber(struct hooks *h, const struct renumber *numbers)
{
    struct hook_lineage *l, *next;
    HASH_ITER(hh, h->by_key, l, next)
    l->what.connection = renumber_connection(numbers, l->what.connection);
    h->blocked = false;
}

size_t hooks_waiting(const struct hooks *h)
{
    const struct hook_lineage *l;
    size_t ups, downs, lingering;
    DL_COUNT(h->ups, l, ups);
    DL_COUNT(h->downs, l, downs);
    DL_COUNT(h->lingering, l, lingering);
    return ups + downs + lingering;
}

uint64_t hooks_next(const struct hooks *h)
{
    return h->lingering != NULL ? h->lingering->due_ms : DEADLINE_NEVER;
}

void hooks_free(struct hooks *h)
{
    struct hook_child *c, *next_child;
    struct hook_lineage *l, *next;
    HASH_ITER(hh, h->by_child, c, next_child)
    {
        HASH_DELETE(hh, h->by_child, c);
        free(c);
    }
    HASH_ITER(hh, h->by_key, l, next)
    forget(h, l);
    *h = (struct hooks){0};
}
