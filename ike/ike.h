/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front door of IKE: a pure state machine. Datagrams, interesting traffic, commands and time go in; datagrams,
 * children and events come out through struct ike_ops. No socket, clock, file or thread in here. Times are milliseconds
 * of a monotonic clock.
 *
 * Callbacks are called from inside the functions below and must not call back into the engine.
 */
#ifndef IKE_IKE_H
#define IKE_IKE_H

#include "base/deadline.h"
#include "base/log.h"
#include "base/wire.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "policy/child.h"
#include "policy/renumber.h"
#include "policy/spd.h"

enum { IKE_PORT = 500, IKE_NATT_PORT = 4500 };

struct ike;

enum ike_event_kind {
    IKE_EVENT_PHASE1_UP,
    IKE_EVENT_PHASE1_DOWN,   /* ended or replaced after it was up; why */
    IKE_EVENT_PHASE1_FAILED, /* never came up; why. Everything that waited for it has failed too */
    IKE_EVENT_CHILD_UP,      /* carries traffic both ways from now on */
    IKE_EVENT_CHILD_REKEYED, /* child_id: the new one; old_child_id: the one that it replaces */
    IKE_EVENT_CHILD_DOWN,    /* why */
    IKE_EVENT_CHILD_FAILED,  /* phase 2 for a rule did not come about; why */
};

/* A child that has come: what it covers, and between whom. Borrowed for the call. */
struct ike_ends {
    const struct child *child;  /* without keys */
    const struct identity *who; /* the peer's identity, or the user of XAUTH: one for all its renewals */
    const struct identity *local_id, *remote_id; /* of phase 1; NULL: it is gone already */
    const struct identity *user;                 /* XAUTH; NULL: none */
    const struct virtual_net *net;               /* the virtual address of this peer, or ours; NULL: none */
};

struct ike_event {
    enum ike_event_kind kind;
    uint32_t connection; /* index */
    uint32_t rule;       /* child events: index in the SPD */
    uint64_t child_id, old_child_id;
    uint32_t spi_in, spi_out;    /* of child_id, which may be gone already; 0: none */
    const char *why;             /* text for people, escaped, maybe several lines; "" when there is nothing to say */
    const struct ike_ends *ends; /* of CHILD_UP and CHILD_REKEYED; else NULL */
};

enum xauth_verdict { XAUTH_WRONG, XAUTH_RIGHT, XAUTH_LATER };

/* Where a peer is, and the address of ours that leads there (family 0: the system chooses). */
struct ike_remote {
    struct address local, remote;
};

enum { IKE_REMOTES_MAX = 16 }; /* addresses of one name */

struct ike_ops {
    void *arg;
    /* Which addresses has the name of this connection's remote now? ike_found tells, later. ERR_MEMORY, ERR_LIMIT: it
     * will not. Only called where a connection has a remote_name; NULL where none has. */
    MUST_USE enum status (*find_remote)(void *arg, uint32_t connection);
    /* One UDP datagram with an IKE message; when path->local.port is 4500 the sender adds the non-ESP marker. May be
     * lost: not an error. */
    void (*send)(void *arg, const struct path *path, struct bytes message);
    /* The one-byte NAT keepalive 0xff (RFC 3948 2.3), without a marker. */
    void (*send_keepalive)(void *arg, const struct path *path);
    /* A fresh inbound SPI for a child of the connection with this peer, or 0 on failure. */
    uint32_t (*new_spi)(void *arg, uint32_t connection, const struct address *peer);
    /* Install the pair: it opens at once, and seals after child_activate, which may be called again: of several
     * pairs of a rule, the one that was activated last seals. Must copy what it keeps: keys are wiped on
     * return. */
    MUST_USE enum status (*child_add)(void *arg, const struct child *child);
    void (*child_activate)(void *arg, uint64_t child_id);
    void (*child_remove)(void *arg, uint64_t child_id);
    /* The peer's outer address changed, authentically. */
    void (*child_move)(void *arg, uint64_t child_id, const struct path *path);
    /* When this child last opened a packet is the data plane's to know: how many packets it has opened so far
     * (dead-peer detection). */
    uint64_t (*child_packets_in)(void *arg, uint64_t child_id);
    void (*event)(void *arg, const struct ike_event *event);
    /* Seconds since 1970, to judge certificates by; 0: not known, and then none is valid. */
    int64_t (*unix_time)(void *arg);
    /* Is this the password of this user of the connection? At once, or XAUTH_LATER, and ike_xauth_answer with the
     * ticket. Both are borrowed for the call. Only called where a connection has access->server. */
    enum xauth_verdict (*xauth_check)(void *arg, uint64_t ticket, uint32_t connection, struct bytes user,
                                      struct bytes password);
    /* As client of a concentrator: this is the address that we have now (put it on the TUN), also when another was told
     * before; and it is over. Only called where a connection has access, and is no server. */
    void (*net_up)(void *arg, uint32_t connection, const struct virtual_net *net);
    void (*net_down)(void *arg, uint32_t connection);
    /* Test builds with ESPTUN_KEYLOG only, else never called: a line of Wireshark's ikev1_decryption_table or esp_sa
     * table. May be NULL. */
    void (*keylog)(void *arg, const char *table, const char *line);
};

