/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is it? The authentication of phase 1 (RFC 2409 5, RFC 4754), one face over pre-shared keys and signatures, for
 * every mode: keys, what we say, and what the peer says. Nothing here changes an SA but its keys.
 *
 * The identity that is proven comes as the body of its ID payload, exactly as it was sent: a mode may have sent it in
 * another message.
 */
#ifndef IKE_AUTH_H
#define IKE_AUTH_H

#include "ike/engine.h"
#include "ike/payload.h"

/* The number of a connection's method in a proposal. */
uint16_t auth_number(const struct connection *c);

/* "a pre-shared key (1)", "RSA signatures (3)", ... Returns out. */
enum { AUTH_TEXT = 64 };
const char *auth_print(uint16_t number, char out[AUTH_TEXT]);

/* Whether the method is a signature: SIG instead of HASH, and certificates. */
bool auth_is_signed(const struct connection *c);

/* SKEYID and all that follows from it, into sa->keys. */
MUST_USE enum status auth_derive(struct ike *ike, struct ike_sa *sa, const struct v1_phase1_values *values,
                                 struct bytes shared);

/* Asks for the peer's certificate, where the method has them, in a message of at most `most` bytes. */
void auth_write_request(const struct connection *c, struct chain *chain, struct writer *w, size_t most);

/* Warns, once the peer has asked for certificates of authorities that ours does not come from. */
void auth_heed_request(struct ike *ike, const struct ike_sa *sa, const struct payloads *p);

/* Our proof for the identity in id_body: HASH, or CERT and SIG. */
MUST_USE enum status auth_write(struct ike *ike, const struct ike_sa *sa, const struct v1_phase1_values *values,
                                struct bytes id_body, struct chain *chain, struct writer *w);

/*
 * The connection that a peer of this name belongs to. main mode answers before it knows the name, so several
 * connections may have the addresses, the method and (with a pre-shared key) the key: the one whose remote_id fits,
 * else the one that answered. `from`: where the message came from.
 */
uint32_t auth_connection(const struct ike *ike, const struct ike_sa *sa, const struct path *from,
                         const struct identity *id);

/*
 * The peer's proof that it is id, for that connection. ERR_AUTHENTICATION: it is not; why says which check failed, for
 * people. ERR_LIMIT: too many tries.
 */
MUST_USE enum status auth_check(struct ike *ike, struct ike_sa *sa, uint32_t connection,
                                const struct v1_phase1_values *values, const struct payloads *p, struct bytes id_body,
                                const struct identity *id, const struct why *why);

/* What most likely is wrong when a peer refuses our proof without saying why. */
const char *auth_remedy(const struct connection *c);

#endif
