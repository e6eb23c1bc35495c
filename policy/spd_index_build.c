/* SPDX-License-Identifier: Apache-2.0 */
/* Rules are put in in their order, so what comes first under a key, tuple or length is the least. */
#include <stdlib.h>

#include "policy/prefix.h"
#include "policy/spd_index_state.h"

enum { AT_ONCE = 4, SIZE_MIN = 16 };

struct pieces {
    struct prefix local[PREFIX_SPLIT_MAX], remote[PREFIX_SPLIT_MAX];
    struct port_prefix local_port[PORT_SPLIT_MAX], remote_port[PORT_SPLIT_MAX];
    size_t locals, remotes, local_ports, remote_ports;
};

struct piece {
    struct bits base;
    uint8_t len;
};

struct build {
    struct spd_index *index;
    const struct spd *spd;
    uint32_t at; /* the rule at hand */
    struct pieces pieces;
};

/* --- room --- */

static enum status grow(void **items, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return OK;
    uint32_t more = *room > 0 ? *room * 2 : 16;
    void *grown = reallocarray(*items, more, size);
    if (grown == NULL)
        return ERR_MEMORY;
    *items = grown;
    *room = more;
    return OK;
}

static enum status rehash(struct spd_index *index, uint32_t size)
{
    struct slot *old = index->slots, *slots = aligned_alloc(sizeof *slots, size * sizeof *slots);
    uint32_t old_size = index->size;
    if (slots == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < size; i++)
        slots[i] = (struct slot){0};
    index->slots = slots;
    index->size = size;
    for (uint32_t i = 0; i < old_size; i++)
        if (old[i].key.fields != 0)
            *index_find(index, &old[i].key) = old[i];
    free(old);
    return OK;
}

/* What one step below may need: none of it moves before the next one. */
static enum status make_room(struct spd_index *index)
{
    enum status status = index->used + AT_ONCE > index->size / 2 ? rehash(index, index->size * 2) : OK;
    if (status == OK)
        status = grow((void **)&index->tuples, index->tuple_count + AT_ONCE, &index->tuple_room, sizeof *index->tuples);
    if (status == OK)
        status = grow((void **)&index->links, index->link_count + AT_ONCE, &index->link_room, sizeof *index->links);
    return status;
}

static struct slot *take_slot(struct spd_index *index, const struct index_key *key, bool *fresh)
{
    struct slot *slot = index_find(index, key);
    *fresh = slot->key.fields == 0;
    if (*fresh) {
        slot->key = *key;
        index->used++;
    }
    return slot;
}

/* --- nodes and tuples --- */

static void note_level(struct build *b, uint8_t family, uint8_t len)
{
    struct level *levels = b->index->levels[family == 6];
    size_t *count = &b->index->level_count[family == 6];
    for (size_t i = 0; i < *count; i++)
        if (levels[i].len == len)
            return;
    levels[(*count)++] = (struct level){len, b->at};
}

static struct node *take_node(struct build *b, uint8_t family, const struct piece *remote)
{
    const struct index_key key = {.address = remote->base, .fields = node_code(family, remote->len)};
    bool fresh;
    struct slot *slot = take_slot(b->index, &key, &fresh);
    if (fresh) {
        const struct tuple none = {.least = INDEX_NO_RULE};
        slot->is.node = (struct node){.id = ++b->index->nodes, .least = b->at, .match = none, .hidden = none};
        note_level(b, family, remote->len);
    }
    return &slot->is.node;
}

static void note_tuple(struct build *b, struct tuple *first, struct fields fields)
{
    struct spd_index *index = b->index;
    const struct tuple tuple = {.fields = fields, .least = b->at};
    struct tuple *last = first;
    if (first->fields.kind == TUPLE_NONE) {
        *first = tuple;
        return;
    }
    for (; fields_code(last->fields) != fields_code(fields); last = &index->tuples[last->next]) {
        if (last->next == 0) {
            last->next = index->tuple_count;
            index->tuples[index->tuple_count++] = tuple;
            return;
        }
    }
}

/* --- one rule --- */

/* Where a rule, or a piece of it, stands. */
struct place {
    uint8_t family;
    struct piece local, remote;
};

static struct piece piece_of(const struct prefix *prefix)
{
    return (struct piece){index_bits(&prefix->base), prefix->len};
}

static const struct rule *rule_at_hand(const struct build *b)
{
    return &b->spd->rules[b->at];
}

