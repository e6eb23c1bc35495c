/* SPDX-License-Identifier: Apache-2.0 */
/* Which payloads may stand in which message, how often, and which one comes first. A message is checked here before any
 * state sees it. */
#ifndef IKE_RULES_H
#define IKE_RULES_H

#include "ike/payload.h"

enum message_kind {
    MESSAGE_MAIN_SA,                 /* main mode 1 and 2, clear */
    MESSAGE_MAIN_KE,                 /* 3 and 4, clear */
    MESSAGE_MAIN_AUTH,               /* 5 and 6, encrypted */
    MESSAGE_MAIN_SIGNED,             /* the same with a signature instead of a hash */
    MESSAGE_AGGRESSIVE_SA,           /* aggressive mode 1, clear */
    MESSAGE_AGGRESSIVE_REPLY,        /* 2, clear */
    MESSAGE_AGGRESSIVE_HASH,         /* 3, clear or encrypted */
    MESSAGE_AGGRESSIVE_REPLY_SIGNED, /* 2 with a signature instead of a hash */
    MESSAGE_AGGRESSIVE_SIGNED,       /* 3, likewise */
    MESSAGE_QUICK_SA,                /* quick mode 1 and 2, encrypted */
    MESSAGE_QUICK_HASH,              /* quick mode 3, encrypted */
    MESSAGE_CONFIG,                  /* transaction exchange, encrypted */
    MESSAGE_INFO,                    /* informational, encrypted */
    MESSAGE_INFO_CLEAR,              /* informational, clear: never more than a hint */
};

/* ERR_MALFORMED: a payload that has no place in this message (B5), one too few or too many, or the wrong one first. */
MUST_USE enum status rules_check(enum message_kind kind, const struct payloads *payloads);

#endif
