/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A child: the pair of IPsec SAs that phase 2 made. The one noun that `ike` makes and `esp` uses; neither room knows
 * the other.
 */
#ifndef POLICY_CHILD_H
#define POLICY_CHILD_H

#include "crypto/secret.h"
#include "policy/address.h"
#include "policy/proposal.h"
#include "policy/selector.h"
#include "policy/tunnel.h"

struct child {
    uint64_t id;              /* unique in this process; how rooms name it to each other */
    const char *connection;   /* its name; borrowed, outlives the child */
    uint32_t rule;            /* index of the protect rule in the SPD */
    uint32_t spi_in, spi_out; /* host order; in: chosen by us, out: chosen by the peer */
    struct proposal suite;
    bool esn;
    bool udp;                        /* in UDP 4500 (RFC 3948), else protocol 50 */
    struct path path;                /* outer ends; ports only matter with udp */
    struct selector selector;        /* negotiated */
    struct secret key_in, key_out;   /* esp_keymat_len() bytes each; owned by whoever owns the child */
    uint32_t replay_window;          /* packets */
    uint64_t soft_bytes, hard_bytes; /* renew at, stop at; 0: none. Seconds are ike's own timers */
    uint64_t soft_packets, hard_packets;
    struct tunnel tunnel;
};

#endif
