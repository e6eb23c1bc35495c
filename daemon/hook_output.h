/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook writes, cut into lines of the log: short ones, and not too many. */
#ifndef DAEMON_HOOK_OUTPUT_H
#define DAEMON_HOOK_OUTPUT_H

#include "base/log.h"
#include "daemon/hook_message.h"

/* Zero-initialised is empty. */
struct hook_output {
    char line[HOOK_LINE_MAX];
    size_t len;
    struct log_rate rate;
    uint32_t suppressed; /* lines so far */
    void (*say)(void *arg, struct bytes line);
    void *arg;
};

/* Says every line that is complete, or as long as one may be; blank ones are left out. */
void hook_output_add(struct hook_output *o, const void *data, size_t len, uint64_t now_ms);
void hook_output_end(struct hook_output *o, uint64_t now_ms); /* what is left is a line */

#endif
