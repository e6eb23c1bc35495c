/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any ESP packet for a living SA. The first byte chooses: bits 0 to 2 and 6 to 7 the suite, bit 3 ESN, bit 4 whether
 * the rest is a packet as it came from the wire, or text that an authentic peer has sealed (what lies behind the ICV is
 * reached only so), bit 5 the family of the selector. Bytes 1 to 4 are then the sequence number; with ESN its top bit
 * means that 2^32 packets more were lost, and the SA is about to try for that (RFC 4303 A3). The portable back ends
 * and the fastest ones must come to the same end.
 */
#include <stdlib.h>
#include <string.h>

#include "esp/open.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 4096, BUFFER = TEXT_MAX + PACKET_HEADROOM + PACKET_TAILROOM, KEYMAT_MAX = 128 };

static const struct aead_suite suites[32] = {
    {ENCR_AES_GCM_16, 128, INTEG_NONE, false},
    {ENCR_AES_GCM_16, 256, INTEG_NONE, false},
    {ENCR_CHACHA20_POLY1305, 256, INTEG_NONE, false},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA1_96, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA2_384_192, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_SHA2_512_256, false},
    {ENCR_AES_GCM_8, 192, INTEG_NONE, false},
    {ENCR_AES_GCM_12, 256, INTEG_NONE, false},
    {ENCR_AES_GCM_8, 128, INTEG_NONE, false},
    {ENCR_AES_CCM_8, 128, INTEG_NONE, false},
    {ENCR_AES_CCM_12, 192, INTEG_NONE, false},
    {ENCR_AES_CCM_16, 256, INTEG_NONE, false},
    {ENCR_AES_CCM_16, 128, INTEG_NONE, false},
    {ENCR_NULL_AUTH_AES_GMAC, 128, INTEG_NONE, false},
    {ENCR_NULL_AUTH_AES_GMAC, 256, INTEG_NONE, false},
    {ENCR_AES_CTR, 128, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_AES_CTR, 192, INTEG_HMAC_SHA1_96, false},
    {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_512_256, false},
    {ENCR_AES_CTR, 256, INTEG_HMAC_SHA2_384_192, false},
    {ENCR_3DES, 192, INTEG_HMAC_SHA1_96, false},
    {ENCR_3DES, 192, INTEG_HMAC_MD5_96, false},
    {ENCR_3DES, 192, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_3DES, 192, INTEG_HMAC_SHA2_256_96, false},
    {ENCR_NULL, 0, INTEG_HMAC_SHA2_256_128, false},
    {ENCR_NULL, 0, INTEG_HMAC_SHA1_96, false},
    {ENCR_NULL, 0, INTEG_HMAC_MD5_96, false},
    {ENCR_NULL, 0, INTEG_HMAC_SHA2_512_256, false},
    {ENCR_AES_CBC, 128, INTEG_HMAC_SHA2_256_96, false},
    {ENCR_AES_CBC, 256, INTEG_HMAC_MD5_96, false},
    {ENCR_AES_CBC, 192, INTEG_HMAC_SHA1_96, false},
    {ENCR_AES_CTR, 128, INTEG_HMAC_SHA2_256_96, false},
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* One SA with the same key both ways: it opens what it seals. */
static struct sa *make_sa(uint8_t choice, const struct aead_library *library, const struct random *random)
{
    uint8_t key[KEYMAT_MAX];
    memset(key, 0x5a, sizeof key);
    struct aead_suite suite = suites[(choice & 7) | choice >> 6 << 3];
    uint8_t family = choice & 0x20 ? 6 : 4;
    struct secret secret = {.data = key, .len = esp_keymat_len(suite.encr, suite.key_bits, suite.integ)};
    struct child child = {
        .spi_in = 0x1000,
        .spi_out = 0x1000,
        .suite = {.encr = (uint16_t)suite.encr, .key_bits = suite.key_bits, .integ = (uint16_t)suite.integ},
        .esn = choice & 8,
        .selector = {.local = range_any(family),
                     .remote = range_any(family),
                     .local_port = port_any(),
                     .remote_port = port_any()},
        .key_in = secret,
        .key_out = secret,
        .replay_window = 64,
    };
    struct sa *sa = NULL;
    require(sa_new(&child, library, random, &sa) == OK);
    require(replay_accept(&sa->replay, 70) == OK);
    sa->auth_run = ESN_RESYNC_FAILURES;
    return sa;
}

