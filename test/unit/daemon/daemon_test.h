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

/* A page of the manual, as it stands in the source tree. Owned. */
static inline char *read_page(const char *name)
{
    char path[1024];
    char *text = NULL;
    size_t len = 0, got;
    char part[4096];
    snprintf(path, sizeof path, "%s/%s", ESPTUN_SOURCE, name);
    FILE *in = fopen(path, "r"), *out = open_memstream(&text, &len);
    if (in == NULL || out == NULL)
        fail_msg("%s cannot be read", name);
    while ((got = fread(part, 1, sizeof part, in)) > 0)
        assert_int_equal(fwrite(part, 1, got, out), got);
    fclose(in);
    fclose(out);
    return text;
}

#endif
