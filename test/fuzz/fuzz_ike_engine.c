/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two whole engines, no stubs. The first four bytes are the plan:
 *
 *   0  settings: encapsulation, which end is meant, whether the true message follows, mode of phase 1, long messages
 *      (which go in fragments), XAUTH and mode-config
 *   1  which datagram of the run is changed
 *   2  how: as it lies on the wire, or its plain text with a hash that verifies again (an authenticated peer that means
 * harm); and whether certificates take the place of the pre-shared key
 *   3  milliseconds between raw datagrams, times 64
 *
 * The rest is a list of edits of that datagram; and, when the run is over, raw datagrams and sealed payloads for both
 * ends. At the end no secret may be alive.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/key_file.h"
#include "test/pki.h"
#include "test/sim/craft.h"
#include "test/sim/rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plan {
    uint8_t settings, which, how, wait;
    struct reader r;
    unsigned seen;
    /* Of the quick mode or transaction in progress: IV, and the initiator's nonce. */
    uint32_t quick_id;
    uint8_t iv[IV_MAX], nonce[NONCE_MAX];
    size_t nonce_len;
};

/* Up to 16 edits of (kind, place, value): set, flip, insert, remove, cut. */
static size_t edit(struct reader *r, uint8_t *data, size_t len, size_t capacity)
{
    for (unsigned i = 0; i < 16 && r->left >= 4; i++) {
        uint8_t kind = read_u8(r), value = read_u8(r);
        size_t at = read_u16(r);
        if (len == 0 || kind >= 250)
            break;
        at %= len;
        switch (kind % 5) {
        case 0: data[at] = value; break;
        case 1: data[at] ^= value; break;
        case 2:
            if (len + 4 <= capacity) {
                memmove(data + at + 4, data + at, len - at);
                memset(data + at, value, 4);
                len += 4;
            }
            break;
        case 3:
            memmove(data + at, data + at + 1, len - at - 1);
            len--;
            break;
        default: len = at; break;
        }
    }
    return len;
}

/* Follows phase 2, to know IV and nonce for the next message; decodes the one at hand. */
static bool open_phase2(struct plan *plan, const struct ike_sa *sa, struct bytes message, uint8_t iv[IV_MAX],
                        struct craft *c)
{
    struct ike_header h;
    if (sa == NULL || header_read(message, &h) != OK || h.message_id == 0 || sa->state < SA_CONFIGURING)
        return false;
    bool chained = h.exchange == EXCHANGE_QUICK || h.exchange == EXCHANGE_TRANSACTION;
    bool goes_on = chained && h.message_id == plan->quick_id;
    if (goes_on)
        memcpy(iv, plan->iv, IV_MAX);
    else
        craft_first_iv(sa, h.message_id, iv);
    uint8_t next[IV_MAX];
    memcpy(next, iv, sizeof next);
    if (!craft_open(sa, next, message, c))
        return false;
    if (chained) {
        memcpy(plan->iv, next, sizeof next);
        struct bytes nonce = craft_body(c, PAYLOAD_NONCE);
        if (!goes_on && nonce.len <= sizeof plan->nonce) {
            if (nonce.len > 0)
                memcpy(plan->nonce, nonce.data, nonce.len);
            plan->nonce_len = nonce.len;
        }
        plan->quick_id = goes_on ? 0 : h.message_id;
    }
    return true;
}

/* Message 5 or 6 of main mode, or 3 of aggressive mode, which the other end waits for. */
static bool open_phase1(const struct ike_sa *sa, struct bytes message, uint8_t iv[IV_MAX], struct craft *c)
{
    struct ike_header h;
    if (sa == NULL || header_read(message, &h) != OK ||
        (h.exchange != EXCHANGE_MAIN && h.exchange != EXCHANGE_AGGRESSIVE) || sa->state >= SA_ESTABLISHED ||
        sa->keys.cipher.data == NULL)
        return false;
    memcpy(iv, sa->iv, IV_MAX);
    uint8_t next[IV_MAX];
    memcpy(next, iv, sizeof next);
    return craft_open(sa, next, message, c);
}

/* The chosen datagram: changed, and put in before the true one. */
static bool change(void *arg, struct rig *rig, int from, struct rig_datagram *d)
{
    struct plan *plan = arg;
    struct craft c;
    uint8_t iv[IV_MAX], out[CRAFT_MAX + 64];
    const struct ike_sa *sa = craft_sa(rig->ends[from].ike);
    bool answers = plan->quick_id != 0;
    bool open = open_phase2(plan, sa, bytes_of(d->data, d->len), iv, &c);
    if (!open) {
        sa = craft_sa(rig->ends[1 - from].ike);
        open = open_phase1(sa, bytes_of(d->data, d->len), iv, &c);
    }
    if (plan->seen++ != plan->which % 24)
        return false;
    struct rig_datagram *copy = malloc(sizeof *copy);
    if (copy == NULL)
        abort();
    *copy = *d;
    if (open && plan->how & 1) {
        c.len = edit(&plan->r, c.text, c.len, sizeof copy->data - IKE_HEADER_LEN - IV_MAX);
        craft_rehash(sa, answers ? bytes_of(plan->nonce, plan->nonce_len) : (struct bytes){0}, &c);
        copy->len = craft_seal(sa, iv, &c, out);
        memcpy(copy->data, out, copy->len);
    } else {
        copy->len = edit(&plan->r, copy->data, copy->len, sizeof copy->data);
        if (plan->how & 2 && copy->len >= IKE_HEADER_LEN)
            store_u32(copy->data + IKE_HEADER_LENGTH_AT, (uint32_t)copy->len);
    }
    copy->at_ms = rig->now_ms + 1;
    if (rig->in_flight < RIG_FLIGHT_MAX)
        rig->flight[rig->in_flight++] = *copy;
    free(copy);
    return plan->settings & 4;
}

