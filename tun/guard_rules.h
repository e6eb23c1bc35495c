/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off: the table below */
/*
 * The netfilter rules that keep protected traffic out of the clear: a pure function of the SPD and of the name of the
 * TUN. One table for each TUN, which replaces an earlier one of its name in the same transaction:
 *
 *   input    from outside to this host         -> inbound    but IKE, ESP, ICMP errors about them, IPv6's neighbours
 *   forward  from outside through this host    -> inbound    but on the way into the TUN, where the SPD decides
 *            and out of another interface      -> outbound
 *   output   from this host                    -> outbound   but our sockets (ROUTE_MARK), and IPv6's neighbours
 *
 * `outbound` and `inbound` go through the rules in the order of the SPD; packets that match a protect rule are counted
 * and dropped, those that match a bypass rule return. Discard rules are left out: they are for what reaches the TUN,
 * and here would cut off whoever administers the host. The hooks are behind destination NAT and before source NAT, so
 * that addresses are those that the SPD sees.
 *
 * An address in a bounded local side is ours, unless it is in a remote side that lies inside a local one (a hub): to
 * and from ours nothing is dropped, since with 10.1.0.0/24 -> 0.0.0.0/0 the LAN is in both ranges (see plan.h). Where
 * both sides of a rule are the same range, addresses do not tell which side they are on: then all of them are the
 * peer's, and a bypass rule above it names our own networks.
 *
 * A fragment that does not show what a rule asks for, ports or (IPv6) protocol, matches it: it may belong there.
 */
/* clang-format on */
#ifndef TUN_GUARD_RULES_H
#define TUN_GUARD_RULES_H

#include "policy/spd.h"
#include "tun/nft.h"

#define GUARD_TABLE     "esptun_" /* and the name of the TUN */
#define GUARD_IN_CLEAR  "in_clear"
#define GUARD_OUT_CLEAR "out_clear"

/* Into a batch for that table; a want of memory is remembered there. mark: of our own sockets. */
void guard_rules(struct nft_batch *b, const struct spd *spd, const char *device, uint32_t mark);

#endif
