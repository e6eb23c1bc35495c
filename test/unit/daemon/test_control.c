/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon_test.h"

/* A server on a loop that the test turns by hand, and clients made of plain sockets. */
struct server {
    uv_loop_t loop;
    char folder[32], path[64];
    struct control *control;
    struct client *held; /* of the last `up`: answered later, or never */
    unsigned requests, gone, room;
    bool owed; /* a line is, as soon as there is room */
};

static char why[512];

static void on_request(void *arg, struct client *client, const struct request *request)
{
    struct server *s = arg;
    s->requests++;
    if (request->verb == REQUEST_STATUS)
        control_ok(client, "{}", 2);
    else if (request->verb == REQUEST_MONITOR && control_stream(client))
        s->held = client;
    else if (request->verb == REQUEST_UP)
        s->held = client;
    else
        control_error(client, "no connection is named '%s'\nline 2", request->name);
}

static void on_gone(void *arg, struct client *client)
{
    struct server *s = arg;
    s->gone++;
    if (s->held == client)
        s->held = NULL;
}

static void on_room(void *arg, struct client *client)
{
    struct server *s = arg;
    s->room++;
    assert_ptr_equal(client, s->held);
    if (s->owed && control_send(client, "owed\n", 5))
        s->owed = false;
}

static enum status open_server(struct server *s, struct control **control)
{
    const struct control_setup setup = {
        .loop = &s->loop, .path = s->path, .arg = s, .request = on_request, .gone = on_gone, .room = on_room};
    return control_open(&setup, control, why, sizeof why);
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    strcpy(s->folder, "/tmp/control-test-XXXXXX");
    (void)signal(SIGPIPE, SIG_IGN); /* as loop_open does */
    assert_non_null(mkdtemp(s->folder));
    (void)snprintf(s->path, sizeof s->path, "%s/sock", s->folder);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    if (open_server(s, &s->control) != OK)
        fail_msg("%s", why);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    control_close(s->control);
    while (uv_run(&s->loop, UV_RUN_NOWAIT) != 0)
        ;
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_int_equal(access(s->path, F_OK), -1);
    assert_int_equal(rmdir(s->folder), 0);
    free(s);
    return 0;
}

