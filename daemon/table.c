/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { GAP = 2 };

struct table {
    const struct table_column *columns;
    size_t count, rows, capacity;
    bool short_of_memory;
    char (*cells)[TABLE_CELL]; /* row by row */
};

static size_t in_range(unsigned long width)
{
    return width < WIDTH_LEAST ? WIDTH_LEAST : width > WIDTH_MOST ? WIDTH_MOST : width;
}

size_t width_of(FILE *out)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    char *end = NULL;
    int fd = fileno(out);
    if (fd >= 0 && isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return in_range(size.ws_col);
    if (columns == NULL || *columns < '0' || *columns > '9')
        return WIDTH_USUAL;
    unsigned long width = strtoul(columns, &end, 10);
    return *end == '\0' && width > 0 ? in_range(width) : WIDTH_USUAL;
}

const char *text_cut(char out[TABLE_CELL], const char *text, size_t width)
{
    size_t len = strlen(text);
    if (width >= TABLE_CELL)
        width = TABLE_CELL - 1;
    if (len <= width)
        memcpy(out, text, len + 1);
    else
        snprintf(out, TABLE_CELL, "%.*s%.*s", (int)(width > 2 ? width - 2 : 0), text, (int)(width > 2 ? 2 : width),
                 "..");
    return out;
}

void text_wrap(const char *text, size_t indent, size_t width, FILE *out)
{
    size_t at = 0;
    while (*(text += strspn(text, " ")) != '\0') {
        size_t len = strcspn(text, " ");
        bool first = at == 0;
        if (!first && at + 1 + len > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        size_t room = width - at < TABLE_CELL ? width - at : TABLE_CELL - 1;
        char word[TABLE_CELL], shown[TABLE_CELL];
        snprintf(word, sizeof word, "%.*s", (int)len, text);
        text_cut(shown, word, room);
        fprintf(out, "%s%s", first ? "" : " ", shown);
        at += strlen(shown) + !first;
        text += len;
    }
    fputc('\n', out);
}

struct table *table_new(const struct table_column *columns, size_t count)
{
    struct table *table = calloc(1, sizeof *table);
    if (table != NULL) {
        table->columns = columns;
        table->count = count;
    }
    return table;
}

void table_free(struct table *table)
{
    if (table == NULL)
        return;
    free(table->cells);
    free(table);
}

static bool table_grow(struct table *table)
{
    size_t capacity = table->capacity > 0 ? 2 * table->capacity : 16;
    void *cells = realloc(table->cells, capacity * table->count * sizeof *table->cells);
    if (cells == NULL)
        return false;
    table->cells = cells;
    table->capacity = capacity;
    return true;
}

void table_add(struct table *table, const char *const *cells)
{
    if (table->rows == table->capacity && !table_grow(table)) {
        table->short_of_memory = true;
        return;
    }
    for (size_t i = 0; i < table->count; i++)
        text_cut(table->cells[table->rows * table->count + i], cells[i], TABLE_CELL - 1);
    table->rows++;
}

bool table_whole(const struct table *table)
{
    return !table->short_of_memory;
}

/* What each column would like to have. */
static void measure(const struct table *table, size_t widths[TABLE_COLUMNS])
{
    for (size_t i = 0; i < table->count; i++) {
        widths[i] = strlen(table->columns[i].title);
        if (widths[i] < table->columns[i].room)
            widths[i] = table->columns[i].room;
        for (size_t row = 0; row < table->rows; row++) {
            size_t len = strlen(table->cells[row * table->count + i]);
            widths[i] = len > widths[i] ? len : widths[i];
        }
    }
}

static size_t least_of(const struct table_column *column, size_t width)
{
    return column->least > 0 && column->least < width ? column->least : width;
}

/* Of the whole line; with `least`, of the line at its narrowest. A column of width 0 has left. */
static size_t total(const struct table *table, const size_t widths[TABLE_COLUMNS], bool least)
{
    size_t sum = 0;
    for (size_t i = 0; i < table->count; i++)
        if (widths[i] > 0)
            sum += (sum > 0 ? GAP : 0) + (least ? least_of(&table->columns[i], widths[i]) : widths[i]);
    return sum;
}

/* Those of the highest `leaves` go together. False: all that are left stay. */
static bool let_some_leave(const struct table *table, size_t widths[TABLE_COLUMNS])
{
    uint8_t most = 0;
    for (size_t i = 0; i < table->count; i++)
        if (widths[i] > 0 && table->columns[i].leaves > most)
            most = table->columns[i].leaves;
    for (size_t i = 0; i < table->count; i++)
        if (most > 0 && table->columns[i].leaves == most)
            widths[i] = 0;
    return most > 0;
}

/* Of columns that are equally wide the last: what stands in front matters more. */
static bool cut_one(const struct table *table, size_t widths[TABLE_COLUMNS])
{
    size_t widest = table->count;
    for (size_t i = 0; i < table->count; i++)
        if (widths[i] > least_of(&table->columns[i], widths[i]) &&
            (widest == table->count || widths[i] >= widths[widest]))
            widest = i;
    if (widest == table->count)
        return false;
    widths[widest]--;
    return true;
}

static void print_cell(const struct table_column *column, const char *text, size_t width, bool last, FILE *out)
{
    char shown[TABLE_CELL];
    text_cut(shown, text, width);
    if (column->right)
        fprintf(out, "%*s", (int)width, shown);
    else
        fprintf(out, "%-*s", last ? 0 : (int)width, shown);
}

static void print_row(const struct table *table, const size_t *widths, const char (*cells)[TABLE_CELL], FILE *out)
{
    size_t last = table->count;
    while (last > 0 && widths[last - 1] == 0)
        last--;
    for (size_t i = 0; i < last; i++) {
        if (widths[i] == 0)
            continue;
        print_cell(&table->columns[i], cells != NULL ? cells[i] : table->columns[i].title, widths[i], i + 1 == last,
                   out);
        fputs(i + 1 < last ? "  " : "\n", out);
    }
}

void table_print(const struct table *table, size_t width, FILE *out)
{
    size_t widths[TABLE_COLUMNS] = {0};
    measure(table, widths);
    while (total(table, widths, true) > width && let_some_leave(table, widths))
        ;
    while (total(table, widths, false) > width && cut_one(table, widths))
        ;
    print_row(table, widths, NULL, out);
    for (size_t row = 0; row < table->rows; row++)
        print_row(table, widths, (const char(*)[TABLE_CELL]) & table->cells[row * table->count], out);
}