/* kind with its flag */
static struct slot *take_entry(struct build *b, const struct place *place, struct fields fields, uint32_t ports,
                               bool *fresh)
{
    struct node *node = take_node(b, place->family, &place->remote);
    bool matches = (fields.kind & ~(unsigned)TUPLE_PROTOCOL) == TUPLE_MATCH;
    note_tuple(b, matches ? &node->match : &node->hidden, fields);
    const struct index_key key = {
        .address = place->local.base,
        .node = node->id,
        .fields = fields_code(fields),
        .ports = ports,
        .protocol = (fields.kind & TUPLE_PROTOCOL) != 0 ? rule_at_hand(b)->selector.protocol : 0,
    };
    return take_slot(b->index, &key, fresh);
}

static uint8_t kind_of(const struct build *b, enum tuple_kind kind)
{
    return (uint8_t)(kind | (rule_at_hand(b)->selector.protocol != 0 ? TUPLE_PROTOCOL : 0));
}

/* A rule behind one that takes all of its key is never reached. False: the chain is full. */
static bool chain_up(struct build *b, struct link *last, bool check)
{
    struct spd_index *index = b->index;
    size_t len = 1;
    for (; last->check && last->next != 0; len++)
        last = &index->links[last->next];
    if (!last->check)
        return true;
    if (check && len >= INDEX_CHAIN)
        return false;
    last->next = index->link_count;
    index->links[index->link_count++] = (struct link){.rule = b->at, .check = check};
    return true;
}

/* By the bits of its ports that are given. check: they are not all that it asks of them. */
static bool put_match(struct build *b, const struct place *place, struct port_prefix local, struct port_prefix remote,
                      bool check)
{
    const struct fields fields = {kind_of(b, TUPLE_MATCH), place->local.len, local.len, remote.len};
    bool fresh;
    struct slot *slot = take_entry(b, place, fields, ports_cut(local.base, remote.base, fields), &fresh);
    if (!fresh)
        return chain_up(b, &slot->is.first, check);
    slot->is.first = (struct link){.rule = b->at, .check = check};
    return true;
}

static enum status put_cut(struct build *b, const struct place *place)
{
    const struct pieces *p = &b->pieces;
    enum status status = OK;
    for (size_t i = 0; i < p->local_ports; i++)
        for (size_t k = 0; k < p->remote_ports && status == OK; k++) {
            (void)put_match(b, place, p->local_port[i], p->remote_port[k], false);
            status = make_room(b->index);
        }
    return status;
}

static void put_hidden(struct build *b, const struct place *place, uint8_t kind)
{
    const struct rule *rule = rule_at_hand(b);
    bool fresh;
    struct slot *slot = take_entry(b, place, (struct fields){.kind = kind, .len = place->local.len}, 0, &fresh);
    struct hidden_rules *h = &slot->is.hidden;
    if (fresh)
        *h = (struct hidden_rules){.discard = INDEX_NO_RULE, .protect = INDEX_NO_RULE, .other = INDEX_NO_RULE};
    if (rule->action == ACTION_DISCARD) {
        h->discard = h->discard == INDEX_NO_RULE ? b->at : h->discard;
    } else if (h->protect == INDEX_NO_RULE) {
        h->protect = b->at;
        h->connection = rule->connection;
    } else if (h->other == INDEX_NO_RULE && h->connection != rule->connection) {
        h->other = b->at;
    }
}

/* As one piece: with all bits of a single port, with none of a range. */
static struct port_prefix as_one(struct port_range port)
{
    bool one = port.first == port.last;
    return (struct port_prefix){one ? port.first : 0, one ? 16 : 0};
}

static enum status put_piece(struct build *b, const struct place *place)
{
    const struct rule *rule = rule_at_hand(b);
    const struct selector *s = &rule->selector;
    const struct port_prefix local = as_one(s->local_port), remote = as_one(s->remote_port);
    bool check = (local.len == 0 && !port_is_any(s->local_port)) || (remote.len == 0 && !port_is_any(s->remote_port));
    enum status status = make_room(b->index);
    if (status == OK && !put_match(b, place, local, remote, check))
        status = put_cut(b, place);
    if (status == OK)
        status = make_room(b->index);
    if (status != OK || rule->action == ACTION_BYPASS)
        return status;
    if (selector_has_ports(s))
        put_hidden(b, place, kind_of(b, TUPLE_PORTS));
    if (place->family == 6 && (selector_has_ports(s) || s->protocol != 0))
        put_hidden(b, place, TUPLE_UPPER);
    return OK;
}

