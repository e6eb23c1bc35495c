/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/sad.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

enum {
    SPI_MIN = 256, /* RFC 4303 2.1: 1 to 255 are reserved, 0 is for local use */
    SPI_TRIES = 64,
};

/* How a quoted packet of ours names its SA. Zeroed before it is filled: compared as bytes. */
struct outbound_key {
    uint32_t spi;
    struct address peer;
};

/* The SAs whose packets go to one address. It goes with the last of them. */
struct peer {
    struct address address;
    struct entry *first;
    UT_hash_handle hh;
};

struct entry {
    struct sa *sa;       /* owned */
    struct entry *older; /* of the same rule, activated before this one */
    uint64_t child_id;
    uint32_t spi;
    struct outbound_key outbound;
    struct peer *peer; /* in whose list it is; NULL: in none */
    struct entry *peer_next, **peer_link;
    UT_hash_handle by_child, by_spi, by_outbound;
};

/* By rule: those that may seal, newest first. */
struct sad_rules {
    size_t count;
    struct entry *active[];
};

/* Inbound SPIs are ours and random, child ids are counted by us: nobody outside can aim for one bucket. */
struct sad {
    struct entry *by_child, *by_spi;
    struct entry *by_outbound; /* peers choose these SPIs, but how many SAs a peer has is capped */
    struct peer *peers;
    struct sad_rules *rules; /* owned */
    const struct aead_library *libraries[SHARDS_MAX];
    size_t shards;
    const struct random *random;
};

enum status sad_new(size_t rules, const struct aead_library *library, const struct random *random, struct sad **out)
{
    *out = NULL;
    struct sad *sad = calloc(1, sizeof *sad);
    if (sad == NULL || sad_rules_new(rules, &sad->rules) != OK) {
        free(sad);
        return ERR_MEMORY;
    }
    sad->libraries[0] = library;
    sad->shards = 1;
    sad->random = random;
    *out = sad;
    return OK;
}

void sad_set_shards(struct sad *sad, const struct aead_library *const *libraries, size_t count)
{
    memcpy(sad->libraries, libraries, count * sizeof(const struct aead_library *));
    sad->shards = count;
}

static struct entry *find_spi(const struct sad *sad, uint32_t spi)
{
    struct entry *entry = NULL;
    HASH_FIND(by_spi, sad->by_spi, &spi, sizeof spi, entry);
    return entry;
}

static struct entry *find_child(const struct sad *sad, uint64_t child_id)
{
    struct entry *entry = NULL;
    HASH_FIND(by_child, sad->by_child, &child_id, sizeof child_id, entry);
    return entry;
}

static void entry_free(struct entry *entry)
{
    sa_free(entry->sa);
    free(entry);
}

void sad_free(struct sad *sad)
{
    if (sad == NULL)
        return;
    struct entry *entry, *next;
    struct peer *peer, *next_peer;
    HASH_CLEAR(by_spi, sad->by_spi);
    HASH_CLEAR(by_outbound, sad->by_outbound);
    HASH_ITER(by_child, sad->by_child, entry, next)
    {
        HASH_DELETE(by_child, sad->by_child, entry);
        entry_free(entry);
    }
    HASH_ITER(hh, sad->peers, peer, next_peer)
    {
        HASH_DELETE(hh, sad->peers, peer);
        free(peer);
    }
    sad_rules_free(sad->rules);
    free(sad);
}

uint32_t sad_new_spi(struct sad *sad, uint8_t shard)
{
    for (int i = 0; i < SPI_TRIES; i++) { /* bounded: the generator may be stuck */
        uint32_t spi;
        if (random_u32(sad->random, &spi) != OK)
            return 0;
        if (sad->shards > 1)
            spi = (spi & ~(uint32_t)(SHARDS_MAX - 1)) | shard;
        if (spi >= SPI_MIN && find_spi(sad, spi) == NULL)
            return spi;
    }
    return 0;
}

static struct outbound_key outbound_key_of(uint32_t spi, const struct address *peer)
{
    struct outbound_key key;
    memset(&key, 0, sizeof key);
    key.spi = spi;
    key.peer = *peer;
    return key;
}

