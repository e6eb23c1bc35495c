/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the control thread brings a worker's thread to a stop: a worker that sleeps is held where it lies, which costs
 * neither side a system call; one that runs is asked, and stops between two batches. Sleep is what a worker does most
 * of the time, and each negotiation stops all of them several times.
 */
#ifndef DAEMON_REST_H
#define DAEMON_REST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "base/status.h"

struct rest {
    atomic_int state;  /* private to rest.c */
    atomic_bool asked; /* for the worker to look at between batches */
    bool running;      /* the worker's own */
    bool held;         /* the control thread's own: at rest since rest_hold */
    uv_sem_t arrived, go;
};

/* The thread runs, as far as this knows, until its first rest_end. ERR_MEMORY */
MUST_USE enum status rest_open(struct rest *rest);
void rest_close(struct rest *rest); /* only after an OK of rest_open */

/* --- On the worker's thread. --- */

void rest_begin(struct rest *rest); /* before it touches what is shared; waits while it is held. Often is harmless */
void rest_end(struct rest *rest);   /* before it sleeps */
void rest_obey(struct rest *rest);  /* while it runs: stops here when it was asked to, until rest_release */

/* --- On the control thread. --- */

/* True: it rests. False: it runs and has been asked; wake it, so that it gets to rest_obey, and then rest_wait. */
MUST_USE bool rest_hold(struct rest *rest);
/* The same, but never asleep: wake it, and then rest_wait. For who changes the very loop that it would sleep in. */
void rest_ask(struct rest *rest);
void rest_wait(struct rest *rest);
void rest_release(struct rest *rest); /* after either */

#endif
