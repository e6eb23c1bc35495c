/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_source.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_errors.h"

/* One line on its way to inih, without comment and surrounding blanks. */
struct line {
    const char *at;
    size_t len;
    bool indented;
};

struct feed {
    const char *at, *end;
    unsigned line;
    bool has_key;      /* a continuation line would belong to a good entry */
    bool continuation; /* what inih looks at is one */
    bool awaiting;     /* inih owes a call of the handler for this line */
    bool no_memory;
    struct config_section *section; /* NULL before the first */
    struct config_source *source;
    struct config_errors *errors;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_comment(char c)
{
    return c == ';' || c == '#';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

static void trim(struct line *line)
{
    while (line->len > 0 && is_blank(line->at[0])) {
        line->at++;
        line->len--;
    }
    while (line->len > 0 && is_blank(line->at[line->len - 1]))
        line->len--;
}

/* A comment starts the line, or stands behind a blank. */
static void strip_comment(struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (is_comment(line->at[i]) && (i == 0 || is_blank(line->at[i - 1]))) {
            line->len = i;
            return;
        }
    }
}

static bool take_line(struct feed *feed, struct line *out)
{
    if (feed->at == feed->end)
        return false;
    const char *newline = memchr(feed->at, '\n', (size_t)(feed->end - feed->at));
    const char *stop = newline != NULL ? newline : feed->end;
    *out = (struct line){.at = feed->at, .len = (size_t)(stop - feed->at)};
    feed->at = newline != NULL ? newline + 1 : feed->end;
    feed->line++;
    if (out->len > 0 && out->at[out->len - 1] == '\r')
        out->len--;
    out->indented = out->len > 0 && is_blank(out->at[0]);
    return true;
}

/* inih takes C strings: a NUL would hide the rest of the line. */
static bool only_text(struct feed *feed, const struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->at[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t')
            continue;
        config_error(feed->errors, feed->line, "byte 0x%02x at column %zu is not text: save the file as UTF-8", c,
                     i + 1);
        return false;
    }
    return true;
}

static bool is_word(const struct line *line, const char *word)
{
    return line->len == strlen(word) && memcmp(line->at, word, line->len) == 0;
}

static bool connection_name_is_good(struct feed *feed, const struct line *name)
{
    char shown[80];
    bool good = name->len > 0 && name->at[0] != '-' && name->at[0] != '.';
    for (size_t i = 0; i < name->len; i++)
        good = good && is_name(name->at[i]);
    log_escape(shown, sizeof shown, name->at, name->len);
    if (name->len == 0)
        config_error(feed->errors, feed->line, "[connection] lacks a name: write [connection NAME]");
    else if (name->len > CONNECTION_NAME_MAX)
        config_error(feed->errors, feed->line, "the name of a connection has at most %d characters, this one %zu",
                     CONNECTION_NAME_MAX, name->len);
    else if (!good)
        config_error(feed->errors, feed->line,
                     "'%s' is not a name for a connection: write letters, digits, '.', '_' and '-', a letter or digit "
                     "first",
                     shown);
    return good && name->len <= CONNECTION_NAME_MAX;
}

/* Fills kind and label; false when there is no such section. */
static bool section_identify(struct feed *feed, struct line inner, struct config_section *section)
{
    static const char word[] = "connection";
    char shown[80];
    if (is_word(&inner, "gateway") || is_word(&inner, "acl")) {
        section->kind = inner.at[0] == 'g' ? SECTION_GATEWAY : SECTION_ACL;
        snprintf(section->label, sizeof section->label, "%.*s", (int)inner.len, inner.at);
        return true;
    }
    size_t len = sizeof word - 1;
    if (inner.len >= len && memcmp(inner.at, word, len) == 0 && (inner.len == len || is_blank(inner.at[len]))) {
        inner.at += len;
        inner.len -= len;
        trim(&inner);
        if (!connection_name_is_good(feed, &inner))
            return false;
        section->kind = SECTION_CONNECTION;
        snprintf(section->label, sizeof section->label, "%s %.*s", word, (int)inner.len, inner.at);
        section->name = section->label + len + 1;
        return true;
    }
    config_error(feed->errors, feed->line, "unknown section [%s]: sections are [gateway], [connection NAME] and [acl]",
                 log_escape(shown, sizeof shown, inner.at, inner.len));
    return false;
}

static void section_index(struct feed *feed, struct config_section *section)
{
    struct config_section *other = NULL;
    HASH_FIND_STR(feed->source->by_label, section->label, other);
    if (other != NULL) {
        section->skip = true;
        config_error(feed->errors, feed->line, "section [%s] is there twice, first in line %u: merge the two",
                     section->label, other->line);
        return;
    }
    HASH_ADD_STR(feed->source->by_label, label, section);
    if (section->hh.tbl == NULL)
        feed->no_memory = true;
}

static void section_begin(struct feed *feed, struct line line)
{
    struct config_source *source = feed->source;
    feed->has_key = false;
    if (source->section_count == source->section_capacity) {
        config_error(feed->errors, feed->line, "more than %d sections: split the configuration over several gateways",
                     CONFIG_SECTIONS_MAX);
        feed->at = feed->end;
        return;
    }
    struct config_section *section = &source->sections[source->section_count++];
    section->line = feed->line;
    section->first = section->end = source->entry_count;
    feed->section = section;
    if (line.at[line.len - 1] != ']') {
        config_error(feed->errors, feed->line,
                     "a section line ends with ']': write [gateway], [connection NAME] or "
                     "[acl]");
        section->skip = true;
        return;
    }
    line.at++;
    line.len -= 2;
    trim(&line);
    if (section_identify(feed, line, section))
        section_index(feed, section);
    else
        section->skip = true;
}

/* "word =" at the start of an indented line is a key, not the rest of the value above. */
static bool looks_like_key(const struct line *line)
{
    size_t i = 0;
    while (i < line->len && is_name(line->at[i]))
        i++;
    size_t name = i;
    while (i < line->len && is_blank(line->at[i]))
        i++;
    return name > 0 && i < line->len && line->at[i] == '=';
}

/* Decides what a line is; true when inih shall see it. */
static bool line_admit(struct feed *feed, const struct line *line, size_t room)
{
    bool is_key = !line->indented || looks_like_key(line);
    if (!is_key && !feed->has_key) {
        if (feed->section == NULL || feed->section->end == feed->section->first)
            config_error(feed->errors, feed->line,
                         "an indented line continues a value, but there is none above it: "
                         "write key = value");
        return false;
    }
    feed->has_key = false;
    if (is_key && memchr(line->at, '=', line->len) == NULL && memchr(line->at, ':', line->len) == NULL)
        config_error(feed->errors, feed->line,
                     "neither a [section] nor key = value: indent the line when it continues "
                     "the one above, or start it with ';' when it is a comment");
    else if (is_key && (line->at[0] == '=' || line->at[0] == ':'))
        config_error(feed->errors, feed->line, "no key before '%c': write key = value", line->at[0]);
    else if (feed->section == NULL)
        config_error(feed->errors, feed->line,
                     "a key before the first section: write [gateway], [connection NAME] or "
                     "[acl] above it");
    else if (line->len + 3 > room)
        config_error(feed->errors, feed->line,
                     "the line is too long (%zu bytes, at most %zu): continue the value on the next line, indented",
                     line->len, room - 3);
    else
        feed->has_key = true;
    feed->continuation = !is_key;
    return feed->has_key;
}

/* What inih sees in place of the line that was read; at least 8 bytes of room. */
static void line_present(struct feed *feed, struct line line, char *out, size_t room)
{
    memcpy(out, "\n", 2);
    if (!only_text(feed, &line)) {
        feed->has_key = false;
        return;
    }
    strip_comment(&line);
    trim(&line);
    if (line.len == 0)
        return;
    if (line.at[0] == '[') {
        section_begin(feed, line);
        memcpy(out, "[s]\n", 5); /* inih forgets the key above, so that nothing continues it */
        return;
    }
    if (!line_admit(feed, &line, room))
        return;
    snprintf(out, room, "%s%.*s\n", feed->continuation ? " " : "", (int)line.len, line.at);
    feed->awaiting = true;
}

/* The reader of inih, in the manner of fgets. */
static char *feed_next(char *out, int room, void *arg)
{
    struct feed *feed = arg;
    struct line line;
    wipe(out, (size_t)room); /* the line before may have held a psk */
    if (feed->awaiting) {
        config_error(feed->errors, feed->line, "the line is not understood: write key = value");
        feed->awaiting = false;
    }
    if (room < 8 || feed->no_memory || !take_line(feed, &line))
        return NULL;
    line_present(feed, line, out, (size_t)room);
    return out;
}

/* The text never outgrows the file: an entry needs its line, less the separator, plus two terminators. */
static char *text_add(struct config_source *source, const char *text)
{
    size_t len = strlen(text) + 1;
    if (len > source->text_capacity - source->text_len)
        return NULL;
    char *at = source->text + source->text_len;
    memcpy(at, text, len);
    source->text_len += len;
    return at;
}

static bool entry_add(struct feed *feed, const char *key, const char *value)
{
    struct config_source *source = feed->source;
    if (source->entry_count == source->entry_capacity) {
        size_t capacity = source->entry_capacity > 0 ? source->entry_capacity * 2 : 64;
        struct config_entry *grown = reallocarray(source->entries, capacity, sizeof *grown);
        if (grown == NULL)
            return false;
        source->entries = grown;
        source->entry_capacity = capacity;
    }
    struct config_entry entry = {.line = feed->line, .key = text_add(source, key), .value = text_add(source, value)};
    if (entry.key == NULL || entry.value == NULL)
        return false;
    source->entries[source->entry_count++] = entry;
    feed->section->end = source->entry_count;
    return true;
}

/* The value of the last entry stands at the end of the text. */
static bool entry_continue(struct feed *feed, const char *value)
{
    struct config_source *source = feed->source;
    struct config_entry *last = &source->entries[source->entry_count - 1];
    source->text_len--;
    if (last->value[0] != '\0')
        source->text[source->text_len++] = ' ';
    last->continued = true;
    return text_add(source, value) != NULL;
}

static int feed_take(void *arg, const char *section, const char *key, const char *value)
{
    struct feed *feed = arg;
    (void)section;
    feed->awaiting = false;
    if (!(feed->continuation ? entry_continue(feed, value) : entry_add(feed, key, value)))
        feed->no_memory = true;
    return 1;
}

static size_t count_sections(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len && count < CONFIG_SECTIONS_MAX; i++)
        count += text.data[i] == '[';
    return count;
}

