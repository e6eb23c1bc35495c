/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of hosts to addresses, by the system's resolver (getaddrinfo) in threads of libuv's pool. It knows nothing of
 * connections. An answer is unauthenticated: what nobody's peer can have is taken out of it here, with a word; what
 * ours cannot have, in daemon/gateway_names.c.
 */
#ifndef DAEMON_RESOLVE_H
#define DAEMON_RESOLVE_H

#include <netdb.h>
#include <uv.h>

#include "base/status.h"
#include "policy/address.h"

enum { RESOLVED_MAX = 16, RESOLVE_TEXT = 512 };

/* What became of one name. */
struct resolved {
    struct address addresses[RESOLVED_MAX]; /* in the order of the resolver, each once */
    size_t count;
    char why[RESOLVE_TEXT];      /* none: the reason, with a remedy; else "" */
    char left_out[RESOLVE_TEXT]; /* "127.0.0.1 (this host itself)", with commas; "": nothing */
};

struct look_up;

struct resolver {
    uv_loop_t *loop; /* borrowed */
    void (*answer)(void *arg, const char *name, const struct resolved *found);
    void *arg;
    struct look_up *running; /* table by name; owned */
    bool closed;             /* what still runs is not answered any more */
};

/* Else `answer` comes later, from the loop. A name that is being looked up already is so once, and has one answer.
 * ERR_MEMORY; ERR_IO: libuv does not take it. */
MUST_USE enum status resolver_ask(struct resolver *resolver, const char *name);

/* Forgets what waits for a thread. False: a thread is at it and cannot be called off; it and the memory of it end with
 * the process only. Else all is gone once the loop has been closed. */
MUST_USE bool resolver_close(struct resolver *resolver);

/* "ADDRESS (why)" joins what was left out. */
void resolve_leave_out(struct resolved *r, const struct address *address, const char *why);

/* --- for resolve.c and its test --- */

/* Why nobody's peer can be at this address; NULL: one can. */
const char *resolve_refusal(const struct address *a);

/* The answer of getaddrinfo; error: of libuv, 0 where there is a list. */
void resolve_collect(const char *name, int error, const struct addrinfo *list, struct resolved *out);

#endif
