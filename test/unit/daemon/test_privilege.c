/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/resource.h>

#include "crypto/secret.h"
#include "privilege_test.h"
#include "test/unit/log_test.h"

static char lines[LINES_KEPT];
static const struct log kept_log = {.level = LOG_DEBUG, .sink = keep_line, .arg = lines};

static uint64_t number_in_status(const char *key, int base)
{
    char line[256];
    uint64_t value = UINT64_MAX;
    FILE *file = fopen("/proc/self/status", "re");
    expect(file != NULL);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtoull(line + strlen(key), NULL, base);
    fclose(file);
    return value;
}

static void as_nobody(const void *arg)
{
    const struct privilege *p = arg;
    const struct passwd *nobody = getpwnam("nobody");
    const uint64_t net = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW | 1U << CAP_NET_BIND_SERVICE;
    char why[256] = "";
    expect(nobody != NULL);
    const uid_t uid = nobody->pw_uid;
    const gid_t gid = nobody->pw_gid;
    privilege_begin(&kept_log);
    expect(privilege_drop(p, &kept_log, why, sizeof why) == OK);
    expect(getuid() == uid && geteuid() == uid && getgid() == gid && getegid() == gid);
    expect(getgroups(0, NULL) == 1);
    expect((number_in_status("CapEff:", 16) & ~net) == 0 && (number_in_status("CapPrm:", 16) & ~net) == 0);
    expect(number_in_status("CapBnd:", 16) == number_in_status("CapEff:", 16));
    expect(number_in_status("CapInh:", 16) == 0 && number_in_status("CapAmb:", 16) == 0);
    expect(number_in_status("NoNewPrivs:", 10) == 1);
    expect(number_in_status("Seccomp:", 10) == (p->sandbox && !PRIVILEGE_TEST_BUILD ? 2 : 0));
    expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    expect(strstr(lines, "cannot read /etc/shadow") != NULL);
    expect(strstr(lines, " privileges: user ") != NULL);
    expect(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
    if (!p->sandbox)
        expect(strstr(lines, "sandbox = no") != NULL);
}

static void skip_unless_root(void)
{
    if (getuid() != 0) {
        print_message("SKIPPED: only root can become another user\n");
        skip();
    }
}

static void test_another_user(void **state)
{
    struct privilege p = {.user = "nobody", .sandbox = true, .config_path = "/etc/shadow"};
    (void)state;
    skip_unless_root();
    skip_in_emulators();
    in_a_child(as_nobody, &p);
    p.sandbox = false;
    in_a_child(as_nobody, &p);
}

static void as_before(const void *arg)
{
    char why[256] = "";
    (void)arg;
    const uid_t uid = getuid();
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(getuid() == uid && number_in_status("NoNewPrivs:", 10) == 1);
    expect(strstr(lines, "cannot read") == NULL);
    expect(strstr(lines, "threads ran") == NULL);
}

static void test_nobody_else(void **state)
{
    (void)state;
    skip_in_emulators();
    in_a_child(as_before, NULL);
}

static void no_such_user(const void *arg)
{
    const struct privilege p = {.user = "esptun-never", .sandbox = true};
    char why[256] = "";
    (void)arg;
    expect(privilege_drop(&p, &kept_log, why, sizeof why) == ERR_NOT_FOUND);
    expect(strstr(why, "no user 'esptun-never' in /etc/passwd") != NULL && strstr(why, "[gateway]") != NULL);
    expect(number_in_status("NoNewPrivs:", 10) == 0); /* nothing is given up by halves */
}

static void not_allowed(const void *arg)
{
    const struct privilege p = {.user = "nobody", .sandbox = true};
    char why[256] = "";
    (void)arg;
    expect(refuse_call(SYS_setresuid, 0, UINT32_MAX, EPERM));
    expect(privilege_drop(&p, &kept_log, why, sizeof why) == ERR_STATE);
    expect(strstr(why, "cannot become the user 'nobody'") != NULL && strstr(why, "SETUID") != NULL);
}

static void test_a_user_that_cannot_be(void **state)
{
    (void)state;
    in_a_child(no_such_user, NULL);
    skip_unless_root();
    skip_in_emulators();
    in_a_child(not_allowed, NULL);
}

/* A container whose own filter forbids what we would use. */
static void refused(const void *arg)
{
    char why[256] = "";
    (void)arg;
    expect(refuse_call(SYS_seccomp, 0, UINT32_MAX, EPERM));
    expect(refuse_call(444, 0, UINT32_MAX, EPERM));
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    if (!PRIVILEGE_TEST_BUILD) {
        expect(strstr(lines, "warning Landlock was refused: Operation not permitted") != NULL);
        expect(strstr(lines, "warning system calls are not filtered") != NULL);
        expect(strstr(lines, "no filter of system calls, no Landlock (refused)") != NULL);
    }
}

/* Nobody runs with more rights than he thinks. */
static void rights_that_stay(const void *arg)
{
    char why[256] = "";
    (void)arg;
    expect(refuse_call(SYS_capset, 0, UINT32_MAX, EPERM));
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == ERR_STATE);
    expect(strstr(why, "could not be given up: Operation not permitted; start esptun without them") != NULL);
}

