/* SPDX-License-Identifier: Apache-2.0 */
/* Every cap and every time of the IKE engine, in one place. Times are milliseconds unless the name says otherwise. */
#ifndef IKE_LIMITS_H
#define IKE_LIMITS_H

enum {
    /* Messages. */
    IKE_MESSAGE_MAX = 16384, /* longer datagrams are dropped unread */
    IKE_SEND_MAX = 8192,     /* the longest that we write: KE of modp8192, 32 proposals and room to spare */
    PAYLOADS_MAX = 48,       /* per message (B6) */
    TRANSFORMS_MAX = 128,    /* per SA payload, all proposals together (B7) */
    DELETE_SPIS_MAX = 64,    /* per delete payload (B13) */
    ANSWER_TIMES = 3,        /* so much longer than an unauthenticated request its answer may be */
    CERTREQ_MAX = 1024,      /* bytes of authorities that we name; with more, none is named */
    CHAIN_MAX = 6144,        /* bytes of certificates that we send: IKE_SEND_MAX less an identity and a signature */
    ATTRS_MAX = 64,          /* per attribute payload */
    NONCE_MIN = 8,           /* RFC 2409 5 */
    NONCE_MAX = 256,
    NONCE_OURS = 32,
    NONCE_TO_CLIENT = 20, /* of a server of remote access that renews phase 2: as Cisco's is */

    /* Fragments of messages. Sizes are of IP datagrams: what every IPv6 host takes (RFC 8200 5), and every IPv4 host
     * (RFC 791 3.1) where the usual ones do not get through. */
    FRAGMENTS_MAX = 64, /* per message */
    FRAGMENT_USUAL = 1280,
    FRAGMENT_SMALL = 576,
    FRAGMENT_SMALLER_AFTER = 2,         /* times that a message was repeated */
    FRAGMENTS_LIFE = 5000,              /* ms to collect one message */
    STRANGER_MESSAGES_MAX = 256,        /* collected at once, all half-open SAs together */
    STRANGER_MESSAGES_RESERVED = 64,    /* of these: only for peers with a configured address */
    STRANGER_MESSAGES_PER_ADDRESS = 64, /* per IPv4 address, per IPv6 /64 */

    /* Memory that a stranger can make us hold. */
    HALF_OPEN_MAX = 1024,
    HALF_OPEN_RESERVED = 128,     /* of HALF_OPEN_MAX: for peers with a configured address, and as many for strangers */
    HALF_OPEN_PER_ADDRESS = 64,   /* per IPv4 address, per IPv6 /64: of strangers, and of configured peers */
    HALF_OPEN_PER_CONNECTION = 2, /* so many more for each peer that is configured with this address */
    HALF_OPEN_PER_COOKIE = 3,     /* first messages that differ, with one cookie from one address */
    HALF_OPEN_WHEN_FULL = 16,     /* who has so many makes room for its next one itself */
    HALF_OPEN_PATIENCE = 10000,   /* ms; who is not done after that may have to give way */
    GUESTS_MAX = 2048,            /* phase 1 done, but not the login */
    GUESTS_PER_CONNECTION = 512,
    GUESTS_PER_ADDRESS = 128, /* and connection */
    GUEST_PATIENCE = 30000,   /* ms; likewise */
    MOVE_PAUSE_MS = 1000,     /* between changes of the peer's address: each touches all its SAs */
    KEY_ATTEMPTS = 16,        /* key exchanges per half-open SA */
    SIGNATURE_ATTEMPTS = 16,  /* certificates and signatures looked at per half-open SA */
    /* The first message of aggressive mode makes us compute, and nothing in IKEv1 tells a forged one from a real one.
     */
    AGGRESSIVE_PER_SECOND = 50,
    AGGRESSIVE_RESERVED = 20,    /* of these: only for peers with a configured address */
    AGGRESSIVE_SITE_BURST = 10,  /* per IPv4 address, per IPv6 /64, of strangers and of configured peers: at once, */
    AGGRESSIVE_SITE_EVERY = 100, /* then one in each interval */

