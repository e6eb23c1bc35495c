/* SPDX-License-Identifier: Apache-2.0 */
/* A set-associative table with one bitmap a packet. Packet path: bounded work, no allocation. */
#include "policy/fragments.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "policy/protocol.h"

enum {
    WAYS = 8, /* places that one packet may take */
    SETS = FRAGMENTS_TRACKED / WAYS,
    UNIT = 8, /* bytes: all offsets are multiples of it */
    WORDS = 65536 / UNIT / 64,
    LENGTH_MAX = 65535,
};

/* What the fragments of one packet have in common: RFC 791 3.2, with the protocol; RFC 8200 4.5, without. Hashed and
 * compared as bytes, so it has no padding. */
struct key {
    uint64_t scope;
    uint8_t source[16], destination[16];
    uint32_t id;
    uint16_t family, protocol;
};
_Static_assert(sizeof(struct key) == 8 + 32 + 8, "no padding");

struct tracked {
    struct key key;
    uint64_t hash, owner;
    uint64_t born_ms;
    uint64_t turn; /* counts all packets: many are born in one millisecond */
    bool used;
    bool has_first; /* only then the next four are known */
    bool has_ports;
    uint8_t protocol;
    uint16_t source_port, destination_port;
    uint16_t units;    /* that were let through */
    uint16_t furthest; /* where the last of these ends, in bytes */
    uint16_t end;      /* of the data of the whole packet; 0 until its last fragment was seen */
};

struct fragments {
    uint8_t seed[HASH_SEED];
    uint64_t turns;
    struct tracked packets[FRAGMENTS_TRACKED];
    uint64_t passed[FRAGMENTS_TRACKED][WORDS]; /* a bit for each unit that was let through */
};

enum status fragments_new(const struct random *random, struct fragments **out)
{
    *out = NULL;
    struct fragments *fragments = calloc(1, sizeof *fragments);
    if (fragments == NULL)
        return ERR_MEMORY;
    enum status status = random_fill(random, fragments->seed, sizeof fragments->seed);
    if (status != OK) {
        free(fragments);
        return status;
    }
    *out = fragments;
    return OK;
}

void fragments_free(struct fragments *fragments)
{
    free(fragments);
}

/* --- one fragment by itself --- */

static unsigned end_of(const struct flow *flow)
{
    return (unsigned)flow->fragment_offset + flow->fragment_len;
}

/* flow_read has refused the like already; here it guards the bitmap. */
static bool has_bounds(const struct flow *flow)
{
    return flow->fragment_len > 0 && flow->fragment_offset % UNIT == 0 && end_of(flow) <= LENGTH_MAX &&
           (!flow->more_fragments || flow->fragment_len % UNIT == 0);
}

/* RFC 1858 3, RFC 3128: a first fragment shows what is looked at, and of TCP the flags, or it hides something; a later
 * one of TCP that begins before that has no honest first. */
static bool is_tiny(const struct flow *flow)
{
    if (flow->fragment_offset > 0)
        return flow->protocol == PROTOCOL_TCP && flow->fragment_offset < FRAGMENTS_TCP_FIRST_MIN;
    if (flow->protocol == PROTOCOL_TCP && flow->upper_len < FRAGMENTS_TCP_FIRST_MIN)
        return true;
    return protocol_has_ports(flow->protocol) && !flow->has_ports;
}

/* --- the bitmap --- */

/* The units from `from` to before `to` that lie in this word; there must be one. */
static uint64_t units_in(unsigned word, unsigned from, unsigned to)
{
    unsigned begin = word * 64, end = begin + 64;
    uint64_t mask = UINT64_MAX;
    if (from > begin)
        mask <<= from - begin;
    if (to < end)
        mask &= UINT64_MAX >> (end - to);
    return mask;
}

static bool overlaps(const uint64_t passed[WORDS], const struct flow *flow)
{
    unsigned from = flow->fragment_offset / UNIT, to = (end_of(flow) + UNIT - 1) / UNIT;
    for (unsigned word = from / 64; word * 64 < to; word++)
        if ((passed[word] & units_in(word, from, to)) != 0)
            return true;
    return false;
}

static void mark(uint64_t passed[WORDS], const struct flow *flow)
{
    unsigned from = flow->fragment_offset / UNIT, to = (end_of(flow) + UNIT - 1) / UNIT;
    for (unsigned word = from / 64; word * 64 < to; word++)
        passed[word] |= units_in(word, from, to);
}

/* --- the table --- */

