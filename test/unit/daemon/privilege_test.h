/* SPDX-License-Identifier: Apache-2.0 */
/* What is given up cannot be had again: so every case is tried in a child process. */
#ifndef TEST_UNIT_DAEMON_PRIVILEGE_TEST_H
#define TEST_UNIT_DAEMON_PRIVILEGE_TEST_H

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/privilege.h"
#include "test/unit/refusing_kernel.h"

static const struct privilege plain = {.user = "", .sandbox = true};

/* In a child, where a failed assertion would go on with the next test. */
#define expect(condition)                                                                                              \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s is not so, errno %d\n", __FILE__, __LINE__, #condition, errno);                 \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static inline void try_filter(const void *arg)
{
    (void)arg;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    _exit(privilege_filter(&plain) == 0 ? 0 : 1);
}

/* The status of a child that does this. */
static inline int status_of(void (*act)(const void *), const void *arg)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        act(arg);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Emulators have no seccomp. */
static inline void skip_without_filter(void)
{
    const char *why = PRIVILEGE_TEST_BUILD               ? "sanitizers need what the sandbox forbids"
                      : status_of(try_filter, NULL) != 0 ? "the kernel, or an emulator, has no filters of system calls"
                                                         : NULL;
    if (why != NULL) {
        print_message("SKIPPED: %s\n", why);
        skip();
    }
}

/* Theirs are no real processes: threads of their own, no filters, flags of memory that lead elsewhere. */
static inline void skip_in_emulators(void)
{
    if (!PRIVILEGE_TEST_BUILD)
        skip_without_filter();
}

/* A thread that was there before. */
struct early {
    sem_t go;
    int error;
};

static inline void *try_later(void *arg)
{
    struct early *early = arg;
    (void)sem_wait(&early->go);
    early->error = socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
    return NULL;
}

#endif
