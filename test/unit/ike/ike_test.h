/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_IKE_IKE_TEST_H
#define TEST_UNIT_IKE_IKE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/wire.h"
#include "policy/address.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* A copy of exactly len bytes on the heap, so that the sanitizer sees a read past the end. Freed by the caller. */
static inline uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

static inline struct address an_address(const char *text)
{
    struct address a;
    assert_int_equal(address_parse(text, &a), OK);
    return a;
}

/* Hex digits, blanks allowed; returns the number of bytes. */
static inline size_t unhex(const char *hex, uint8_t *out, size_t capacity)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    for (; *hex != '\0'; hex++) {
        if (*hex == ' ')
            continue;
        const char *at = strchr(digits, *hex);
        assert_true(at != NULL && n / 2 < capacity);
        out[n / 2] = (uint8_t)(n % 2 == 0 ? (at - digits) << 4 : out[n / 2] | (at - digits));
        n++;
    }
    return n / 2;
}

#endif
