/* SPDX-License-Identifier: Apache-2.0 */
/* For tests that make the kernel refuse something (test/refuse.h): in a child process, where that ends with it. */
#ifndef TEST_UNIT_REFUSING_KERNEL_H
#define TEST_UNIT_REFUSING_KERNEL_H

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/refuse.h"
#include "test/unit/unit_test.h"

/* What `act` finds not to be so fails the test here. */
static inline void in_a_child(void (*act)(const void *arg), const void *arg)
{
    int result = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        act(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        fail_msg("the child process says so, status 0x%x", (unsigned)result);
}

#endif