static struct packet from_wire(uint8_t *buffer, const uint8_t *data, size_t size)
{
    struct packet p = packet_of(buffer, BUFFER, PACKET_HEADROOM);
    uint8_t *at = packet_append(&p, size);
    require(at != NULL);
    if (size > 0)
        memcpy(at, data, size);
    return p;
}

static struct packet from_peer(struct sa *sa, uint8_t *buffer, const uint8_t *data, size_t size)
{
    uint32_t low = size < 4 ? 71 : load_u32(data);
    size_t text_len = size < 4 ? 0 : (size - 4) / sa->shape.block * sa->shape.block;
    struct packet p = packet_of(buffer, BUFFER, PACKET_HEADROOM);
    uint8_t *esp = packet_append(&p, (size_t)AEAD_HEADER + sa->shape.iv + text_len + sa->shape.icv);
    require(esp != NULL);
    store_u32(esp, sa->spi_out);
    store_u32(esp + 4, low);
    if (text_len > 0)
        memcpy(esp + AEAD_HEADER + sa->shape.iv, data + 4, text_len);
    struct aead_job job = {
        .esp = esp,
        .text_len = (uint32_t)text_len,
        .sequence_high = (uint32_t)(replay_infer(&sa->replay, low) >> 32) + (sa->esn ? low >> 31 : 0),
    };
    aead_seal(sa->seal, &job, 1);
    require(job.ok);
    return p;
}

static void check_opened(const struct sa *sa, const struct packet *p, const struct packet *before,
                         const struct flow *flow)
{
    require(p->offset >= before->offset && p->len > 0);
    require(p->offset + p->len <= before->offset + before->len - sa->shape.icv);
    require(packet_data(p)[0] >> 4 == flow->source.family);
    require(selector_matches_inbound(&sa->selector, flow));
    require(sa->in.packets == 1 && sa->in.bytes == p->len);
}

/* What came of a packet. */
struct end {
    enum drop why;
    struct packet p; /* over a buffer to be freed */
};

static struct end open_with(const struct aead_library *library, const uint8_t *data, size_t size)
{
    struct random_seeded seed;
    struct random random = random_of_seed(&seed, 1);
    struct sa *sa = make_sa(data[0], library, &random);
    uint8_t *buffer = malloc(BUFFER);
    require(buffer != NULL);
    bool authentic = data[0] & 0x10;
    struct packet p = authentic ? from_peer(sa, buffer, data + 1, size - 1) : from_wire(buffer, data + 1, size - 1);
    struct packet before = p, *list = &p;
    uint64_t top = sa->replay.top;
    struct flow flow = {0};
    enum drop why = DROP_COUNT;
    esp_open(sa, NULL, &list, &flow, &why, 1);

    require(why >= DROP_NONE && why < DROP_COUNT);
    require(!authentic || why != DROP_IN_AUTH);
    if (why == DROP_IN_SHORT || why == DROP_IN_REPLAY || why == DROP_IN_AUTH)
        require(sa->replay.top == top);
    require(sa->auth_run <= ESN_RESYNC_FAILURES && (why != DROP_NONE || sa->auth_run == 0));
    if (why == DROP_NONE)
        check_opened(sa, &p, &before, &flow);
    else
        require(sa->in.packets == 0);
    sa_free(sa);
    return (struct end){why, p};
}

/* Made once: it tests itself each time. */
static const struct aead_library *fastest(void)
{
    static struct aead_library *library;
    char why[AEAD_WHY];
    if (library == NULL)
        require(aead_library_new(AEAD_AUTO, &library, why) == OK);
    return library;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_MAX)
        return 0;
    struct end a = open_with(NULL, data, size), b = open_with(fastest(), data, size);
    require(a.why == b.why && a.p.len == b.p.len && a.p.offset == b.p.offset);
    require(a.why != DROP_NONE || memcmp(packet_data(&a.p), packet_data(&b.p), a.p.len) == 0);
    free(a.p.buffer);
    free(b.p.buffer);
    return 0;
}