struct ike_setup {
    const struct connection *connections; /* borrowed, until ike_reload_commit puts others in their place */
    size_t connection_count;
    const struct spd *spd; /* likewise */
    struct random random;
    struct vault *vault;   /* borrowed for the life of the engine */
    const struct log *log; /* likewise */
    struct ike_ops ops;
};

MUST_USE enum status ike_new(const struct ike_setup *setup, struct ike **out);

/* Forgets everything, wiping keys; sends nothing and calls nothing back (ike_shutdown does). */
void ike_free(struct ike *ike);

/* A message without the non-ESP marker, untrusted. Whatever it holds, this returns. */
void ike_input(struct ike *ike, uint64_t now_ms, const struct path *path, struct bytes message);

/* Interesting traffic met a protect rule that has no SA. Harmless when an exchange is already under way. */
void ike_acquire(struct ike *ike, uint64_t now_ms, uint32_t rule);

/* Commands. ERR_STATE with *why set when it cannot even be tried (e.g. remote = %any); the outcome comes as events. */
MUST_USE enum status ike_up(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why);
MUST_USE enum status ike_down(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why);
MUST_USE enum status ike_rekey(struct ike *ike, uint64_t now_ms, uint32_t connection, const char **why);

/* Both ends say that they live, and nothing gets through: the tunnels of a connection that we may call are ended, which
 * the peer is told, and made anew. Where there are none, nothing happens. */
void ike_restart(struct ike *ike, uint64_t now_ms, uint32_t connection, const char *why);

/* The data plane reports a soft limit (renew) or a hard one (the SA is dead: delete it). Unknown ids are ignored. */
void ike_child_soft(struct ike *ike, uint64_t now_ms, uint64_t child_id);
void ike_child_hard(struct ike *ike, uint64_t now_ms, uint64_t child_id);

/* An authentic ESP packet of this child came from another outer address: follow it (B42). Unknown ids are ignored. */
void ike_child_moved(struct ike *ike, uint64_t now_ms, uint64_t child_id, const struct endpoint *remote);

/* The outcome of an xauth_check that was answered with XAUTH_LATER. Tickets of what is gone by now are ignored. */
void ike_xauth_answer(struct ike *ike, uint64_t now_ms, uint64_t ticket, bool right);

/*
 * The answer to find_remote, or news: the addresses that the name of the connection's remote has, the best first; of
 * more than IKE_REMOTES_MAX the rest is ignored. Calls go to them in turn, and who calls from one of them is taken for
 * this peer. None: why tells the reason; what was known stays good for calls that come in, and for our own where there
 * is any. Else those are tried again later.
 */
void ike_found(struct ike *ike, uint64_t now_ms, uint32_t connection, const struct ike_remote *remotes, size_t count,
               const char *why);

/* The addresses known last, and how many; 0 where remote is no name. */
size_t ike_remotes(const struct ike *ike, uint32_t connection, const struct ike_remote **out);

/* Are these others than the ones known last, whatever the order? Of a connection whose remote is a name. */
bool ike_remotes_differ(const struct ike *ike, uint32_t connection, const struct ike_remote *list, size_t count);

/* Connections with start = start are initiated, names looked up. Call once, when the daemon is ready. */
void ike_start(struct ike *ike, uint64_t now_ms);

/* --- Another configuration, by ike/reload.c: prepare, commit, start, free; or prepare, free --- */

struct ike_change {
    const struct connection *connections; /* borrowed, as in ike_setup */
    size_t connection_count;
    const struct spd *spd;
    struct renumber numbers; /* borrowed until ike_reload_free */
};

