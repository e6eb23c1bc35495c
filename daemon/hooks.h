/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hook is to run: programs of the administrator that are told when a tunnel comes and goes. A table of wanted
 * states, not a list of events: no process, clock or socket in here.
 *
 * A lineage is a tunnel as people see it: the connection, the rule, the selectors and the peer. Children come and go in
 * it, renewals are no news. Its `up` runs once when the first carries packets, its `down` once when the last is gone;
 * never both at a time, and what has not begun when the opposite comes does not run at all.
 */
#ifndef DAEMON_HOOKS_H
#define DAEMON_HOOKS_H

#include <stdbool.h>

#include "base/deadline.h"
#include "base/wire.h"
#include "crypto/hash.h"
#include "policy/renumber.h"

enum {
    HOOKS_RUNNING_MAX = 16,        /* at once */
    HOOKS_PER_CONNECTION = 8,      /* of these: programs that hang hold up nobody else's */
    HOOKS_LINGER_MS = 1000,        /* a successor may come a moment later: longer than CONFIRM_GRACE_RENEWAL */
    HOOK_ENVIRONMENT_MAX = 8192,   /* bytes, all variables */
    HOOK_PROGRAM_NONE = UINT16_MAX /* nothing is to run */
};

enum hook_verb { HOOK_DOWN, HOOK_UP, HOOK_VERBS };

/* What runs for a lineage, and what it is told. */
struct hook_what {
    uint32_t connection;
    uint16_t program[HOOK_VERBS]; /* number, or HOOK_PROGRAM_NONE */
    uint32_t timeout_ms;
    bool ipv6;
    struct bytes environment; /* without PLUTO_VERB; copied */
};

struct hook_lineage;

/* Zero-initialised is empty, but for the seed of its table, which is a secret: a peer can choose keys. */
struct hooks {
    uint8_t seed[HASH_SEED];
    struct hook_lineage *by_key;
    struct hook_child *by_child;
    struct hook_lineage *downs, *ups, *lingering; /* lists of those that wait, first come first; by time */
    struct hook_lineage *running[HOOKS_RUNNING_MAX];
    size_t running_count;
    bool blocked; /* nobody who waits may run, and nothing has changed since */
    bool last;    /* nothing comes any more */
};

/* The child carries packets, in place of another (its id, or 0), for the lineage of this key. ERR_MEMORY: then nothing
 * will run for it. */
MUST_USE enum status hooks_child_up(struct hooks *h, uint64_t child, uint64_t replaced, struct bytes key,
                                    const struct hook_what *what);
/* It is gone; unknown ones are ignored. */
void hooks_child_down(struct hooks *h, uint64_t child, uint64_t now_ms);

/* Nothing comes any more: nobody waits for a successor, and a connection may use all places. */
void hooks_last(struct hooks *h);

/* Takes what may run now: it counts as running until hooks_ended(slot). False: nothing. */
struct hook_job {
    uint32_t slot;
    enum hook_verb verb;
    const struct hook_what *what; /* borrowed until the next call */
};
bool hooks_take(struct hooks *h, uint64_t now_ms, struct hook_job *out);
void hooks_ended(struct hooks *h, uint32_t slot, uint64_t now_ms);     /* unknown ones are ignored */
void hooks_not_begun(struct hooks *h, uint32_t slot, uint64_t now_ms); /* it waits again */

/* What runs there, for the log; false: nothing. */
bool hooks_at(const struct hooks *h, uint32_t slot, struct hook_job *out);

/* Connections have other numbers; those that are gone: RENUMBER_GONE. */
void hooks_renumber(struct hooks *h, const struct renumber *numbers);

size_t hooks_waiting(const struct hooks *h); /* how many wait, those that linger too */
uint64_t hooks_next(const struct hooks *h);  /* when somebody has lingered long enough; DEADLINE_NEVER */
void hooks_free(struct hooks *h);

#endif
