/* SPDX-License-Identifier: Apache-2.0 */
/* The attribute payload of transaction exchanges: what was read is within its bounds, and can be written again. */
#include <stdlib.h>
#include <string.h>

#include "ike/v1_attr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void write_again(const struct v1_attrs *attrs, struct bytes body)
{
    uint8_t *copy = malloc(body.len);
    require(copy != NULL);
    struct writer w = writer_of(copy, body.len);
    v1_attrs_begin(&w, (enum v1_attr_kind)attrs->kind, attrs->identifier);
    for (size_t i = 0; i < attrs->count; i++) {
        const struct v1_attr *a = &attrs->items[i];
        if (a->brief)
            v1_attr_write_brief(&w, a->type, load_u16(a->value.data));
        else
            v1_attr_write(&w, a->type, a->value);
    }
    copy[1] = body.data[1]; /* reserved: not looked at */
    require(!w.failed && w.len == body.len && memcmp(copy, body.data, body.len) == 0);
    free(copy);
}

static void give(const struct v1_attrs *attrs)
{
    struct virtual_net net;
    if (v1_net_read(attrs, &net) != OK)
        return;
    require(net.dns_count <= ACCESS_DNS_MAX && net.split_count <= ACCESS_SPLIT_MAX);
    require(memchr(net.domain, 0, sizeof net.domain) != NULL && memchr(net.banner, 0, sizeof net.banner) != NULL);
    for (size_t i = 0; i < net.split_count; i++) {
        unsigned len;
        require(net.split[i].first.family == 4 && range_is_prefix(&net.split[i], &len));
    }
    for (size_t f = 0; f < FAMILIES; f++)
        require(net.address[f].family == 0 || family_index(&net.address[f]) == f);
}

/* As if a client had asked it: whatever it asks for, the answer fits a message. */
static void answer(const struct v1_attrs *attrs)
{
    static const struct access access = {.server = true,
                                         .dns = {{4, {10, 2, 0, 53}}, {6, {0x20, 1}}},
                                         .dns_count = 2,
                                         .split = {{{4, {10, 1}}, {4, {10, 1, 255, 255}}}},
                                         .split_count = 1,
                                         .domain = "example.org",
                                         .banner = "hello"};
    static const struct address own[FAMILIES] = {{4, {10, 9, 0, 1}}, {6, {0x20, 1, 13}}};
    uint8_t buffer[1024];
    struct v1_attrs again;
    struct virtual_net net;
    struct writer w = writer_of(buffer, sizeof buffer);
    v1_attrs_begin(&w, ATTR_REPLY, attrs->identifier);
    v1_net_write(&w, attrs, &access, own, 3600, true);
    require(!w.failed && v1_attrs_read(writer_bytes(&w), &again) == OK && v1_net_read(&again, &net) == OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct v1_attrs attrs;
    if (v1_attrs_read(bytes_of(data, size), &attrs) != OK)
        return 0;
    require(attrs.count <= ATTRS_MAX);
    write_again(&attrs, bytes_of(data, size));
    give(&attrs);
    answer(&attrs);
    return 0;
}