static void without_landlock(const void *arg)
{
    char why[256] = "";
    (void)arg;
    expect(refuse_call(444, 0, UINT32_MAX, ENOSYS));
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(strstr(lines, "Landlock was refused") == NULL);
    expect(strstr(lines, "system calls filtered, no Landlock in this kernel") != NULL);
}

static void test_what_is_refused_is_said(void **state)
{
    (void)state;
    skip_in_emulators();
    in_a_child(refused, NULL);
    in_a_child(rights_that_stay, NULL);
    skip_without_filter();
    in_a_child(without_landlock, NULL);
}

static void say_the_thread(const void *arg)
{
    struct early early = {.error = -1};
    pthread_t thread;
    char why[256] = "";
    (void)arg;
    expect(sem_init(&early.go, 0, 0) == 0 && pthread_create(&thread, NULL, try_later, &early) == 0);
    expect(privilege_drop(&plain, &kept_log, why, sizeof why) == OK);
    expect(strstr(lines, "warning 1 threads ran already") != NULL);
    expect(sem_post(&early.go) == 0 && pthread_join(thread, NULL) == 0);
}

static void test_threads_that_were_there_are_named(void **state)
{
    (void)state;
    skip_without_filter(); /* sanitizers and emulators have threads of their own */
    in_a_child(say_the_thread, NULL);
}

/* --- core files --- */

/* The flags of the mapping that holds this address. */
static bool mapping_flags(const void *address, char flags[256])
{
    unsigned long from, to;
    bool here = false, found = false;
    FILE *file = fopen("/proc/self/smaps", "re");
    assert_non_null(file);
    while (!found && fgets(flags, 256, file) != NULL) {
        if (sscanf(flags, "%lx-%lx ", &from, &to) == 2)
            here = (uintptr_t)address >= from && (uintptr_t)address < to;
        found = here && strncmp(flags, "VmFlags:", 8) == 0;
    }
    fclose(file);
    return found;
}

static void test_secrets_stay_out_of_core_files(void **state)
{
    struct secret secret;
    char flags[256];
    (void)state;
    skip_in_emulators();
    struct vault *vault = vault_new();
    assert_non_null(vault);
    assert_int_equal(secret_copy(vault, "0123456789", 10, &secret), OK);
    if (mapping_flags(secret.data, flags))
        assert_has(flags, " dd"); /* MADV_DONTDUMP */
    else
        print_message("SKIPPED: this kernel does not show flags of memory\n");
    secret_free(&secret);
    vault_free(vault);
}

static void begin(const void *arg)
{
    struct rlimit limit;
    (void)arg;
    privilege_begin(&kept_log);
    expect(lines[0] == '\0');
    expect(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0);
    expect(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
    expect(getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == limit.rlim_max);
}

static void test_begin(void **state)
{
    (void)state;
    in_a_child(begin, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_user),
        cmocka_unit_test(test_nobody_else),
        cmocka_unit_test(test_a_user_that_cannot_be),
        cmocka_unit_test(test_what_is_refused_is_said),
        cmocka_unit_test(test_threads_that_were_there_are_named),
        cmocka_unit_test(test_secrets_stay_out_of_core_files),
        cmocka_unit_test(test_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
