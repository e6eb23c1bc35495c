/* SPDX-License-Identifier: Apache-2.0 */
/* A network namespace of this process, for tests that need the kernel. */
#ifndef TEST_UNIT_NETWORK_TEST_H
#define TEST_UNIT_NETWORK_TEST_H

#include <sched.h>
#include <unistd.h>

#include "test/unit/unit_test.h"

/* The kernel takes its time to believe in an address, ::1 included, and to have a route to it. */
#define UNTIL_ROUTED(address) "until ip -6 route get " address " 2>&1 | grep -q ^local; do sleep 0.01; done"
#define LOOPBACK_UP           "ip link set lo up && " UNTIL_ROUTED("::1")

/* With what the shell command sets up there. False: skip the test. */
static inline bool enter_network(const char *command)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        print_message("skipped: needs root\n");
        return false;
    }
    assert_int_equal(system(command), 0);
    return true;
}

#endif
