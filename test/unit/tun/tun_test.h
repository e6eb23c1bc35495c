/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share. Those that need the kernel run in a network namespace of their own process. */
#ifndef TEST_UNIT_TUN_TUN_TEST_H
#define TEST_UNIT_TUN_TUN_TEST_H

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "test/unit/unit_test.h"

/* "protect 10.1.0.0/24 -> any via x", one rule a string. */
static inline struct spd an_spd(const char *const *rules, size_t count)
{
    struct spd spd = {0};
    for (size_t i = 0; i < count; i++) {
        enum action action = rules[i][0] == 'p' ? ACTION_PROTECT : rules[i][0] == 'b' ? ACTION_BYPASS : ACTION_DISCARD;
        char why[512] = "";
        if (spd_add(&spd, action, strchr(rules[i], ' ') + 1, (uint32_t)i + 1, any_connection, NULL, why, sizeof why) !=
            OK)
            fail_msg("'%s': %s", rules[i], why);
    }
    return spd;
}

/* A fresh, empty network namespace for this process; false where that is not allowed. */
static inline bool enter_namespace(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
        print_message("skipped: needs root and /dev/net/tun\n");
        return false;
    }
    return true;
}

/* The output of a command, for what the kernel says by itself, and its exit status. */
static inline const char *output_and_status(const char *command, char *out, size_t len, int *status)
{
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t used = fread(out, 1, len - 1, pipe);
    out[used] = '\0';
    *status = pclose(pipe);
    return out;
}

static inline const char *output_of(const char *command, char *out, size_t len)
{
    int status;
    return output_and_status(command, out, len, &status);
}

/* Where silence would be taken for an answer. */
static inline const char *output_of_success(const char *command, char *out, size_t len)
{
    int status;
    (void)output_and_status(command, out, len, &status);
    if (status != 0)
        fail_msg("it failed: %s", command);
    return out;
}

static inline void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

#endif
