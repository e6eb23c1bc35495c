/* SPDX-License-Identifier: Apache-2.0 */
/* The reason of a refusal, for people: what is wrong, and what would be right. */
#ifndef BASE_WHY_H
#define BASE_WHY_H

#include <stddef.h>

#include "base/status.h"

enum { QUOTED_TEXT = 64 };

/* Where the text goes; borrowed. With len 0 nobody wants it. */
struct why {
    char *text;
    size_t len;
};

/* Writes the text (cut where it does not fit, always terminated) and returns status, so that a caller can `return
 * why_refuse(...)`. */
enum status why_refuse(const struct why *why, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* A word of a configuration as it may be shown: escaped, cut where it is absurdly long. Returns out. */
const char *why_quoted(const char *word, char out[QUOTED_TEXT]);

#endif
