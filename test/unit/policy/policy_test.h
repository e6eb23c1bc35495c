/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_POLICY_POLICY_TEST_H
#define TEST_UNIT_POLICY_POLICY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/address.h"
#include "policy/selector.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define assert_has(text, part)                                                                                         \
    do {                                                                                                               \
        if (strstr((text), (part)) == NULL)                                                                            \
            fail_msg("'%s' does not say '%s'", (text), (part));                                                        \
    } while (0)

static inline struct address an_address(const char *text)
{
    struct address a;
    assert_int_equal(address_parse(text, &a), OK);
    return a;
}

static inline struct address_range a_range(const char *text)
{
    struct address_range r;
    if (range_parse(text, &r) != OK)
        fail_msg("'%s' should be a range", text);
    return r;
}

#endif