enum status config_source_read(struct bytes text, struct config_source *out, struct config_errors *errors)
{
    *out = (struct config_source){.section_capacity = count_sections(text), .text_capacity = text.len + 16};
    out->sections = calloc(out->section_capacity + 1, sizeof *out->sections);
    out->text = malloc(out->text_capacity);
    if (out->sections == NULL || out->text == NULL)
        return ERR_MEMORY;
    const char *at = text.len > 0 ? (const char *)text.data : "";
    struct feed feed = {.at = at, .end = at + text.len, .source = out, .errors = errors};
    if (text.len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        feed.at += 3;
    /* Its verdict is about lines that feed_next has judged already. */
    if (ini_parse_stream(feed_next, &feed, feed_take, &feed) == -2)
        return ERR_MEMORY;
    return feed.no_memory ? ERR_MEMORY : OK;
}

void config_source_free(struct config_source *source)
{
    HASH_CLEAR(hh, source->by_label);
    if (source->text != NULL)
        wipe(source->text, source->text_capacity);
    free(source->text);
    free(source->sections);
    free(source->entries);
    *source = (struct config_source){0};
}

const struct config_section *config_source_find(const struct config_source *source, const char *label)
{
    struct config_section *section = NULL;
    HASH_FIND_STR(source->by_label, label, section);
    return section;
}

const struct config_entry *config_source_entry(const struct config_source *source, const struct config_section *section,
                                               const char *key)
{
    for (size_t i = section->first; i < section->end; i++)
        if (strcmp(source->entries[i].key, key) == 0)
            return &source->entries[i];
    return NULL;
}