static void turn(struct server *s)
{
    for (int i = 0; i < 5; i++)
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

static int connect_client(const struct server *s)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, s->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that came; "" when nothing did. *ended: the server closed. */
static const char *hear(int fd, bool *ended)
{
    static char text[8192];
    size_t used = 0;
    ssize_t len;
    while ((len = recv(fd, text + used, sizeof text - 1 - used, 0)) > 0)
        used += (size_t)len;
    text[used] = '\0';
    *ended = len == 0 || (len < 0 && errno != EAGAIN);
    return text;
}

static void expect(struct server *s, int fd, const char *answer)
{
    bool ended;
    turn(s);
    assert_string_equal(hear(fd, &ended), answer);
    assert_true(ended);
    close(fd);
}

static void test_garbage_gets_an_error_b48(void **state)
{
    struct server *s = *state;
    static const char *const garbage[] = {"\n",   "nonsense\n", "\x80\xff\n",
                                          "up\n", "status x\n", "GET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < COUNT(garbage); i++) {
        bool ended;
        int fd = connect_client(s);
        say(fd, garbage[i]);
        turn(s);
        const char *answer = hear(fd, &ended);
        if (strncmp(answer, "error ", 6) != 0 || answer[strlen(answer) - 1] != '\n')
            fail_msg("'%s' got '%s'", garbage[i], answer);
        assert_true(ended);
        close(fd);
    }
    assert_int_equal(s->requests, 0);
}

static void test_a_line_without_end_is_refused_b48(void **state)
{
    struct server *s = *state;
    char line[REQUEST_LINE_MAX + 1];
    bool ended;
    memset(line, 'x', sizeof line);
    line[REQUEST_LINE_MAX - 1] = '\0';
    int fd = connect_client(s);
    say(fd, line);
    turn(s);
    assert_string_equal(hear(fd, &ended), "");
    assert_false(ended);
    say(fd, "y");
    turn(s);
    assert_has(hear(fd, &ended), "error the line is too long");
    close(fd);
}

static void test_requests_and_answers(void **state)
{
    struct server *s = *state;
    int fd = connect_client(s);
    say(fd, "sta");
    turn(s);
    say(fd, "tus\ntrailing");
    expect(s, fd, "ok\n{}");
    fd = connect_client(s);
    say(fd, "down b\n");
    expect(s, fd, "error no connection is named 'b'\nline 2\n");
    assert_int_equal(s->requests, 2);
    assert_int_equal(s->gone, 0);
}

static void test_a_late_answer(void **state)
{
    struct server *s = *state;
    bool ended;
    int fd = connect_client(s);
    say(fd, "up a\n");
    (void)shutdown(fd, SHUT_WR);
    turn(s);
    assert_string_equal(hear(fd, &ended), "");
    assert_false(ended);
    assert_non_null(s->held);
    control_ok(s->held, "up\n", 3);
    expect(s, fd, "ok\nup\n");
}

/* The end of its sending is all that is seen of it: the answer finds nobody, which hurts nobody. */
static void test_an_answer_that_nobody_waits_for(void **state)
{
    struct server *s = *state;
    int fd = connect_client(s);
    say(fd, "up a\n");
    turn(s);
    close(fd);
    turn(s);
    assert_non_null(s->held);
    control_ok(s->held, "up\n", 3);
    turn(s);
    fd = connect_client(s);
    say(fd, "status\n");
    expect(s, fd, "ok\n{}");
}

/* The server ends while a client waits: the owner of the command is told. */
static void test_the_end_while_a_client_waits(void **state)
{
    struct server *s = *state;
    int fd = connect_client(s);
    say(fd, "up a\n");
    turn(s);
    control_close(s->control);
    assert_int_equal(s->gone, 1);
    assert_null(s->held);
    turn(s);
    assert_int_equal(open_server(s, &s->control), OK);
    close(fd);
}

static void test_a_stream(void **state)
{
    struct server *s = *state;
    bool ended;
    int fd = connect_client(s);
    say(fd, "monitor\n");
    turn(s);
    assert_string_equal(hear(fd, &ended), "ok\n");
    assert_true(control_send(s->held, "one\n", 4));
    assert_true(control_send(s->held, "two\n", 4));
    say(fd, "status\n"); /* not heard any more */
    turn(s);
    assert_string_equal(hear(fd, &ended), "one\ntwo\n");
    assert_false(ended);
    close(fd);
    turn(s);
    assert_int_equal(s->gone, 1);
    assert_null(s->held);
}

/* What a reader has not read is bounded; once it reads, it gets all that was taken, in order, and new lines. */
static void test_a_stream_that_nobody_reads_b48(void **state)
{
    struct server *s = *state;
    static char line[1024];
    char end[5] = "";
    static const size_t bound = 16 << 20; /* far beyond what a socket holds */
    size_t taken = 0, got = 0;
    bool ended = false;
    int fd = connect_client(s);
    say(fd, "monitor\n");
    turn(s);
    memset(line, 'x', sizeof line);
    while (taken < bound && control_send(s->held, line, sizeof line)) {
        taken += sizeof line;
        turn(s);
    }
    assert_true(taken >= CONTROL_STREAM_MAX - sizeof line && taken < bound);
    assert_false(control_send(s->held, line, sizeof line));
    turn(s);
    assert_int_equal(s->room, 0); /* nobody has read */
    s->owed = true;
    for (int i = 0; i < 10000 && got < taken + 3 + 5; i++) {
        const char *text = hear(fd, &ended);
        size_t len = strlen(text);
        memcpy(end, len >= 5 ? text + len - 5 : "", len >= 5 ? 5 : 0);
        got += len;
        turn(s);
    }
    assert_int_equal(got, taken + 3 + 5);
    assert_memory_equal(end, "owed\n", 5); /* without anything new */
    assert_true(s->room > 0);
    assert_true(control_send(s->held, "new\n", 4));
    turn(s);
    assert_string_equal(hear(fd, &ended), "new\n");
    assert_false(ended);
    close(fd);
}

static void test_a_stream_ends_with_the_server(void **state)
{
    struct server *s = *state;
    int fd = connect_client(s);
    say(fd, "monitor\n");
    turn(s);
    assert_true(control_send(s->held, "last\n", 5)); /* gone at once, without a turn of the loop */
    control_close(s->control);
    assert_int_equal(s->gone, 1);
    expect(s, fd, "ok\nlast\n");
    assert_int_equal(open_server(s, &s->control), OK);
}

/* 1000 clients: 64 are served, the others are told, and afterwards all is as before. */
static void test_many_clients_b48(void **state)
{
    struct server *s = *state;
    static int fds[1000];
    unsigned refused = 0;
    for (size_t i = 0; i < COUNT(fds); i++) {
        bool ended;
        fds[i] = connect_client(s);
        turn(s);
        if (strncmp(hear(fds[i], &ended), "error too many", 14) == 0 && ended)
            refused++;
    }
    assert_int_equal(refused, COUNT(fds) - CONTROL_CLIENTS_MAX);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    turn(s);
    int fd = connect_client(s);
    say(fd, "status\n");
    expect(s, fd, "ok\n{}");
}

static void turn_for(struct server *s, uint64_t ms)
{
    uv_update_time(&s->loop);
    for (uint64_t end = uv_now(&s->loop) + ms; uv_now(&s->loop) < end; usleep(20000))
        (void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

/* One never sends, one never reads an answer larger than the socket's buffer: both are closed after a while. */
static void test_patience_ends_b48(void **state)
{
    struct server *s = *state;
    static char body[16 << 20];
    bool ended;
    int silent = connect_client(s), deaf = connect_client(s);
    say(deaf, "up a\n");
    turn(s);
    assert_non_null(s->held);
    control_ok(s->held, body, sizeof body);
    turn_for(s, CONTROL_IDLE_MS - 500);
    (void)hear(silent, &ended);
    assert_false(ended);
    turn_for(s, 1000);
    (void)hear(silent, &ended);
    assert_true(ended);
    size_t got = 0;
    ssize_t len;
    char chunk[65536];
    while ((len = recv(deaf, chunk, sizeof chunk, 0)) > 0)
        got += (size_t)len;
    assert_int_equal(len, 0);
    assert_true(got < sizeof body);
    close(silent);
    close(deaf);
}

static void test_only_the_owner_can_connect(void **state)
{
    struct server *s = *state;
    struct stat file;
    assert_int_equal(stat(s->path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 07777, 0600);
}

static void test_a_living_socket_is_not_taken_b48(void **state)
{
    struct server *s = *state;
    struct control *second;
    assert_int_equal(open_server(s, &second), ERR_STATE);
    assert_null(second);
    assert_has(why, "another process answers");
    turn(s);
    int fd = connect_client(s);
    say(fd, "status\n");
    expect(s, fd, "ok\n{}");
}

/* Whatever hinders the look: the socket may be the living one of another, and stays. */
static void test_a_socket_of_which_nothing_can_be_told_stays(void **state)
{
    struct server *s = *state;
    struct control *second;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum status status = open_server(s, &second);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(status, ERR_STATE);
    assert_has(why, "it cannot be told whether a process answers");
    assert_has(why, "Too many open files");
    turn(s);
    int fd = connect_client(s);
    say(fd, "status\n");
    expect(s, fd, "ok\n{}");
}

static void test_paths(void **state)
{
    struct server *s = *state;
    struct server other = *s;
    struct control *control;
    char command[128];
    (void)snprintf(other.path, sizeof other.path, "%s/none/sock", s->folder);
    assert_int_equal(open_server(&other, &control), ERR_IO);
    assert_has(why, "does not exist");
    (void)snprintf(other.path, sizeof other.path, "%s/file", s->folder);
    (void)snprintf(command, sizeof command, "echo precious >%s", other.path);
    assert_int_equal(system(command), 0);
    assert_int_equal(open_server(&other, &control), ERR_STATE);
    assert_has(why, "not a socket");
    assert_int_equal(unlink(other.path), 0);
}

static void test_a_stale_socket_is_replaced(void **state)
{
    struct server *s = *state;
    struct server *other = calloc(1, sizeof *other);
    assert_non_null(other);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)snprintf(other->path, sizeof other->path, "%s/stale", s->folder);
    strcpy(name.sun_path, other->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    close(fd);
    assert_int_equal(uv_loop_init(&other->loop), 0);
    assert_int_equal(open_server(other, &other->control), OK);
    fd = connect_client(other);
    say(fd, "status\n");
    expect(other, fd, "ok\n{}");
    control_close(other->control);
    turn(other);
    assert_int_equal(uv_loop_close(&other->loop), 0);
    assert_int_equal(access(other->path, F_OK), -1);
    free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_garbage_gets_an_error_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_line_without_end_is_refused_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_requests_and_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_answer_that_nobody_waits_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_end_while_a_client_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_that_nobody_reads_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stream_ends_with_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_clients_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_patience_ends_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_owner_can_connect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_living_socket_is_not_taken_b48, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_socket_of_which_nothing_can_be_told_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_stale_socket_is_replaced, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
