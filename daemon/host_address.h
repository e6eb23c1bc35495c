/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_HOST_ADDRESS_H
#define DAEMON_HOST_ADDRESS_H

#include "policy/spd.h"

/*
 * An address of this host from which an echo request to `to` meets a protect rule of the connection. family 0: none.
 * *known (may be NULL): the host has told its addresses.
 */
struct address host_address_for(const struct spd *spd, uint32_t connection, const struct address *to, bool *known);

/* For people, when there is none; takes the text of `to`. */
#define HOST_ADDRESS_MISSING                                                                                           \
    "no address of this host is in the local network of the rule that leads to %s, so that it is not probed: write "   \
    "probe_source = ADDRESS, one of that network"

/* The protect rule of the connection that an echo request meets, or SPD_RULE_NONE. */
int host_address_rule(const struct spd *spd, uint32_t connection, const struct address *from, const struct address *to);

#endif
