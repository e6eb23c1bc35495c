/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_fragment.h"

#include <stdlib.h>

#include "ike/fragment.h"
#include "ike/half_open.h"
#include "ike/payload.h"

enum { FRAGMENT_LAST = 1, FRAGMENT_HEAD = 4 }; /* behind the generic header: id, number, flags */

/* A message that is being collected: one per IKE SA. */
struct collected {
    struct fragments fragments;
    uint8_t exchange;
    uint32_t message_id;
    uint16_t id;
    bool of_stranger; /* counted in ike->stranger_messages */
};

/* --- the payload --- */

enum status v1_fragment_read(const struct ike_header *header, struct bytes message, struct v1_fragment *out)
{
    struct payloads p;
    struct bytes chain = bytes_of(message.data + IKE_HEADER_LEN, message.len - IKE_HEADER_LEN);
    enum status status = payloads_read(header->next_payload, chain, false, &p);
    if (status != OK || p.count != 1 || p.items[0].type != PAYLOAD_FRAGMENT)
        return ERR_MALFORMED;
    struct reader r = reader_of_bytes(p.items[0].body);
    out->id = read_u16(&r);
    out->number = read_u8(&r);
    out->last = read_u8(&r) & FRAGMENT_LAST;
    out->data = read_rest(&r);
    return r.failed || out->number == 0 || out->data.len == 0 ? ERR_MALFORMED : OK;
}

void v1_fragment_write(struct writer *w, const struct ike_header *header, const struct v1_fragment *fragment)
{
    struct ike_header clear = *header;
    clear.flags &= (uint8_t)~FLAG_ENCRYPTION; /* the fragment is not encrypted, what it carries is */
    struct chain chain = chain_begin(w->len + IKE_HEADER_NEXT_AT);
    header_write(w, &clear);
    chain_open(&chain, w, PAYLOAD_FRAGMENT);
    write_u16(w, fragment->id);
    write_u8(w, fragment->number);
    write_u8(w, fragment->last ? FRAGMENT_LAST : 0);
    write_bytes(w, fragment->data.data, fragment->data.len);
    chain_close(&chain, w);
    header_finish(w);
}

/* --- sending --- */

/* The longest IKE message that one datagram carries. */
static size_t longest(const struct ike_sa *sa, unsigned attempt)
{
    bool is_ipv6 = sa->path.remote.address.family == 6;
    size_t datagram = attempt >= FRAGMENT_SMALLER_AFTER && !is_ipv6 ? FRAGMENT_SMALL : FRAGMENT_USUAL;
    size_t marker = sa->path.local.port == IKE_NATT_PORT ? 4 : 0;
    return datagram - (is_ipv6 ? 40 : 20) - 8 - marker;
}

void v1_send(struct ike *ike, const struct ike_sa *sa, struct bytes message, unsigned attempt)
{
    struct ike_header header;
    size_t most = longest(sa, attempt);
    if (!sa->peer_fragments || message.len <= most || header_read(message, &header) != OK) {
        ike_send(ike, &sa->path, message);
        return;
    }
    size_t step = most - IKE_HEADER_LEN - PAYLOAD_HEADER - FRAGMENT_HEAD;
    /* The same for the same message cut the same way, so that pieces of a repetition fill the holes of the first try.
     */
    uint16_t id = (uint16_t)((hash_short(ike->seed, message.data, message.len) + step) | 1);
    uint8_t number = 0, datagram[FRAGMENT_USUAL];
    for (size_t at = 0; at < message.len; at += step) {
        size_t left = message.len - at;
        const struct v1_fragment fragment = {.id = id,
                                             .number = ++number,
                                             .last = left <= step,
                                             .data = bytes_of(message.data + at, left < step ? left : step)};
        struct writer w = writer_of(datagram, sizeof datagram);
        v1_fragment_write(&w, &header, &fragment);
        if (writer_finish(&w) == OK) /* it fits: longest */
            ike_send(ike, &sa->path, writer_bytes(&w));
    }
}

