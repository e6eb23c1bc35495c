/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the running gateway's parts share. */
#ifndef TEST_UNIT_DAEMON_DAEMON_TEST_H
#define TEST_UNIT_DAEMON_DAEMON_TEST_H

#include "test/unit/unit_test.h"

static inline void add_rule(struct spd *spd, enum action action, const char *text)
{
    char why[512] = "";
    if (spd_add(spd, action, text, (uint32_t)spd->count + 1, any_connection, NULL, why, sizeof why) != OK)
        fail_msg("'%s': %s", text, why);
}

#endif
