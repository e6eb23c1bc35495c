/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon_test.h"

/* A server on a loop that the test turns by hand, and clients made of plain sockets. */
struct server {
    uv_loop_t loop;
    struct http *http;
    struct endpoint at;
    unsigned pages;
    size_t body; /* bytes of /page */
};

static char why[512];
static const struct log quiet = {.level = LOG_ERROR};

static bool page(void *arg, const char *path, struct http_page *out)
{
    struct server *s = arg;
    s->pages++;
    if (strcmp(path, "/page") != 0)
        return false;
    char *body = malloc(s->body + 1);
    assert_non_null(body);
    memset(body, 'x', s->body);
    *out = (struct http_page){.code = 200, .type = "text/plain", .body = body, .len = s->body};
    return true;
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    close(fd);
    return ntohs(in.sin_port);
}

static enum status open_server(struct server *s, struct http **out)
{
    const struct http_setup setup = {.loop = &s->loop, .at = s->at, .log = &quiet, .arg = s, .page = page};
    return http_open(&setup, out, why, sizeof why);
}

static int setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    (void)signal(SIGPIPE, SIG_IGN); /* as loop_open does */
    s->body = 5;
    s->at = (struct endpoint){an_address("127.0.0.1"), free_port()};
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(open_server(s, &s->http), OK);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct server *s = *state;
    http_close(s->http);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0); /* nothing is left on it */
    free(s);
    return 0;
}

static int client(const struct server *s)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->at.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    assert_true(connect(fd, (struct sockaddr *)&in, sizeof in) == 0 || errno == EINPROGRESS);
    return fd;
}

static void turn(struct server *s, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        uv_run(&s->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

/* What one client gets that says this, up to the end of the stream; "": nothing. */
static const char *ask(struct server *s, const char *request, char answer[4096])
{
    size_t used = 0;
    int fd = client(s);
    turn(s, 3);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    for (unsigned i = 0; i < 2000 && used < 4095; i++) {
        turn(s, 1);
        ssize_t n = recv(fd, answer + used, 4095 - used, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        used += n > 0 ? (size_t)n : 0;
    }
    answer[used] = '\0';
    close(fd);
    return answer;
}

static void pages(void **state)
{
    struct server *s = *state;
    static const struct {
        const char *request, *begins, *ends;
        unsigned pages;
    } rows[] = {
        {"GET /page HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nxxxxx", 1},
        {"GET /page?name=value HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\nxxxxx", 1},
        {"HEAD /page HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\n", 1},
        {"GET /other HTTP/1.0\r\n\r\n", "HTTP/1.1 404", "/metrics, /healthz and /readyz\n", 1},
        {"GET /page/../page HTTP/1.0\r\n\r\n", "HTTP/1.1 404", "\n", 1},
        {"POST /page HTTP/1.0\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405", "only GET and HEAD\n", 0},
        {"DELETE /page HTTP/1.0\r\n\r\n", "HTTP/1.1 405", "only GET and HEAD\n", 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char answer[4096];
        unsigned before = s->pages;
        ask(s, rows[i].request, answer);
        size_t len = strlen(answer), end = strlen(rows[i].ends);
        if (strncmp(answer, rows[i].begins, strlen(rows[i].begins)) != 0)
            fail_msg("'%s' is answered by '%s'", rows[i].request, answer);
        assert_true(len > end);
        assert_string_equal(answer + len - end, rows[i].ends);
        assert_int_equal(s->pages - before, rows[i].pages);
    }
}

/* Whatever comes: the next one is served. */
static void rubbish(void **state)
{
    struct server *s = *state;
    static char endless[64 << 10];
    char answer[4096];
    memset(endless, 'a', sizeof endless - 1);
    static const char *const rows[] = {"\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x01\x01\x01\r\n\r\n",
                                       "GET /page\r\n\r\n",
                                       "GET /page HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"};
    for (size_t i = 0; i < COUNT(rows); i++) {
        ask(s, rows[i], answer);
        assert_null(strstr(answer, " 200 "));
    }
    int fd = client(s);
    turn(s, 3);
    (void)send(fd, endless, sizeof endless - 1, 0); /* a head without an end */
    turn(s, 20);
    assert_has(ask(s, "GET /page HTTP/1.0\r\n\r\n", answer), "200");
    close(fd);
}

/* Clients that say nothing take no place from who asks, for they are few of one address, and none waits for them. */
static void clients_without_number(void **state)
{
    struct server *s = *state;
    int fds[200], closed = 0;
    char answer[4096], byte;
    for (size_t i = 0; i < COUNT(fds); i++) {
        fds[i] = client(s);
        turn(s, 1);
    }
    turn(s, 20);
    for (size_t i = 0; i < COUNT(fds); i++)
        closed += recv(fds[i], &byte, 1, 0) == 0 || (errno != EAGAIN && errno != EINPROGRESS);
    assert_true(closed >= (int)COUNT(fds) - HTTP_CLIENTS_OF_ONE_ADDRESS);
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
    turn(s, 20);
    assert_has(ask(s, "GET /page HTTP/1.0\r\n\r\n", answer), "200");
}

/* A client that asks for much and never reads: the page is kept for it, and the loop goes on. */
static void a_client_that_never_reads(void **state)
{
    struct server *s = *state;
    char answer[4096];
    s->body = 8 << 20;
    int fd = client(s);
    turn(s, 3);
    assert_true(send(fd, "GET /page HTTP/1.0\r\n\r\n", 22, 0) == 22);
    turn(s, 50);
    s->body = 5;
    assert_has(ask(s, "GET /page HTTP/1.0\r\n\r\n", answer), "200");
    close(fd);
}

static void an_address_that_is_taken(void **state)
{
    struct server *s = *state;
    struct http *second = NULL;
    const uint16_t own = s->at.port;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 && listen(fd, 1) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    s->at.port = ntohs(in.sin_port);
    assert_int_equal(open_server(s, &second), ERR_IO);
    assert_has(why, "metrics: cannot listen on 127.0.0.1:");
    assert_has(why, "in use");
    /* Nor do two of ours share one. */
    s->at.port = own;
    assert_int_equal(open_server(s, &second), ERR_IO);
    s->at.address = an_address("192.0.2.77");
    assert_int_equal(open_server(s, &second), ERR_IO);
    assert_has(why, "192.0.2.77");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pages, setup, teardown),
        cmocka_unit_test_setup_teardown(rubbish, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_without_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_never_reads, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_that_is_taken, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
