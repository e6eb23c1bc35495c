/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An authenticated peer that means harm: opens the encrypted messages of a rig with the keys of an engine, changes
 * their plain text, and seals them again with a hash that verifies. Only tests look into an engine like this.
 */
#ifndef TEST_SIM_CRAFT_H
#define TEST_SIM_CRAFT_H

#include "ike/engine.h"
#include "ike/payload.h"

enum { CRAFT_MAX = 12288 };

/* One message taken apart. */
struct craft {
    struct ike_header header;
    uint8_t text[CRAFT_MAX]; /* the payload chain, without padding */
    size_t len;
};

/* The newest established SA of an engine, else any; NULL. */
struct ike_sa *craft_sa(const struct ike *ike);

/* Phase 1 is to be renewed now, by this end. */
void craft_renew_phase1(struct ike *ike, uint64_t now_ms);

/* The IV of the first message of phase 2 with this id. */
void craft_first_iv(const struct ike_sa *sa, uint32_t message_id, uint8_t iv[IV_MAX]);

/* False: not encrypted, too long, or no chain of payloads. iv then gets the next one. */
bool craft_open(const struct ike_sa *sa, uint8_t iv[IV_MAX], struct bytes message, struct craft *out);

/* Makes HASH(1) or HASH(2) right again, where the first payload still is a HASH of the right length. */
void craft_rehash(const struct ike_sa *sa, struct bytes nonce_i, struct craft *c);

/* Pads, encrypts, sets the length; returns the datagram's length. iv gets the next one. */
size_t craft_seal(const struct ike_sa *sa, uint8_t iv[IV_MAX], struct craft *c, uint8_t out[CRAFT_MAX + 64]);

/* A message of phase 2 of our own: HASH and one payload. Returns the datagram's length. */
size_t craft_phase2(const struct ike_sa *sa, enum exchange_type exchange, uint32_t message_id, uint8_t type,
                    struct bytes body, uint8_t out[CRAFT_MAX + 64]);

/* The body of the first payload of a type; empty. */
struct bytes craft_body(const struct craft *c, uint8_t type);

#endif
