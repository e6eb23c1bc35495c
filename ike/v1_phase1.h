/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phase 1 of IKEv1: what main mode and aggressive mode share. The modes themselves (v1_main.c, v1_aggressive.c) say
 * which payload stands in which message, and in which state what is due.
 */
#ifndef IKE_V1_PHASE1_H
#define IKE_V1_PHASE1_H

#include "ike/rules.h"
#include "ike/v1.h"
#include "ike/v1_message.h"

/* "main mode" or "aggressive mode". */
const char *phase1_mode_name(enum ike_mode mode);

/* --- v1_phase1.c: the door, the SA payload of the initiator --- */

enum exchange_type phase1_exchange(enum ike_mode mode);
struct v1_terms phase1_terms(const struct connection *c);
/* Masks of enum vendor: what we announce; and what both ends have, of NAT traversal only the newest. */
unsigned phase1_vendors(const struct connection *c);
unsigned phase1_common_vendors(const struct connection *c, const struct payloads *p);
void phase1_note_vendors(struct ike *ike, struct ike_sa *sa, const struct payloads *p);

/* A copy of what the proofs cover: the body of the initiator's SA payload, or of its ID. Freed with the phase 1. */
MUST_USE enum status phase1_keep(struct bytes body, uint8_t **out, size_t *len);

/*
 * Every message of phase 1 passes here first. *sa: what its cookies name; an initiator's first message that came before
 * gets its half-open SA. False: nothing is left to do (it was dropped and counted, or answered as a repeat). True with
 * *sa NULL: a first message.
 */
MUST_USE bool phase1_enter(struct ike *ike, struct ike_sa **sa, const struct ike_header *header,
                           const struct path *path, uint64_t digest, enum ike_mode mode);

/*
 * The message that our last one answers, but not byte by byte. No hash covers a whole message of phase 1 (not its
 * header, vendor ids and NAT-D; messages 1 to 4 of main mode not at all): the copy that we have answered may have been
 * changed on the way, and this one is the right one, sent again because the answer was lost. So it gets the answer once
 * more.
 */
void phase1_answer_again(struct ike *ike, struct ike_sa *sa, const struct path *path, enum ike_mode mode);

/* A clear message, whole and of its kind; false: dropped and counted. */
MUST_USE bool phase1_read_clear(struct ike *ike, const struct ike_header *header, const struct path *path,
                                enum ike_mode mode, enum message_kind kind, struct bytes message, struct payloads *p);

/* Counts a clear message that was refused. It is the sender's fault or an attacker's: the SA waits on for the right
 * one. */
void phase1_refuse(struct ike *ike, const struct path *path, enum ike_mode mode, enum status why);

/* Initiator: a half-open SA, and its first message begun with our offer in it. On failure there is no SA. */
MUST_USE enum status phase1_begin(struct ike *ike, struct peer *peer, struct ike_sa **sa, struct v1_message *m);
/* The vendor ids, and out it goes; the SA is freed on failure. */
MUST_USE enum status phase1_send_first(struct ike *ike, struct ike_sa *sa, struct v1_message *m);

/* Initiator, message 2: the choice must be one of ours, unchanged (B29). Commits cookie, suite and what the vendor ids
 * say. */
MUST_USE enum status phase1_take_answer(struct ike *ike, struct ike_sa *sa, const struct ike_header *header,
                                        const struct path *path, const struct payloads *p);
void phase1_say_selected(struct ike *ike, const struct ike_sa *sa);

/* --- v1_phase1_open.c: the responder's first step --- */

struct first_message {
    const struct ike_header *header;
    const struct path *path;
    const struct payloads *payloads;
    enum ike_mode mode;
    const struct identity *id; /* aggressive mode: who calls, not authenticated yet; else NULL */
    size_t ke_len;             /* aggressive mode: of the KE body, which tells the group; else 0 */
};

/* Responder: finds the connection and the proposal, and opens a half-open SA; or refuses, counts and tells: NULL. The
 * chosen transform points into the message. */
MUST_USE struct ike_sa *phase1_open(struct ike *ike, const struct first_message *first, struct v1_transform *chosen);

/* Message 2 begins with what was chosen; vendor ids: only what the peer knows too, so the answer stays smaller than the
 * question. */
struct v1_message phase1_begin_answer(struct ike *ike, const struct ike_sa *sa, const struct v1_transform *chosen);
void phase1_add_common_vendors(struct ike *ike, const struct ike_sa *sa, const struct payloads *first,
                               struct v1_message *m);