static struct peer *take_peer(struct sad *sad, const struct address *address)
{
    struct peer *peer = NULL;
    HASH_FIND(hh, sad->peers, address, sizeof *address, peer);
    if (peer != NULL)
        return peer;
    peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->address = *address;
    HASH_ADD(hh, sad->peers, address, sizeof peer->address, peer);
    if (peer->hh.tbl != NULL)
        return peer;
    free(peer);
    return NULL;
}

static void join_peer(struct sad *sad, struct entry *entry)
{
    struct peer *peer = take_peer(sad, &entry->sa->path.remote.address);
    if (peer == NULL)
        return;
    entry->peer = peer;
    entry->peer_next = peer->first;
    entry->peer_link = &peer->first;
    if (peer->first != NULL)
        peer->first->peer_link = &entry->peer_next;
    peer->first = entry;
}

static void leave_peer(struct sad *sad, struct entry *entry)
{
    struct peer *peer = entry->peer;
    if (peer == NULL)
        return;
    *entry->peer_link = entry->peer_next;
    if (entry->peer_next != NULL)
        entry->peer_next->peer_link = entry->peer_link;
    entry->peer = NULL;
    if (peer->first == NULL) {
        HASH_DELETE(hh, sad->peers, peer);
        free(peer);
    }
}

static void index_outbound(struct sad *sad, struct entry *entry)
{
    struct outbound_key key = outbound_key_of(entry->sa->spi_out, &entry->sa->path.remote.address);
    memcpy(&entry->outbound, &key, sizeof key);
    HASH_ADD(by_outbound, sad->by_outbound, outbound, sizeof entry->outbound, entry);
    join_peer(sad, entry);
}

static void unindex_outbound(struct sad *sad, struct entry *entry)
{
    if (entry->by_outbound.tbl != NULL)
        HASH_DELETE(by_outbound, sad->by_outbound, entry);
    entry->by_outbound.tbl = NULL;
    leave_peer(sad, entry);
}

/* uthash leaves `tbl` empty in what it could not add. */
static enum status insert(struct sad *sad, struct entry *entry)
{
    HASH_ADD(by_spi, sad->by_spi, spi, sizeof entry->spi, entry);
    if (entry->by_spi.tbl == NULL)
        return ERR_MEMORY;
    HASH_ADD(by_child, sad->by_child, child_id, sizeof entry->child_id, entry);
    if (entry->by_child.tbl != NULL)
        index_outbound(sad, entry);
    if (entry->by_child.tbl != NULL && entry->by_outbound.tbl != NULL && entry->peer != NULL)
        return OK;
    if (entry->by_child.tbl != NULL) {
        unindex_outbound(sad, entry);
        HASH_DELETE(by_child, sad->by_child, entry);
    }
    HASH_DELETE(by_spi, sad->by_spi, entry);
    return ERR_MEMORY;
}

enum status sad_add(struct sad *sad, const struct child *child)
{
    if (child->rule >= sad->rules->count)
        return ERR_NOT_FOUND;
    if (find_spi(sad, child->spi_in) != NULL || find_child(sad, child->id) != NULL)
        return ERR_STATE;
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return ERR_MEMORY;
    entry->child_id = child->id;
    entry->spi = child->spi_in;
    uint8_t shard = spi_shard(child->spi_in, sad->shards);
    enum status status = sa_new(child, sad->libraries[shard], sad->random, &entry->sa);
    if (status == OK) {
        entry->sa->shard = shard;
        status = insert(sad, entry);
    }
    if (status != OK)
        entry_free(entry);
    return status;
}

static void seal_no_more(struct sad *sad, struct entry *entry)
{
    struct entry **link = &sad->rules->active[entry->sa->rule];
    while (*link != NULL && *link != entry)
        link = &(*link)->older;
    if (*link == entry)
        *link = entry->older;
}

