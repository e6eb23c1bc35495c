/* SPDX-License-Identifier: Apache-2.0 */
/* The SAD: our SPI to SA for what arrives, rule to SAs for what leaves. Owns its SAs. */
#ifndef ESP_SAD_H
#define ESP_SAD_H

#include "crypto/random.h"
#include "esp/sa.h"

struct sad;

/* rules: how many entries the SPD has (a rule index is below it). library: what the SAs' keys are made with (NULL: the
 * portable one); it and random must outlive the SAD. */
MUST_USE enum status sad_new(size_t rules, const struct aead_library *library, const struct random *random,
                             struct sad **out);
void sad_free(struct sad *sad);

/*
 * Several workers share the SAD. They read it without a lock, so whoever changes it must first have brought all of them
 * to rest (daemon/shards.h). Each SA is of one of them, its shard, alone: it seals, opens and counts. Which one is told
 * by the SPI that we choose, so that a packet can be led to the right worker before anybody has looked it up.
 * libraries: of each shard, borrowed; its SAs' keys are made with it. count: at most SHARDS_MAX; before the first SA.
 */
enum { SHARDS_MAX = 16 };
void sad_share(struct sad *sad, const struct aead_library *const *libraries, size_t count);

/* The shard that the SPI tells, of so many. A SPI that is not ours may tell one that there is not: then it is 0. */
static inline uint8_t spi_shard(uint32_t spi, size_t shards)
{
    uint32_t shard = spi & (SHARDS_MAX - 1);
    return (uint8_t)(shard < shards ? shard : 0);
}

/* A fresh inbound SPI of the shard: random, at least 256 (RFC 4303 2.1), not in use. 0 when randomness failed. */
uint32_t sad_new_spi(struct sad *sad, uint8_t shard);

/* Adds a pair that opens but does not yet seal. ERR_STATE when the SPI is taken. */
MUST_USE enum status sad_add(struct sad *sad, const struct child *child);
/* From now on it also seals, and is preferred to older ones of its rule. ERR_NOT_FOUND. */
MUST_USE enum status sad_activate(struct sad *sad, uint64_t child_id);
void sad_remove(struct sad *sad, uint64_t child_id); /* unknown: nothing happens */

/* Follows an authenticated change of the peer's outer address (NAT rebinding); unknown: nothing happens. */
void sad_move(struct sad *sad, uint64_t child_id, const struct path *path);

/* All SAs whose packets go to this peer get a new path MTU. */
void sad_set_path_mtu(struct sad *sad, const struct address *peer, uint32_t path_mtu);

/* The SA that sealed a packet: by the peer's SPI and address. NULL: unknown. */
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
