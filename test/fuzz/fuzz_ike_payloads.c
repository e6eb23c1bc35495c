/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of payloads: the first byte says padding or not, the second the first type. What is accepted lies inside, in
 * order, and passes the rules or not. */
#include <stdlib.h>

#include "ike/payload.h"
#include "ike/rules.h"
#include "ike/v1_vendor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(struct bytes chain, bool may_pad, const struct payloads *p)
{
    const uint8_t *at = chain.data;
    require(p->count <= PAYLOADS_MAX);
    for (size_t i = 0; i < p->count; i++) {
        require(p->items[i].whole.data == at);
        require(p->items[i].whole.len >= PAYLOAD_HEADER);
        require(p->items[i].body.len == p->items[i].whole.len - PAYLOAD_HEADER);
        require(p->items[i].type != PAYLOAD_NONE);
        at += p->items[i].whole.len;
    }
    require(p->whole.len == (size_t)(at - chain.data) && p->whole.len <= chain.len);
    require(may_pad || p->whole.len == chain.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct payloads p;
    if (size < 2)
        return 0;
    struct bytes chain = bytes_of(data + 2, size - 2);
    bool may_pad = data[0] & 1;
    if (payloads_read(data[1], chain, may_pad, &p) != OK)
        return 0;
    check(chain, may_pad, &p);
    require((vendor_read(&p) & ~(unsigned)VENDOR_ALL) == 0);
    for (enum message_kind kind = MESSAGE_MAIN_SA; kind <= MESSAGE_INFO_CLEAR; kind++)
        if (rules_check(kind, &p) == OK)
            require(p.count > 0);
    return 0;
}
