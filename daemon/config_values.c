/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_values.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit time_units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
static const struct unit byte_units[] = {
    {"", 1},      {"B", 1},        {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", 1 << 30},
    {"KB", 1000}, {"MB", 1000000}, {"GB", 1000000000},
};

/* The digits at the start; NULL when there are none or they overflow. Else the rest of the text. */
static const char *take_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return NULL;
        value = value * 10 + digit;
    }
    *out = value;
    return at == text ? NULL : at;
}

bool value_number(const char *text, uint64_t *out)
{
    uint64_t value;
    const char *rest = take_number(text, &value);
    if (rest == NULL || *rest != '\0')
        return false;
    *out = value;
    return true;
}

static bool with_unit(const char *text, const struct unit *units, size_t count, uint64_t *out)
{
    uint64_t value;
    const char *rest = take_number(text, &value);
    if (rest == NULL)
        return false;
    while (*rest == ' ' || *rest == '\t')
        rest++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rest, units[i].name) == 0 && value <= UINT64_MAX / units[i].factor) {
            *out = value * units[i].factor;
            return true;
        }
    }
    return false;
}

bool value_duration(const char *text, uint64_t *seconds)
{
    return with_unit(text, time_units, sizeof time_units / sizeof *time_units, seconds);
}

bool value_bytes(const char *text, uint64_t *bytes)
{
    return with_unit(text, byte_units, sizeof byte_units / sizeof *byte_units, bytes);
}

/* RFC 2474 (cs), RFC 2597 (af), RFC 3246 (ef), RFC 5865 (va), RFC 8622 (le). */
const char *value_dscp_name(uint32_t dscp, char out[8])
{
    uint32_t class = dscp >> 3, drop = dscp & 7;
    const char *single = dscp == 0 ? "be" : dscp == 1 ? "le" : dscp == 44 ? "va" : dscp == 46 ? "ef" : NULL;
    if (single != NULL)
        snprintf(out, 8, "%s", single);
    else if (drop == 0 && class < 8)
        snprintf(out, 8, "cs%u", class);
    else if (class >= 1 && class <= 4 && (drop == 2 || drop == 4 || drop == 6))
        snprintf(out, 8, "af%u%u", class, drop / 2);
    else
        return NULL;
    return out;
}

bool value_dscp(const char *text, uint32_t *dscp)
{
    char name[8];
    uint64_t number;
    if (strcmp(text, "cs0") == 0) /* the other name of be */
        text = "0";
    if (value_number(text, &number) && number < 64) {
        *dscp = (uint32_t)number;
        return true;
    }
    for (uint32_t i = 0; i < 64; i++) {
        if (value_dscp_name(i, name) != NULL && strcmp(text, name) == 0) {
            *dscp = i;
            return true;
        }
    }
    return false;
}

int value_word(const char *text, const char *words)
{
    size_t len = strlen(text);
    if (len == 0)
        return -1;
    for (int index = 0; *words != '\0'; index++) {
        size_t word = strcspn(words, "|");
        if (word == len && memcmp(words, text, len) == 0)
            return index;
        words += word;
        words += *words == '|';
    }
    return -1;
}

const char *value_word_print(unsigned index, const char *words, char out[VALUE_TEXT])
{
    for (; index > 0 && *words != '\0'; index--) {
        words += strcspn(words, "|");
        words += *words == '|';
    }
    snprintf(out, VALUE_TEXT, "%.*s", (int)strcspn(words, "|"), words);
    return out;
}

const char *value_duration_print(uint64_t seconds, char out[VALUE_TEXT])
{
    for (size_t i = sizeof time_units / sizeof *time_units; i-- > 1;) {
        if (seconds % time_units[i].factor == 0 && (seconds > 0 || i == 1)) {
            snprintf(out, VALUE_TEXT, "%llu%s", (unsigned long long)(seconds / time_units[i].factor),
                     time_units[i].name);
            return out;
        }
    }
    return "";
}

const char *value_bytes_print(uint64_t bytes, char out[VALUE_TEXT])
{
    for (size_t i = 5; i-- > 1;) {
        if (bytes % byte_units[i].factor == 0 && (bytes > 0 || i == 1)) {
            snprintf(out, VALUE_TEXT, "%llu%s", (unsigned long long)(bytes / byte_units[i].factor), byte_units[i].name);
            return out;
        }
    }
    return "";
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

unsigned word_distance(const char *a, const char *b)
{
    enum { LIMIT = 31 };
    unsigned row[LIMIT + 1];
    size_t a_len = strnlen(a, LIMIT), b_len = strnlen(b, LIMIT);
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = diagonal + !same_letter(a[i - 1], b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[b_len];
}
