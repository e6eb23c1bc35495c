/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/event.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/json_line.h"
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

char *event_json(const struct event *event)
{
    char at[STAMP_TEXT];
    json_t *object = json_object();
    bool whole = stamp_time(&event->at, at) && json_line_add(object, "ts", json_string(at)) &&
                 json_line_add(object, "event", json_string(kinds[event->kind].name)) &&
                 json_line_add_text(object, "connection", event->connection) &&
                 json_line_add_text(object, "rule", event->rule) &&
                 json_line_add_spi(object, "spi_in", event->spi_in) &&
                 json_line_add_spi(object, "spi_out", event->spi_out) &&
                 json_line_add_spi(object, "old_spi_in", event->old_spi_in) &&
                 json_line_add_text(object, "reason", event->reason);
    return json_line_print(object, whole);
}

char *event_dropped(const struct timespec *at, uint64_t count)
{
    char text[STAMP_TEXT];
    json_t *object = json_object();
    bool whole = stamp_time(at, text) && json_line_add(object, "ts", json_string(text)) &&
                 json_line_add(object, "event", json_string("dropped")) &&
                 json_line_add(object, "count", json_integer((json_int_t)count));
    return json_line_print(object, whole);
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
