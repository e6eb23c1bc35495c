/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of text (those of hashes are base/table.h) and paragraphs, for a terminal of a given width. Where a table is
 * too wide, columns leave first, those of the highest `leaves` together and before others; what is still too wide is
 * cut, the widest column first, and shows it by
 * "..". Texts are plain ASCII, one column of the terminal each.
 */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { TABLE_COLUMNS = 8, TABLE_CELL = 160, WIDTH_LEAST = 40, WIDTH_USUAL = 80, WIDTH_MOST = 1000 };

struct table_column {
    const char *title;
    bool right;     /* numbers stand at the right */
    uint8_t room;   /* as wide as that at least, so that numbers which grow move nothing */
    uint8_t least;  /* may be cut to that; 0: is never cut */
    uint8_t leaves; /* 0: stays whatever happens */
};

/* Of the stream: that of its terminal, else COLUMNS of the environment, else 80; from 40 to 1000. */
size_t width_of(FILE *out);

/* text in at most `width` columns, its end ".." where it was cut. width < TABLE_CELL. */
const char *text_cut(char out[TABLE_CELL], const char *text, size_t width);

/* Words with line breaks where the width ends and an indent behind each; a word that is too long alone is cut. */
void text_wrap(const char *text, size_t indent, size_t width, FILE *out);

struct table;
/* columns live as long as the table. NULL: memory is short. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);
/* Copies one text per column; what is longer than a cell is cut. */
void table_add(struct table *table, const char *const *cells);
/* Each line is at most `width` wide, when the least widths of the columns that stay fit at all. */
void table_print(const struct table *table, size_t width, FILE *out);
/* All rows were taken: false when memory was short. */
bool table_whole(const struct table *table);

#endif
