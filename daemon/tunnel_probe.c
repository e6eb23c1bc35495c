/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tunnel_probe.h"

static uint64_t least_wait(const struct probe_terms *terms)
{
    uint64_t tries = 2 * terms->interval_ms * terms->failures; /* a new tunnel gets the time to show that it works */
    return tries > PROBE_RESTART_MIN_MS ? tries : PROBE_RESTART_MIN_MS;
}

static bool may_restart(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now_ms)
{
    uint64_t least = least_wait(terms), most = least > PROBE_RESTART_MAX_MS ? least : PROBE_RESTART_MAX_MS;
    if (!terms->restart || p->lost_here < terms->failures || now_ms < p->restart_not_before_ms)
        return false;
    p->restart_wait_ms = p->restart_wait_ms == 0 ? least : p->restart_wait_ms * 2;
    if (p->restart_wait_ms > most)
        p->restart_wait_ms = most;
    p->restart_not_before_ms = now_ms + p->restart_wait_ms;
    p->lost_here = 0;
    return true;
}

enum probe_news tunnel_probe_judge(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now_ms,
                                   bool *restart)
{
    enum probe_news news = PROBE_NO_NEWS;
    *restart = false;
    if (!p->waits)
        return news;
    p->waits = false;
    p->lost++;
    p->lost_here++;
    if (p->lost_here >= terms->failures && p->state != PROBE_DOWN) {
        p->state = PROBE_DOWN;
        news = PROBE_WENT_DOWN;
    }
    *restart = may_restart(p, terms, now_ms);
    return news;
}

void tunnel_probe_sent(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t nonce, uint64_t now_ms,
                       uint64_t now_us)
{
    p->waits = true;
    p->nonce = nonce;
    p->sent_us = now_us;
    p->sent++;
    p->due_ms = now_ms + terms->interval_ms;
}

void tunnel_probe_skipped(struct tunnel_probe *p, const struct probe_terms *terms, uint64_t now_ms)
{
    p->waits = false;
    p->due_ms = now_ms + terms->interval_ms;
    if (p->state == PROBE_UP)
        p->state = PROBE_UNKNOWN;
}

enum probe_news tunnel_probe_answered(struct tunnel_probe *p, uint16_t sequence, uint64_t nonce, uint64_t now_ms,
                                      uint64_t now_us)
{
    if (!p->waits || sequence != p->sequence || nonce != p->nonce)
        return PROBE_NO_NEWS;
    bool news = p->state != PROBE_UP;
    p->waits = false;
    p->state = PROBE_UP;
    p->answered++;
    p->answered_ms = now_ms;
    p->rtt_us = now_us > p->sent_us ? now_us - p->sent_us : 0;
    p->lost = p->lost_here = 0;
    p->restart_wait_ms = p->restart_not_before_ms = 0;
    return news ? PROBE_WENT_UP : PROBE_NO_NEWS;
}

void tunnel_probe_tunnel_up(struct tunnel_probe *p, uint64_t now_ms)
{
    p->waits = false;
    p->lost_here = 0;
    p->due_ms = now_ms;
}

const char *probe_state_name(enum probe_state state)
{
    static const char *const names[] = {[PROBE_UNKNOWN] = "unknown", [PROBE_UP] = "up", [PROBE_DOWN] = "down"};
    return names[state];
}
