/* SPDX-License-Identifier: Apache-2.0 */
/* One configured peer, complete and validated: what the [connection NAME] section becomes. */
#ifndef POLICY_CONNECTION_H
#define POLICY_CONNECTION_H

#include "crypto/secret.h"
#include "policy/access.h"
#include "policy/credentials.h"
#include "policy/identity.h"
#include "policy/proposal.h"
#include "policy/tunnel.h"

enum { CONNECTION_NAME_MAX = 63 };

enum ike_mode { MODE_MAIN, MODE_AGGRESSIVE };
enum auth_choice { AUTH_PSK, AUTH_PUBKEY };
enum encap_choice { ENCAP_YES, ENCAP_AUTO, ENCAP_NO };
enum start_action { START_TRAP, START_START, START_NONE };
enum dpd_action { DPD_RESTART, DPD_TRAP, DPD_CLEAR };
enum probe_action { PROBE_ACTION_NONE, PROBE_ACTION_RESTART };

struct connection {
    char name[CONNECTION_NAME_MAX + 1];
    const char *profile; /* that gave defaults, for people; NULL: none */
    uint8_t ike_version; /* 1 */
    enum ike_mode mode;
    struct address local, remote;        /* family 0: %any, or remote_name */
    char *remote_name;                   /* owned; then `remote` is not known here. NULL: it is an address, or %any */
    struct identity local_id, remote_id; /* ID_NONE: the address of that end */
    enum auth_choice auth;
    struct secret psk;               /* owned; AUTH_PSK */
    struct credentials *credentials; /* owned; AUTH_PUBKEY, else NULL */
    struct access *access;           /* XAUTH and mode-config; owned; NULL: none */
    struct proposal_list ike, esp;
    uint32_t allow;                      /* enum legacy mask */
    uint64_t ike_lifetime_s, lifetime_s; /* seconds, hard limits */
    uint64_t ike_lifetime_bytes;         /* of phase 1: IKE messages; 0: none */
    uint64_t lifetime_bytes;             /* 0: none */
    uint64_t lifetime_packets;           /* 0: none */
    uint32_t replay_window;              /* packets */
    uint64_t dpd_delay_s;                /* 0: off */
    enum dpd_action dpd_action;
    enum encap_choice encap;
    bool fragmentation; /* of IKE messages */
    enum start_action start;
    bool required;   /* readiness of the gateway depends on it */
    char *up, *down; /* programs that are told when a tunnel comes and goes; owned; NULL: none */
    uint64_t hook_timeout_s;
    struct address probe,
        probe_source; /* echo requests through the tunnel; family 0: none, and an address of this host */
    uint64_t probe_interval_s;
    uint32_t probe_failures; /* unanswered in a row: down */
    enum probe_action probe_action;
    struct tunnel tunnel;
};

/* remote = %any: we do not know where the peer is, and cannot call it. */
static inline bool connection_is_any(const struct connection *c)
{
    return c->remote.family == 0 && c->remote_name == NULL;
}

/* As written: those with an address first, then those with a name. 0: the same peer, as far as that tells. */
int connection_compare_remote(const struct connection *a, const struct connection *b);

/* "192.0.2.1", "gw.example.org", "%any": borrowed, or out. */
const char *connection_print_remote(const struct connection *c, char out[ADDRESS_TEXT]);

/* Wipes the secrets; the struct itself belongs to the caller. */
void connection_clear(struct connection *c);

#endif
