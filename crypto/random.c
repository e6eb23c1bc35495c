/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/random.h"

#include <sodium.h>
#include <string.h>

#include "base/wire.h"

static enum status system_fill(void *arg, void *out, size_t len)
{
    (void)arg;
    randombytes_buf(out, len); /* ends the process when the system has no randomness: that is closed enough */
    return OK;
}

static enum status refuse(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0, len);
    return ERR_CRYPTO;
}

struct random random_system(void)
{
    return (struct random){.fill = sodium_init() < 0 ? refuse : system_fill};
}

/* Every request is a stream of its own: the counter is the nonce. */
static enum status seeded_fill(void *arg, void *out, size_t len)
{
    struct random_seeded *state = arg;
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    store_u64(nonce, state->counter++);
    return crypto_stream_chacha20(out, len, nonce, state->key) == 0 ? OK : ERR_CRYPTO;
}

struct random random_of_seed(struct random_seeded *state, uint64_t seed)
{
    *state = (struct random_seeded){0};
    store_u64(state->key, seed);
    return (struct random){.fill = seeded_fill, .arg = state};
}

enum status random_fill(const struct random *random, void *out, size_t len)
{
    return len == 0 ? OK : random->fill(random->arg, out, len);
}

enum status random_u32(const struct random *random, uint32_t *out)
{
    *out = 0;
    return random_fill(random, out, sizeof *out);
}
