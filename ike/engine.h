/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the engine: the nouns that its files share. Ownership is a tree: engine -> peers -> IKE SAs -> phase 2
 * exchanges, and peers -> children. Children hang on the peer, not on the IKE SA that made them, so that a renewed
 * phase 1 adopts them by itself.
 *
 * What differs between the versions of IKE stands behind struct version: peers and children never ask for a number.
 */
#ifndef IKE_ENGINE_H
#define IKE_ENGINE_H

#include "base/table.h"
#include "crypto/dh.h"
#include "ike/exchange.h"
#include "ike/header.h"
#include "ike/ids.h"
#include "ike/ike.h"
#include "ike/keys.h"
#include "ike/limits.h"
#include "ike/throttle.h"
#include "ike/v1_proposal.h"

/* Every timer of the engine. */
enum timer_kind {
    TIMER_SA_RETRANSMIT, /* phase 1: send again, then give up */
    TIMER_SA_LIFE,       /* half-open: forget; established: hard expiry */
    TIMER_SA_RENEW,      /* soft expiry: a new phase 1; when already replaced: delete */
    TIMER_SA_PROBE,      /* dead-peer detection */
    TIMER_SA_KEEPALIVE,  /* hold the NAT mapping open */
    TIMER_SA_LINGER,     /* forget the cached last message of phase 1 */
    TIMER_SA_FRAGMENTS,  /* forget a message of which fragments are missing */
    TIMER_CONFIG,        /* version 1, XAUTH and mode-config: send again, or give up */
    TIMER_QUICK,         /* version 1, phase 2: send again, give up, or forget */
    TIMER_CHILD_SOFT,    /* installed: activate after the grace; active: rekey; replaced: delete */
    TIMER_CHILD_HARD,    /* end of life */
    TIMER_PEER_RETRY,    /* start = start, dpd_action = restart: try again */
};

struct timer {
    struct deadline deadline; /* first: ike_tick gets back from it */
    enum timer_kind kind;
    void *owner;
};

enum sa_state {
    SA_SENT_SA,     /* initiator, waits for message 2 */
    SA_SENT_KE,     /* initiator, waits for message 4 */
    SA_SENT_AUTH,   /* initiator, waits for message 6 */
    SA_WAIT_KE,     /* responder, waits for message 3 */
    SA_WAIT_AUTH,   /* responder, waits for message 5 */
    SA_SENT_ID,     /* initiator of aggressive mode, waits for message 2 */
    SA_WAIT_HASH,   /* responder of aggressive mode, waits for message 3 */
    SA_CONFIGURING, /* phase 1 is done; XAUTH and mode-config come before phase 2 */
    SA_ESTABLISHED,
    SA_REPLACED, /* a newer one took over; a little later it is deleted */
};

/* What is needed only while phase 1 runs; wiped when it is complete. */
struct phase1 {
    struct dh *dh;
    uint8_t nonce_i[NONCE_MAX], nonce_r[NONCE_MAX];
    size_t nonce_i_len, nonce_r_len;
    uint8_t peer_public[DH_PUBLIC_MAX];
    size_t peer_public_len;
    uint8_t *sai_b; /* owned */
    size_t sai_b_len;
    uint8_t *peer_id; /* aggressive mode, responder: body of the initiator's ID payload; owned */
    size_t peer_id_len;
    unsigned attempts; /* key exchanges computed */
    unsigned checks;   /* signatures looked at */
    bool refused;      /* one "authentication failed" has been sent */
};

struct ike_sa {
    UT_hash_handle by_spi;
    uint64_t own_spi; /* the cookie of the two that we chose: key of the table */
    uint64_t spi_i, spi_r;
    const struct version *version;
    bool initiator;
    enum sa_state state;
    uint32_t connection;
    struct peer *peer; /* NULL: a responder's half-open SA, in ike->strangers, or in ike->guests */
    struct path path;
    struct proposal suite;
    struct v1_keys keys;
    uint8_t iv[IV_MAX]; /* phase 1: the running IV; later: the last block of phase 1 */
    struct phase1 *phase1;
    struct exchange exchange;
    bool peer_natt, peer_dpd; /* vendor ids seen */
    bool natt_draft;          /* peer_natt by a draft of RFC 3947 */
    bool peer_fragments;      /* likewise, and fragmentation = yes */
    bool nat_local, nat_remote;
    bool udp;                   /* children go in UDP 4500 */
    bool unconfirmed;           /* we had the last word in phase 1: did the peer hear it? */
    bool initial_contact;       /* the peer said that it knows no other SA of ours */
    struct identity *remote_id; /* owned; NULL before authentication */
    struct identity local_id;
    struct identity *user; /* owned; who has logged in by XAUTH; NULL: nobody has to, or has yet */
    uint64_t lifetime_s;
    uint64_t lifetime_bytes; /* of its messages (RFC 2409 appendix A, life type 2); 0: no limit */
    uint64_t bytes,
        soft_bytes;    /* authentic messages in and out since it is up; to be renewed at; 0: not, or it has been */
    bool lifetime_cut; /* responder: the peer offered more */
    uint64_t created_ms, established_ms, soft_ms, moved_ms;
    uint64_t confirmed_ms; /* when the peer has first shown that it has this SA too; see unconfirmed */
    unsigned told;         /* replaced: how often the peer was told to delete it, and when last */
    uint64_t told_ms;
    struct timer retransmit, life, renew, probe, keepalive, linger, collecting;
    struct collected *collected; /* of a message in fragments; owned */
    char hint[512];              /* an unauthenticated reason from the network, already escaped */
    unsigned refusal;            /* the notification of an unauthenticated refusal; 0: none */

