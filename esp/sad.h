/* SPDX-License-Identifier: Apache-2.0 */
/* The SAD: our SPI to SA for what arrives, rule to SAs for what leaves. Owns its SAs. */
#ifndef ESP_SAD_H
#define ESP_SAD_H

#include "crypto/random.h"
#include "esp/sa.h"
#include "esp/spi.h"
#include "policy/renumber.h"

struct sad;

/* rules: how many entries the SPD has (a rule index is below it). library: what the SAs' keys are made with (NULL: the
 * portable one); it and random must outlive the SAD. */
MUST_USE enum status sad_new(size_t rules, const struct aead_library *library, const struct random *random,
                             struct sad **out);
void sad_free(struct sad *sad);

/*
 * Several workers may share the SAD. They read it without a lock, so whoever changes it must first have brought all of
 * them to rest (daemon/shards.h): "at rest" below. Each SA is of one of them, its shard, alone: it seals, opens and
 * counts. libraries: of each shard, borrowed; its SAs' keys are made with it. count: at most SHARDS_MAX; before the
 * first SA.
 */
void sad_set_shards(struct sad *sad, const struct aead_library *const *libraries, size_t count);

/* A fresh inbound SPI of the shard: random, at least 256 (RFC 4303 2.1), not in use. 0 when randomness failed.
 * Of the control thread, while the workers run: it changes nothing that they read. */
uint32_t sad_new_spi(struct sad *sad, uint8_t shard);

/* At rest. Adds a pair that opens but does not yet seal. ERR_STATE when the SPI is taken. */
MUST_USE enum status sad_add(struct sad *sad, const struct child *child);
/* At rest. From now on it also seals, and is preferred to all others of its rule; a second time, too. ERR_NOT_FOUND. */
MUST_USE enum status sad_activate(struct sad *sad, uint64_t child_id);
void sad_remove(struct sad *sad, uint64_t child_id); /* at rest; unknown: nothing happens */

/* At rest. Follows an authenticated change of the peer's outer address (NAT rebinding); unknown: nothing happens. */
void sad_move(struct sad *sad, uint64_t child_id, const struct path *path);

/* At rest. All SAs whose packets go to this peer get a new path MTU. */
void sad_set_path_mtu(struct sad *sad, const struct address *peer, uint32_t path_mtu);

/* Room for the SAs of so many rules; sad_renumber takes it over. ERR_MEMORY. */
struct sad_rules;
MUST_USE enum status sad_rules_new(size_t rules, struct sad_rules **out);
void sad_rules_free(struct sad_rules *rules); /* NULL is fine */

/* At rest. Rules have other numbers, and there are others. SAs of rules that are gone go too. */
void sad_renumber(struct sad *sad, struct sad_rules *rules, const struct renumber *numbers);

/* The look-ups below change nothing: workers and the control thread, at any time.
 *
 * The SA that sealed a packet: by the peer's SPI and address. NULL: unknown. */
struct sa *sad_by_outbound(const struct sad *sad, uint32_t spi_out, const struct address *peer);

/* Each SA, in no order. */
void sad_each(const struct sad *sad, void (*visit)(void *arg, const struct sa *sa), void *arg);

struct sa *sad_inbound(const struct sad *sad, uint32_t spi); /* NULL: unknown */
struct sa *sad_by_child(const struct sad *sad, uint64_t child_id);

/*
 * The newest living SA of the rule that may seal and whose selector matches the flow. NULL with *rule_has_sa false:
 * none at all (ask ike); with *rule_has_sa true: there are some, but none for this flow.
 */
struct sa *sad_outbound(const struct sad *sad, uint32_t rule, const struct flow *flow, bool *rule_has_sa);

#endif
