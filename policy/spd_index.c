/* SPDX-License-Identifier: Apache-2.0 */
/* Packet path: no allocation, no log, nothing written. */
#include "base/wire.h"
#include "policy/spd_index_state.h"

/* --- the table --- */

/* The keys in the table are those of the configuration; packets only ask. */
static uint32_t hash_key(const uint64_t seed[HASH_SEEDS(INDEX_WORDS)], const struct index_key *k)
{
    const uint64_t words[INDEX_WORDS] = {k->address.high, k->address.low, (uint64_t)k->node << 32 | k->fields,
                                         (uint64_t)k->ports << 32 | k->protocol};
    return hash_words(seed, words, INDEX_WORDS);
}

static bool key_equal(const struct index_key *a, const struct index_key *b)
{
    return a->address.high == b->address.high && a->address.low == b->address.low && a->node == b->node &&
           a->fields == b->fields && a->ports == b->ports && a->protocol == b->protocol;
}

/* Half of the slots at least are empty, so that it ends soon. */
struct slot *index_find(const struct spd_index *index, const struct index_key *key)
{
    uint32_t at = hash_place(hash_key(index->seed, key), index->size);
    while (index->slots[at].key.fields != 0 && !key_equal(&index->slots[at].key, key))
        at = at + 1 < index->size ? at + 1 : 0;
    return &index->slots[at];
}

/* --- one packet --- */

struct bits index_bits(const struct address *a)
{
    return (struct bits){(uint64_t)load_u32(a->bytes) << 32 | load_u32(a->bytes + 4),
                         (uint64_t)load_u32(a->bytes + 8) << 32 | load_u32(a->bytes + 12)};
}

struct question {
    const struct spd_index *index;
    const struct spd *spd;
    const struct flow *flow;
    struct bits local, remote;
    uint32_t best; /* the first rule that was found to match */
    bool protocol_hidden, leads_elsewhere;
};

static const struct node *find_node(const struct question *q, uint8_t family, uint8_t len)
{
    const struct index_key key = {.address = bits_cut(q->remote, len), .fields = node_code(family, len)};
    const struct slot *slot = index_find(q->index, &key);
    return slot->key.fields != 0 ? &slot->is.node : NULL;
}

static const struct slot *find_entry(const struct question *q, const struct node *node, struct fields fields)
{
    const struct flow *f = q->flow;
    const struct index_key key = {
        .address = bits_cut(q->local, fields.len),
        .node = node->id,
        .fields = fields_code(fields),
        .ports = ports_cut(f->source_port, f->destination_port, fields),
        .protocol = (fields.kind & TUPLE_PROTOCOL) != 0 ? f->protocol : 0,
    };
    const struct slot *slot = index_find(q->index, &key);
    return slot->key.fields != 0 ? slot : NULL;
}

static void take_first(struct question *q, const struct link *link)
{
    for (;; link = &q->index->links[link->next]) {
        if (link->rule >= q->best)
            return;
        if (!link->check || selector_matches(&q->spd->rules[link->rule].selector, q->flow)) {
            q->best = link->rule;
            return;
        }
        if (link->next == 0)
            return;
    }
}

static void ask_matches(struct question *q, const struct node *node)
{
    for (const struct tuple *s = &node->match; s->least < q->best; s = &q->index->tuples[s->next]) {
        const struct fields f = s->fields;
        if (q->flow->has_ports || (f.local_bits | f.remote_bits) == 0) {
            const struct slot *entry = find_entry(q, node, f);
            if (entry != NULL)
                take_first(q, &entry->is.first);
        }
        if (s->next == 0)
            return;
    }
}

/* Calls ask for each node whose first rule is above the best one. */
static void ask_nodes(struct question *q, void (*ask)(struct question *q, const struct node *node))
{
    const uint8_t family = q->flow->destination.family;
    const struct level *levels = q->index->levels[family == 6];
    const size_t count = q->index->level_count[family == 6];
    for (size_t i = 0; i < count && levels[i].least < q->best; i++) {
        const struct node *node = find_node(q, family, levels[i].len);
        if (node != NULL && node->least < q->best)
            ask(q, node);
    }
}

static void ask_list(struct question *q)
{
    for (uint32_t i = 0; i < q->index->list_count && q->index->list[i] < q->best; i++)
        if (selector_matches(&q->spd->rules[q->index->list[i]].selector, q->flow))
            q->best = q->index->list[i];
}

/* --- what a fragment does not show --- */

/* May a rule above the best one take the whole packet elsewhere? */
static bool leads_elsewhere(const struct question *q, const struct hidden_rules *h)
{
    const struct rule *best = &q->spd->rules[q->best];
    if (h->discard < q->best)
        return true;
    if (best->action != ACTION_PROTECT || h->connection != best->connection)
        return h->protect < q->best;
    return h->other < q->best;
}

static void ask_hidden(struct question *q, const struct node *node)
{
    const unsigned kind = q->protocol_hidden ? TUPLE_UPPER : TUPLE_PORTS;
    if (node->hidden.fields.kind == TUPLE_NONE)
        return;
    for (const struct tuple *s = &node->hidden; s->least < q->best; s = &q->index->tuples[s->next]) {
        if ((s->fields.kind & ~(unsigned)TUPLE_PROTOCOL) == kind) {
            const struct slot *entry = find_entry(q, node, s->fields);
            q->leads_elsewhere = q->leads_elsewhere || (entry != NULL && leads_elsewhere(q, &entry->is.hidden));
        }
        if (s->next == 0)
            return;
    }
}

static void ask_hidden_list(struct question *q)
{
    for (uint32_t i = 0; i < q->index->list_count && q->index->list[i] < q->best; i++) {
        const struct rule *rule = &q->spd->rules[q->index->list[i]];
        const struct rule *best = &q->spd->rules[q->best];
        bool same =
            rule->action == ACTION_BYPASS ||
            (rule->action == ACTION_PROTECT && best->action == ACTION_PROTECT && rule->connection == best->connection);
        if (!same && selector_may_match(&rule->selector, q->flow))
            q->leads_elsewhere = true;
    }
}

/* RFC 4301 7: see spd_lookup. What matches stands below all that it may have hidden, and a discard is no worse. */
static bool is_agreed(struct question *q)
{
    if (q->flow->has_ports || q->spd->rules[q->best].action == ACTION_DISCARD)
        return true;
    q->protocol_hidden = flow_hides_protocol(q->flow);
    ask_nodes(q, ask_hidden);
    ask_hidden_list(q);
    return !q->leads_elsewhere;
}

int spd_index_lookup(const struct spd_index *index, const struct spd *spd, const struct flow *flow)
{
    struct question q = {.index = index, .spd = spd, .flow = flow, .best = INDEX_NO_RULE};
    if (flow->source.family != flow->destination.family || address_len(&flow->source) == 0)
        return SPD_RULE_NONE;
    q.local = index_bits(&flow->source);
    q.remote = index_bits(&flow->destination);
    ask_nodes(&q, ask_matches);
    ask_list(&q);
    return q.best != INDEX_NO_RULE && is_agreed(&q) ? (int)q.best : SPD_RULE_NONE;
}

uint64_t spd_index_generation(const struct spd_index *index)
{
    return index->generation;
}