    struct config *config;               /* XAUTH and mode-config; owned; NULL: there is none */
    struct quick *quicks;                /* list; owned */
    size_t quick_count, quick_lingering; /* under way; finished, but still answering repeats */
    struct id_set quick_ids;             /* message ids used under this phase 1; owned */
    struct id_set info_ids; /* of mode-config; and the marks of informational messages (v1_info.c); owned */

    uint32_t dpd_sent, dpd_received; /* sequence numbers */
    bool dpd_has_received;
    unsigned dpd_tries;    /* unanswered probes */
    uint64_t heard_ms;     /* last authenticated message */
    uint64_t packets_seen; /* of the peer's children, at the last probe timer */

    struct ike_sa *prev, *next;
};

enum child_state {
    CHILD_INSTALLED, /* opens; the peer has not shown yet that it has the keys, or has just been told */
    CHILD_ACTIVE,
    CHILD_REPLACED, /* a newer one of the same selectors took over */
};

struct child_sa {
    UT_hash_handle by_id;
    struct child child; /* without keys */
    struct peer *peer;
    enum child_state state;
    bool initiator;
    bool renew_due;    /* wants to be renewed as soon as an IKE SA is there */
    bool renewing;     /* an exchange that replaces it is under way */
    uint64_t replaces; /* id, or 0 */
    uint64_t lifetime_s;
    uint64_t established_ms, soft_ms;
    unsigned told;         /* replaced: how often the peer was told to delete it */
    uint64_t packets_seen; /* replaced: what it had opened at the last look */
    struct timer soft, hard;
    struct child_sa *prev, *next;
};

/* A connection at run time: with one peer, or with one of several when remote = %any. */
struct peer {
    uint32_t connection;
    struct identity id;      /* of %any: who it is, by its user where there is one; else ID_NONE */
    struct virtual_net *net; /* the address that it has from us, or we from it; owned; NULL: none */
    struct ike_sa *sas;      /* lists; owned */
    struct child_sa *children;
    size_t sa_count, child_count;
    const uint32_t *rules; /* protect rules of the connection (indices into the SPD); owned by the engine */
    size_t rule_count;
    uint8_t *wanted; /* per rule: someone waits for a child; owned */
    bool cleared;    /* dead, with dpd_action = clear: traffic does not bring it back either */
    bool down;       /* ended by command: `start` does not bring it back, only traffic or `up` does */
    uint64_t retry_wait_ms;
    struct timer retry;
    struct peer *prev, *next;
    uint32_t place;     /* of %any: in by_identity, */
    struct peer *alike; /* and the next one there */
};

struct remotes;

/* What there is of each connection, found once. */
struct connection_rules {
    uint32_t *rules; /* owned */
    size_t count;
    struct peer *peer;       /* with a fixed remote: the one there is; in the engine's list */
    struct remotes *remotes; /* of one whose remote is a name; owned; NULL: it is an address, or %any */
};

struct ike {
    struct ike_setup setup;
    uint64_t now_ms;  /* of the call in progress */
    size_t input_len; /* likewise: of its message; 0: none */
    bool closed;
    struct deadlines deadlines;
    struct ike_sa *sas;                    /* table by own_spi, of all */
    struct ike_sa *strangers;              /* list of half-open SAs */
    size_t stranger_messages;              /* in fragments, being collected for them */
    struct ike_sa *guests;                 /* list of responders' SAs in SA_CONFIGURING */
    struct peer *peers;                    /* list */
    struct peer *by_identity[PEER_PLACES]; /* those of %any, by a hash of connection and identity */
    size_t peers_of_any;                   /* there */
    struct peer *idle_next;                /* in the list: where to look next for one to forget; NULL: from the front */
    struct child_sa *children;             /* table by child id */
    struct connection_rules *rules;        /* per connection */
    struct pools **pools;                  /* likewise; NULL, and NULL for a connection, where there are none */
    struct throttle login_users, login_sites;
    uint64_t last_child_id;
    uint64_t ask_again_ms; /* not before: names are asked for because somebody calls from elsewhere */
    uint8_t seed[HASH_SEED];
    uint64_t drops[IKE_DROP_COUNT];
    struct log_rate log_rate, error_rate, opened_rate;
    struct { /* key exchanges for first messages in aggressive mode: see AGGRESSIVE_PER_SECOND */
        uint64_t since_ms;
        unsigned count;
        struct throttle sites[2]; /* of strangers, of configured peers */
    } aggressive;
    uint8_t out[IKE_SEND_MAX];
    uint8_t in[IKE_MESSAGE_MAX];     /* a decrypted message */
    uint8_t joined[IKE_MESSAGE_MAX]; /* one put together from fragments */
};

