/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the vector tests share: hex, and a reader of the NIST style of files: records of "KEY = value" lines, ended by a
 * blank line, under [SECTIONS]; '#' starts a comment.
 */
#ifndef TEST_VECTORS_VECTORS_H
#define TEST_VECTORS_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/wire.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Of the Debian package python3-cryptography-vectors. */
#define DEBIAN_VECTORS "/usr/lib/python3/dist-packages/cryptography_vectors/"

enum { FIELDS_MAX = 16, BLOB_MAX = 16384 };

struct blob {
    size_t len;
    uint8_t data[BLOB_MAX];
};

static inline struct bytes blob_bytes(const struct blob *blob)
{
    return bytes_of(blob->data, blob->len);
}

static inline int nibble(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)((at - digits) % 16) : -1;
}

/* Blanks between digits are skipped. Fails the test on anything else. */
static inline void unhex(const char *hex, struct blob *out)
{
    size_t digits = 0;
    out->len = 0;
    for (; *hex != '\0'; hex++) {
        if (*hex == ' ' || *hex == '\n')
            continue;
        int value = nibble(*hex);
        assert_true(value >= 0 && digits / 2 < BLOB_MAX);
        uint8_t *byte = &out->data[digits / 2];
        *byte = (uint8_t)(digits % 2 == 0 ? value << 4 : *byte | value);
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    out->len = digits / 2;
}

struct record {
    char section[128];
    size_t count;
    struct {
        char key[32];
        char *value; /* owned by the record */
    } fields[FIELDS_MAX];
};

struct records {
    FILE *file;
    char section[128];
};

/* False, with a word to the reader, where the file is absent. */
static inline bool records_open(struct records *records, const char *path)
{
    *records = (struct records){.file = fopen(path, "re")};
    if (records->file == NULL)
        print_message("absent: %s\n", path);
    return records->file != NULL;
}

static inline void record_clear(struct record *record)
{
    for (size_t i = 0; i < record->count; i++)
        free(record->fields[i].value);
    *record = (struct record){0};
}

static inline const char *record_get(const struct record *record, const char *key)
{
    for (size_t i = 0; i < record->count; i++)
        if (strcmp(record->fields[i].key, key) == 0)
            return record->fields[i].value;
    return NULL;
}

static inline void record_add(struct record *record, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL || record->count == FIELDS_MAX)
        return;
    *equals = '\0';
    line[strcspn(line, " ")] = '\0';
    (void)snprintf(record->fields[record->count].key, sizeof record->fields[0].key, "%.31s", line);
    record->fields[record->count].value = strdup(equals + 1 + strspn(equals + 1, " "));
    assert_non_null(record->fields[record->count].value);
    record->count++;
}

/* The next record into *record (which is cleared first); false at the end, with the file closed and *record empty. */
static inline bool records_next(struct records *records, struct record *record)
{
    char *line = NULL;
    size_t capacity = 0;
    record_clear(record);
    while (getline(&line, &capacity, records->file) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0] == '[')
            (void)snprintf(records->section, sizeof records->section, "%.127s", line);
        else if (line[0] == '\0' && record->count > 0)
            break;
        else if (line[0] != '#')
            record_add(record, line);
    }
    free(line);
    memcpy(record->section, records->section, sizeof record->section);
    if (record->count > 0)
        return true;
    (void)fclose(records->file);
    return false;
}

/* The field in hex; the test fails without it. */
static inline void record_hex(const struct record *record, const char *key, struct blob *out)
{
    const char *value = record_get(record, key);
    assert_non_null(value);
    unhex(value, out);
}

/* A test that ran nothing has shown nothing. */
static inline void report(const char *what, size_t ran)
{
    print_message("%s: %zu cases\n", what, ran);
    assert_true(ran > 0);
}

#endif
