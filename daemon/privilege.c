/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/privilege.h"

#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/user.h"

/* What opens sockets (marked, raw, on port 500), sets routes and addresses: all of it may be wanted later again. */
static const unsigned kept[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE};

enum { KEPT = sizeof kept / sizeof *kept, NOTE = 256 };

/* --- core files and locked memory --- */

bool privilege_no_core_files(void)
{
    const struct rlimit none = {0, 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

static void forbid_core_files(const struct log *log)
{
    if (!privilege_no_core_files())
        log_write(log, LOG_WARNING, "core dumps could not be turned off: %s", strerror(errno));
}

/* The capability that makes the limit of no account goes. */
static void lock_much_memory(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

void privilege_begin(const struct log *log)
{
    forbid_core_files(log);
    lock_much_memory();
}

/* --- the user --- */

/* The capabilities stay, to be cut by what comes next. */
static enum status become(const char *name, const struct user *user, char *why, size_t why_len)
{
    if (user_is_us(user))
        return OK;
    bool done = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && user_become(user);
    int error = errno;
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (done)
        return OK;
    (void)snprintf(
        why, why_len,
        "cannot become the user '%s': %s; it needs the capabilities SETUID and SETGID at the start: start as "
        "root, or remove 'user' from [gateway]",
        name, strerror(error));
    return ERR_STATE;
}

/* --- capabilities --- */

/* "NET_ADMIN, NET_RAW"; a capability that we never had is not there afterwards either. */
static void choose_capabilities(char names[NOTE])
{
    bool have[KEPT];
    size_t used = 0;
    (void)capng_get_caps_process();
    for (size_t i = 0; i < KEPT; i++)
        have[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]) != 0;
    capng_clear(CAPNG_SELECT_ALL);
    (void)snprintf(names, NOTE, "none");
    for (size_t i = 0; i < KEPT; i++) {
        if (!have[i])
            continue;
        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, kept[i]);
        used += (size_t)snprintf(names + used, NOTE - used, "%s%s", used > 0 ? ", " : "",
                                 kept[i] == CAP_NET_ADMIN ? "NET_ADMIN"
                                 : kept[i] == CAP_NET_RAW ? "NET_RAW"
                                                          : "NET_BIND_SERVICE");
    }
}

/* What no program could get back that this process starts; it takes SETPCAP, which root has. */
static void bound_capabilities(const struct log *log)
{
    if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
        log_write(log, LOG_DEBUG, "the bounding set of capabilities stays: it needs the capability SETPCAP");
}

/* To have fewer is never refused: who cannot give them up runs in a place that esptun does not understand. */
static enum status drop_capabilities(char *why, size_t why_len)
{
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (capng_apply(CAPNG_SELECT_CAPS) == 0)
        return OK;
    (void)snprintf(why, why_len,
                   "the capabilities that are not needed could not be given up: %s; start esptun without them (in a "
                   "container --cap-drop ALL --cap-add NET_ADMIN,NET_RAW), and look whether a filter of system calls "
                   "forbids capset",
                   strerror(errno));
    return ERR_STATE;
}

/* --- the sandbox --- */

static void restrict_files(const struct privilege *p, const struct log *log, char note[NOTE])
{
    int version = privilege_files(p);
    if (version > 0)
        (void)snprintf(note, NOTE, "files by Landlock %d", version);
    else if (version == 0)
        (void)snprintf(note, NOTE, "no Landlock in this kernel");
    else
        (void)snprintf(note, NOTE, "no Landlock (refused)");
    if (version < 0)
        log_write(log, LOG_WARNING, "Landlock was refused: %s; files are protected by their modes alone",
                  strerror(-version));
}

/* 0 when nothing can tell. */
static size_t count_threads(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    while (tasks != NULL && (entry = readdir(tasks)) != NULL)
        count += entry->d_name[0] != '.';
    if (tasks != NULL)
        (void)closedir(tasks);
    return count;
}

static void say_threads(const struct log *log)
{
    size_t threads = count_threads();
    if (threads > 1 && !PRIVILEGE_TEST_BUILD)
        log_write(log, LOG_WARNING, "%zu threads ran already and keep their capabilities and files: please report this",
                  threads - 1);
}

static bool no_new_privileges(const struct log *log)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return true;
    log_write(log, LOG_WARNING, "no_new_privs was refused: %s", strerror(errno));
    return false;
}

/* Says what the next start, or a reload, will not find. */
static void say_unreadable(const struct privilege *p, const struct log *log)
{
    if (p->config_path != NULL && access(p->config_path, R_OK) != 0)
        log_write(
            log, LOG_INFO,
            "the user '%s' cannot read %s: %s; to reload it, give that user this file and the secrets that it names, "
            "or restart",
            p->user, p->config_path, strerror(errno));
}

static void filter_calls(const struct privilege *p, const struct log *log, const char *capabilities, const char *files)
{
    int error = privilege_filter(p);
    if (error != 0)
        log_write(log, LOG_WARNING, "system calls are not filtered, the kernel refused it: %s", strerror(-error));
    log_write(log, LOG_INFO, "privileges: user %u, capabilities %s; %s, %s", (unsigned)getuid(), capabilities,
              error == 0 ? "system calls filtered" : "no filter of system calls", files);
}

/*
 * Files first, while folders of others can still be named; then the user and the capabilities; the filter last, since
 * it refuses all of this. no_new_privs is what an unprivileged process needs for the rest.
 */
enum status privilege_drop(const struct privilege *p, const struct log *log, char *why, size_t why_len)
{
    char capabilities[NOTE], files[NOTE] = "files by their modes";
    struct user user;
    const bool another = p->user[0] != '\0';
    bool sandbox = p->sandbox && !PRIVILEGE_TEST_BUILD;
    enum status status = another ? user_find(p->user, &user, why, why_len) : OK;
    if (status != OK)
        return status;
    say_threads(log);
    choose_capabilities(capabilities);
    if (no_new_privileges(log) && sandbox)
        restrict_files(p, log, files);
    bound_capabilities(log);
    if (another)
        status = become(p->user, &user, why, why_len);
    if (status != OK)
        return status;
    status = drop_capabilities(why, why_len);
    if (status != OK)
        return status;
    forbid_core_files(log); /* another user: the kernel has set its own word */
    if (another)
        say_unreadable(p, log);
    if (sandbox)
        filter_calls(p, log, capabilities, files);
    else
        log_write(log, p->sandbox ? LOG_WARNING : LOG_INFO,
                  "privileges: user %u, capabilities %s; %s: system calls and files are not filtered",
                  (unsigned)getuid(), capabilities, p->sandbox ? "a test build" : "sandbox = no");
    return OK;
}
