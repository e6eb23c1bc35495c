/* SPDX-License-Identifier: Apache-2.0 */
/* One object of JSON on one line: what log lines and events have in common. All that is added says false where memory
 * is short, and then the line is not whole. */
#ifndef DAEMON_JSON_LINE_H
#define DAEMON_JSON_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The text as a value. What is not UTF-8, say in the name of a file, cannot stand in JSON as it is: it is escaped. */
json_t *json_line_text(const char *text);

bool json_line_add(json_t *line, const char *key, json_t *value);         /* takes the value */
bool json_line_add_text(json_t *line, const char *key, const char *text); /* nothing for NULL or "" */
bool json_line_add_spi(json_t *line, const char *key, uint32_t spi);      /* 8 hex digits; nothing for 0 */

/* Takes the object. With its line end, plain ASCII, to be freed by the caller; NULL when it is not whole. */
char *json_line_print(json_t *line, bool whole);

#endif
