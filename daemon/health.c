/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/health.h"

#include <stdio.h>

void health_sample(struct health_flow *flow, uint64_t in, uint64_t out, uint64_t now_ms)
{
    bool heard = in > flow->in;
    uint64_t sent = out > flow->out ? out - flow->out : 0;
    flow->in = in;
    flow->out = out;
    flow->unanswered = heard ? 0 : flow->unanswered + sent;
    if (flow->unanswered == 0)
        flow->silent_from = 0;
    else if (flow->silent_from == 0)
        flow->silent_from = now_ms;
}

static bool is_silent(const struct health_flow *flow, uint64_t now_ms)
{
    return flow->unanswered >= HEALTH_UNANSWERED && now_ms - flow->silent_from >= HEALTH_SILENCE_MS;
}

bool health_judge(const struct health_view *view, uint64_t now_ms, char why[HEALTH_WHY])
{
    why[0] = '\0';
    if (view->rules == 0)
        (void)snprintf(why, HEALTH_WHY, "it has no protect rule");
    else if (view->rules_up < view->rules)
        (void)snprintf(why, HEALTH_WHY, "%zu of %zu rules have an SA", view->rules_up, view->rules);
    else if (view->probe == HEALTH_PROBE_HOMELESS)
        (void)snprintf(why, HEALTH_WHY, "no address of this host may send its probe: probe_source is missing");
    else if (view->probe == HEALTH_PROBE_WAITS)
        (void)snprintf(why, HEALTH_WHY, "the first answer to its probe has not come yet");
    else if (view->probe == HEALTH_PROBE_FAILS)
        (void)snprintf(why, HEALTH_WHY, "its probe is not answered, %u times in a row", view->probe_lost);
    else if (view->probe == HEALTH_NOT_PROBED && is_silent(view->flow, now_ms))
        (void)snprintf(why, HEALTH_WHY, "%llu packets left in the last %llu s, and none came back",
                       (unsigned long long)view->flow->unanswered,
                       (unsigned long long)((now_ms - view->flow->silent_from) / 1000));
    return why[0] == '\0';
}
