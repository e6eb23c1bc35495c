/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the running gateway's parts share. */
#ifndef TEST_UNIT_DAEMON_DAEMON_TEST_H
#define TEST_UNIT_DAEMON_DAEMON_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy/spd.h"

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

static inline int any_connection(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "x") == 0 ? 0 : -1;
}

static inline void add_rule(struct spd *spd, enum action action, const char *text)
{
    char why[512] = "";
    if (spd_add(spd, action, text, (uint32_t)spd->count + 1, any_connection, NULL, why, sizeof why) != OK)
        fail_msg("'%s': %s", text, why);
}

#endif
