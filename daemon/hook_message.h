/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway and its runner of hooks say to each other, one datagram each. Neither believes the other. */
#ifndef DAEMON_HOOK_MESSAGE_H
#define DAEMON_HOOK_MESSAGE_H

#include "daemon/hooks.h"

enum {
    HOOK_LINE_MAX = 240,                         /* bytes of output that make one line of the log */
    HOOK_MESSAGE_MAX = HOOK_ENVIRONMENT_MAX + 64 /* bytes */
};

/* To the runner. */
struct hook_order {
    uint8_t slot;
    uint16_t program; /* a number: it has the list */
    uint32_t timeout_ms;
    struct bytes environment; /* as hook_env.h makes it */
};

enum hook_news_kind {
    HOOK_NEWS_READY = 1, /* value: the user that it is */
    HOOK_NEWS_FAILED,    /* to start; text: why */
    HOOK_NEWS_LINE,      /* slot, text: as the hook wrote it */
    HOOK_NEWS_ENDED,     /* slot, how, value */
};

enum hook_end {
    HOOK_EXITED,    /* value: with this code */
    HOOK_SIGNALLED, /* value: by this signal */
    HOOK_TIMED_OUT, /* and was killed */
    HOOK_NOT_RUN,   /* value: errno */
    HOOK_ENDS
};

/* From the runner. */
struct hook_news {
    enum hook_news_kind kind;
    uint8_t slot;
    enum hook_end how;
    uint32_t value;
    uint32_t suppressed; /* of ENDED: lines that were too many */
    struct bytes text;   /* borrowed from the message */
};

void hook_order_write(struct writer *w, const struct hook_order *order);
MUST_USE enum status hook_order_read(struct bytes message, struct hook_order *out); /* ERR_MALFORMED */
void hook_news_write(struct writer *w, const struct hook_news *news);
MUST_USE enum status hook_news_read(struct bytes message, struct hook_news *out); /* ERR_MALFORMED */

#endif