/* What a version of IKE does; one const table each. */
struct version {
    uint8_t number;
    void (*input)(struct ike *ike, const struct ike_header *header, const struct path *path, struct bytes message);
    MUST_USE enum status (*initiate)(struct ike *ike, struct peer *peer);
    /* A finished message of this SA, whole or in fragments. attempt: how often it was sent before. */
    void (*send)(struct ike *ike, const struct ike_sa *sa, struct bytes message, unsigned attempt);
    void (*forget_fragments)(struct ike *ike, struct ike_sa *sa);
    /* replaces: NULL for a first child. */
    MUST_USE enum status (*create_child)(struct ike *ike, struct ike_sa *sa, uint32_t rule, struct child_sa *replaces);
    void (*delete_child)(struct ike *ike, struct ike_sa *sa, const struct child_sa *child);
    void (*delete_sa)(struct ike *ike, struct ike_sa *sa);
    void (*probe)(struct ike *ike, struct ike_sa *sa);
    void (*forget_exchanges)(struct ike *ike, struct ike_sa *sa, const char *why);
    /* The configuration changes: exchanges for rules that are gone end; then the others get the new numbers. */
    void (*forget_gone)(struct ike *ike, struct ike_sa *sa, const struct renumber *numbers, const char *why);
    void (*renumber)(struct ike_sa *sa, const struct renumber *numbers);
    bool (*is_creating)(const struct ike_sa *sa, uint32_t rule);
    bool (*has_room)(const struct ike_sa *sa); /* for one more create_child now */
    /* A child is being made under this SA, or the peer may not know yet that it is. */
    bool (*is_creating_any)(const struct ike *ike, const struct ike_sa *sa);
};

extern const struct version ike_version1;

/* The version that a connection speaks when we call. */
static inline const struct version *version_of(const struct connection *c)
{
    (void)c; /* the configuration admits only ike_version = 1 */
    return &ike_version1;
}

static inline const struct connection *connection_of(const struct ike *ike, uint32_t index)
{
    return &ike->setup.connections[index];
}

/* --- engine.c: small services --- */

void timer_init(struct timer *t, enum timer_kind kind, void *owner);
void timer_in(struct ike *ike, struct timer *t, uint64_t delay_ms);
void timer_stop(struct ike *ike, struct timer *t);

/* "branch: ...": a line about a connection. */
void ike_say(const struct ike *ike, enum log_level level, uint32_t connection, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The same for what happens to a pair of IPsec SAs, or has a reason; see log_event. about.name is filled in. */
void ike_say_event(const struct ike *ike, enum log_level level, struct log_subject about, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* "aes256-sha256-modp2048, aes128-sha256-ecp256", cut at the end of out. Returns out. */
enum { SUITES_TEXT = 512 };
const char *ike_list_suites(const struct proposal_list *list, char out[SUITES_TEXT]);

/* Counts a dropped message and, within the rate, logs why. */
void ike_drop(struct ike *ike, enum ike_drop why, const struct path *path, const char *format, ...) PRINTF_LIKE(4, 5);

void ike_tell(struct ike *ike, struct ike_event event);
void ike_send(struct ike *ike, const struct path *path, struct bytes datagram);

/* The peer repeats the request that x, an exchange of sa, answers: the same bytes once more, unless that is asked for
 * too fast (B16). `from`: where the repeat came from. */
void ike_answer_repeat(struct ike *ike, const struct ike_sa *sa, struct exchange *x, const struct path *from);

/* The protect rules of each connection. ERR_MEMORY, with *out NULL. */
MUST_USE enum status ike_rules_find(const struct spd *spd, size_t connections, struct connection_rules **out);
void ike_rules_free(struct connection_rules *rules, size_t connections); /* NULL is fine */

/* How long something that was replaced lingers, after a successor that we started or not. */
uint64_t ike_linger_ms(const struct path *path, bool initiator);

/* Then the peer is told to delete it, `told` times so far. Often enough, so that it can go? A delete has no answer: not
 * while the peer still uses it, and not at once where the two ends started this one and the newest, for then the peer
 * may have taken it for the newer one, and has nothing to send at present. */
bool ike_told_enough(unsigned told, bool in_use, bool crossed);
uint64_t ike_tell_again_ms(unsigned told); /* until the next look */

/* When to renew what ends at `hard` (ms, bytes or packets; 0: never): SOFT_INITIATOR or SOFT_RESPONDER percent of it,
 * less up to SOFT_JITTER percent at random. */
uint64_t ike_soft_limit(struct ike *ike, uint64_t hard, bool initiator);

#endif
