/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/json_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

json_t *json_line_text(const char *text)
{
    char escaped[4 * LOG_LINE_MAX + 8];
    json_t *value = json_string(text);
    return value != NULL ? value : json_string(log_escape(escaped, sizeof escaped, text, strlen(text)));
}

bool json_line_add(json_t *line, const char *key, json_t *value)
{
    return json_object_set_new(line, key, value) == 0;
}

bool json_line_add_text(json_t *line, const char *key, const char *text)
{
    return text == NULL || *text == '\0' || json_line_add(line, key, json_line_text(text));
}

bool json_line_add_spi(json_t *line, const char *key, uint32_t spi)
{
    char text[9];
    (void)snprintf(text, sizeof text, "%08x", (unsigned)spi);
    return spi == 0 || json_line_add(line, key, json_string(text));
}

char *json_line_print(json_t *line, bool whole)
{
    char *text = whole ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(line);
    size_t len = text != NULL ? strlen(text) : 0;
    char *out = text != NULL ? malloc(len + 2) : NULL;
    if (out != NULL) {
        memcpy(out, text, len);
        memcpy(out + len, "\n", 2);
    }
    free(text);
    return out;
}
