/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transaction exchange (draft-ietf-ipsec-isakmp-mode-cfg-05 3.1): HDR*, HASH, ATTR there and back, with the hash
 * and the IVs of quick mode. A client that logs in and asks for an address:
 *
 *   client                                     server
 *                                          <-  REQUEST(name, password)
 *   REPLY(name, password)                  ->
 *                                          <-  SET(status)
 *   ACK                                    ->                            from here on phase 2 is open to it
 *   REQUEST(address, ...)                  ->
 *                                          <-  REPLY(address, ...)       or, pushed: SET and ACK
 */
#include "ike/v1_config.h"

#include <stdlib.h>
#include <string.h>

#include "ike/peer.h"
#include "ike/rules.h"
#include "ike/sa.h"
#include "ike/v1_body.h"

/* --- sending --- */

static struct v1_message begin(struct ike *ike, const struct ike_sa *sa, uint32_t message_id, enum v1_attr_kind kind,
                               uint16_t identifier)
{
    struct v1_message m = v1_message_begin_hashed(ike, sa, EXCHANGE_TRANSACTION, message_id);
    chain_open(&m.chain, &m.w, PAYLOAD_ATTR);
    v1_attrs_begin(&m.w, kind, identifier);
    return m;
}

/* What is written may hold a password: it is either encrypted in its place, or wiped. */
static enum status send(struct ike *ike, const struct ike_sa *sa, struct config_exchange *x, struct v1_message *m)
{
    chain_close(&m->chain, &m->w);
    enum status status = v1_message_seal_hashed(&sa->keys, x->iv, x->message_id, (struct bytes){0}, m);
    if (status == OK)
        status = exchange_keep(&x->exchange, writer_bytes(&m->w));
    if (status == OK)
        sa->version->send(ike, sa, writer_bytes(&m->w), 0);
    else
        wipe(ike->out, sizeof ike->out);
    return status;
}

enum status config_ask_begin(struct ike *ike, struct ike_sa *sa, enum v1_attr_kind kind, struct v1_message *m)
{
    struct config_exchange *x = &sa->config->ours;
    uint32_t id;
    enum status status = v1_message_id(ike, &id);
    if (status == OK && (x->message_id != 0 || id_set_has(&sa->info_ids, id)))
        status = ERR_STATE;
    if (status == OK)
        status = v1_phase2_iv(&sa->keys, sa->iv, id, x->iv);
    if (status == OK)
        status = ike_sa_remember(ike, sa, &sa->info_ids, id, INFO_IDS_MAX);
    if (status != OK)
        return status;
    x->message_id = id;
    x->kind = (uint8_t)kind;
    *m = begin(ike, sa, id, kind, (uint16_t)id);
    return OK;
}

enum status config_ask(struct ike *ike, struct ike_sa *sa, struct v1_message *m)
{
    struct config *config = sa->config;
    enum status status = send(ike, sa, &config->ours, m);
    if (status == OK)
        timer_in(ike, &config->timer, exchange_wait_ms(&config->ours.exchange));
    return status;
}

struct v1_message config_answer_begin(struct ike *ike, const struct ike_sa *sa, const struct v1_attrs *about)
{
    return begin(ike, sa, sa->config->theirs.message_id, about->kind == ATTR_REQUEST ? ATTR_REPLY : ATTR_ACK,
                 about->identifier);
}

enum status config_answer(struct ike *ike, struct ike_sa *sa, struct v1_message *m, uint64_t digest)
{
    struct config_exchange *x = &sa->config->theirs;
    enum status status = send(ike, sa, x, m);
    if (status == OK)
        exchange_answers(&x->exchange, digest);
    return status;
}

static void forget_ours(struct ike *ike, struct config *config)
{
    timer_stop(ike, &config->timer);
    exchange_clear(&config->ours.exchange);
    config->ours.message_id = 0;
}

/* --- the step as a whole --- */

static enum status establish(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    enum status status = ike_sa_establish(ike, sa, remote_id);
    if (status == OK && sa->lifetime_cut)
        v1_info_lifetime(ike, sa);
    return status;
}

static enum status start(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    enum status status = ike_sa_configure(ike, sa, remote_id);
    if (status != OK)
        return status;
    if (connection_of(ike, sa->connection)->access->server)
        return xauth_ask(ike, sa);
    ike_say(ike, LOG_DEBUG, sa->connection, "phase 1 is done; XAUTH: waiting to be asked for user and password");
    /* Nothing answers the last message of aggressive mode but that question: until it comes, it is sent again. */
    timer_in(ike, &sa->config->timer, exchange_wait_ms(&sa->exchange));
    return OK;
}

