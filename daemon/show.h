/* SPDX-License-Identifier: Apache-2.0 */
/* `esptun status` for people, from the JSON document of the daemon: a table, or all of it. */
#ifndef DAEMON_SHOW_H
#define DAEMON_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/*
 * As a table: a line for each pair of SAs, no line wider than `width` (from WIDTH_LEAST on), rules and drops that are
 * not zero. With `details`: everything that the document tells people, in lines as long as they are. ERR_MALFORMED,
 * with nothing printed, when the text is no such document. Missing members are left out.
 */
MUST_USE enum status show_status(const char *json, size_t len, size_t width, bool details, FILE *out);

enum { SHOW_TEXT = 32 };
const char *show_bytes(uint64_t bytes, char out[SHOW_TEXT]);     /* "512 B", "1.5 MiB", "150 MiB": up to 8 columns */
const char *show_seconds(uint64_t seconds, char out[SHOW_TEXT]); /* "42s", "3m 20s", "7h 59m", "2d 3h" */

#endif