static struct key key_of(uint64_t scope, const struct flow *flow)
{
    struct key key = {.scope = scope, .id = flow->fragment_id, .family = flow->source.family};
    memcpy(key.source, flow->source.bytes, sizeof key.source);
    memcpy(key.destination, flow->destination.bytes, sizeof key.destination);
    if (key.family == 4)
        key.protocol = flow->protocol;
    return key;
}

static bool is_live(const struct tracked *packet, uint64_t now_ms)
{
    return packet->used && now_ms - packet->born_ms < FRAGMENTS_LIFE_MS;
}

static struct tracked *find(struct fragments *fragments, const struct key *key, uint64_t hash, uint64_t now_ms)
{
    struct tracked *set = &fragments->packets[hash % SETS * WAYS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].hash == hash && is_live(&set[i], now_ms) && memcmp(&set[i].key, key, sizeof *key) == 0)
            return &set[i];
    return NULL;
}

/* The packet of which nothing can come any more goes first, the one whose fragments need it goes last. */
enum worth { DEAD, WHOLE, STALE, WITHOUT_FIRST, NEEDED };

static bool is_whole(const struct tracked *packet)
{
    return packet->end > 0 && packet->units == (packet->end + UNIT - 1) / UNIT;
}

static enum worth worth(const struct tracked *packet, uint64_t now_ms)
{
    if (!is_live(packet, now_ms))
        return DEAD;
    if (is_whole(packet))
        return WHOLE;
    if (now_ms - packet->born_ms >= FRAGMENTS_STALE_MS)
        return STALE;
    return packet->has_first ? NEEDED : WITHOUT_FIRST;
}

/* The place among these (a bit each) that is worth the least; of equal worth, the oldest. */
static struct tracked *cheapest(struct tracked set[WAYS], unsigned among, uint64_t now_ms)
{
    struct tracked *taken = NULL;
    enum worth least = NEEDED;
    for (size_t i = 0; i < WAYS; i++) {
        if ((among >> i & 1) == 0)
            continue;
        enum worth value = worth(&set[i], now_ms);
        if (taken == NULL || value < least || (value == least && set[i].turn < taken->turn)) {
            taken = &set[i];
            least = value;
        }
    }
    return taken;
}

/* --- fair shares --- */

/* Whose packets are counted together: each level divides the one before. */
enum level { OWNER, SCOPE, SOURCE, LEVELS };

static bool shares(const struct tracked *a, const struct tracked *b, enum level level)
{
    return a->owner == b->owner && (level < SCOPE || a->key.scope == b->key.scope) &&
           (level < SOURCE || memcmp(a->key.source, b->key.source, sizeof a->key.source) == 0);
}

static unsigned group_of(const struct tracked set[WAYS], unsigned among, const struct tracked *member, enum level level)
{
    unsigned group = 0;
    for (unsigned i = 0; i < WAYS; i++)
        if ((among >> i & 1) != 0 && shares(&set[i], member, level))
            group |= 1U << i;
    return group;
}

static unsigned size_of(unsigned group)
{
    unsigned size = 0;
    for (; group != 0; group &= group - 1)
        size++;
    return size;
}

/* The places of whoever would have the most with the newcomer in; where that is the newcomer's own group, of others
 * only what is more. Of several equals, the places of all. */
static unsigned heaviest(const struct tracked set[WAYS], unsigned among, const struct tracked *newcomer,
                         enum level level)
{
    unsigned chosen = group_of(set, among, newcomer, level);
    unsigned most = chosen != 0 ? size_of(chosen) + 1 : 0;
    bool own = chosen != 0;
    for (unsigned i = 0; i < WAYS; i++) {
        unsigned group = (among >> i & 1) != 0 ? group_of(set, among, &set[i], level) : 0;
        if (size_of(group) > most) {
            chosen = group;
            most = size_of(group);
            own = false;
        } else if (size_of(group) == most && !own) {
            chosen |= group;
        }
    }
    return chosen;
}

/* What is of no use to anyone goes first, whoever owns it; then fairness decides. */
static struct tracked *victim(struct tracked set[WAYS], const struct tracked *newcomer, uint64_t now_ms)
{
    unsigned among = (1U << WAYS) - 1;
    struct tracked *useless = cheapest(set, among, now_ms);
    if (worth(useless, now_ms) <= STALE)
        return useless;
    for (enum level level = OWNER; level < LEVELS; level++)
        among = heaviest(set, among, newcomer, level);
    return cheapest(set, among, now_ms);
}