/* --- v1_phase1_keys.c: key exchange, nonces, NAT detection --- */

/* The values of phase 1 so far; they point into sa->phase1. */
struct v1_phase1_values phase1_values(const struct ike_sa *sa);

/* Our half of the key exchange, and our nonce: once per half-open SA, no more. Needs sa->suite.group. */
MUST_USE enum status phase1_make_values(struct ike *ike, struct ike_sa *sa);
void phase1_add_values(const struct ike_sa *sa, struct v1_message *m);

/* Two NAT-D payloads where the peer knows them. */
MUST_USE enum status phase1_add_natd(struct ike *ike, const struct ike_sa *sa, struct v1_message *m);
/* The peer's NAT-D payloads have the length of the hash: true. Comes before phase1_detect_nat. */
bool phase1_natd_is_sound(const struct ike_sa *sa, const struct payloads *p);
MUST_USE enum status phase1_detect_nat(struct ike *ike, struct ike_sa *sa, const struct path *path,
                                       const struct payloads *p);

/* KE and nonce; sizes are checked before anything is kept (B9, B11). */
MUST_USE enum status phase1_keep_peer_values(struct ike_sa *sa, const struct payloads *p);

/* A key exchange costs milliseconds: what can be seen to be wrong is refused before it, and each half-open SA has few.
 */
MUST_USE enum status phase1_afford_keys(struct ike_sa *sa, const struct payloads *p);
MUST_USE enum status phase1_make_keys(struct ike *ike, struct ike_sa *sa);

/* With NAT between, or UDP forced, everything goes by port 4500 from now on (RFC 3947 4). */
void phase1_float(struct ike_sa *sa);

/* --- v1_phase1_auth.c: who is it, and can it prove that? --- */

/* Our ID payload; returns its body, which the proof covers. Points into the message. */
struct bytes phase1_add_id(const struct ike_sa *sa, struct v1_message *m);

/* Our proof over our ID body, in the payloads that the authentication method has. */
MUST_USE enum status phase1_add_proof(struct ike *ike, const struct ike_sa *sa, struct bytes id_body,
                                      struct v1_message *m);

/* What a message that should prove the peer says, until it is believed. */
struct claim {
    struct payloads p;
    struct identity id;
    uint32_t connection; /* that it belongs to */
    bool initial_contact;
    uint8_t next_iv[IV_MAX];
    char why[800]; /* the reason, where it is not believed */
};

/* The peer's proof over its ID body, for claim->connection; claim->why: the reason of a refusal. ERR_AUTHENTICATION:
 * wrong or missing; ERR_LIMIT: too many tries. */
MUST_USE enum status phase1_check_proof(struct ike *ike, struct ike_sa *sa, const struct payloads *p,
                                        struct bytes id_body, struct claim *claim);

/* A message with the proof that does not decrypt, or has other payloads than the method wants: ERR_AUTHENTICATION, and
 * claim->why. */
MUST_USE enum status phase1_refuse_unread(const struct ike *ike, const struct ike_sa *sa, struct claim *claim);

/* INITIAL_CONTACT, when we call and have nothing with this peer. */
void phase1_add_initial_contact(const struct ike_sa *sa, struct v1_message *m);

/*
 * No proof covers the notifications. One that makes no sense, or an INITIAL_CONTACT for other cookies, therefore means
 * that the message was changed on the way: it is refused whole (ERR_AUTHENTICATION), because its last block would
 * become the next IV (B19).
 */
MUST_USE enum status phase1_read_notifications(const struct ike_sa *sa, const struct payloads *p,
                                               bool *initial_contact);

/* What the peer must be called: remote_id, or else its address; peer: where it is, for a remote that is a name. */
struct identity phase1_expected_id(const struct connection *c, const struct address *peer);
/* May this be the peer of c? remote = %any without remote_id: whoever has the key, or a certificate of ca. */
bool phase1_id_is_expected(const struct connection *c, const struct address *peer, const struct identity *id);

/* The authenticated identity against the configured one; a difference is logged with its remedy, and left in
 * claim->why. */
bool phase1_identity_fits(struct ike *ike, uint32_t connection, const struct address *peer, struct claim *claim);

/* A message that failed to authenticate, or another identity: counted, noted as a hint (initiator), answered once
 * (responder). The SA waits on for the right one. */
void phase1_refuse_proof(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                         enum status status, const struct claim *claim);

/* All is verified. Frees the SA when it cannot be established. */
void phase1_complete(struct ike *ike, struct ike_sa *sa, const struct path *path, const struct identity *id);

#endif
