/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of IKEv1 messages: first the payload's reader, whole input; then a row of fragments (number, total, length,
 * bytes), held against a plain model of what a collection must have.
 */
#include <stdlib.h>
#include <string.h>

#include "ike/fragment.h"
#include "ike/v1_fragment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void payload(struct bytes message)
{
    struct ike_header h, again;
    struct v1_fragment f, back;
    static uint8_t buffer[IKE_MESSAGE_MAX + 64];
    if (header_read(message, &h) != OK || v1_fragment_read(&h, message, &f) != OK)
        return;
    require(f.number > 0 && f.data.len > 0);
    require(f.data.len == message.len - IKE_HEADER_LEN - 8);
    struct writer w = writer_of(buffer, sizeof buffer);
    v1_fragment_write(&w, &h, &f);
    require(!w.failed && header_read(writer_bytes(&w), &again) == OK);
    require(v1_fragment_read(&again, writer_bytes(&w), &back) == OK);
    require(back.id == f.id && back.number == f.number && back.last == f.last && back.data.len == f.data.len);
    require(memcmp(back.data.data, f.data.data, f.data.len) == 0);
}

struct model {
    struct bytes pieces[FRAGMENTS_MAX + 1];
    unsigned total;
    size_t bytes;
};

static bool model_takes(const struct model *m, unsigned number, unsigned total, struct bytes data)
{
    if (number == 0 || number > FRAGMENTS_MAX || total > FRAGMENTS_MAX || data.len == 0)
        return false;
    unsigned known = m->total != 0 ? m->total : total;
    if (known != 0 && (number > known || (total != 0 && total != known)))
        return false;
    for (unsigned i = known + 1; known != 0 && i <= FRAGMENTS_MAX; i++)
        if (m->pieces[i].data != NULL)
            return false;
    struct bytes there = m->pieces[number];
    if (there.data != NULL)
        return there.len == data.len && memcmp(there.data, data.data, data.len) == 0;
    return m->bytes + data.len <= IKE_MESSAGE_MAX;
}

static void collection(struct reader r)
{
    struct fragments f = {0};
    struct model m = {0};
    static uint8_t whole[IKE_MESSAGE_MAX];
    while (r.left >= 3) {
        unsigned number = read_u8(&r) % (FRAGMENTS_MAX + 4), total = read_u8(&r) % (FRAGMENTS_MAX + 4);
        size_t len = read_u8(&r);
        struct bytes data = read_bytes(&r, len < r.left ? len : r.left);
        bool takes = model_takes(&m, number, total, data);
        require((fragments_add(&f, number, total, data) == OK) == takes);
        if (!takes)
            continue;
        if (m.pieces[number].data == NULL) {
            m.pieces[number] = data;
            m.bytes += data.len;
        }
        m.total = total != 0 ? total : m.total;
    }
    bool complete = m.total != 0;
    for (unsigned i = 1; i <= m.total; i++)
        complete &= m.pieces[i].data != NULL;
    require(fragments_are_complete(&f) == complete);
    if (complete) {
        struct writer w = writer_of(whole, sizeof whole);
        fragments_join(&f, &w);
        require(!w.failed && w.len == m.bytes);
        size_t at = 0;
        for (unsigned i = 1; i <= m.total; at += m.pieces[i++].len)
            require(memcmp(whole + at, m.pieces[i].data, m.pieces[i].len) == 0);
    }
    fragments_clear(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    payload(bytes_of(data, size));
    collection(reader_of(data, size));
    return 0;
}
