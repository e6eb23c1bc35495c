/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/event.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/stamp.h"

static const struct {
    const char *name, *words;
} kinds[] = {
    [IKE_EVENT_PHASE1_UP] = {"phase1_up", "phase 1 is up"},
    [IKE_EVENT_PHASE1_DOWN] = {"phase1_down", "phase 1 is down"},
    [IKE_EVENT_PHASE1_FAILED] = {"phase1_failed", "phase 1 failed"},
    [IKE_EVENT_CHILD_UP] = {"child_up", "child is up"},
    [IKE_EVENT_CHILD_REKEYED] = {"child_rekeyed", "child is rekeyed"},
    [IKE_EVENT_CHILD_DOWN] = {"child_down", "child is down"},
    [IKE_EVENT_CHILD_FAILED] = {"child_failed", "child failed"},
    [EVENT_PROBE_UP] = {"probe_up", "probe is up"},
    [EVENT_PROBE_DOWN] = {"probe_down", "probe is down"},
};

static bool add(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static bool add_text(json_t *object, const char *key, const char *text)
{
    return text == NULL || *text == '\0' || add(object, key, json_string(text));
}

static bool add_spi(json_t *object, const char *key, uint32_t spi)
{
    char text[9];
    snprintf(text, sizeof text, "%08x", (unsigned)spi);
    return spi == 0 || add(object, key, json_string(text));
}

/* Takes the object. */
static char *print_line(json_t *object, bool whole)
{
    char *text = whole ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(object);
    size_t len = text != NULL ? strlen(text) : 0;
    char *line = text != NULL ? malloc(len + 2) : NULL;
    if (line != NULL) {
        memcpy(line, text, len);
        memcpy(line + len, "\n", 2);
    }
    free(text);
    return line;
}

char *event_json(const struct event *event)
{
    char at[STAMP_TEXT];
    json_t *object = json_object();
    bool whole = stamp_time(&event->at, at) && add(object, "ts", json_string(at)) &&
                 add(object, "event", json_string(kinds[event->kind].name)) &&
                 add_text(object, "connection", event->connection) && add_text(object, "rule", event->rule) &&
                 add_spi(object, "spi_in", event->spi_in) && add_spi(object, "spi_out", event->spi_out) &&
                 add_spi(object, "old_spi_in", event->old_spi_in) && add_text(object, "reason", event->reason);
    return print_line(object, whole);
}

char *event_dropped(const struct timespec *at, uint64_t count)
{
    char text[STAMP_TEXT];
    json_t *object = json_object();
    bool whole = stamp_time(at, text) && add(object, "ts", json_string(text)) &&
                 add(object, "event", json_string("dropped")) && add(object, "count", json_integer((json_int_t)count));
    return print_line(object, whole);
}

/* Line breaks of a reason become "; ", and what a terminal would act on is escaped. */
static void print_member(const json_t *object, const char *key, const char *before, FILE *out)
{
    char shown[LOG_LINE_MAX];
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        return;
    fputs(before, out);
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        fputs(log_escape(shown, sizeof shown, text, len), out);
        text += len + (text[len] == '\n');
        if (*text != '\0')
            fputs("; ", out);
    }
}

static const char *words_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].words;
    return NULL;
}

static void print_dropped(json_int_t count, FILE *out)
{
    fprintf(out, "%lld %s dropped: this reader is too slow", (long long)count,
            count == 1 ? "event was" : "events were");
}

enum status event_show(const char *json, size_t len, FILE *out)
{
    json_t *object = json_loadb(json, len, 0, NULL);
    const char *name = json_string_value(json_object_get(object, "event"));
    if (name == NULL) {
        json_decref(object);
        return ERR_MALFORMED;
    }
    print_member(object, "ts", "", out);
    print_member(object, "connection", " ", out);
    fputc(' ', out);
    if (strcmp(name, "dropped") == 0)
        print_dropped(json_integer_value(json_object_get(object, "count")), out);
    else if (words_of(name) != NULL)
        fputs(words_of(name), out);
    else
        print_member(object, "event", "", out);
    print_member(object, "spi_in", ", SPI in ", out);
    print_member(object, "spi_out", ", SPI out ", out);
    print_member(object, "old_spi_in", ", instead of SPI in ", out);
    print_member(object, "rule", ", rule ", out);
    print_member(object, "reason", ": ", out);
    fputc('\n', out);
    json_decref(object);
    return OK;
}
