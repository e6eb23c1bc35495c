/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/request.h"

#include <string.h>

enum takes { TAKES_NOTHING, TAKES_NAME, TAKES_TEXT, TAKES_LEVEL };

static const struct {
    const char *word;
    enum request_verb verb;
    enum takes takes;
} verbs[] = {
    {"status", REQUEST_STATUS, TAKES_NOTHING},
    {"monitor", REQUEST_MONITOR, TAKES_NOTHING},
    {"up", REQUEST_UP, TAKES_NAME},
    {"down", REQUEST_DOWN, TAKES_NAME},
    {"rekey", REQUEST_REKEY, TAKES_NAME},
    {"explain", REQUEST_EXPLAIN, TAKES_TEXT},
    {"reload", REQUEST_RELOAD, TAKES_NOTHING},
    {"log", REQUEST_LOG, TAKES_LEVEL},
};

static size_t word_len(struct bytes line)
{
    const uint8_t *space = line.len > 0 ? memchr(line.data, ' ', line.len) : NULL;
    return space != NULL ? (size_t)(space - line.data) : line.len;
}

/* From the given character on to the end of ASCII. */
static bool is_printable(struct bytes text, uint8_t first)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < first || text.data[i] >= 0x7f)
            return false;
    return true;
}

static enum status take_name(struct bytes rest, struct request *out, const char **why)
{
    if (rest.len == 0) {
        *why = "the name of a connection is missing";
        return ERR_MALFORMED;
    }
    if (rest.len > CONNECTION_NAME_MAX || !is_printable(rest, '!')) {
        *why = "that is not the name of a connection";
        return ERR_MALFORMED;
    }
    memcpy(out->name, rest.data, rest.len);
    return OK;
}

static enum status take_text(struct bytes rest, struct request *out, const char **why)
{
    if (rest.len == 0) {
        *why = "the packet to explain is missing";
        return ERR_MALFORMED;
    }
    if (rest.len > REQUEST_TEXT_MAX || !is_printable(rest, ' ')) {
        *why = "that is not a packet to explain";
        return ERR_MALFORMED;
    }
    memcpy(out->text, rest.data, rest.len);
    return OK;
}

/* "LEVEL" or "LEVEL NAME". */
static enum status take_level(struct bytes rest, struct request *out, const char **why)
{
    char level[16] = "";
    size_t len = word_len(rest);
    if (len < sizeof level && len > 0)
        memcpy(level, rest.data, len);
    if (!log_level_parse(level, &out->level)) {
        *why = "a log level is missing: write error, warning, info or debug, and perhaps the name of a connection";
        return ERR_MALFORMED;
    }
    return len == rest.len ? OK : take_name(bytes_of(rest.data + len + 1, rest.len - len - 1), out, why);
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
        if (verbs[i].takes == TAKES_NAME)
            return take_name(rest, out, why);
        if (verbs[i].takes == TAKES_TEXT)
            return take_text(rest, out, why);
        if (verbs[i].takes == TAKES_LEVEL)
            return take_level(rest, out, why);
        *why = "this command takes no argument";
        return len == line.len ? OK : ERR_MALFORMED;
    }
    *why = "unknown command; known are: status, up NAME, down NAME, rekey NAME, reload, explain PACKET, log LEVEL "
           "[NAME], monitor";
    return ERR_MALFORMED;
}
