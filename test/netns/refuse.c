/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command under a kernel that refuses something:
 *     netns_refuse writev|setsockopt THIRD ERRNO COMMAND [ARGUMENT...]
 * The call fails with ERRNO when its third argument is at least THIRD.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test/refuse.h"

int main(int argc, char *argv[])
{
    if (argc < 5) {
        (void)fprintf(stderr, "usage: netns_refuse writev|setsockopt THIRD ERRNO COMMAND [ARGUMENT...]\n");
        return 2;
    }
    long call = strcmp(argv[1], "writev") == 0 ? SYS_writev : SYS_setsockopt;
    if (!refuse_call(call, (uint32_t)strtoul(argv[2], NULL, 10), UINT32_MAX, (int)strtol(argv[3], NULL, 10)))
        (void)fprintf(stderr, "netns_refuse: seccomp cannot be had: %s\n", strerror(errno));
    else if (execvp(argv[4], argv + 4) < 0)
        (void)fprintf(stderr, "netns_refuse: %s: %s\n", argv[4], strerror(errno));
    return 1;
}
