/* SPDX-License-Identifier: Apache-2.0 */
/* One quick mode, shared by its two sides: v1_quick.c (life, keys, the door), v1_quick_initiator.c,
 * v1_quick_responder.c. */
#ifndef IKE_V1_QUICK_H
#define IKE_V1_QUICK_H

#include "ike/rules.h"
#include "ike/v1.h"
#include "ike/v1_body.h"
#include "ike/v1_message.h"

enum quick_state {
    QUICK_SENT_OFFER,  /* initiator, waits for message 2 */
    QUICK_SENT_ANSWER, /* responder, waits for message 3 */
    QUICK_DONE,        /* lingers */
};

struct quick {
    struct ike_sa *sa;
    enum quick_state state;
    bool initiator;
    uint32_t message_id;
    uint64_t started_ms;
    uint8_t iv[IV_MAX];
    struct exchange exchange;
    struct timer timer;
    uint32_t rule;
    uint64_t replaces; /* child id, or 0 */
    uint64_t child_id; /* once installed */
    uint32_t spi_in, spi_out;
    struct proposal suite;
    struct selector selector;
    bool udp; /* encapsulation that was agreed */
    uint64_t lifetime_s, lifetime_kb;
    struct dh *dh; /* with PFS */
    uint8_t nonce_i[NONCE_MAX], nonce_r[NONCE_MAX];
    size_t nonce_i_len, nonce_r_len;
    struct quick *prev, *next;
};

/* --- v1_quick.c --- */

struct bytes quick_nonce_i(const struct quick *q);
struct bytes quick_nonce_r(const struct quick *q);
uint16_t quick_encap(const struct ike_sa *sa, bool udp); /* the number of tunnel mode in UDP, or without */
struct v1_terms quick_terms(const struct ike *ike, const struct ike_sa *sa, uint32_t spi);
MUST_USE enum status quick_new(struct ike *ike, struct ike_sa *sa, uint32_t message_id, bool initiator,
                               struct quick **out);
void quick_free(struct ike *ike, struct quick *q);
void quick_done(struct ike *ike, struct quick *q);
MUST_USE enum status quick_send(struct ike *ike, struct quick *q, struct bytes datagram, bool waits);
void quick_fail(struct ike *ike, struct quick *q, const char *why);
/* For the log; why: NULL for none. */
struct log_subject quick_subject(const struct quick *q, const char *why);
bool quick_spis_differ(const struct quick *q);
MUST_USE enum status quick_new_nonce(struct ike *ike, struct quick *q);
/* Another one than the peer's, where that is known. */
MUST_USE enum status quick_new_spi(struct ike *ike, struct quick *q);
MUST_USE enum status quick_new_dh(struct ike *ike, struct quick *q, uint16_t group);
MUST_USE enum status quick_install(struct ike *ike, struct quick *q, struct bytes peer_public, struct child_sa **out);
void quick_agree_lifetimes(const struct ike *ike, struct quick *q, uint64_t seconds, uint64_t kilobytes);
MUST_USE enum status quick_read_nonce(struct quick *q, const struct payloads *p);
MUST_USE enum status quick_read_selector(const struct ike_sa *sa, const struct payloads *p, bool peer_is_initiator,
                                         struct selector *out);
MUST_USE enum status quick_open(struct ike *ike, struct quick *q, const struct ike_header *header, struct bytes message,
                                enum message_kind kind, struct bytes hashed_nonce, struct payloads *p);
void quick_drop(struct ike *ike, const struct path *path, enum status status);

/* --- v1_quick_responder.c: messages 1 and 3 --- */

void quick_on_offer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    struct bytes message, uint64_t digest);
void quick_on_confirmation(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                           struct bytes message);

/* --- v1_quick_initiator.c: message 2 --- */

void quick_on_answer(struct ike *ike, struct quick *q, const struct ike_header *header, const struct path *path,
                     struct bytes message, uint64_t digest);

#endif
