/* SPDX-License-Identifier: Apache-2.0 */
/* Events of `esptun monitor`: a line of JSON each on the control socket, and from that a line for people. */
#ifndef DAEMON_EVENT_H
#define DAEMON_EVENT_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "ike/ike.h"

/* More kinds, behind those of IKE. */
enum event_kind { EVENT_PROBE_UP = IKE_EVENT_CHILD_FAILED + 1, EVENT_PROBE_DOWN };

/* SPIs are 0, and texts NULL or "", where there is nothing to say. */
struct event {
    struct timespec at;
    unsigned kind; /* enum ike_event_kind or event_kind */
    const char *connection;
    const char *rule;
    uint32_t spi_in, spi_out, old_spi_in;
    const char *reason;
};

/* With its line end, to be freed by the caller; NULL when memory is short. Plain ASCII. */
char *event_json(const struct event *event);
/* Tells a reader how many events it has missed. */
char *event_dropped(const struct timespec *at, uint64_t count);

/* The line for people, from a line of JSON; ERR_MALFORMED, with nothing printed, when it is none. */
MUST_USE enum status event_show(const char *json, size_t len, FILE *out);

#endif