/* --- receiving --- */

void v1_fragments_forget(struct ike *ike, struct ike_sa *sa)
{
    struct collected *c = sa->collected;
    timer_stop(ike, &sa->collecting);
    if (c == NULL)
        return;
    if (c->of_stranger)
        ike->stranger_messages--;
    fragments_clear(&c->fragments);
    free(c);
    sa->collected = NULL;
}

/* What a stranger has started to send counts against all strangers: none can make us hold much. */
static enum status begin(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, uint16_t id)
{
    bool of_stranger = sa->peer == NULL && sa->state != SA_CONFIGURING;
    v1_fragments_forget(ike, sa);
    if (of_stranger && !half_open_may_collect(ike, sa))
        return ERR_LIMIT;
    struct collected *c = calloc(1, sizeof *c);
    if (c == NULL)
        return ERR_MEMORY;
    c->exchange = header->exchange;
    c->message_id = header->message_id;
    c->id = id;
    c->of_stranger = of_stranger;
    ike->stranger_messages += of_stranger;
    sa->collected = c;
    timer_in(ike, &sa->collecting, FRAGMENTS_LIFE);
    return OK;
}

/* Another message takes the place of one that is not complete: its sender has given that one up. */
static bool is_another(const struct collected *c, const struct ike_header *header, uint16_t id)
{
    return c == NULL || c->exchange != header->exchange || c->message_id != header->message_id || c->id != id;
}

/* Only what may become a message of this SA, and no fragment again. */
static enum status join(struct ike *ike, struct ike_sa *sa, struct ike_header *header, struct bytes *whole)
{
    struct ike_header joined;
    struct writer w = writer_of(ike->joined, sizeof ike->joined);
    fragments_join(&sa->collected->fragments, &w);
    enum status status = writer_finish(&w);
    v1_fragments_forget(ike, sa);
    if (status == OK)
        status = header_read(writer_bytes(&w), &joined);
    if (status == OK && (joined.spi_i != header->spi_i || joined.spi_r != header->spi_r ||
                         joined.major != header->major || joined.next_payload == PAYLOAD_FRAGMENT))
        status = ERR_MALFORMED;
    if (status != OK)
        return status;
    *header = joined;
    *whole = writer_bytes(&w);
    return OK;
}

static bool may_take(struct ike *ike, const struct ike_sa *sa, const struct path *path)
{
    if (!connection_of(ike, sa->connection)->fragmentation)
        ike_drop(ike, IKE_DROP_STATE, path,
                 "%s: a fragment, but fragmentation = no here: write yes, or turn it off there",
                 connection_of(ike, sa->connection)->name);
    else if (sa->state < SA_ESTABLISHED && !address_equal(&sa->path.remote.address, &path->remote.address))
        ike_drop(ike, IKE_DROP_STATE, path, "a fragment from another address than phase 1 began with");
    else
        return true;
    return false;
}

bool v1_fragment_input(struct ike *ike, struct ike_sa *sa, struct ike_header *header, const struct path *path,
                       struct bytes message, struct bytes *whole)
{
    struct v1_fragment fragment;
    if (!may_take(ike, sa, path))
        return false;
    enum status status = v1_fragment_read(header, message, &fragment);
    if (status == OK && is_another(sa->collected, header, fragment.id))
        status = begin(ike, sa, header, fragment.id);
    if (status == OK)
        status = fragments_add(&sa->collected->fragments, fragment.number, fragment.last ? fragment.number : 0,
                               fragment.data);
    bool is_complete = status == OK && fragments_are_complete(&sa->collected->fragments);
    if (is_complete)
        status = join(ike, sa, header, whole);
    if (status == OK)
        return is_complete;
    ike_drop(ike,
             status == ERR_LIMIT    ? IKE_DROP_LIMIT
             : status == ERR_MEMORY ? IKE_DROP_INTERNAL
                                    : IKE_DROP_MALFORMED,
             path, "fragment: %s", status_text(status));
    return false;
}
