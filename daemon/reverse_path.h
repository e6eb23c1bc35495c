/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer inside a protected range, as with protect = ... -> 0.0.0.0/0, is reached past our routes because our packets
 * carry a mark. Its answers carry none: a strict reverse-path check looks for the way back without the mark, finds the
 * TUN, and drops them. The setting is the host's, so this only says so.
 */
#ifndef DAEMON_REVERSE_PATH_H
#define DAEMON_REVERSE_PATH_H

#include "base/log.h"
#include "policy/spd.h"

/* True when some protect rule covers the address of its or another connection's peer. False without memory to tell. */
bool reverse_path_at_risk(const struct spd *spd, const struct connection *connections, size_t count);

/* One warning where that is so and the host checks strictly (rp_filter = 1). */
void reverse_path_warn(const struct spd *spd, const struct connection *connections, size_t count,
                       const struct log *log);

#endif
