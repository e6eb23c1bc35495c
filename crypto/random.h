/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness is a parameter: the daemon passes the system's, the simulator a seeded stream. */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct random {
    /* Fills out; any failure must be returned and the caller fails closed. */
    MUST_USE enum status (*fill)(void *arg, void *out, size_t len);
    void *arg;
};

/* The operating system's generator, by libsodium. */
struct random random_system(void);

/* For tests only: a ChaCha20 stream of the seed. *state belongs to the caller and must outlive the result. */
struct random_seeded {
    uint8_t key[32];
    uint64_t counter;
};
struct random random_of_seed(struct random_seeded *state, uint64_t seed);

MUST_USE enum status random_fill(const struct random *random, void *out, size_t len);
MUST_USE enum status random_u32(const struct random *random, uint32_t *out);

#endif
