/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control_path.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/unit_test.h"

enum { BACKLOG = 4, STARTERS = 8, ROUNDS = 30 };

static char folder[] = "/tmp/esptun-unit-XXXXXX", path[64], why[512];

static int set_up(void **state)
{
    (void)state;
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/control.sock", folder);
    return 0;
}

/* The folder must be empty: nothing else than the socket is ever left. */
static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

static struct sockaddr_un name_of(const char *at)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, at, strlen(at));
    return name;
}

static int connect_to_it(void)
{
    struct sockaddr_un name = name_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int error = connect(fd, (struct sockaddr *)&name, sizeof name) == 0 ? 0 : errno;
    close(fd);
    return error;
}

/* As a killed process leaves it. */
static void leave_a_dead_one(void)
{
    struct sockaddr_un name = name_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd);
}

static enum status listen_there(int *fd, struct stat *file)
{
    why[0] = '\0';
    return control_path_listen(path, BACKLOG, fd, file, why, sizeof why);
}

/* --- refusals --- */

static void test_paths_that_cannot_be(void **state)
{
    (void)state;
    char too_long[200];
    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    const char *const paths[] = {"", too_long, "/nonexistent/folder/x.sock", "/proc/x.sock"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        int fd = 77;
        struct stat file;
        assert_int_equal(control_path_listen(paths[i], BACKLOG, &fd, &file, why, sizeof why), ERR_IO);
        assert_has(why, "choose another 'control' in [gateway]");
        assert_int_equal(fd, -1);
    }
}

static void test_what_is_no_socket_stays(void **state)
{
    (void)state;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    struct stat file;
    close(fd);
    assert_int_equal(listen_there(&fd, &file), ERR_STATE);
    assert_has(why, "is not a socket");
    assert_int_equal(access(path, F_OK), 0);
}

/* One that answers, and one whose backlog is full. */
static void test_a_living_one_stays(void **state)
{
    (void)state;
    int fd, other, clients[BACKLOG + 1];
    struct stat file, again;
    struct sockaddr_un name = name_of(path);
    assert_int_equal(listen_there(&fd, &file), OK);
    assert_int_equal(listen_there(&other, &again), ERR_STATE);
    assert_has(why, "another process answers");
    for (size_t i = 0; i < COUNT(clients); i++) {
        clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(clients[i], (struct sockaddr *)&name, sizeof name);
    }
    assert_int_equal(connect_to_it(), EAGAIN);
    assert_int_equal(listen_there(&other, &again), ERR_STATE);
    assert_int_equal(lstat(path, &again), 0);
    assert_int_equal(again.st_ino, file.st_ino);
    for (size_t i = 0; i < COUNT(clients); i++)
        close(clients[i]);
    close(fd);
}

/* --- what is taken --- */

static void test_a_new_one_and_a_dead_one(void **state)
{
    (void)state;
    int fd;
    struct stat file;
    for (int dead = 0; dead <= 1; dead++) {
        if (dead)
            leave_a_dead_one();
        assert_int_equal(listen_there(&fd, &file), OK);
        assert_true(S_ISSOCK(file.st_mode) && (file.st_mode & 0777) == 0600);
        assert_int_equal(connect_to_it(), 0); /* it listens from the first moment */
        close(fd);
        assert_int_equal(control_path_remove(path, &file), 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_only_its_own_file_is_removed(void **state)
{
    (void)state;
    int fd, other;
    struct stat file, newer;
    assert_int_equal(listen_there(&fd, &file), OK);
    close(fd);
    assert_int_equal(listen_there(&other, &newer), OK);
    assert_int_equal(control_path_remove(path, &file), 0);
    assert_int_equal(connect_to_it(), 0);
    close(other);
    assert_int_equal(control_path_remove(path, &newer), 0);
    assert_int_equal(control_path_remove(path, &newer), 0); /* gone is gone */
}

/* A path without a folder is in the working one. */
static void test_a_bare_name(void **state)
{
    (void)state;
    int fd;
    struct stat file;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(control_path_listen("control.sock", BACKLOG, &fd, &file, why, sizeof why), OK);
    assert_int_equal(connect_to_it(), 0);
    close(fd);
    assert_int_equal(chdir(before), 0);
}

/* Somebody who sits on the lock holds nobody up for ever. */
static void test_a_lock_that_is_not_given_back(void **state)
{
    (void)state;
    int fd, lock = open(folder, O_RDONLY | O_DIRECTORY);
    struct stat file;
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(listen_there(&fd, &file), OK);
    close(lock);
    close(fd);
}

/* --- at the same moment --- */

/* Waits for the gate, tries, tells in one line how it went, and lives until it is ended, or the test is. */
static void starter(int gate, int tell)
{
    char byte;
    int fd;
    struct stat file;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool got = read(gate, &byte, 1) == 0 && listen_there(&fd, &file) == OK;
    (void)dprintf(tell, "%.400s\n", got ? "got it" : why);
    for (;;)
        pause();
}

static void start_them(pid_t children[STARTERS], int gate[2], int tell[2])
{
    assert_int_equal(pipe(gate) + pipe(tell), 0);
    for (size_t i = 0; i < STARTERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            close(gate[1]);
            starter(gate[0], tell[1]);
        }
    }
    close(gate[0]);
    close(tell[1]);
}

static void test_of_many_at_once_one_gets_it(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        int gate[2], tell[2], got = 0, told = 0;
        pid_t children[STARTERS];
        char line[512], all[STARTERS * sizeof line] = "";
        if (round % 2 == 0)
            leave_a_dead_one();
        start_them(children, gate, tell);
        close(gate[1]); /* it opens for all */
        FILE *lines = fdopen(tell[0], "r");
        for (size_t i = 0; i < STARTERS && fgets(line, sizeof line, lines) != NULL; i++) {
            got += strcmp(line, "got it\n") == 0;
            told += strstr(line, "another process answers") != NULL;
            strcat(all, line);
        }
        for (size_t i = 0; i < STARTERS; i++) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
        }
        (void)fclose(lines);
        if (got != 1 || told != STARTERS - 1)
            fail_msg("round %d: of %d, %d got it and %d were told of another:\n%s", round, STARTERS, got, told, all);
        (void)unlink(path);
    }
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_paths_that_cannot_be),          ROW(test_what_is_no_socket_stays),      ROW(test_a_living_one_stays),
        ROW(test_a_new_one_and_a_dead_one),      ROW(test_only_its_own_file_is_removed), ROW(test_a_bare_name),
        ROW(test_a_lock_that_is_not_given_back), ROW(test_of_many_at_once_one_gets_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