/* place: of the packet of the same key that gives way; NULL: of whichever is worth the least. */
static struct tracked *take(struct fragments *fragments, struct tracked *place, uint64_t owner, const struct key *key,
                            uint64_t hash, uint64_t now_ms)
{
    struct tracked newcomer = {.key = *key, .hash = hash, .owner = owner, .born_ms = now_ms, .used = true};
    struct tracked *taken = place != NULL ? place : victim(&fragments->packets[hash % SETS * WAYS], &newcomer, now_ms);
    newcomer.turn = fragments->turns++;
    *taken = newcomer;
    memset(fragments->passed[taken - fragments->packets], 0, sizeof *fragments->passed);
    return taken;
}

/* --- a fragment among others --- */

/* There is one end, behind all data. */
static bool end_agrees(const struct tracked *packet, const struct flow *flow)
{
    if (flow->more_fragments)
        return packet->end == 0 || end_of(flow) < packet->end;
    return packet->end == 0 && end_of(flow) >= packet->furthest;
}

static void remember(struct tracked *packet, uint64_t passed[WORDS], const struct flow *flow)
{
    mark(passed, flow);
    packet->units = (uint16_t)(packet->units + (flow->fragment_len + UNIT - 1) / UNIT);
    if (end_of(flow) > packet->furthest)
        packet->furthest = (uint16_t)end_of(flow);
    if (!flow->more_fragments)
        packet->end = (uint16_t)end_of(flow);
    if (flow->fragment_offset > 0)
        return;
    packet->has_first = true;
    packet->protocol = flow->protocol;
    packet->has_ports = flow->has_ports;
    packet->source_port = flow->source_port;
    packet->destination_port = flow->destination_port;
}

/* RFC 8200 4.5: of the headers in front of the fragments, only those of the first count. */
static void borrow(const struct tracked *packet, struct flow *flow)
{
    flow->protocol = packet->protocol;
    flow->has_ports = packet->has_ports;
    flow->source_port = packet->source_port;
    flow->destination_port = packet->destination_port;
}

/* Where a fragment belongs. */
struct place {
    struct key key;
    uint64_t hash;
    struct tracked *packet; /* of its name; NULL: none */
    enum { FITS, BEGINS, CLASHES } fit;
};

static uint64_t *passed_of(struct fragments *fragments, const struct tracked *packet)
{
    return fragments->passed[packet - fragments->packets];
}

static struct place place_of(struct fragments *fragments, uint64_t scope, const struct flow *flow, uint64_t now_ms)
{
    struct place p = {.key = key_of(scope, flow), .fit = BEGINS};
    p.hash = hash_short(fragments->seed, &p.key, sizeof p.key);
    p.packet = find(fragments, &p.key, p.hash, now_ms);
    if (p.packet == NULL || is_whole(p.packet))
        return p;
    if (end_agrees(p.packet, flow) && !overlaps(passed_of(fragments, p.packet), flow))
        p.fit = FITS;
    else if (now_ms - p.packet->born_ms < FRAGMENTS_STALE_MS)
        p.fit = CLASHES;
    return p;
}

static void let_through(struct fragments *fragments, uint64_t owner, struct place *p, const struct flow *flow,
                        uint64_t now_ms)
{
    if (p->fit == BEGINS)
        p->packet = take(fragments, p->packet, owner, &p->key, p->hash, now_ms);
    remember(p->packet, passed_of(fragments, p->packet), flow);
}

enum fragment_verdict fragments_see_of(struct fragments *fragments, uint64_t owner, uint64_t scope, struct flow *flow,
                                       uint64_t now_ms)
{
    if (!has_bounds(flow) || is_tiny(flow))
        return FRAGMENT_BAD;
    struct place p = place_of(fragments, scope, flow, now_ms);
    if (p.fit == CLASHES)
        return FRAGMENT_BAD;
    if (flow->fragment_offset > 0 && (p.fit == BEGINS || !p.packet->has_first))
        return FRAGMENT_UNKNOWN;
    let_through(fragments, owner, &p, flow, now_ms);
    borrow(p.packet, flow);
    return FRAGMENT_KNOWN;
}

void fragments_let_through(struct fragments *fragments, uint64_t owner, uint64_t scope, const struct flow *flow,
                           uint64_t now_ms)
{
    struct place p = place_of(fragments, scope, flow, now_ms);
    if (flow->fragment_offset > 0 && has_bounds(flow) && p.fit != CLASHES)
        let_through(fragments, owner, &p, flow, now_ms);
}
