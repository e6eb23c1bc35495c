/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/rates.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/show.h"
#include "daemon/table.h"

enum { RATES_NUMBERS = 33 }; /* columns between the name and the sparkline */

struct rates {
    json_t *before;  /* SPI in to child, of the document before; NULL: there was none */
    json_t *history; /* name of a connection to a list of bytes a second, the newest last */
};

struct rates *rates_new(void)
{
    struct rates *rates = calloc(1, sizeof *rates);
    if (rates != NULL)
        rates->history = json_object();
    return rates;
}

void rates_free(struct rates *rates)
{
    if (rates == NULL)
        return;
    json_decref(rates->before);
    json_decref(rates->history);
    free(rates);
}

static uint64_t bytes_of_child(const json_t *child, const char *way)
{
    json_int_t bytes = json_integer_value(json_object_get(json_object_get(child, way), "bytes"));
    return bytes > 0 ? (uint64_t)bytes : 0;
}

/* A child that was not there before has carried all its bytes since. */
static uint64_t grown(const struct rates *rates, const json_t *child, const char *way)
{
    const char *spi = json_string_value(json_object_get(child, "spi_in"));
    uint64_t now = bytes_of_child(child, way);
    uint64_t then = bytes_of_child(spi != NULL ? json_object_get(rates->before, spi) : NULL, way);
    return now > then ? now - then : 0;
}

/* The newest, `room` of them. */
static void print_sparkline(const json_t *history, size_t room, FILE *out)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    json_int_t most = 0;
    size_t i;
    const json_t *value;
    json_array_foreach(history, i, value) most = json_integer_value(value) > most ? json_integer_value(value) : most;
    json_array_foreach(history, i, value)
    {
        if (i + room < json_array_size(history))
            continue;
        double part = most > 0 ? (double)json_integer_value(value) / (double)most : 0;
        fputs(bars[(size_t)(part * 7)], out);
    }
}

static void keep(struct rates *rates, const char *name, uint64_t rate)
{
    json_t *list = json_object_get(rates->history, name);
    if (list == NULL) {
        list = json_array();
        (void)json_object_set_new(rates->history, name, list);
    }
    (void)json_array_append_new(list, json_integer((json_int_t)rate));
    if (json_array_size(list) > RATES_HISTORY)
        (void)json_array_remove(list, 0);
}

/* One line for the connection, from all its SAs; `first`: the first of them, so that it gets no second line. */
static void show_connection(struct rates *rates, const json_t *sas, size_t first, uint64_t elapsed_ms, size_t width,
                            FILE *out)
{
    const char *name = json_string_value(json_object_get(json_array_get(sas, first), "connection"));
    uint64_t in = 0, out_bytes = 0;
    char shown[TABLE_CELL], cut[TABLE_CELL], text[SHOW_TEXT], more[SHOW_TEXT];
    for (size_t i = 0; name != NULL && i < json_array_size(sas); i++) {
        const json_t *sa = json_array_get(sas, i), *child;
        const char *other = json_string_value(json_object_get(sa, "connection"));
        size_t k;
        if (other == NULL || strcmp(name, other) != 0)
            continue;
        if (i < first)
            return;
        json_array_foreach(json_object_get(sa, "children"), k, child)
        {
            in += grown(rates, child, "in");
            out_bytes += grown(rates, child, "out");
        }
    }
    if (name == NULL)
        return;
    in = in * 1000 / elapsed_ms;
    out_bytes = out_bytes * 1000 / elapsed_ms;
    keep(rates, name, in + out_bytes);
    size_t room = width < WIDTH_USUAL ? 8 : 16;
    text_cut(cut, log_escape(shown, sizeof shown, name, strlen(name)), room);
    fprintf(out, "%-*s  in %8s/s  out %8s/s", (int)room, cut, show_bytes(in, text), show_bytes(out_bytes, more));
    room += RATES_NUMBERS;
    if (width > room) {
        fputs("  ", out);
        print_sparkline(json_object_get(rates->history, name), width - room, out);
    }
    fputc('\n', out);
}

static json_t *children_of(const json_t *sas)
{
    json_t *map = json_object();
    size_t i, k;
    json_t *sa, *child;
    json_array_foreach(sas, i, sa) json_array_foreach(json_object_get(sa, "children"), k, child)
    {
        const char *spi = json_string_value(json_object_get(child, "spi_in"));
        if (spi != NULL)
            (void)json_object_set(map, spi, child);
    }
    return map;
}

enum status rates_show(struct rates *rates, const char *json, size_t len, uint64_t elapsed_ms, size_t width, FILE *out)
{
    json_t *root = json_loadb(json, len, 0, NULL);
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_MALFORMED;
    }
    const json_t *sas = json_object_get(root, "ike_sas");
    for (size_t i = 0; rates->before != NULL && elapsed_ms > 0 && i < json_array_size(sas); i++)
        show_connection(rates, sas, i, elapsed_ms, width, out);
    json_decref(rates->before);
    rates->before = children_of(sas);
    json_decref(root);
    return OK;
}
