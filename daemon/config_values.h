/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of the configuration to plain values. Each returns false, with *out unchanged, for a text that is none. */
#ifndef DAEMON_CONFIG_VALUES_H
#define DAEMON_CONFIG_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Decimal digits only: no sign, no blank. */
MUST_USE bool value_number(const char *text, uint64_t *out);

/* Seconds: "90", "90s", "5m", "8h", "1d". */
MUST_USE bool value_duration(const char *text, uint64_t *seconds);

/* "4096", "512B", "64KiB", "10MiB", "4GiB"; KB, MB and GB are powers of 1000. */
MUST_USE bool value_bytes(const char *text, uint64_t *bytes);

/* "0" to "63", or a name: be, le, ef, va, cs0 to cs7, af11 to af43 (IANA, "Differentiated Services Field Codepoints").
 */
MUST_USE bool value_dscp(const char *text, uint32_t *dscp);

/* The name of such a number, the better known where it has two (0: be); NULL when it has none. Returns out. */
MUST_USE const char *value_dscp_name(uint32_t dscp, char out[8]);

/* Which of words ("trap|start|none") the text is, counted from 0; -1 for none of them. */
MUST_USE int value_word(const char *text, const char *words);

/* The other way, for `check`: the largest unit that divides without a rest. Return out. */
enum { VALUE_TEXT = 32 };
const char *value_duration_print(uint64_t seconds, char out[VALUE_TEXT]);
const char *value_bytes_print(uint64_t bytes, char out[VALUE_TEXT]);
const char *value_word_print(unsigned index, const char *words, char out[VALUE_TEXT]);

/* How many insertions, deletions and replacements lie between two words, A being a; both are cut at 31 characters. */
unsigned word_distance(const char *a, const char *b);

#endif
