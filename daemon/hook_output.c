/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hook_output.h"

void hook_output_end(struct hook_output *o, uint64_t now_ms)
{
    uint32_t held_back;
    if (o->len == 0)
        return;
    if (log_rate_allow(&o->rate, now_ms, &held_back))
        o->say(o->arg, bytes_of(o->line, o->len));
    else
        o->suppressed++;
    o->len = 0;
}

void hook_output_add(struct hook_output *o, const void *data, size_t len, uint64_t now_ms)
{
    const char *at = data;
    for (size_t i = 0; i < len; i++) {
        if (at[i] != '\n')
            o->line[o->len++] = at[i];
        if (at[i] == '\n' || o->len == sizeof o->line)
            hook_output_end(o, now_ms);
    }
}
