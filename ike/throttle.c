/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/throttle.h"

bool throttle_take(struct throttle *t, const struct throttle_rate *rate, uint64_t digest, uint64_t now_ms)
{
    uint64_t *paid = &t->paid_until_ms[digest % THROTTLE_SLOTS];
    uint64_t from = *paid > now_ms ? *paid : now_ms;
    /* Each try is paid for one interval ahead, and `burst` intervals may be owed. */
    if (from - now_ms > (uint64_t)(rate->burst - 1) * rate->interval_ms)
        return false;
    *paid = from + rate->interval_ms;
    return true;
}

void throttle_forgive(struct throttle *t, uint64_t digest)
{
    t->paid_until_ms[digest % THROTTLE_SLOTS] = 0;
}

void throttle_give_back(struct throttle *t, const struct throttle_rate *rate, uint64_t digest)
{
    uint64_t *paid = &t->paid_until_ms[digest % THROTTLE_SLOTS];
    *paid -= *paid < rate->interval_ms ? *paid : rate->interval_ms;
}