/* XAUTH is for the one who called: a client is not asked by us when we have called it, nor the other way round. */
enum status v1_phase1_done(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id)
{
    const struct access *access = connection_of(ike, sa->connection)->access;
    if (access == NULL)
        return establish(ike, sa, remote_id);
    if (access->server == sa->initiator)
        return ERR_STATE;
    sa->config = calloc(1, sizeof *sa->config);
    if (sa->config == NULL)
        return ERR_MEMORY;
    timer_init(&sa->config->timer, TIMER_CONFIG, sa);
    return start(ike, sa, remote_id);
}

void v1_config_free(struct ike *ike, struct ike_sa *sa)
{
    if (sa->config == NULL)
        return;
    forget_ours(ike, sa->config);
    exchange_clear(&sa->config->theirs.exchange);
    wipe(sa->config, sizeof *sa->config);
    free(sa->config);
    sa->config = NULL;
}

void config_done(struct ike *ike, struct ike_sa *sa)
{
    const struct identity remote_id = *sa->remote_id;
    sa->config->step = CONFIG_DONE;
    enum status status = sa->state == SA_CONFIGURING ? establish(ike, sa, &remote_id) : OK;
    if (status != OK)
        config_fail(ike, sa, status_text(status));
    else
        peer_pursue(ike, sa->peer);
}

void config_fail(struct ike *ike, struct ike_sa *sa, const char *why)
{
    if (sa->state != SA_CONFIGURING) {
        ike_say(ike, LOG_WARNING, sa->connection, "mode-config: %s", why);
        return;
    }
    v1_info_delete_sa(ike, sa);
    ike_sa_fail(ike, sa, why);
}

void v1_config_timer(struct ike *ike, struct ike_sa *sa)
{
    struct config *config = sa->config;
    struct exchange *x = config->ours.message_id != 0 ? &config->ours.exchange : &sa->exchange;
    if (exchange_try_again(x)) {
        sa->version->send(ike, sa, bytes_of(x->sent, x->sent_len), x->tries);
        timer_in(ike, &config->timer, exchange_wait_ms(x));
        return;
    }
    switch (config->step) {
    case CONFIG_LOGIN: break; /* someone may still be typing: the life of the half-open SA is the limit */
    case CONFIG_REFUSED: config_fail(ike, sa, "AUTHENTICATION_FAILED: XAUTH: user or password is wrong"); break;
    case CONFIG_ADDRESS:
        config_fail(ike, sa,
                    "the concentrator does not answer the question for an address: where it sends one unasked, write "
                    "mode_config = push");
        break;
    default:
        ike_say(ike, LOG_DEBUG, sa->connection, "the peer has not confirmed what it was told in mode-config");
        forget_ours(ike, config);
    }
}

void v1_config_deleted(struct ike *ike, struct ike_sa *sa, const struct payloads *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct v1_delete d;
        if (p->items[i].type != PAYLOAD_DELETE || v1_delete_read(p->items[i].body, &d) != OK ||
            d.protocol != V1_PROTOCOL_ISAKMP)
            continue;
        struct reader r = reader_of_bytes(d.spis);
        for (unsigned k = 0; k < d.count; k++) {
            uint64_t spi_i = read_u64(&r), spi_r = read_u64(&r);
            if (spi_i != sa->spi_i || spi_r != sa->spi_r)
                continue;
            ike_sa_fail(ike, sa,
                        sa->initiator
                            ? "the concentrator ended the negotiation during XAUTH or mode-config: see its log"
                            : "the client ended the negotiation during XAUTH");
            return;
        }
    }
}

/* --- the door --- */

/* The exchange that a message belongs to; NULL: a new one. */
static struct config_exchange *find(struct config *config, uint32_t message_id)
{
    if (config->ours.message_id == message_id)
        return &config->ours;
    return config->theirs.message_id == message_id ? &config->theirs : NULL;
}

static bool kind_fits(const struct config *config, const struct config_exchange *x, uint8_t kind)
{
    if (x == &config->ours)
        return kind == (x->kind == ATTR_REQUEST ? ATTR_REPLY : ATTR_ACK);
    return kind == ATTR_REQUEST || kind == ATTR_SET;
}

/* Decrypts, verifies the hash and reads. Only then the IV of the exchange moves on. */
static enum status open_message(struct ike *ike, const struct ike_sa *sa, const struct ike_header *header,
                                struct bytes message, struct config_exchange *x, struct v1_attrs *attrs)
{
    struct payloads p;
    uint8_t next_iv[IV_MAX], expected[HASH_MAX];
    enum status status = v1_message_decrypt(ike, &sa->keys, header, x->iv, message, &p, next_iv);
    if (status == OK)
        status = rules_check(MESSAGE_CONFIG, &p);
    if (status != OK)
        return status == ERR_LIMIT ? status : ERR_AUTHENTICATION;
    status = v1_hash12(&sa->keys, header->message_id, (struct bytes){0}, v1_behind_hash(&p), expected);
    if (status == OK && !v1_hash_equal(&sa->keys, &p, expected))
        status = ERR_AUTHENTICATION;
    if (status == OK)
        status = v1_attrs_read(payload_body(&p, PAYLOAD_ATTR), attrs);
    if (status == OK && !kind_fits(sa->config, x, attrs->kind))
        status = ERR_STATE;
    if (status == OK)
        memcpy(x->iv, next_iv, sizeof next_iv);
    return status;
}

