/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of crypto share. */
#ifndef TEST_UNIT_CRYPTO_CRYPTO_TEST_H
#define TEST_UNIT_CRYPTO_CRYPTO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "base/wire.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static inline unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* Hex that the test itself holds: trusted. Returns the length. */
static inline size_t unhex(const char *hex, uint8_t *out, size_t capacity)
{
    size_t len = strlen(hex) / 2;
    assert_true(len <= capacity && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    return len;
}

static inline void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
    uint8_t want[2048];
    assert_int_equal(unhex(hex, want, sizeof want), len);
    assert_memory_equal(data, want, len);
}

#endif
