/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Least privilege: once everything is open, the process gives up what it does not need any more.
 *
 *   privilege.c          the order, capabilities, the user, core files
 *   privilege_filter.c   which system calls are left (libseccomp)
 *   privilege_files.c    which files are left (Landlock)
 *
 * Capabilities and Landlock are a thread's own and threads inherit them: so this comes before the first thread, those
 * of libuv's pool included. What must start other programs (hooks, say) forks a helper before, while that is still
 * allowed, and speaks with it through a socket; behind the filter an execve is the end of the process.
 */
#ifndef DAEMON_PRIVILEGE_H
#define DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"
#include "base/status.h"

/* What is still wanted after the start. */
struct privilege {
    const char *user;           /* to become, or "" */
    bool sandbox;               /* filter system calls, and files where the kernel has Landlock */
    bool netfilter;             /* speak with nf_tables */
    const char *config_path;    /* read again at a reload */
    char *const *folders;       /* likewise, with all below them */
    size_t folder_count;        /* */
    const char *control_folder; /* where a socket is made and removed */
};

/* Whoever holds secrets: no core file, and nobody of the same user looks inside. False with errno. */
bool privilege_no_core_files(void);

/* At the start of a process that will hold secrets: no core files, and as much locked memory as there may be. */
void privilege_begin(const struct log *log);

/*
 * Gives up the rest. What this kernel or container refuses is left out with a line in the log, except the user and the
 * capabilities: a process that should have become another one and cannot does not run, nor one with too many rights.
 * ERR_NOT_FOUND, ERR_STATE: why says it.
 */
MUST_USE enum status privilege_drop(const struct privilege *p, const struct log *log, char *why, size_t why_len);

/* --- for privilege.c and its test --- */

/* Leaves a test build's runtime what it needs: sanitizers open, trace and run other programs; the key log writes. */
#if defined ESPTUN_SANITIZED || defined ESPTUN_KEYLOG
enum { PRIVILEGE_TEST_BUILD = 1 };
#else
enum { PRIVILEGE_TEST_BUILD = 0 };
#endif

/* 0, or -errno. For all threads that there are; cannot be taken back. */
MUST_USE int privilege_filter(const struct privilege *p);

/* The version of Landlock that is in force for this thread from now on; 0: the kernel has none; -errno. */
MUST_USE int privilege_files(const struct privilege *p);

#endif