static void drop(struct ike *ike, const struct path *path, enum status status)
{
    enum ike_drop why = status == ERR_AUTHENTICATION ? IKE_DROP_AUTHENTICATION
                        : status == ERR_LIMIT        ? IKE_DROP_LIMIT
                        : status == ERR_MALFORMED    ? IKE_DROP_MALFORMED
                        : status == ERR_STATE        ? IKE_DROP_STATE
                        : status == ERR_REPLAY       ? IKE_DROP_REPLAY
                                                     : IKE_DROP_INTERNAL;
    ike_drop(ike, why, path, "transaction exchange: %s", status_text(status));
}

/* The peer has answered what we asked. */
static void on_answer(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs)
{
    forget_ours(ike, sa->config);
    switch (sa->config->step) {
    case CONFIG_LOGIN: xauth_on_reply(ike, sa, attrs); break;
    case CONFIG_ADDRESS: net_on_reply(ike, sa, attrs); break;
    default: xauth_on_heard(ike, sa); break; /* it knows the outcome */
    }
}

/* A client neither asks for a password nor says what is; and before it has logged in it asks for nothing. */
static bool may_ask(const struct ike_sa *sa, const struct v1_attrs *attrs)
{
    const struct config *config = sa->config;
    bool xauth = xauth_is(attrs);
    if (!sa->initiator)
        return attrs->kind == ATTR_REQUEST && !xauth && config->step == CONFIG_DONE;
    return xauth ? config->step != CONFIG_ADDRESS : config->step != CONFIG_LOGIN;
}

static void on_question(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs, uint64_t digest)
{
    if (sa->config->ours.message_id == 0)
        timer_stop(ike, &sa->config->timer); /* phase 1 has arrived */
    if (attrs->kind == ATTR_REQUEST && xauth_is(attrs))
        xauth_on_request(ike, sa, attrs, digest);
    else if (attrs->kind == ATTR_REQUEST)
        net_on_request(ike, sa, attrs, digest);
    else if (xauth_is(attrs))
        xauth_on_status(ike, sa, attrs, digest);
    else
        net_on_set(ike, sa, attrs, digest);
}

/* An exchange that the peer begins, or goes on with: Cisco asks again under one message id. */
static enum status accept(struct ike *ike, struct ike_sa *sa, const struct config_exchange *x,
                          const struct v1_attrs *attrs)
{
    struct config *config = sa->config;
    if (!may_ask(sa, attrs))
        return ERR_STATE;
    if (x == &config->theirs)
        return OK;
    enum status status = ike_sa_remember(ike, sa, &sa->info_ids, x->message_id, INFO_IDS_MAX);
    if (status != OK)
        return status;
    exchange_clear(&config->theirs.exchange);
    config->theirs = *x;
    return OK;
}

static void handle(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   uint64_t digest, struct bytes message)
{
    struct config *config = sa->config;
    struct v1_attrs attrs;
    /* A trial on the stack first: what does not verify leaves no trace, not even its message id. */
    struct config_exchange trial = {.message_id = header->message_id}, *x = find(config, header->message_id);
    enum status status = OK;
    if (x == NULL) {
        x = &trial;
        status = id_set_has(&sa->info_ids, header->message_id)
                     ? ERR_REPLAY
                     : v1_phase2_iv(&sa->keys, sa->iv, header->message_id, trial.iv);
    }
    if (status == OK)
        status = open_message(ike, sa, header, message, x, &attrs);
    if (status == OK && x != &config->ours)
        status = accept(ike, sa, x, &attrs);
    if (status != OK) {
        drop(ike, path, status);
        return;
    }
    ike_sa_heard(ike, sa, path);
    if (x == &config->ours)
        on_answer(ike, sa, &attrs);
    else
        on_question(ike, sa, &attrs, digest);
}

void v1_config_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message)
{
    if (sa->config == NULL || header->message_id == 0) {
        ike_drop(ike, IKE_DROP_STATE, path,
                 "a transaction exchange (XAUTH, mode-config) that this connection does not "
                 "have, or too early");
        return;
    }
    uint64_t digest = v1_message_digest(ike, message);
    struct config_exchange *theirs = &sa->config->theirs;
    if (theirs->message_id == header->message_id && exchange_is_repeat(&theirs->exchange, digest)) {
        ike_answer_repeat(ike, sa, &theirs->exchange, path);
        return;
    }
    handle(ike, sa, header, path, digest, message); /* sa may be gone */
    wipe(ike->in, message.len);                     /* there may have been a password in it */
}
