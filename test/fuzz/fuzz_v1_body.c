/* SPDX-License-Identifier: Apache-2.0 */
/* The smaller payload bodies; the first byte chooses: identity, side of a selector, notification, delete, lifetime.
 * Readers and writers agree. */
#include <stdlib.h>
#include <string.h>

#include "ike/v1_body.h"
#include "ike/v1_proposal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void identity(struct bytes body)
{
    struct identity id, again;
    uint8_t buffer[IDENTITY_MAX + 4];
    char text[IDENTITY_TEXT];
    if (v1_id_read(body, &id) != OK)
        return;
    struct writer w = writer_of(buffer, sizeof buffer);
    v1_id_write(&w, &id);
    require(!w.failed && v1_id_read(writer_bytes(&w), &again) == OK && identity_equal(&id, &again));
    for (const char *c = identity_print(&id, text); *c != '\0'; c++)
        require(*c >= 0x20 && *c < 0x7f); /* fit for a log (B43) */
}

static void side(struct bytes body)
{
    struct v1_side here, back;
    struct selector selector, again;
    uint8_t buffer[64];
    if (v1_side_read(body, &here) != OK)
        return;
    require(address_compare(&here.range.first, &here.range.last) <= 0);
    if (v1_selector(&here, &here, &selector) != OK)
        return;
    struct writer w = writer_of(buffer, sizeof buffer);
    require(v1_side_write(&w, &selector, true) == OK);
    require(v1_side_read(writer_bytes(&w), &back) == OK && v1_selector(&back, &back, &again) == OK);
    require(selector_equal(&selector, &again));
}

static void notify(struct bytes body)
{
    struct v1_notify n;
    uint8_t buffer[1 << 16];
    if (v1_notify_read(body, &n) != OK || body.len > sizeof buffer)
        return;
    struct writer w = writer_of(buffer, sizeof buffer);
    v1_notify_write(&w, &n);
    require(!w.failed && w.len == body.len && memcmp(buffer + 4, body.data + 4, body.len - 4) == 0);
    require(v1_notify_name(n.type) != NULL);
}

static void delete (struct bytes body)
{
    struct v1_delete d;
    if (v1_delete_read(body, &d) != OK)
        return;
    require(d.count <= DELETE_SPIS_MAX && d.spis.len == (size_t)d.count * d.spi_len && body.len == 8 + d.spis.len);
}

static void lifetime(struct bytes body)
{
    uint64_t seconds, kilobytes, again = 0, more = 0;
    uint8_t buffer[64];
    if (v1_lifetime_read(body, &seconds, &kilobytes) != OK || seconds > UINT32_MAX || kilobytes > UINT32_MAX)
        return;
    struct writer w = writer_of(buffer, sizeof buffer);
    v1_lifetime_write(&w, seconds, kilobytes);
    require(!w.failed && v1_lifetime_read(writer_bytes(&w), &again, &more) == OK);
    require(again == seconds && more == kilobytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct bytes body) = {identity, side, notify, delete, lifetime};
    if (size > 0)
        readers[data[0] % 5](bytes_of(data + 1, size - 1));
    return 0;
}
