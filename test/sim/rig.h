/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two whole gateways (ike, esp, policy) in one process, over a fake network and a fake clock. Everything comes from one
 * seed: the same seed gives the same run, byte for byte.
 */
#ifndef TEST_SIM_RIG_H
#define TEST_SIM_RIG_H

#include "esp/sad.h"
#include "ike/ike.h"

enum { RIG_ENDS = 2, RIG_DATAGRAM_MAX = 8192, RIG_FLIGHT_MAX = 512, RIG_HISTORY = 64 };

/* What the network does to datagrams, in permille each; delays are uniform between the two, so that they reorder. */
struct rig_network {
    unsigned loss, repeat, corrupt;
    unsigned delay_min_ms, delay_max_ms;
};

struct rig_datagram {
    uint64_t at_ms;
    int to;           /* index of the end */
    struct path path; /* seen from the receiver */
    size_t len;
    uint8_t data[RIG_DATAGRAM_MAX];
};

struct rig;

struct rig_end {
    struct rig *rig;
    int index;
    struct address address;
    struct connection connection; /* one per end; change it before rig_start */
    struct connection *several;   /* instead of it, several_count of them, the test's own; NULL: none */
    size_t several_count;
    struct spd spd;
    uint32_t rule; /* that rig_carries sends by */
    struct log log;
    struct ike *ike;
    struct sad *sad;
    unsigned events[16]; /* by enum ike_event_kind */
    char why[512];       /* of the last failure */
    unsigned sent, keepalives;
    int64_t unix_time;      /* for certificates, at the start of the rig */
    struct virtual_net net; /* as client: what it was given last */
    unsigned net_ups, net_downs;
    unsigned logins;         /* as server: passwords looked at */
    unsigned asked;          /* for the addresses of a name */
    bool fail_asking;        /* there is no memory to look one up */
    uint64_t login_takes_ms; /* 0: at once */
    struct {
        uint64_t at_ms, ticket;
        bool right;
    } verdict;        /* under way; at_ms 0: none */
    bool fail_random; /* randomness of this end fails from now on */
    bool asleep;      /* suspended: hears nothing and does nothing, while time goes on */
    struct random_seeded seeded;
    struct random inner, random;
};

struct rig {
    uint64_t now_ms;
    uint64_t seed;
    struct rig_network network;
    struct random_seeded dice_state;
    struct random dice;
    struct vault *vault;
    struct rig_end ends[RIG_ENDS];
    struct rig_datagram *flight; /* RIG_FLIGHT_MAX, unordered */
    size_t in_flight;
    struct rig_datagram *history; /* the last RIG_HISTORY sent, oldest first overwritten */
    size_t history_count;
    bool verbose; /* logs of both ends to stderr */
    /* Called for each datagram an end sends, before the network; true swallows it. */
    bool (*filter)(void *arg, struct rig *rig, int from, struct rig_datagram *datagram);
    void *filter_arg;
};

/* 192.0.2.1 protecting 10.1.0.0/24 and 192.0.2.2 protecting 10.2.0.0/24, one psk, x25519 for speed. Aborts without
 * memory. */
struct rig *rig_new(uint64_t seed);

/* So many suites of phase 2 that the offer of this end does not fit one datagram. */
void rig_make_long(struct connection *c);

/* End 0 becomes a client that logs in at end 1 by XAUTH, and gets 10.1.0.1 from its pool. */
void rig_use_access(struct rig *rig);
extern const char rig_user[], rig_password[];

/* Other rules for an end; NULL: none. */
void rig_set_rule(struct rig_end *end, const char *rule);

/* Makes the engines, after connections and network were set. `rule`: NULL for the default rules of both ends. */
void rig_start(struct rig *rig);

/* The end forgets all that it knows, sends nothing, and begins anew. */
void rig_reboot(struct rig *rig, int i);

/* Frees everything; returns how many secrets were still alive in the vault (0 is right). */
size_t rig_free(struct rig *rig);

/* Lets time pass: delivers and ticks in order, until now_ms == until. */
void rig_run(struct rig *rig, uint64_t for_ms);

/* Runs until done() or for_ms have passed; true when done. */
bool rig_run_until(struct rig *rig, uint64_t for_ms, bool (*done)(const struct rig *rig));

/* What the daemon does at an end whose rule has no SA: traffic keeps coming, at both. */
void rig_traffic(struct rig *rig);

/* Ten minutes, with that traffic each time that a quarter of one has passed in vain; true when both carry. */
bool rig_comes_up(struct rig *rig, void (*traffic)(struct rig *rig));

/* A datagram straight into an end, as if the other had sent it from its port (500 or 4500). */
void rig_inject(struct rig *rig, int to, uint16_t port, struct bytes message);

/* The n-th last datagram that `from` sent (0: the last); NULL. */
const struct rig_datagram *rig_sent(const struct rig *rig, int from, size_t n);

/* A packet of data on its way, on a path of its own that loses nothing. */
enum { RIG_PACKET_MAX = 1400 };
struct rig_sealed {
    uint64_t at_ms; /* the sender's to set */
    int to;         /* index of the end */
    size_t len;
    uint8_t data[RIG_PACKET_MAX + 200];
};

/* Seals a ping with so many bytes of data, and opens it. Soft and hard limits that this meets are told to the engine,
 * as the daemon does. Returns NULL, or why it is lost. */
const char *rig_seal(struct rig *rig, int from, size_t data, struct rig_sealed *out);
const char *rig_open(struct rig *rig, const struct rig_sealed *sealed);

/* Seals a ping at one end and opens it at the other, now. True when it arrived intact. */
bool rig_carries(struct rig *rig, int from);

/* Both ends carry data to each other. */
bool rig_both_carry(const struct rig *rig);

size_t rig_children(const struct rig_end *end); /* all, by ike_visit */
size_t rig_sas(const struct rig_end *end, const char *state);
uint64_t rig_drops(const struct rig_end *end, enum ike_drop drop);

#endif
