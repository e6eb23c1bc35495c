/* SPDX-License-Identifier: Apache-2.0 */
/* What the unit tests of policy and of the rooms above it share. */
#ifndef TEST_UNIT_UNIT_TEST_H
#define TEST_UNIT_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/address.h"
#include "policy/spd.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define assert_has(text, part)                                                                                         \
    do {                                                                                                               \
        const char *text_ = (text), *part_ = (part);                                                                   \
        if (strstr(text_, part_) == NULL)                                                                              \
            fail_msg("'%s' does not say '%s'", text_, part_);                                                          \
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

/* For spd_add: one connection, called x. */
static inline int any_connection(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "x") == 0 ? 0 : -1;
}

#endif