    /* Memory that an authenticated peer can make us hold. */
    QUICK_PER_SA_MAX = 64,     /* under way at once */
    QUICK_SPI_DRAWS = 8,       /* until ours is not the peer's */
    QUICK_LINGERING_MAX = 256, /* finished; above it the oldest is forgotten */
    QUICK_IDS_MAX = 4096,      /* quick modes per phase 1 */
    IDS_RENEW_EIGHTHS = 7,     /* so full, and phase 1 is rekeyed */
    INFO_IDS_MAX = 16384,      /* informational messages, both ways, likewise */
    SAS_PER_PEER_MAX = 8,
    CHILDREN_PER_PEER_MAX = 4096,
    PEERS_OF_ANY_MAX = 65536, /* of remote = %any, which whoever has a key of many can call by any name */

    PEER_PLACES = 4096, /* of the table of peers that come and go */
    IDLE_LOOKS = 8,     /* peers looked at, whether they can be forgotten, for each new one */

    /* Retransmission: after 0.5, 1, 2, 4, 8 and 16 s; another 16 s later the peer is called silent. */
    RETRANSMIT_FIRST = 500,
    RETRANSMIT_LONGEST = 16000,
    RETRANSMIT_TRIES = 6,
    REMOTE_TRIES = 3,         /* of the first message, where the name of the peer has another address that is untried */
    REMOTE_ASK_EVERY = 30000, /* ms; names are asked for again at most so often because of who calls from elsewhere */
    HINTED_TRIES = 2,         /* how many more after an unauthenticated "no": a forged one must not kill the exchange */
    REPEAT_EVERY = 200,       /* a repeated request is answered at most this often (B16) */
    AGGRESSIVE_REPEATS = 10,  /* and message 1 of aggressive mode so many times */

    HALF_OPEN_LIFE = 60000,
    CONFIG_LIFE = 120000, /* XAUTH and mode-config: people may have to type their password */
    LINGER = 60000,       /* how long a finished exchange still answers repeats */
    /* As initiator we seal on a new SA only a moment after message 3, since some responders (strongSwan) install theirs
     * only when that has arrived; a renewal has an older SA to send on meanwhile and can wait longer. */
    CONFIRM_GRACE = 50,
    CONFIRM_GRACE_RENEWAL = 500,
    CONFIRM_TRIES = 4, /* how often message 3 of aggressive mode is said again to a peer without dead-peer detection */
    /* A peer that has not got message 3 of a renewal still sends on the old child: so long it is not told to delete it.
     * Longer than its own tries last (the sum of RETRANSMIT_...). */
    CONFIRM_PATIENCE = 60000,
    COMMIT_WAIT = 3000, /* for CONNECTED, after message 2 with the commit bit */
    /* How long a replaced child or IKE SA still takes what was under way, before the peer is told to delete it. Who
     * started its successor comes first, the other one only when it was not told; and of two ends alike, that with the
     * lower address, so that they do not delete crosswise when each takes the other's new one for the old one. */
    REPLACED_LINGER = 10000,
    REPLACED_LINGER_RESPONDER = 30000,
    REPLACED_LINGER_HIGHER = 2, /* times that */
    /* A delete has no answer: what is deleted stays to open what the peer sends on, and it is said again, so often
     * where the peer may have taken it for the newer one. The end that comes first is through before the other one
     * begins. */
    DELETE_AGAIN = 1500,
    DELETE_TRIES = 6,
    KEEPALIVE_EVERY = 20000, /* RFC 3948 4 */
    RETRY_FIRST = 5000,      /* start = start: again after a failure or an end, doubling */
    RETRY_LONGEST = 300000,
    STABLE_AFTER = 60000, /* a child that lived so long was well: the next wait is the first one again */
    REKEY_RETRY = 10000,
    DPD_SEQUENCE_SLACK = 8,

    /* Passwords that may be tried: so many at once, then one in each interval. By user, and by site (an office behind
     * one address). */
    LOGIN_USER_BURST = 5,
    LOGIN_USER_EVERY = 10000,
    LOGIN_SITE_BURST = 64, /* they may all come at once, when the office's router has started */
    LOGIN_SITE_EVERY = 2000,

    /* Soft expiry in percent of the lifetime; up to SOFT_JITTER percent are taken off at random. The two ends differ,
     * so that they seldom renew at once: the initiator at 75 to 80, the responder at 85 to 90. */
    SOFT_INITIATOR = 80,
    SOFT_RESPONDER = 90,
    SOFT_JITTER = 5,
};

#endif
