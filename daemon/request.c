/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/request.h"

#include <string.h>

static const struct {
    const char *word;
    enum request_verb verb;
    bool named;
} verbs[] = {
    {"status", REQUEST_STATUS, false},
    {"up", REQUEST_UP, true},
    {"down", REQUEST_DOWN, true},
    {"rekey", REQUEST_REKEY, true},
};

static size_t word_len(struct bytes line)
{
    const uint8_t *space = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
    return space != NULL ? (size_t)(space - line.data) : line.len;
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            return false;
    return true;
}

static enum status take_name(struct bytes rest, struct request *out, const char **why)
{
    if (rest.len == 0) {
        *why = "the name of a connection is missing";
        return ERR_MALFORMED;
    }
    if (rest.len > CONNECTION_NAME_MAX || !is_printable(rest)) {
        *why = "that is not the name of a connection";
        return ERR_MALFORMED;
    }
    memcpy(out->name, rest.data, rest.len);
    return OK;
}

enum status request_parse(struct bytes line, struct request *out, const char **why)
{
    *out = (struct request){0};
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    size_t len = word_len(line);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (len != strlen(verbs[i].word) || memcmp(line.data, verbs[i].word, len) != 0)
            continue;
        struct bytes rest = len < line.len ? bytes_of(line.data + len + 1, line.len - len - 1) : bytes_of(NULL, 0);
        out->verb = verbs[i].verb;
        if (verbs[i].named)
            return take_name(rest, out, why);
        *why = "this command takes no argument";
        return len == line.len ? OK : ERR_MALFORMED;
    }
    *why = "unknown command; known are: status, up NAME, down NAME, rekey NAME";
    return ERR_MALFORMED;
}