struct ike_reload;

/* Ends, telling the peers, what the change leaves no place for: SAs and half-open ones of connections that are gone,
 * children and exchanges of rules that are. All else goes on. Callbacks see the old numbers. */
void ike_reload_end(struct ike *ike, uint64_t now_ms, const struct renumber *numbers);

/* Takes the memory that the change needs. ERR_MEMORY; nothing is changed yet. Until the commit the engine must not be
 * called but by ike_reload_end. */
MUST_USE enum status ike_reload_prepare(struct ike *ike, const struct ike_change *change, struct ike_reload **out);

/* From now on the new connections, rules and numbers are in force. ike_reload_end comes before it. Calls nothing back
 * and sends nothing. */
void ike_reload_commit(struct ike_reload *reload);

/* Connections that are new, or changed, and have start = start are initiated; rules that such ones have gained too. */
void ike_reload_start(struct ike_reload *reload, uint64_t now_ms);
void ike_reload_free(struct ike_reload *reload); /* NULL is fine */

/* Sends deletes for everything that is up, removes it with events, and answers nothing afterwards. */
void ike_shutdown(struct ike *ike, uint64_t now_ms);

/* Does what is due. ike_next tells when to call it: a time, or DEADLINE_NEVER. */
void ike_tick(struct ike *ike, uint64_t now_ms);
uint64_t ike_next(const struct ike *ike);

/* --- For status. Strings are borrowed until the next call into the engine. --- */

struct ike_child_info {
    uint64_t id;
    uint32_t rule;
    const char *state;                    /* "connecting", "established", "rekeying", "deleting" */
    const struct child *child;            /* without keys */
    uint64_t established_ms, rekey_at_ms; /* rekey_at_ms: DEADLINE_NEVER when it will not */
};

struct ike_sa_info {
    uint32_t connection;
    const char *state;
    bool initiator;
    uint8_t version;
    uint64_t spi_i, spi_r; /* cookies */
    struct path path;
    const struct identity *local_id, *remote_id; /* remote NULL before it is authenticated */
    const struct identity *user;                 /* XAUTH; NULL: none */
    const struct virtual_net *net;               /* the virtual address of this peer, or ours; NULL: none */
    bool nat_local, nat_remote;
    const struct proposal *proposal; /* NULL before it is chosen */
    uint64_t established_ms, rekey_at_ms;
};

struct ike_visitor {
    void *arg;
    void (*sa)(void *arg, const struct ike_sa_info *info);
    void (*child)(void *arg, const struct ike_child_info *info); /* belongs to the SA visited before it */
};
void ike_visit(const struct ike *ike, const struct ike_visitor *visitor);

/* Messages dropped, by reason: index below IKE_DROP_COUNT. */
#define IKE_DROPS(X)                                                                                                   \
    X(IKE_DROP_MALFORMED, "ike_malformed")         /* header, payload chain or a body (B1 to B5) */                    \
    X(IKE_DROP_LIMIT, "ike_limit")                 /* a cap: payloads, half-open SAs (B6) */                           \
    X(IKE_DROP_VERSION, "ike_version")             /* another major version */                                         \
    X(IKE_DROP_UNKNOWN_SA, "ike_unknown_sa")       /* cookies of no SA of ours */                                      \
    X(IKE_DROP_NO_CONNECTION, "ike_no_connection") /* nobody configured for this peer */                               \
    X(IKE_DROP_STATE, "ike_state")                 /* not in this state: stale, early, or clear */                     \
    X(IKE_DROP_AUTHENTICATION, "ike_auth_failed")  /* hash wrong (B12, B19) */                                         \
    X(IKE_DROP_REPLAY, "ike_replay")               /* a message id used before (B28) */                                \
    X(IKE_DROP_RATE, "ike_rate")                   /* repeats faster than we answer (B16) */                           \
    X(IKE_DROP_INTERNAL, "ike_internal")           /* memory, randomness or the crypto library failed (B45) */

#define IKE_DROP_ENUM(id, name) id,
enum ike_drop { IKE_DROPS(IKE_DROP_ENUM) IKE_DROP_COUNT };
#undef IKE_DROP_ENUM

const char *ike_drop_name(enum ike_drop drop);
uint64_t ike_drop_count(const struct ike *ike, enum ike_drop drop);

#endif