enum status sad_activate(struct sad *sad, uint64_t child_id)
{
    struct entry *entry = find_child(sad, child_id);
    if (entry == NULL)
        return ERR_NOT_FOUND;
    seal_no_more(sad, entry);
    entry->sa->outbound = true;
    entry->older = sad->rules->active[entry->sa->rule];
    sad->rules->active[entry->sa->rule] = entry;
    return OK;
}

void sad_remove(struct sad *sad, uint64_t child_id)
{
    struct entry *entry = find_child(sad, child_id);
    if (entry == NULL)
        return;
    seal_no_more(sad, entry);
    HASH_DELETE(by_child, sad->by_child, entry);
    HASH_DELETE(by_spi, sad->by_spi, entry);
    unindex_outbound(sad, entry);
    entry_free(entry);
}

void sad_move(struct sad *sad, uint64_t child_id, const struct path *path)
{
    struct entry *entry = find_child(sad, child_id);
    if (entry == NULL)
        return;
    unindex_outbound(sad, entry);
    entry->sa->path = *path;
    index_outbound(sad, entry); /* without memory: its path MTU is not learned any more, all else works */
}

void sad_set_path_mtu(struct sad *sad, const struct address *peer, uint32_t path_mtu)
{
    const struct peer *found = NULL;
    HASH_FIND(hh, sad->peers, peer, sizeof *peer, found);
    for (struct entry *entry = found != NULL ? found->first : NULL; entry != NULL; entry = entry->peer_next)
        sa_set_path_mtu(entry->sa, path_mtu);
}

enum status sad_rules_new(size_t rules, struct sad_rules **out)
{
    *out = calloc(1, sizeof **out + rules * sizeof(struct entry *));
    if (*out == NULL)
        return ERR_MEMORY;
    (*out)->count = rules;
    return OK;
}

void sad_rules_free(struct sad_rules *rules)
{
    free(rules);
}

/* The lists of those that seal keep their order. */
void sad_renumber(struct sad *sad, struct sad_rules *rules, const struct renumber *numbers)
{
    struct entry *entry, *next;
    HASH_ITER(by_child, sad->by_child, entry, next)
    {
        if (renumber_rule(numbers, entry->sa->rule) == RENUMBER_GONE)
            sad_remove(sad, entry->child_id);
    }
    for (uint32_t i = 0; i < sad->rules->count; i++)
        if (sad->rules->active[i] != NULL)
            rules->active[renumber_rule(numbers, i)] = sad->rules->active[i];
    for (entry = sad->by_child; entry != NULL; entry = entry->by_child.next)
        entry->sa->rule = renumber_rule(numbers, entry->sa->rule);
    sad_rules_free(sad->rules);
    sad->rules = rules;
}

struct sa *sad_by_outbound(const struct sad *sad, uint32_t spi_out, const struct address *peer)
{
    struct outbound_key key = outbound_key_of(spi_out, peer);
    struct entry *entry = NULL;
    HASH_FIND(by_outbound, sad->by_outbound, &key, sizeof key, entry);
    return entry == NULL ? NULL : entry->sa;
}

void sad_each(const struct sad *sad, void (*visit)(void *arg, const struct sa *sa), void *arg)
{
    for (const struct entry *entry = sad->by_child; entry != NULL; entry = entry->by_child.next)
        visit(arg, entry->sa);
}

struct sa *sad_inbound(const struct sad *sad, uint32_t spi)
{
    const struct entry *entry = find_spi(sad, spi);
    return entry == NULL ? NULL : entry->sa;
}

struct sa *sad_by_child(const struct sad *sad, uint64_t child_id)
{
    const struct entry *entry = find_child(sad, child_id);
    return entry == NULL ? NULL : entry->sa;
}

struct sa *sad_outbound(const struct sad *sad, uint32_t rule, const struct flow *flow, bool *rule_has_sa)
{
    *rule_has_sa = false;
    if (rule >= sad->rules->count)
        return NULL;
    for (const struct entry *entry = sad->rules->active[rule]; entry != NULL; entry = entry->older) {
        if (entry->sa->dead)
            continue;
        *rule_has_sa = true;
        if (selector_matches(&entry->sa->selector, flow))
            return entry->sa;
    }
    return NULL;
}
