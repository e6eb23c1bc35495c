/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into a rig: packets by its SAs, and what there is of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "esp/drop.h"
#include "esp/open.h"
#include "esp/seal.h"
#include "test/sim/rig.h"

enum { PING_HEAD = 28 };

static size_t make_ping(int from, size_t data, uint8_t packet[RIG_PACKET_MAX])
{
    const size_t len = PING_HEAD + data;
    const uint8_t head[20] = {0x45,
                              0,
                              (uint8_t)(len >> 8),
                              (uint8_t)len,
                              0,
                              1,
                              0,
                              0,
                              64,
                              1,
                              0,
                              0,
                              10,
                              (uint8_t)(1 + from),
                              0,
                              1,
                              10,
                              (uint8_t)(2 - from),
                              0,
                              1};
    if (len > RIG_PACKET_MAX)
        abort();
    memset(packet, 0, len);
    memcpy(packet, head, sizeof head);
    packet[20] = 8;
    return len;
}

static void tell_limits(struct rig_end *end, struct sa *sa)
{
    uint64_t child = sa->child_id;
    if (sa->dead)
        ike_child_hard(end->ike, end->rig->now_ms, child);
    else if (sa_take_soft(sa))
        ike_child_soft(end->ike, end->rig->now_ms, child);
}

const char *rig_seal(struct rig *rig, int from, size_t data, struct rig_sealed *out)
{
    uint8_t buffer[PACKET_HEADROOM + RIG_PACKET_MAX + PACKET_TAILROOM], ping[RIG_PACKET_MAX];
    struct packet packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *batch = &packet;
    struct flow flow;
    enum drop why;
    bool has;
    size_t len = make_ping(from, data, ping);
    uint8_t *at = packet_append(&packet, len);
    if (at == NULL)
        abort();
    memcpy(at, ping, len);
    if (flow_read(bytes_of(ping, len), &flow, NULL) != OK)
        abort();
    struct sa *sa = sad_outbound(rig->ends[from].sad, rig->ends[from].rule, &flow, &has);
    if (sa == NULL)
        return "no SA to seal with";
    esp_seal(sa, &batch, &why, 1);
    tell_limits(&rig->ends[from], sa);
    if (why != DROP_NONE)
        return drop_name(why);
    if (packet.len > sizeof out->data)
        abort();
    out->to = 1 - from;
    out->len = packet.len;
    memcpy(out->data, packet_data(&packet), packet.len);
    return NULL;
}

const char *rig_open(struct rig *rig, const struct rig_sealed *sealed)
{
    uint8_t buffer[PACKET_HEADROOM + sizeof sealed->data + PACKET_TAILROOM], ping[RIG_PACKET_MAX];
    struct packet packet = packet_of(buffer, sizeof buffer, PACKET_HEADROOM), *batch = &packet;
    struct rig_end *end = &rig->ends[sealed->to];
    struct flow opened;
    enum drop why;
    uint32_t spi;
    uint8_t *at = packet_append(&packet, sealed->len);
    if (at == NULL)
        abort();
    memcpy(at, sealed->data, sealed->len);
    if (!esp_peek_spi(bytes_of(packet_data(&packet), packet.len), &spi))
        return "no SPI";
    struct sa *sa = sad_inbound(end->sad, spi);
    if (sa == NULL)
        return "no SA to open it with";
    esp_open(sa, NULL, &batch, &opened, &why, 1);
    tell_limits(end, sa);
    if (why != DROP_NONE)
        return drop_name(why);
    size_t len = make_ping(1 - sealed->to, packet.len - PING_HEAD, ping);
    return packet.len == len && memcmp(packet_data(&packet), ping, len) == 0 ? NULL : "not what was sealed";
}

bool rig_carries(struct rig *rig, int from)
{
    struct rig_sealed sealed;
    return rig_seal(rig, from, 0, &sealed) == NULL && rig_open(rig, &sealed) == NULL;
}

bool rig_both_carry(const struct rig *rig)
{
    /* Sealing counts packets, so the rig is not really const; the SAs are reached through pointers. */
    struct rig *r = (struct rig *)(uintptr_t)rig;
    return rig_carries(r, 0) && rig_carries(r, 1);
}

struct counts {
    const char *state;
    size_t sas, children;
};

static void count_sa(void *arg, const struct ike_sa_info *info)
{
    struct counts *c = arg;
    c->sas += c->state == NULL || strcmp(info->state, c->state) == 0;
}

static void count_child(void *arg, const struct ike_child_info *info)
{
    (void)info;
    ((struct counts *)arg)->children++;
}

static struct counts count(const struct rig_end *end, const char *state)
{
    struct counts counts = {.state = state};
    ike_visit(end->ike, &(struct ike_visitor){.arg = &counts, .sa = count_sa, .child = count_child});
    return counts;
}

size_t rig_children(const struct rig_end *end)
{
    return count(end, NULL).children;
}

size_t rig_sas(const struct rig_end *end, const char *state)
{
    return count(end, state).sas;
}

uint64_t rig_drops(const struct rig_end *end, enum ike_drop drop)
{
    return ike_drop_count(end->ike, drop);
}
