/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to spd_index*.c. Two steps of tuple-space search, in one hash table:
 *
 *   remote address --(each length of prefix in use)--> node --(each tuple of its rules)--> entry
 *
 * A node is one remote prefix. Its tuples say which fields its rules look at: how long the local prefix is, whether
 * there is a protocol, how many bits of each port. An entry is one value of these fields, and has the first rule of it.
 * What is only then looked at is a range of ports (`check`), along a short chain. A range of addresses is cut into
 * prefixes; where that takes many, its rule goes to a list that is walked.
 */
#ifndef POLICY_SPD_INDEX_STATE_H
#define POLICY_SPD_INDEX_STATE_H

#include "base/hash.h"
#include "policy/spd_index.h"

enum {
    INDEX_NO_RULE = UINT32_MAX,
    INDEX_LEVELS = 129,      /* lengths of prefixes */
    INDEX_WORDS = 4,         /* of a key */
    INDEX_LIST = 32,         /* rules that may be walked before they are cut, whatever it takes */
    INDEX_PIECES = 16,       /* prefixes of one rule that are few */
    INDEX_PIECES_MAX = 4096, /* more than this, and the rule is walked in any case */
    INDEX_CHAIN = 16,        /* ranges of ports in one entry, before they are cut too */
};

/* The first bits of an address, the rest zero. IPv4 stands in the upper 32. */
struct bits {
    uint64_t high, low;
};

enum tuple_kind {
    TUPLE_NONE,
    TUPLE_NODE,
    TUPLE_MATCH, /* rules, by all that they look at */
    TUPLE_PORTS, /* those that the whole packet may meet when its ports are not seen: with ports, without bypass */
    TUPLE_UPPER, /* likewise when neither ports nor protocol are seen (IPv6): with any of them, without bypass */
};

/* Which fields count: the first bits of an address, the protocol or not, the first bits of each port (0 to 16). */
struct fields {
    uint8_t kind, len;
    uint8_t local_bits, remote_bits;
};

enum { TUPLE_PROTOCOL = 0x80 }; /* in kind */

struct tuple {
    struct fields fields;
    uint32_t least; /* the first rule under it */
    uint32_t next;  /* in `tuples`; 0: none */
};

struct index_key {
    struct bits address; /* of a node: remote, of an entry: local */
    uint32_t node, fields, ports, protocol;
};

struct node {
    uint32_t id, least;
    struct tuple match, hidden; /* the first of each list; ascending by `least` */
};

struct link {
    uint32_t rule;
    uint32_t next; /* in `links`; 0: none */
    bool check;    /* the ports of the rule are still to be compared */
};

/* Of the rules under one key. With the first three one can tell whether any above a certain rule leads elsewhere. */
struct hidden_rules {
    uint32_t discard; /* the first of them */
    uint32_t protect; /* likewise, and its connection */
    uint32_t connection;
    uint32_t other; /* the first protect rule of another connection */
};

/* One cache line. */
struct slot {
    struct index_key key; /* fields 0: empty */
    union {
        struct node node;
        struct link first;
        struct hidden_rules hidden;
    } is;
};

_Static_assert(sizeof(struct slot) == 64, "one cache line");

struct level {
    uint8_t len;
    uint32_t least;
};

enum { PROTECT_WORDS = 10 }; /* connection and selector */

/* The protect rules. */
struct protect_index {
    uint64_t seed[HASH_SEEDS(PROTECT_WORDS)];
    uint32_t *rules, *starts; /* by connection: from starts[c] to starts[c + 1], in their order */
    uint32_t *equal;          /* a hash table by connection and selector: the first rule of each */
    uint32_t count, connections, equal_size;
    int first[2]; /* of IPv4 and IPv6 */
};

struct spd_index {
    struct protect_index protect;
    uint64_t seed[HASH_SEEDS(INDEX_WORDS)], generation;
    struct level levels[2][INDEX_LEVELS]; /* of IPv4 and IPv6, ascending by `least` */
    size_t level_count[2];
    struct slot *slots;
    uint32_t size, used, nodes;
    struct tuple
        *tuples; /* those that are not the first of their node; the one at 0 is not used, nor is that of links */
    struct link *links;
    uint32_t *list;
    uint32_t tuple_count, tuple_room, link_count, link_room, list_count, list_room;
};

static inline struct bits bits_cut(struct bits b, unsigned len)
{
    if (len <= 64)
        return (struct bits){.high = len == 0 ? 0 : b.high & ~UINT64_C(0) << (64 - len)};
    b.low &= ~UINT64_C(0) << (128 - len);
    return b;
}

static inline uint32_t fields_code(struct fields f)
{
    return (uint32_t)f.kind << 24 | (uint32_t)f.len << 16 | (uint32_t)f.local_bits << 8 | f.remote_bits;
}

/* Of a node, which has no other fields. */
static inline uint32_t node_code(uint8_t family, uint8_t len)
{
    return (uint32_t)TUPLE_NODE << 24 | (uint32_t)len << 16 | family;
}

static inline uint32_t ports_cut(uint16_t local, uint16_t remote, struct fields f)
{
    uint32_t local_mask = 0xffff0000u >> f.local_bits, remote_mask = 0xffff0000u >> f.remote_bits;
    return (uint32_t)(local & local_mask & 0xffff) << 16 | (remote & remote_mask & 0xffff);
}

/* How large it is, for tests. */
struct spd_index_stats {
    size_t bytes;  /* of memory */
    size_t probes; /* the most places that one look-up may have to look at, without the list */
    size_t listed; /* rules that are compared one by one */
};

struct spd_index_stats spd_index_stats(const struct spd_index *index);

struct bits index_bits(const struct address *a);
/* Zeroed before; to be freed after a failure too. */
enum status protect_index_make(struct protect_index *p, const struct spd *spd, const struct random *random);
void protect_index_free(struct protect_index *p);
/* The slot of the key, or the empty one where it would be. */
struct slot *index_find(const struct spd_index *index, const struct index_key *key);

#endif
