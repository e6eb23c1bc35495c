/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/v1_proposal.h"

#include "ike/payload.h"

enum { DOI_IPSEC = 1, SITUATION_IDENTITY_ONLY = 1, KEY_IKE = 1 };
enum { ATTRIBUTE_SHORT = 0x8000 };
enum { LIFE_SECONDS = 1, LIFE_KILOBYTES = 2 };
enum { ESN_64_BITS = 1 }; /* the only value: 32 bits are said by leaving the attribute out */

/* RFC 2409 App. A, and IANA "IKE Attributes". */
enum phase1_attribute {
    P1_ENCRYPTION = 1,
    P1_HASH = 2,
    P1_AUTH = 3,
    P1_GROUP = 4,
    P1_LIFE_TYPE = 11,
    P1_LIFE_DURATION = 12,
    P1_KEY_LENGTH = 14,
};

/* RFC 2407 4.5, and IANA "IPSEC Security Association Attributes". */
enum phase2_attribute {
    P2_LIFE_TYPE = 1,
    P2_LIFE_DURATION = 2,
    P2_GROUP = 3,
    P2_ENCAP = 4,
    P2_AUTH = 5,
    P2_KEY_LENGTH = 6,
    P2_ESN = 11, /* RFC 4304 */
};

struct number_pair {
    uint16_t wire, ours;
};

static const struct number_pair p1_encr[] = {{5, ENCR_3DES}, {7, ENCR_AES_CBC}};
static const struct number_pair p1_hash[] = {
    {1, PRF_HMAC_MD5}, {2, PRF_HMAC_SHA1}, {4, PRF_HMAC_SHA2_256}, {5, PRF_HMAC_SHA2_384}, {6, PRF_HMAC_SHA2_512}};
/* IANA "IPSEC ESP Transform Identifiers". GMAC is 23 here, not IKEv2's 21, which is SEED. 28 is not registered for
 * IKEv1 (RFC 7634 speaks of IKEv2 only): it is IKEv2's number, for peers that do the same; strongSwan 5.9 does not. */
static const struct number_pair p2_encr[] = {{3, ENCR_3DES},
                                             {11, ENCR_NULL},
                                             {12, ENCR_AES_CBC},
                                             {13, ENCR_AES_CTR},
                                             {14, ENCR_AES_CCM_8},
                                             {15, ENCR_AES_CCM_12},
                                             {16, ENCR_AES_CCM_16},
                                             {18, ENCR_AES_GCM_8},
                                             {19, ENCR_AES_GCM_12},
                                             {20, ENCR_AES_GCM_16},
                                             {23, ENCR_NULL_AUTH_AES_GMAC},
                                             {28, ENCR_CHACHA20_POLY1305}};
