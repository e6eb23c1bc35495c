/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/dn.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum der_tag {
    DER_OID = 0x06,
    DER_UTF8 = 0x0c,
    DER_PRINTABLE = 0x13,
    DER_IA5 = 0x16,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};

enum { OID_MAX = 10, VALUE_MAX = 512 };

struct attribute {
    const char *name;
    uint8_t tag; /* of the value that we write */
    uint8_t oid_len;
    uint8_t oid[OID_MAX];
};

/* X.520, RFC 4519, and PKCS#9's e-mail. The first name of an OID is the one that is printed. */
#define X520(number)                                                                                                   \
    3,                                                                                                                 \
    {                                                                                                                  \
        0x55, 0x04, number                                                                                             \
    }
static const struct attribute attributes[] = {
    {"CN", DER_UTF8, X520(3)},
    {"O", DER_UTF8, X520(10)},
    {"OU", DER_UTF8, X520(11)},
    {"C", DER_PRINTABLE, X520(6)},
    {"ST", DER_UTF8, X520(8)},
    {"S", DER_UTF8, X520(8)},
    {"L", DER_UTF8, X520(7)},
    {"serialNumber", DER_PRINTABLE, X520(5)},
    {"emailAddress", DER_IA5, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01}},
    {"E", DER_IA5, 9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01}},
    {"DC", DER_IA5, 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19}},
    {"UID", DER_UTF8, 10, {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01}},
    {"SN", DER_UTF8, X520(4)},
    {"GN", DER_UTF8, X520(42)},
    {"title", DER_UTF8, X520(12)},
    {"street", DER_UTF8, X520(9)},
    {"postalCode", DER_UTF8, X520(17)},
    {"name", DER_UTF8, X520(41)},
    {"initials", DER_UTF8, X520(43)},
    {"generationQualifier", DER_UTF8, X520(44)},
    {"dnQualifier", DER_PRINTABLE, X520(46)},
    {"pseudonym", DER_UTF8, X520(65)},
};

/* --- DER, both ways --- */

/* Only the minimal form (X.690 10.1). */
static size_t take_len(struct reader *r)
{
    size_t form = read_u8(r);
    if (form < 0x80)
        return form;
    size_t len = form == 0x81 ? read_u8(r) : form == 0x82 ? read_u16(r) : 0;
    return len >= (form == 0x81 ? 0x80u : 0x100u) ? len : SIZE_MAX;
}

/* The contents of the next element, or a failed reader. */
static struct reader take(struct reader *r, uint8_t *tag)
{
    *tag = read_u8(r);
    return read_sub(r, take_len(r));
}

static struct reader take_only(struct reader *r, uint8_t wanted)
{
    uint8_t tag;
    struct reader inner = take(r, &tag);
    if (tag != wanted)
        inner.failed = true;
    return inner;
}

/* Writes content that was written from `at` on as an element: moves it behind its tag and length. */
static void close_element(struct writer *w, size_t at, uint8_t tag)
{
    size_t len = w->len - at;
    size_t head = len < 0x80 ? 2 : len < 0x100 ? 3 : 4;
    if (write_space(w, head) == NULL)
        return;
    uint8_t *p = w->data + at;
    memmove(p + head, p, len);
    p[0] = tag;
    p[1] = (uint8_t)(head == 2 ? len : 0x80 + head - 2);
    if (head == 3)
        p[2] = (uint8_t)len;
    else if (head == 4)
        store_u16(p + 2, (uint16_t)len);
}

/* --- text to DER --- */

static const struct attribute *attribute_of_name(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (strlen(attributes[i].name) == len && strncasecmp(attributes[i].name, name, len) == 0)
            return &attributes[i];
    return NULL;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)((at - digits) % 16) : -1;
}

/* A value up to ',' or '+'; returns what follows it, NULL when it is malformed. */
static const char *take_value(const char *at, uint8_t value[VALUE_MAX], size_t *len)
{
    size_t used = 0, solid = 0; /* solid: without blanks at the end */
    while (*at != '\0' && *at != ',' && *at != '+') {
        uint8_t byte = (uint8_t)*at++;
        bool escaped = byte == '\\';
        if (escaped) {
            int high = hex_digit(at[0]), low = high >= 0 ? hex_digit(at[1]) : -1;
            if (*at == '\0')
                return NULL;
            byte = (uint8_t)(low >= 0 ? high << 4 | low : *at);
            at += low >= 0 ? 2 : 1;
        }
        if (used == VALUE_MAX || byte == '\0')
            return NULL;
        value[used++] = byte;
        if (escaped || byte != ' ')
            solid = used;
    }
    *len = solid;
    return at;
}

