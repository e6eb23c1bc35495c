/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/rules.h"

struct rule_row {
    enum message_kind kind;
    uint8_t type;
    uint8_t min, max;
    bool first; /* must be the first payload of the message */
};

/* RFC 2409 5.1 to 5.7. What is not in the table has no place, except private-use types, which are ignored. */
/* clang-format off */
static const struct rule_row rows[] = {
    /* kind              type             min max           first */
    {MESSAGE_MAIN_SA,    PAYLOAD_SA,      1,  1,            true},
    {MESSAGE_MAIN_SA,    PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_MAIN_KE,    PAYLOAD_KE,      1,  1,            false},
    {MESSAGE_MAIN_KE,    PAYLOAD_NONCE,   1,  1,            false},
    {MESSAGE_MAIN_KE,    PAYLOAD_NATD,    0,  8,            false},
    {MESSAGE_MAIN_KE,    PAYLOAD_CERTREQ, 0,  8,            false},
    {MESSAGE_MAIN_KE,    PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_MAIN_AUTH,  PAYLOAD_ID,      1,  1,            true},
    {MESSAGE_MAIN_AUTH,  PAYLOAD_HASH,    1,  1,            false},
    {MESSAGE_MAIN_AUTH,  PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_MAIN_AUTH,  PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_MAIN_SIGNED, PAYLOAD_ID,     1,  1,            true},
    {MESSAGE_MAIN_SIGNED, PAYLOAD_SIG,    1,  1,            false},
    {MESSAGE_MAIN_SIGNED, PAYLOAD_CERT,   0,  PAYLOADS_MAX, false},
    {MESSAGE_MAIN_SIGNED, PAYLOAD_CERTREQ, 0, 8,            false},
    {MESSAGE_MAIN_SIGNED, PAYLOAD_NOTIFY, 0,  4,            false},
    {MESSAGE_MAIN_SIGNED, PAYLOAD_VENDOR, 0,  PAYLOADS_MAX, false},

    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_SA,       1,  1,            true},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_KE,       1,  1,            false},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_NONCE,    1,  1,            false},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_ID,       1,  1,            false},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_CERTREQ,  0,  8,            false},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_NOTIFY,   0,  4,            false},
    {MESSAGE_AGGRESSIVE_SA, PAYLOAD_VENDOR,   0,  PAYLOADS_MAX, false},

    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_SA,      1,  1,            true},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_KE,      1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_NONCE,   1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_ID,      1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_HASH,    1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_NATD,    0,  8,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_CERTREQ, 0,  8,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_AGGRESSIVE_REPLY, PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_AGGRESSIVE_HASH, PAYLOAD_HASH,   1,  1,            false},
    {MESSAGE_AGGRESSIVE_HASH, PAYLOAD_NATD,   0,  8,            false},
    {MESSAGE_AGGRESSIVE_HASH, PAYLOAD_NOTIFY, 0,  4,            false},
    {MESSAGE_AGGRESSIVE_HASH, PAYLOAD_VENDOR, 0,  PAYLOADS_MAX, false},

    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_SA,      1,  1,            true},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_KE,      1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_NONCE,   1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_ID,      1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_SIG,     1,  1,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_CERT,    0,  PAYLOADS_MAX, false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_CERTREQ, 0,  8,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_NATD,    0,  8,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_AGGRESSIVE_REPLY_SIGNED, PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_SIG,     1,  1,            false},
    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_CERT,    0,  PAYLOADS_MAX, false},
    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_CERTREQ, 0,  8,            false},
    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_NATD,    0,  8,            false},
    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_AGGRESSIVE_SIGNED, PAYLOAD_VENDOR,  0,  PAYLOADS_MAX, false},

    {MESSAGE_QUICK_SA,   PAYLOAD_HASH,    1,  1,            true},
    {MESSAGE_QUICK_SA,   PAYLOAD_SA,      1,  1,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_NONCE,   1,  1,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_KE,      0,  1,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_ID,      0,  2,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_NATOA,   0,  2,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_QUICK_SA,   PAYLOAD_VENDOR,  0,  8,            false},

    {MESSAGE_QUICK_HASH, PAYLOAD_HASH,    1,  1,            true},
    {MESSAGE_QUICK_HASH, PAYLOAD_NOTIFY,  0,  4,            false},

    {MESSAGE_INFO,       PAYLOAD_HASH,    1,  1,            true},
    {MESSAGE_INFO,       PAYLOAD_NOTIFY,  0,  8,            false},
    {MESSAGE_INFO,       PAYLOAD_DELETE,  0,  8,            false},
    {MESSAGE_INFO,       PAYLOAD_VENDOR,  0,  8,            false},

    {MESSAGE_CONFIG,     PAYLOAD_HASH,    1,  1,            true},
    {MESSAGE_CONFIG,     PAYLOAD_ATTR,    1,  1,            false},
    {MESSAGE_CONFIG,     PAYLOAD_NOTIFY,  0,  4,            false},
    {MESSAGE_CONFIG,     PAYLOAD_VENDOR,  0,  8,            false},

    {MESSAGE_INFO_CLEAR, PAYLOAD_NOTIFY,  1,  8,            false},
    {MESSAGE_INFO_CLEAR, PAYLOAD_VENDOR,  0,  8,            false},
};
/* clang-format on */

static const struct rule_row *row_of(enum message_kind kind, uint8_t type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].kind == kind && rows[i].type == type)
            return &rows[i];
    return NULL;
}

enum status rules_check(enum message_kind kind, const struct payloads *payloads)
{
    for (size_t i = 0; i < payloads->count; i++)
        if (payloads->items[i].type < PAYLOAD_PRIVATE && row_of(kind, payloads->items[i].type) == NULL)
            return ERR_MALFORMED;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].kind != kind)
            continue;
        size_t n = payload_count(payloads, rows[i].type);
        if (n < rows[i].min || n > rows[i].max)
            return ERR_MALFORMED;
        if (rows[i].first && payloads->items[0].type != rows[i].type)
            return ERR_MALFORMED;
    }
    /* RFC 2409 5.5: the identities of quick mode come as a pair or not at all. */
    if (kind == MESSAGE_QUICK_SA && payload_count(payloads, PAYLOAD_ID) == 1)
        return ERR_MALFORMED;
    return OK;
}