static enum status put_on_list(struct build *b)
{
    struct spd_index *index = b->index;
    enum status status = grow((void **)&index->list, index->list_count, &index->list_room, sizeof *index->list);
    if (status == OK)
        index->list[index->list_count++] = b->at;
    return status;
}

static enum status put_rule(struct build *b)
{
    const struct selector *s = &rule_at_hand(b)->selector;
    struct pieces *p = &b->pieces;
    enum status status = OK;
    if (s->local.first.family != s->remote.first.family)
        return OK; /* no packet is of two families */
    p->locals = prefix_split(&s->local, p->local);
    p->remotes = prefix_split(&s->remote, p->remote);
    p->local_ports = port_split(s->local_port.first, s->local_port.last, p->local_port);
    p->remote_ports = port_split(s->remote_port.first, s->remote_port.last, p->remote_port);
    size_t count = p->locals * p->remotes;
    if (count > INDEX_PIECES_MAX || (count > INDEX_PIECES && b->index->list_count < INDEX_LIST))
        return put_on_list(b);
    for (size_t i = 0; i < p->locals; i++)
        for (size_t k = 0; k < p->remotes && status == OK; k++)
            status =
                put_piece(b, &(struct place){s->remote.first.family, piece_of(&p->local[i]), piece_of(&p->remote[k])});
    return status;
}

/* --- the whole --- */

static enum status build(struct build *b, const struct random *random)
{
    struct spd_index *index = b->index;
    enum status status = random_fill(random, index->seed, sizeof index->seed);
    if (status == OK)
        status = random_fill(random, &index->generation, sizeof index->generation);
    if (status == OK) /* most rules take a node and an entry, and half of the slots stay empty */
        status = rehash(index, (uint32_t)(b->spd->count * 4 + SIZE_MIN));
    for (; b->at < b->spd->count && status == OK; b->at++)
        status = put_rule(b);
    if (status == OK && index->used * 3 < index->size)
        status = rehash(index, index->used * 2 + SIZE_MIN);
    return status == OK ? protect_index_make(&index->protect, b->spd, random) : status;
}

enum status spd_index_new(const struct spd *spd, const struct random *random, struct spd_index **out)
{
    *out = NULL;
    struct build *b = calloc(1, sizeof *b);
    struct spd_index *index = calloc(1, sizeof *index);
    enum status status = ERR_MEMORY;
    if (b != NULL && index != NULL) {
        index->tuple_count = index->link_count = 1;
        b->index = index;
        b->spd = spd;
        status = build(b, random);
    }
    free(b);
    if (status == OK)
        *out = index;
    else
        spd_index_free(index);
    return status;
}

void spd_index_free(struct spd_index *index)
{
    if (index == NULL)
        return;
    free(index->slots);
    free(index->tuples);
    free(index->links);
    free(index->list);
    protect_index_free(&index->protect);
    free(index);
}

static size_t count_tuples(const struct spd_index *index, const struct tuple *s)
{
    size_t count = s->fields.kind != TUPLE_NONE;
    for (; s->next != 0; s = &index->tuples[s->next])
        count++;
    return count;
}

struct spd_index_stats spd_index_stats(const struct spd_index *index)
{
    struct spd_index_stats stats = {.listed = index->list_count};
    size_t most[INDEX_LEVELS] = {0};
    for (uint32_t i = 0; i < index->size; i++) {
        const struct slot *slot = &index->slots[i];
        if (slot->key.fields >> 24 != TUPLE_NODE)
            continue;
        size_t count = count_tuples(index, &slot->is.node.match), len = slot->key.fields >> 16 & 0xff;
        most[len] = count > most[len] ? count : most[len];
    }
    for (size_t i = 0; i < INDEX_LEVELS; i++)
        stats.probes += most[i] + (most[i] > 0);
    stats.bytes =
        sizeof *index + index->size * sizeof *index->slots + index->tuple_room * sizeof *index->tuples +
        index->link_room * sizeof *index->links + index->list_room * sizeof *index->list +
        ((size_t)index->protect.equal_size + index->protect.count + index->protect.connections) * sizeof(uint32_t);
    return stats;
}