static bool value_fits(const struct attribute *a, const uint8_t *value, size_t len)
{
    static const char printable[] = " '()+,-./:=?";
    if (len == 0 || (strcmp(a->name, "C") == 0 && len != 2))
        return false;
    for (size_t i = 0; i < len && a->tag != DER_UTF8; i++) {
        uint8_t c = value[i], letter = (uint8_t)(c | 0x20);
        bool plain = (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9');
        if (c >= 0x80 || (a->tag == DER_PRINTABLE && !plain && strchr(printable, c) == NULL))
            return false;
    }
    return true;
}

/* "CN=gw" as SEQUENCE of OID and value; returns what follows. */
static const char *write_attribute(struct writer *w, const char *at)
{
    uint8_t value[VALUE_MAX];
    size_t len = 0, name_len;
    at += strspn(at, " ");
    name_len = strcspn(at, " =,+");
    const struct attribute *a = attribute_of_name(at, name_len);
    at += name_len + strspn(at + name_len, " ");
    if (a == NULL || *at != '=')
        return NULL;
    at++;
    at += strspn(at, " ");
    at = take_value(at, value, &len);
    if (at == NULL || !value_fits(a, value, len))
        return NULL;
    size_t start = w->len;
    write_u8(w, DER_OID);
    write_u8(w, a->oid_len);
    write_bytes(w, a->oid, a->oid_len);
    size_t value_at = w->len;
    write_bytes(w, value, len);
    close_element(w, value_at, a->tag);
    close_element(w, start, DER_SEQUENCE);
    return at;
}

enum status dn_parse(const char *text, struct writer *w)
{
    size_t start = w->len;
    for (unsigned n = 0; n < DN_RDNS_MAX; n++) {
        size_t set_at = w->len;
        text = write_attribute(w, text);
        while (text != NULL && *text == '+')
            text = write_attribute(w, text + 1);
        if (text == NULL)
            return ERR_MALFORMED;
        close_element(w, set_at, DER_SET);
        if (*text == '\0') {
            close_element(w, start, DER_SEQUENCE);
            return writer_finish(w);
        }
        text++; /* the comma */
    }
    return ERR_MALFORMED;
}

/* --- reading --- */

/* Walks the attributes of a name: *rdn counts the SETs begun. */
struct walk {
    struct reader names, set;
    unsigned rdns;
    bool failed;
};

struct pair {
    struct bytes oid, value;
    uint8_t tag;
    unsigned rdn;
};

static struct walk walk_begin(struct bytes der)
{
    struct reader r = reader_of_bytes(der);
    struct walk w = {.names = take_only(&r, DER_SEQUENCE)};
    w.failed = w.names.failed || r.failed || r.left > 0;
    return w;
}

/* False at the end, and after a failure. */
static bool walk_next(struct walk *w, struct pair *out)
{
    if (w->failed || (w->set.left == 0 && w->names.left == 0))
        return false;
    if (w->set.left == 0) {
        w->set = take_only(&w->names, DER_SET);
        w->failed = w->names.failed || w->set.failed || w->set.left == 0 || ++w->rdns > DN_RDNS_MAX;
        if (w->failed)
            return false;
    }
    struct reader both = take_only(&w->set, DER_SEQUENCE);
    struct reader oid = take_only(&both, DER_OID);
    struct reader value = take(&both, &out->tag);
    w->failed = w->set.failed || both.failed || both.left > 0 || oid.failed || oid.left == 0 || value.failed;
    out->oid = read_rest(&oid);
    out->value = read_rest(&value);
    out->rdn = w->rdns;
    return !w->failed;
}

bool dn_is_sound(struct bytes der)
{
    struct walk w = walk_begin(der);
    struct pair pair;
    while (walk_next(&w, &pair))
        ;
    return !w.failed;
}

/* --- comparing --- */

static bool is_text(uint8_t tag)
{
    return tag == DER_UTF8 || tag == DER_PRINTABLE || tag == DER_IA5;
}

/* The next character of a string as it counts: blanks in a row are one, those at the ends none; ASCII letters are
 * small. -1: the end. */
static int next_letter(struct bytes *s, bool *begun)
{
    size_t blanks = 0;
    while (blanks < s->len && s->data[blanks] == ' ')
        blanks++;
    if (blanks == s->len)
        return -1;
    if (blanks > 0 && *begun) {
        *s = bytes_of(s->data + blanks, s->len - blanks);
        return ' ';
    }
    uint8_t c = s->data[blanks];
    *s = bytes_of(s->data + blanks + 1, s->len - blanks - 1);
    *begun = true;
    return c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c;
}

static bool value_equal(const struct pair *a, const struct pair *b)
{
    if (!is_text(a->tag) || !is_text(b->tag))
        return a->tag == b->tag && a->value.len == b->value.len &&
               (a->value.len == 0 || memcmp(a->value.data, b->value.data, a->value.len) == 0);
    struct bytes s = a->value, t = b->value;
    bool s_begun = false, t_begun = false;
    for (;;) {
        int c = next_letter(&s, &s_begun), d = next_letter(&t, &t_begun);
        if (c != d)
            return false;
        if (c < 0)
            return true;
    }
}

bool dn_equal(struct bytes a, struct bytes b)
{
    struct walk v = walk_begin(a), w = walk_begin(b);
    struct pair p = {0}, q = {0};
    for (;;) {
        bool more_v = walk_next(&v, &p), more_w = walk_next(&w, &q);
        if (more_v != more_w || v.failed || w.failed)
            return false;
        if (!more_v)
            return true;
        if (p.rdn != q.rdn || p.oid.len != q.oid.len || memcmp(p.oid.data, q.oid.data, p.oid.len) != 0 ||
            !value_equal(&p, &q))
            return false;
    }
}

struct fold {
    uint8_t *out;
    size_t capacity, used;
};

static void fold_byte(struct fold *f, uint8_t byte)
{
    if (f->used < f->capacity)
        f->out[f->used++] = byte;
}

/* What value_equal compares; of a value that is no text its bytes. */
static void fold_value(struct fold *f, const struct pair *pair)
{
    struct bytes s = pair->value;
    bool begun = false;
    if (is_text(pair->tag))
        for (int c; (c = next_letter(&s, &begun)) >= 0;)
            fold_byte(f, (uint8_t)c);
    else
        for (size_t i = 0; i < s.len; i++)
            fold_byte(f, s.data[i]);
}

size_t dn_fold(struct bytes der, uint8_t *out, size_t capacity)
{
    struct fold f = {out, capacity, 0};
    struct walk w = walk_begin(der);
    struct pair pair = {0};
    while (walk_next(&w, &pair)) {
        fold_value(&f, &pair);
        fold_byte(&f, 0); /* where one ends counts too */
    }
    return f.used;
}

/* --- printing --- */

struct text {
    char *out;
    size_t capacity, used;
    bool cut;
};

static void put(struct text *t, const char *piece)
{
    size_t len = strlen(piece);
    if (t->cut || t->used + len + 1 > t->capacity) {
        t->cut = true;
        return;
    }
    memcpy(t->out + t->used, piece, len + 1);
    t->used += len;
}

static void put_oid(struct text *t, struct bytes oid)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (attributes[i].oid_len == oid.len && memcmp(attributes[i].oid, oid.data, oid.len) == 0) {
            put(t, attributes[i].name);
            return;
        }
    char piece[24];
    uint64_t arc = 0;
    bool first = true;
    for (size_t i = 0; i < oid.len; i++) {
        arc = arc << 7 | (oid.data[i] & 0x7f);
        if (oid.data[i] & 0x80)
            continue;
        unsigned top = arc < 80 ? (unsigned)(arc / 40) : 2;
        if (first)
            snprintf(piece, sizeof piece, "%u.%llu", top, (unsigned long long)(arc - (uint64_t)top * 40));
        else
            snprintf(piece, sizeof piece, ".%llu", (unsigned long long)arc);
        put(t, piece);
        arc = 0;
        first = false;
    }
}

