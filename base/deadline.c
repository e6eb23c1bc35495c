/* SPDX-License-Identifier: Apache-2.0 */
#include "base/deadline.h"

#include <stddef.h>

static struct deadline *meld(struct deadline *a, struct deadline *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->at_ms < a->at_ms) {
        struct deadline *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* The two passes of a pairing heap, without recursion: siblings are melded in pairs, then right to left. */
static struct deadline *meld_siblings(struct deadline *first)
{
    struct deadline *pairs = NULL;
    while (first != NULL) {
        struct deadline *a = first, *b = first->next;
        first = b != NULL ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        struct deadline *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct deadline *root = NULL;
    while (pairs != NULL) {
        struct deadline *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

void deadline_clear(struct deadlines *set, struct deadline *d)
{
    if (!d->armed)
        return;
    struct deadline *below = meld_siblings(d->child);
    if (set->root == d) {
        set->root = below;
    } else {
        if (d->prev->child == d)
            d->prev->child = d->next;
        else
            d->prev->next = d->next;
        if (d->next != NULL)
            d->next->prev = d->prev;
        set->root = meld(set->root, below);
    }
    *d = (struct deadline){0};
}

void deadline_set(struct deadlines *set, struct deadline *d, uint64_t at_ms)
{
    deadline_clear(set, d);
    if (at_ms == DEADLINE_NEVER)
        return;
    d->at_ms = at_ms;
    d->armed = true;
    set->root = meld(set->root, d);
}

uint64_t deadline_next(const struct deadlines *set)
{
    return set->root != NULL ? set->root->at_ms : DEADLINE_NEVER;
}

struct deadline *deadline_take_due(struct deadlines *set, uint64_t now_ms)
{
    struct deadline *d = set->root;
    if (d == NULL || d->at_ms > now_ms)
        return NULL;
    deadline_clear(set, d);
    return d;
}
