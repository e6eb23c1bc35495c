/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness that fails. */
#ifndef TEST_UNIT_RANDOM_TEST_H
#define TEST_UNIT_RANDOM_TEST_H

#include <string.h>

#include "crypto/random.h"

static inline enum status no_random(void *arg, void *out, size_t len)
{
    (void)arg;
    memset(out, 0, len);
    return ERR_CRYPTO;
}

#endif
