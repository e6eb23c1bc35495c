/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers there are, and whose an SA is: pure functions of the configuration. */
#ifndef DAEMON_WORKERS_H
#define DAEMON_WORKERS_H

#include <stddef.h>

#include "policy/connection.h"

/* Numbers the peers with a configured address, in the order in which their connections stand: ranks[i] is the number of
 * connection i, alike for connections of one address; of those with any address it means nothing. Returns how many
 * there are. ranks: an entry for each connection. ERR_MEMORY */
MUST_USE enum status workers_rank(const struct connection *connections, size_t count, uint32_t *ranks, size_t *peers);

/* configured: 0 is auto, which makes not more than have work (an SA is of one worker, and a peer's SAs are of one), nor
 * more than there are processors. any: some connection is for any number of peers. At least 1, at most SHARDS_MAX. */
size_t workers_wanted(size_t configured, size_t peers, bool any, size_t processors);

/* The worker, of so many, that the SAs with this peer are of. A peer's packets come in by one port, and the kernel may
 * join them: so all its SAs are of one worker. rank: NULL where the connection is for any address. */
size_t workers_pick(const uint32_t *rank, const struct address *peer, size_t workers);

#endif
