/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small packets at a steady rate from one network namespace to another, counted at both ends by one process:
 *     bench_pps FROM_NS FROM_ADDRESS TO_NS TO_ADDRESS RATE SECONDS [SIZE]
 * RATE is packets per second, SIZE the length of the IPv4 packet (64). It prints a line of JSON:
 *     {"asked":20000,"sent":40000,"received":39999,"disordered":0,"seconds":2.000}
 * A sender that cannot keep pace says so by what it has sent; it does not make up for more than two ticks at once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    PORT = 5300,
    HEADERS = 28, /* IPv4 and UDP */
    SIZE_DEFAULT = 64,
    SIZE_MAX_IP = 1400,
    BATCH = 64,
    TICKS_PER_S = 2000,
    BEHIND_TICKS = 2,
    BUFFER_BYTES = 8 << 20, /* of the sockets: the ends must not be what loses */
    QUIET_MS = 250,         /* so long after the last packet nothing more is expected */
};

struct header {
    uint64_t run; /* so that strays of an earlier run do not count */
    uint64_t number;
};

struct sender {
    int fd;
    size_t payload;
    double rate, seconds, took;
    uint64_t run, sent;
};

struct sink {
    int fd;
    uint64_t run, received, disordered;
    atomic_bool over; /* nothing more is sent */
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_pps: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_until(double when)
{
    struct timespec t = {.tv_sec = (time_t)when};
    t.tv_nsec = (long)((when - (double)t.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

static void enter(const char *namespace)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        fail(path);
    close(fd);
}

/* A socket stays in the namespace in which it was made. */
static int open_socket(const char *namespace, const char *address, in_port_t port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
    int size = BUFFER_BYTES;
    enter(namespace);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, address, &name.sin_addr) != 1 || fd < 0 ||
        bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        fail(address);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        fail("socket buffers");
    return fd;
}

/* --- the far end --- */

static void count(struct sink *sink, const uint8_t *data, size_t len, uint64_t *highest)
{
    struct header header;
    if (len < sizeof header)
        return;
    memcpy(&header, data, sizeof header);
    if (header.run != sink->run)
        return;
    sink->received++;
    if (header.number < *highest)
        sink->disordered++;
    else
        *highest = header.number;
}

static void *receive(void *arg)
{
    static uint8_t buffers[BATCH][SIZE_MAX_IP];
    struct sink *sink = arg;
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    uint64_t highest = 0;
    const struct timeval quiet = {.tv_usec = QUIET_MS * 1000};
    if (setsockopt(sink->fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet) < 0)
        fail("SO_RCVTIMEO");
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffers[i], sizeof buffers[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (;;) {
        bool over = atomic_load(&sink->over); /* before we wait: what was in flight then has had its time */
        int n = recvmmsg(sink->fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            fail("recvmmsg");
        for (int i = 0; i < n; i++)
            count(sink, buffers[i], messages[i].msg_len, &highest);
        if (n <= 0 && over)
            return NULL;
    }
}

/* --- the near end --- */

static void send_some(struct sender *s, uint64_t some)
{
    static uint8_t buffers[BATCH][SIZE_MAX_IP];
    struct iovec parts[BATCH];
    struct mmsghdr messages[BATCH];
    while (some > 0) {
        unsigned n = some < BATCH ? (unsigned)some : BATCH;
        for (unsigned i = 0; i < n; i++) {
            const struct header header = {s->run, s->sent + i};
            memcpy(buffers[i], &header, sizeof header);
            parts[i] = (struct iovec){buffers[i], s->payload};
            messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
        }
        int done = sendmmsg(s->fd, messages, n, 0);
        if (done < 0 && errno != ENOBUFS && errno != EAGAIN && errno != EINTR && errno != ECONNREFUSED)
            fail("sendmmsg");
        if (done < 0) /* a full queue: these are lost, and count as sent */
            done = (int)n;
        s->sent += (unsigned)done;
        some -= (unsigned)done;
    }
}

static void send_paced(struct sender *s)
{
    const double tick = 1.0 / TICKS_PER_S, began = now_s();
    const double most = s->rate * tick * BEHIND_TICKS + 1;
    double due = 0, next = began, last = began;
    for (;;) {
        double now = now_s();
        if (now - began >= s->seconds)
            break;
        due += (now - last) * s->rate;
        last = now;
        if (due > most)
            due = most;
        send_some(s, (uint64_t)due);
        due -= (double)(uint64_t)due;
        next += tick;
        if (next < now_s())
            next = now_s();
        sleep_until(next);
    }
    s->took = now_s() - began;
}

static void say(const struct sender *s, const struct sink *sink)
{
    printf("{\"asked\":%.0f,\"sent\":%llu,\"received\":%llu,\"disordered\":%llu,\"seconds\":%.3f}\n", s->rate,
           (unsigned long long)s->sent, (unsigned long long)sink->received, (unsigned long long)sink->disordered,
           s->took);
}

int main(int argc, char *argv[])
{
    if (argc != 7 && argc != 8) {
        fprintf(stderr, "usage: bench_pps FROM_NS FROM_ADDRESS TO_NS TO_ADDRESS RATE SECONDS [SIZE]\n");
        return 2;
    }
    const size_t size = argc == 8 ? (size_t)strtoul(argv[7], NULL, 10) : SIZE_DEFAULT;
    const uint64_t run = (uint64_t)getpid() << 32 ^ (uint64_t)(now_s() * 1e9);
    struct sender sender = {.payload = size - HEADERS, .rate = strtod(argv[5], NULL), .seconds = strtod(argv[6], NULL)};
    struct sink sink = {.run = run};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (size < HEADERS + sizeof(struct header) || size > SIZE_MAX_IP || !(sender.rate > 0) || !(sender.seconds > 0)) {
        fprintf(stderr, "bench_pps: SIZE is %zu to %d, RATE and SECONDS are above 0\n", HEADERS + sizeof(struct header),
                SIZE_MAX_IP);
        return 2;
    }
    sender.run = run;
    sink.fd = open_socket(argv[3], argv[4], PORT);
    sender.fd = open_socket(argv[1], argv[2], 0);
    if (inet_pton(AF_INET, argv[4], &to.sin_addr) != 1 || connect(sender.fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail(argv[4]);
    prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
    pthread_t thread;
    errno = pthread_create(&thread, NULL, receive, &sink);
    if (errno != 0)
        fail("pthread_create");
    send_paced(&sender);
    atomic_store(&sink.over, true);
    pthread_join(thread, NULL);
    say(&sender, &sink);
    return 0;
}
