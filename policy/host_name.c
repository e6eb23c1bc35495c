/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/host_name.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t undotted_len(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && text[len - 1] == '.' ? len - 1 : len;
}

/* What was meant as something else. */
static const char *refuse_other(const char *text, size_t len)
{
    if (strchr(text, ':') != NULL)
        return "it is no IPv6 address, and a name has no ':': write an address such as 2001:db8::1, or the name alone, "
               "without a port";
    if (strchr(text, '/') != NULL)
        return "write one address or name, without a prefix length";
    if (len > 0 && strspn(text, "0123456789.") == strlen(text))
        return "it is no IPv4 address: write four numbers from 0 to 255, such as 203.0.113.9, or a name";
    if (len == 3 && strncasecmp(text, "any", 3) == 0)
        return "write %any";
    return NULL;
}

static const char *refuse_label(const char *label, size_t len)
{
    if (len == 0)
        return "a part of the name is empty: write one dot between two parts";
    if (len > HOST_LABEL_MAX_LEN)
        return "a part of a name has 63 characters at most";
    for (size_t i = 0; i < len; i++)
        if (!is_digit(label[i]) && !is_letter(label[i]) && label[i] != '-')
            return "a name of a host has letters, digits, '-' and dots: write it so, and one in other scripts as its "
                   "xn-- form";
    if (label[0] == '-' || label[len - 1] == '-')
        return "no part of a name begins or ends with '-'";
    return NULL;
}

const char *host_name_refusal(const char *text)
{
    size_t len = undotted_len(text), last = 0;
    const char *why = refuse_other(text, len);
    if (why != NULL)
        return why;
    if (len == 0 || len > HOST_NAME_MAX_LEN)
        return len == 0 ? "write an address or a name" : "a name has 253 characters at most";
    for (size_t at = 0; at <= len; at = last + 1) {
        const char *end = memchr(text + at, '.', len - at);
        last = end != NULL ? (size_t)(end - text) : len;
        why = refuse_label(text + at, last - at);
        if (why != NULL)
            return why;
        /* RFC 1123 2.1: else it could be taken for an address. */
        if (last == len && strspn(text + at, "0123456789") >= len - at)
            return "the last part of a name is no number: write an address such as 203.0.113.9, or the whole name";
    }
    return NULL;
}

int host_name_compare(const char *a, const char *b)
{
    size_t len_a = undotted_len(a), len_b = undotted_len(b);
    int order = strncasecmp(a, b, len_a < len_b ? len_a : len_b);
    return order != 0 ? order : (len_a > len_b) - (len_a < len_b);
}

void host_name_fold(const char *name, char out[HOST_NAME_MAX_LEN + 2])
{
    size_t len = undotted_len(name), i = 0;
    memset(out, 0, HOST_NAME_MAX_LEN + 2);
    for (; i < len && i <= HOST_NAME_MAX_LEN; i++)
        out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
}

bool host_name_equal(const char *a, const char *b)
{
    return host_name_compare(a, b) == 0;
}