/* 5 is SHA2-256 whatever its truncation: read as the standard one, and proposal_fits() knows. */
static const struct number_pair p2_auth[] = {{1, INTEG_HMAC_MD5_96},       {2, INTEG_HMAC_SHA1_96},
                                             {5, INTEG_HMAC_SHA2_256_128}, {5, INTEG_HMAC_SHA2_256_96},
                                             {6, INTEG_HMAC_SHA2_384_192}, {7, INTEG_HMAC_SHA2_512_256}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool from_wire(const struct number_pair *pairs, size_t n, uint64_t wire, uint16_t *ours)
{
    for (size_t i = 0; i < n; i++)
        if (pairs[i].wire == wire) {
            *ours = pairs[i].ours;
            return true;
        }
    return false;
}

static uint16_t to_wire(const struct number_pair *pairs, size_t n, uint16_t ours)
{
    for (size_t i = 0; i < n; i++)
        if (pairs[i].ours == ours)
            return pairs[i].wire;
    return 0;
}

/* The integrity algorithm that an IKE proposal's hash stands for: the two are one word in configuration and log. */
static uint16_t integ_of_prf(uint16_t prf)
{
    switch (prf) {
    case PRF_HMAC_MD5: return INTEG_HMAC_MD5_96;
    case PRF_HMAC_SHA1: return INTEG_HMAC_SHA1_96;
    case PRF_HMAC_SHA2_256: return INTEG_HMAC_SHA2_256_128;
    case PRF_HMAC_SHA2_384: return INTEG_HMAC_SHA2_384_192;
    case PRF_HMAC_SHA2_512: return INTEG_HMAC_SHA2_512_256;
    default: return INTEG_NONE;
    }
}

/* --- reading --- */

/* Attributes in the order of arrival: a duration belongs to the life type before it (RFC 2407 4.5). */
struct attributes {
    struct v1_transform *t;
    uint64_t life_type;
    bool bad;
};

static bool read_life(struct attributes *a, uint64_t value)
{
    if (value == 0)
        return false;
    if (a->life_type == LIFE_SECONDS)
        a->t->life_seconds = value;
    else if (a->life_type == LIFE_KILOBYTES)
        a->t->life_kilobytes = value;
    else
        return false;
    a->life_type = 0;
    return true;
}

static bool read_phase1_attribute(struct attributes *a, uint16_t type, uint64_t value)
{
    struct proposal *suite = &a->t->suite;
    switch (type) {
    case P1_ENCRYPTION: return from_wire(p1_encr, COUNT(p1_encr), value, &suite->encr);
    case P1_HASH:
        if (!from_wire(p1_hash, COUNT(p1_hash), value, &suite->prf))
            return false;
        suite->integ = integ_of_prf(suite->prf);
        return true;
    case P1_AUTH: a->t->auth = (uint16_t)value; return value <= UINT16_MAX;
    case P1_GROUP: suite->group = (uint16_t)value; return value <= UINT16_MAX && group_info((unsigned)value) != NULL;
    case P1_LIFE_TYPE: a->life_type = value; return value == LIFE_SECONDS || value == LIFE_KILOBYTES;
    case P1_LIFE_DURATION: return read_life(a, value);
    case P1_KEY_LENGTH: suite->key_bits = (uint16_t)value; return value > 0 && value <= UINT16_MAX;
    default: return false;
    }
}

static bool read_phase2_attribute(struct attributes *a, uint16_t type, uint64_t value)
{
    struct proposal *suite = &a->t->suite;
    switch (type) {
    case P2_LIFE_TYPE: a->life_type = value; return value == LIFE_SECONDS || value == LIFE_KILOBYTES;
    case P2_LIFE_DURATION: return read_life(a, value);
    case P2_GROUP:
        suite->group = (uint16_t)value;
        return value > 0 && value <= UINT16_MAX && group_info((unsigned)value) != NULL;
    case P2_ENCAP:
        a->t->encap = (uint16_t)value;
        return value == V1_ENCAP_TUNNEL || value == V1_ENCAP_UDP_TUNNEL || value == V1_ENCAP_UDP_TUNNEL_DRAFT;
    case P2_AUTH: return from_wire(p2_auth, COUNT(p2_auth), value, &suite->integ);
    case P2_KEY_LENGTH: suite->key_bits = (uint16_t)value; return value > 0 && value <= UINT16_MAX;
    case P2_ESN: suite->esn = value == ESN_64_BITS; return suite->esn;
    default: return false;
    }
}

static bool is_variable(enum proposal_kind kind, uint16_t type)
{
    return type == (kind == PROPOSAL_IKE ? P1_LIFE_DURATION : P2_LIFE_DURATION);
}

/* RFC 2408 3.3: two forms. Only a duration may be of the long form (RFC 2409 App. A, RFC 2407 4.5). */
static void read_attributes(enum proposal_kind kind, struct reader *r, struct attributes *a)
{
    while (r->left > 0 && !r->failed) {
        uint16_t head = read_u16(r);
        uint16_t type = head & 0x7fff;
        uint64_t value = 0;
        if (head & ATTRIBUTE_SHORT) {
            value = read_u16(r);
        } else {
            struct bytes b = read_bytes(r, read_u16(r));
            if (!is_variable(kind, type) || b.len == 0 || b.len > 8)
                a->bad = true;
            for (size_t i = 0; i < b.len && i < 8; i++)
                value = value << 8 | b.data[i];
        }
        if (r->failed)
            return;
        if (!(kind == PROPOSAL_IKE ? read_phase1_attribute(a, type, value) : read_phase2_attribute(a, type, value)))
            a->bad = true;
    }
}

/* What the attributes add up to: a suite that can be, with the key size filled in where the peer left it out. */
static bool suite_is_sound(enum proposal_kind kind, struct v1_transform *t)
{
    struct proposal *s = &t->suite;
    const struct encr_info *encr = encr_info(s->encr);
    if (encr == NULL)
        return false;
    if (encr->fixed_key) {
        if (s->key_bits != 0 && s->key_bits != encr->key_bits[0])
            return false;
        s->key_bits = 0;
    } else if (s->key_bits == 0 && encr->id == ENCR_AES_CBC) {
        s->key_bits = 128; /* some peers omit it: RFC 3602 5.3 makes 128 the default */
    }
    /* The others must say it: RFC 3686 8.4, RFC 4106 8.4, RFC 4309 7.4, RFC 4543 5.3. */
    if (!encr->fixed_key && !encr_allows_key(encr, s->key_bits))
        return false;
    if (kind == PROPOSAL_IKE)
        return s->prf != PRF_NONE && s->group != GROUP_NONE && !encr->aead;
    return esp_keymat_len(s->encr, s->key_bits, s->integ) != 0;
}

static enum status read_transform(enum proposal_kind kind, struct reader *r, struct v1_transform *t, uint8_t *next)
{
    const uint8_t *start = r->at;
    *next = read_u8(r);
    read_u8(r);
    uint16_t length = read_u16(r);
    if (length < 8 || (*next != PAYLOAD_TRANSFORM && *next != PAYLOAD_NONE))
        return ERR_MALFORMED;
    struct reader body = read_sub(r, (size_t)length - PAYLOAD_HEADER);
    t->raw = bytes_of(start, length);
    t->number = read_u8(&body);
    uint8_t id = read_u8(&body);
    read_u16(&body);
    struct attributes a = {.t = t};
    if (kind == PROPOSAL_IKE)
        a.bad = id != KEY_IKE || t->protocol != V1_PROTOCOL_ISAKMP;
    else
        a.bad = t->protocol != V1_PROTOCOL_ESP || t->spi.len != 4 || load_u32(t->spi.data) < 256 ||
                !from_wire(p2_encr, COUNT(p2_encr), id, &t->suite.encr);
    read_attributes(kind, &body, &a);
    t->usable = !a.bad && suite_is_sound(kind, t);
    return body.failed ? ERR_MALFORMED : OK;
}

static enum status read_proposal(enum proposal_kind kind, struct reader *r, struct v1_offer *out, uint8_t *next)
{
    *next = read_u8(r);
    read_u8(r);
    uint16_t length = read_u16(r);
    if (length < 8 || (*next != PAYLOAD_PROPOSAL && *next != PAYLOAD_NONE))
        return ERR_MALFORMED;
    struct reader body = read_sub(r, (size_t)length - PAYLOAD_HEADER);
    struct v1_transform common = {.proposal_number = read_u8(&body), .protocol = read_u8(&body)};
    uint8_t spi_len = read_u8(&body);
    uint8_t transforms = read_u8(&body);
    common.spi = read_bytes(&body, spi_len);
    uint8_t more = PAYLOAD_TRANSFORM;
    for (unsigned i = 0; i < transforms; i++) {
        if (more != PAYLOAD_TRANSFORM || body.failed)
            return ERR_MALFORMED;
        if (out->count == TRANSFORMS_MAX)
            return ERR_LIMIT;
        struct v1_transform *t = &out->items[out->count];
        *t = common;
        enum status status = read_transform(kind, &body, t, &more);
        if (status != OK)
            return status;
        out->count++;
    }
    return transforms == 0 || more != PAYLOAD_NONE ? ERR_MALFORMED : reader_finish(&body);
}

/* Equal numbers of two proposals mean AND (RFC 2408 4.2): AH with ESP, or IPCOMP. We do neither, so none of the two can
 * be chosen. */
static void drop_bundles(struct v1_offer *out)
{
    for (size_t i = 0; i < out->count; i++)
        for (size_t k = 0; k < out->count; k++)
            if (out->items[i].proposal_number == out->items[k].proposal_number &&
                out->items[i].protocol != out->items[k].protocol)
                out->items[i].usable = false;
}

enum status v1_offer_read(enum proposal_kind kind, struct bytes sa, struct v1_offer *out)
{
    struct reader r = reader_of_bytes(sa);
    out->count = 0;
    uint32_t doi = read_u32(&r), situation = read_u32(&r);
    if (r.failed)
        return ERR_MALFORMED;
    if (doi != DOI_IPSEC || situation != SITUATION_IDENTITY_ONLY)
        return ERR_UNSUPPORTED;
    uint8_t next = PAYLOAD_PROPOSAL;
    while (next == PAYLOAD_PROPOSAL) {
        enum status status = read_proposal(kind, &r, out, &next);
        if (status != OK)
            return status;
    }
    drop_bundles(out);
    return reader_finish(&r);
}

/* --- writing --- */

static void write_short(struct writer *w, uint16_t type, uint16_t value)
{
    write_u16(w, ATTRIBUTE_SHORT | type);
    write_u16(w, value);
}

static void write_life(struct writer *w, uint16_t type_attribute, uint16_t unit, uint64_t value)
{
    if (value == 0)
        return;
    write_short(w, type_attribute, unit);
    if (value <= UINT16_MAX) {
        write_short(w, (uint16_t)(type_attribute + 1), (uint16_t)value);
        return;
    }
    write_u16(w, (uint16_t)(type_attribute + 1));
    write_u16(w, 4);
    write_u32(w, value > UINT32_MAX ? UINT32_MAX : (uint32_t)value);
}

static void write_phase1_attributes(struct writer *w, const struct v1_terms *terms, const struct proposal *s)
{
    write_short(w, P1_ENCRYPTION, to_wire(p1_encr, COUNT(p1_encr), s->encr));
    if (s->key_bits != 0)
        write_short(w, P1_KEY_LENGTH, s->key_bits);
    write_short(w, P1_HASH, to_wire(p1_hash, COUNT(p1_hash), s->prf));
    write_short(w, P1_AUTH, terms->auth);
    write_short(w, P1_GROUP, s->group);
    write_life(w, P1_LIFE_TYPE, LIFE_SECONDS, terms->life_seconds);
    write_life(w, P1_LIFE_TYPE, LIFE_KILOBYTES, terms->life_kilobytes);
}

static void write_phase2_attributes(struct writer *w, const struct v1_terms *terms, const struct proposal *s)
{
    if (s->key_bits != 0)
        write_short(w, P2_KEY_LENGTH, s->key_bits);
    if (s->integ != INTEG_NONE)
        write_short(w, P2_AUTH, to_wire(p2_auth, COUNT(p2_auth), s->integ));
    write_short(w, P2_ENCAP, terms->encap);
    if (s->group != GROUP_NONE)
        write_short(w, P2_GROUP, s->group);
    if (s->esn)
        write_short(w, P2_ESN, ESN_64_BITS);
    write_life(w, P2_LIFE_TYPE, LIFE_SECONDS, terms->life_seconds);
    write_life(w, P2_LIFE_TYPE, LIFE_KILOBYTES, terms->life_kilobytes);
}

static void write_transform(struct writer *w, const struct v1_terms *terms, const struct proposal *s, uint8_t number,
                            bool last)
{
    size_t at = w->len;
    write_u8(w, last ? PAYLOAD_NONE : PAYLOAD_TRANSFORM);
    write_u8(w, 0);
    write_u16(w, 0);
    write_u8(w, number);
    write_u8(w, terms->kind == PROPOSAL_IKE ? KEY_IKE : (uint8_t)to_wire(p2_encr, COUNT(p2_encr), s->encr));
    write_u16(w, 0);
    if (terms->kind == PROPOSAL_IKE)
        write_phase1_attributes(w, terms, s);
    else
        write_phase2_attributes(w, terms, s);
    write_u16_at(w, at + 2, w->len - at);
}

/* The fields of a proposal up to its transforms; returns where it starts, for its length. */
static size_t open_proposal(struct writer *w, const struct v1_terms *terms, uint8_t number, size_t transforms,
                            bool last)
{
    size_t at = w->len;
    write_u8(w, last ? PAYLOAD_NONE : PAYLOAD_PROPOSAL);
    write_u8(w, 0);
    write_u16(w, 0);
    write_u8(w, number);
    write_u8(w, terms->kind == PROPOSAL_IKE ? V1_PROTOCOL_ISAKMP : V1_PROTOCOL_ESP);
    write_u8(w, terms->kind == PROPOSAL_IKE ? 0 : 4);
    write_u8(w, (uint8_t)transforms);
    if (terms->kind == PROPOSAL_ESP)
        write_u32(w, terms->spi);
    return at;
}

void v1_offer_write(struct writer *w, const struct v1_terms *terms, const struct proposal_list *suites)
{
    write_u32(w, DOI_IPSEC);
    write_u32(w, SITUATION_IDENTITY_ONLY);
    if (terms->kind == PROPOSAL_IKE) {
        size_t at = open_proposal(w, terms, 1, suites->count, true);
        for (size_t i = 0; i < suites->count; i++)
            write_transform(w, terms, &suites->items[i], (uint8_t)(i + 1), i + 1 == suites->count);
        write_u16_at(w, at + 2, w->len - at);
        return;
    }
    for (size_t i = 0; i < suites->count; i++) {
        size_t at = open_proposal(w, terms, (uint8_t)(i + 1), 1, i + 1 == suites->count);
        write_transform(w, terms, &suites->items[i], 1, true);
        write_u16_at(w, at + 2, w->len - at);
    }
}

void v1_answer_write(struct writer *w, const struct v1_terms *terms, const struct v1_transform *chosen)
{
    write_u32(w, DOI_IPSEC);
    write_u32(w, SITUATION_IDENTITY_ONLY);
    size_t at = open_proposal(w, terms, chosen->proposal_number, 1, true);
    size_t transform_at = w->len;
    write_bytes(w, chosen->raw.data, chosen->raw.len);
    if (!w->failed)
        w->data[transform_at] = PAYLOAD_NONE; /* it may have had successors in the offer */
    write_u16_at(w, at + 2, w->len - at);
}

/* --- choosing --- */

static bool terms_fit(const struct v1_terms *terms, const struct v1_transform *t)
{
    return t->usable && (terms->kind == PROPOSAL_IKE ? t->auth == terms->auth : t->encap == terms->encap);
}

enum status v1_answer_check(const struct v1_offer *answer, const struct v1_terms *terms,
                            const struct proposal_list *suites, size_t *index)
{
    if (answer->count != 1 || !terms_fit(terms, &answer->items[0]))
        return ERR_MISMATCH;
    const struct v1_transform *t = &answer->items[0];
    if (t->life_seconds != terms->life_seconds || t->life_kilobytes != terms->life_kilobytes)
        return ERR_MISMATCH;
    for (size_t i = 0; i < suites->count; i++)
        if (proposal_fits(&suites->items[i], &t->suite)) {
            *index = i;
            return OK;
        }
    return ERR_MISMATCH;
}

const struct v1_transform *v1_offer_choose(const struct v1_offer *offer, const struct v1_terms *terms,
                                           const struct proposal_list *ours)
{
    for (size_t i = 0; i < ours->count; i++)
        for (size_t k = 0; k < offer->count; k++)
            if (terms_fit(terms, &offer->items[k]) && proposal_fits(&ours->items[i], &offer->items[k].suite))
                return &offer->items[k];
    return NULL;
}

const struct proposal *v1_suite_of(const struct proposal_list *ours, const struct v1_transform *chosen)
{
    for (size_t i = 0; i < ours->count; i++)
        if (proposal_fits(&ours->items[i], &chosen->suite))
            return &ours->items[i];
    return NULL;
}

uint64_t v1_kilobytes(uint64_t bytes)
{
    return bytes / 1024 > UINT32_MAX ? UINT32_MAX : bytes / 1024;
}

uint64_t v1_bytes(uint64_t kilobytes)
{
    return kilobytes > UINT64_MAX / 1024 ? UINT64_MAX : kilobytes * 1024;
}

uint64_t v1_smaller_limit(uint64_t ours, uint64_t theirs)
{
    return theirs != 0 && (ours == 0 || theirs < ours) ? theirs : ours;
}

void v1_offer_list(const struct v1_offer *offer, struct proposal_list *list)
{
    list->count = 0;
    for (size_t i = 0; i < offer->count && list->count < PROPOSALS_MAX; i++)
        if (offer->items[i].usable)
            list->items[list->count++] = offer->items[i].suite;
}