/* What is left of the input, as datagrams: raw, or sealed as a message of phase 2. */
static void shower(struct rig *rig, struct plan *plan)
{
    uint8_t out[CRAFT_MAX + 64];
    while (plan->r.left >= 4) {
        uint8_t kind = read_u8(&plan->r), type = read_u8(&plan->r);
        size_t len = read_u16(&plan->r) % 600;
        struct bytes body = read_bytes(&plan->r, len < plan->r.left ? len : plan->r.left);
        int to = kind & 1;
        const struct ike_sa *sa = craft_sa(rig->ends[to].ike);
        if (kind & 2 && sa != NULL && sa->state >= SA_CONFIGURING) {
            enum exchange_type exchange = kind & 16  ? EXCHANGE_TRANSACTION
                                          : kind & 4 ? EXCHANGE_QUICK
                                                     : EXCHANGE_INFORMATIONAL;
            size_t n = craft_phase2(sa, exchange, 0x1000u + type, kind & 16 ? PAYLOAD_ATTR : type, body, out);
            rig_inject(rig, to, kind & 8 ? 4500 : 500, bytes_of(out, n));
        } else {
            rig_inject(rig, to, kind & 8 ? 4500 : 500, body);
        }
        rig_run(rig, (uint64_t)plan->wait * 64);
    }
}

/* One authority and one end of each kind for the life of the process; both ends are that one. */
static struct credentials *make_credentials(bool rsa)
{
    static struct pki *cas[2], *owns[2];
    struct pki *ca = cas[rsa], *own = owns[rsa];
    char text[256];
    const struct why why = {text, sizeof text};
    struct credentials *c;
    if (ca == NULL) {
        ca = cas[rsa] = pki_ca("CN=Root", PKI_EC256, NULL);
        own = owns[rsa] = pki_end("CN=gw", "DNS:gw.example.org", rsa ? PKI_RSA2048 : PKI_EC256, ca);
    }
    if (credentials_new(0, &c) != OK ||
        key_file_read(pki_key_pem(own, NULL), (struct bytes){0}, 0, &c->key, &c->chain, &why) != OK ||
        cert_list_read(pki_cert_pem(own), 1, &c->chain, &why) != OK ||
        trust_add_ca(c->trust, pki_cert_pem(ca), &why) != OK)
        abort();
    return c;
}

/* XAUTH has a number for RSA only. */
static void use_certificates(struct connection *c, bool rsa)
{
    c->auth = AUTH_PUBKEY;
    c->credentials = make_credentials(rsa);
    secret_free(&c->psk);
    if (identity_parse("gw.example.org", &c->local_id) != OK)
        abort();
    c->remote_id = c->local_id;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 4096)
        return 0;
    struct plan plan = {
        .settings = data[0], .which = data[1], .how = data[2], .wait = data[3], .r = reader_of(data + 4, size - 4)};
    struct rig *rig = rig_new(1);
    for (int i = 0; i < RIG_ENDS; i++) {
        rig->ends[i].connection.encap = plan.settings & 1 ? ENCAP_YES : ENCAP_AUTO;
        rig->ends[i].connection.mode = plan.settings & 32 ? MODE_AGGRESSIVE : MODE_MAIN;
        rig->ends[i].connection.fragmentation = plan.settings & 64;
        if (plan.settings & 64)
            rig_make_long(&rig->ends[i].connection);
        rig->ends[i].connection.dpd_delay_s = 10;
        if (plan.how & 0x80)
            use_certificates(&rig->ends[i].connection, plan.settings & 128);
        rig->ends[i].connection.start = i == 0 || plan.settings & 2 ? START_START : START_TRAP;
    }
    if (plan.settings & 128) {
        rig_use_access(rig);
        rig->ends[0].connection.access->push = rig->ends[1].connection.access->push = plan.settings & 16;
        rig->ends[1].login_takes_ms = plan.wait & 1 ? 700 : 0;
    }
    rig->filter = change;
    rig->filter_arg = &plan;
    rig_start(rig);
    rig_run(rig, plan.which % 24 < 10 ? 4000 : 60000); /* later datagrams are probes and retransmissions */
    shower(rig, &plan);
    if (plan.settings & 8)
        ike_shutdown(rig->ends[plan.settings >> 4 & 1].ike, rig->now_ms);
    rig_run(rig, 1000);
    if (rig_free(rig) != 0)
        abort();
    return 0;
}
