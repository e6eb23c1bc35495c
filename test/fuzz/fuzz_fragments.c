/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any sequence of fragments of eight names, which the table can always hold. No byte of a packet passes twice, what a
 * later fragment borrows is what its first showed, and what follows a whole packet is another packet.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/fragments.h"
#include "policy/protocol.h"

enum { STEP = 10, PACKETS = 8, PASSED_MAX = 256 };

/* What the target itself knows of a packet. */
struct seen {
    struct {
        uint32_t from, to;
    } passed[PASSED_MAX];
    size_t count;
    uint32_t units; /* of eight bytes, that passed */
    uint32_t end;   /* of the whole packet; 0 until that is known */
    uint64_t born_ms;
    bool has_first;
    struct flow first;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Bit 0 of `packet`: IPv6; bit 1: the scope; bit 2: the identification. */
static struct flow read_step(const uint8_t *step)
{
    static const uint8_t protocols[] = {6, 17, 1, 60};
    static const uint8_t bytes[16] = {10, 1, 0, 2};
    unsigned packet = step[0] & 7;
    struct flow f = {
        .source = address_of(packet & 1 ? 6 : 4, bytes),
        .destination = address_of(packet & 1 ? 6 : 4, bytes),
        .is_fragment = true,
        .fragment_id = packet >> 2,
        .fragment_offset = load_u16(step + 2),
        .fragment_len = load_u16(step + 4),
        .more_fragments = step[0] >> 7,
    };
    /* The protocol tells packets of IPv4 apart: there it is always the same. */
    f.protocol = packet & 1 ? protocols[step[0] >> 3 & 3] : packet & 4 ? 6 : 17;
    if (f.fragment_offset > 0)
        return f;
    f.upper_len = step[6] < f.fragment_len ? step[6] : f.fragment_len;
    f.has_ports = protocol_has_ports(f.protocol) && f.upper_len >= 4;
    f.source_port = f.has_ports ? step[7] : 0;
    f.destination_port = f.has_ports ? load_u16(step + 8) : 0;
    return f;
}

static bool clashes(const struct seen *seen, const struct flow *f)
{
    uint32_t from = f->fragment_offset, to = from + f->fragment_len, end = 0;
    for (size_t i = 0; i < seen->count; i++) {
        if (to > seen->passed[i].from / 8 * 8 && from < (seen->passed[i].to + 7) / 8 * 8)
            return true;
        end = seen->passed[i].to > end ? seen->passed[i].to : end;
    }
    return f->more_fragments ? seen->end > 0 && to >= seen->end : seen->end > 0 || to < end;
}

static void pass(struct seen *seen, const struct flow *f, uint64_t now_ms)
{
    uint32_t from = f->fragment_offset, to = from + f->fragment_len;
    require(to > from && to <= 65535 && !clashes(seen, f));
    if (seen->count == 0)
        seen->born_ms = now_ms;
    if (seen->count < PASSED_MAX) {
        seen->passed[seen->count].from = from;
        seen->passed[seen->count++].to = to;
    }
    seen->units += (to - from + 7) / 8;
    if (!f->more_fragments)
        seen->end = to;
}

static void check_known(struct seen *seen, const struct flow *before, const struct flow *f)
{
    if (before->fragment_offset == 0) {
        require(!seen->has_first && memcmp(before, f, sizeof *f) == 0);
        require(f->has_ports == protocol_has_ports(f->protocol));
        require(f->protocol != 6 || f->upper_len >= FRAGMENTS_TCP_FIRST_MIN);
        seen->has_first = true;
        seen->first = *f;
    }
    require(seen->has_first && f->protocol == seen->first.protocol && f->has_ports == seen->first.has_ports);
    require(f->source_port == seen->first.source_port && f->destination_port == seen->first.destination_port);
}

/* What makes room for a fragment that begins another packet. */
static void forget_what_gives_way(struct seen *seen, const struct flow *f, uint64_t now_ms)
{
    bool whole = seen->end > 0 && seen->units == (seen->end + 7) / 8;
    uint64_t age = now_ms - seen->born_ms;
    if (whole || age >= FRAGMENTS_LIFE_MS || (age >= FRAGMENTS_STALE_MS && clashes(seen, f)))
        *seen = (struct seen){0};
}

static void check_step(struct fragments *fragments, struct seen *seen, uint64_t scope, const uint8_t *step,
                       uint64_t now_ms)
{
    struct flow f = read_step(step), before = f;
    enum fragment_verdict verdict = fragments_see(fragments, scope, &f, now_ms);
    bool unchanged = memcmp(&before, &f, sizeof f) == 0;
    if (verdict == FRAGMENT_BAD) {
        require(unchanged);
        return;
    }
    /* One that is UNKNOWN passes, or is dropped and leaves no trace. */
    bool passes = verdict == FRAGMENT_KNOWN || (step[1] & 1) != 0;
    struct seen left = *seen;
    forget_what_gives_way(&left, &before, now_ms);
    require(!clashes(&left, &before));
    if (verdict == FRAGMENT_UNKNOWN) {
        require(unchanged && !left.has_first && before.fragment_offset > 0);
        if (passes)
            fragments_let_through(fragments, 0, scope, &f, now_ms);
    }
    if (!passes)
        return;
    *seen = left;
    pass(seen, &before, now_ms);
    if (verdict == FRAGMENT_KNOWN)
        check_known(seen, &before, &f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct random_seeded seeded;
    struct random random = random_of_seed(&seeded, 38);
    struct fragments *fragments;
    struct seen *seen = calloc(PACKETS, sizeof *seen);
    if (seen == NULL || fragments_new(&random, &fragments) != OK) {
        free(seen);
        return 0;
    }
    uint64_t now_ms = 0;
    for (size_t at = 0; at + STEP <= size && at / STEP < PASSED_MAX; at += STEP) {
        now_ms += (uint64_t)(data[at + 1] >> 1) * 40; /* five seconds at most; its last bit: see check_step */
        check_step(fragments, &seen[data[at] & 7], data[at] >> 1 & 1, data + at, now_ms);
    }
    fragments_free(fragments);
    free(seen);
    return 0;
}