static void put_value(struct text *t, struct bytes value)
{
    static const char special[] = ",+\"\\<>;=#";
    char piece[4];
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        bool edge = c == ' ' && (i == 0 || i + 1 == value.len);
        bool plain = c >= 0x20 && c < 0x7f && strchr(special, c) == NULL && !edge;
        snprintf(piece, sizeof piece, plain ? "%c" : "\\%02x", c);
        put(t, piece);
    }
}

static const char *finish(struct text *t)
{
    static const char dots[] = "...";
    if (t->cut && t->capacity >= sizeof dots) {
        size_t room = t->capacity - sizeof dots;
        memcpy(t->out + (t->used < room ? t->used : room), dots, sizeof dots);
    }
    return t->out;
}

const char *dn_print(struct bytes der, char *out, size_t capacity)
{
    struct text t = {.out = out, .capacity = capacity};
    struct walk w = walk_begin(der);
    struct pair pair;
    unsigned rdn = 0;
    out[0] = '\0';
    while (walk_next(&w, &pair)) {
        put(&t, rdn == 0 ? "" : pair.rdn == rdn ? "+" : ", ");
        rdn = pair.rdn;
        put_oid(&t, pair.oid);
        put(&t, "=");
        put_value(&t, pair.value);
    }
    if (!w.failed)
        return finish(&t);
    t = (struct text){.out = out, .capacity = capacity};
    out[0] = '\0';
    put(&t, "dn:");
    put_value(&t, der);
    return finish(&t);
}
