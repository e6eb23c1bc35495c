/* SPDX-License-Identifier: Apache-2.0 */
/* `esptun status --watch`: how fast each connection carries data, from one status document to the next. */
#ifndef DAEMON_RATES_H
#define DAEMON_RATES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum { RATES_HISTORY = 24 }; /* rounds of a sparkline */

struct rates;
struct rates *rates_new(void); /* NULL: memory is short */
void rates_free(struct rates *rates);

/*
 * Takes the next document, elapsed_ms after the one before, and prints a line for each connection with children:
 * bytes a second in and out, and a sparkline of both together, as much of it as the width allows. The first document
 * prints nothing. ERR_MALFORMED: it is none, and nothing was changed.
 */
MUST_USE enum status rates_show(struct rates *rates, const char *json, size_t len, uint64_t elapsed_ms, size_t width,
                                FILE *out);

#endif
