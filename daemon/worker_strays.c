/* SPDX-License-Identifier: Apache-2.0 */
/* What other workers hand over, because the SA is ours: one batch at a time, worked on where it lies in their ring. */
#include "daemon/worker_state.h"

/* A batch goes in one direction. */
static void finish(struct worker *w, bool inbound)
{
    if (inbound)
        worker_open_batch(w);
    else
        worker_seal_batch(w);
}

size_t worker_take_strays(struct worker *w, struct ring *ring, uint64_t now_ms)
{
    bool inbound = false;
    size_t count = 0;
    worker_set_time(w, now_ms);
    while (count < WORKER_BATCH) {
        struct stray *stray = stray_take(ring);
        if (stray == NULL)
            break;
        if (count++ > 0 && stray->inbound != inbound)
            finish(w, inbound);
        inbound = stray->inbound;
        if (inbound)
            worker_take_esp(w, &stray->datagram, &stray->packet);
        else if (stray->own)
            worker_take_own(w, &stray->packet);
        else
            worker_send_out(w, stray->rule, &stray->flow, &stray->packet, &stray->vnet);
    }
    if (count == 0)
        return 0;
    finish(w, inbound);
    worker_write_coalesced(w);
    ring_release(ring);
    worker_tell_notes(w);
    return count;
}
