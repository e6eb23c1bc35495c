/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bad wire between two network namespaces: two TAP devices of one name, and what goes into one comes out of the
 * other, except what is lost or held back so that later frames overtake it.
 *     bench_relay NAMESPACE_A NAMESPACE_B DEVICE LOSS_PER_10000 LATE_PER_10000 LATE_FRAMES SEED
 * A late frame waits for LATE_FRAMES others, or for HOLD_MS. TAPs without offloads get whole frames of the wire's MTU,
 * so that one loss is one packet; a packet filter would see, and lose, super-packets. It says "ready".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = 2048, HELD_MAX = 64, HOLD_MS = 5, PER = 10000, DRAIN = 256 };

struct held {
    uint64_t due_ms;
    unsigned behind; /* frames that still have to overtake it */
    size_t len;      /* 0: free */
    uint8_t frame[FRAME_MAX];
};

struct way {
    int from, to;
    struct held held[HELD_MAX];
};

struct plan {
    unsigned loss, late, late_frames;
    uint64_t seed;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_relay: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* xorshift64*: the same seed, the same misfortunes. */
static unsigned draw(struct plan *plan)
{
    plan->seed ^= plan->seed >> 12;
    plan->seed ^= plan->seed << 25;
    plan->seed ^= plan->seed >> 27;
    return (unsigned)((plan->seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % PER;
}

static int open_tap(const char *namespace, const char *device)
{
    char path[256];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    (void)snprintf(path, sizeof path, "/run/netns/%s", namespace);
    int space = open(path, O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(space, CLONE_NEWNET) < 0)
        fail(path);
    close(space);
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        fail("/dev/net/tun");
    return fd;
}

/* A device that is not up refuses: as a wire that is unplugged. */
static void put(int fd, const uint8_t *frame, size_t len)
{
    ssize_t done = write(fd, frame, len);
    if (done < 0 && errno != EIO && errno != EAGAIN && errno != ENOBUFS && errno != EINTR)
        fail("write");
}

static bool hold(struct way *way, const struct plan *plan, const uint8_t *frame, size_t len, uint64_t now)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        struct held *h = &way->held[i];
        if (h->len != 0)
            continue;
        h->len = len;
        h->behind = plan->late_frames;
        h->due_ms = now + HOLD_MS;
        memcpy(h->frame, frame, len);
        return true;
    }
    return false;
}

/* One more frame (or none) has overtaken those that wait. Returns whether some still do. */
static bool release(struct way *way, unsigned passed, uint64_t now)
{
    bool waiting = false;
    for (unsigned i = 0; i < HELD_MAX; i++) {
        struct held *h = &way->held[i];
        if (h->len == 0)
            continue;
        h->behind -= h->behind < passed ? h->behind : passed;
        if (h->behind == 0 || h->due_ms <= now) {
            put(way->to, h->frame, h->len);
            h->len = 0;
        } else {
            waiting = true;
        }
    }
    return waiting;
}

static void carry(struct way *way, struct plan *plan, uint64_t now)
{
    static uint8_t frame[FRAME_MAX];
    for (unsigned i = 0; i < DRAIN; i++) {
        ssize_t got = read(way->from, frame, sizeof frame);
        if (got <= 0)
            return;
        unsigned luck = draw(plan);
        if (luck < plan->loss)
            continue;
        if (luck < plan->loss + plan->late && hold(way, plan, frame, (size_t)got, now))
            continue;
        put(way->to, frame, (size_t)got);
        (void)release(way, 1, now);
    }
}

static _Noreturn void run(struct way ways[2], struct plan *plan)
{
    struct pollfd files[2] = {{.fd = ways[0].from, .events = POLLIN}, {.fd = ways[1].from, .events = POLLIN}};
    bool waiting = false;
    for (;;) {
        if (poll(files, 2, waiting ? 1 : -1) < 0 && errno != EINTR)
            fail("poll");
        uint64_t now = now_ms();
        waiting = false;
        for (unsigned i = 0; i < 2; i++) {
            if ((files[i].revents & (POLLERR | POLLNVAL)) != 0)
                exit(0); /* the namespace is gone */
            if ((files[i].revents & POLLIN) != 0)
                carry(&ways[i], plan, now);
            waiting = release(&ways[i], 0, now) || waiting;
        }
    }
}

int main(int argc, char *argv[])
{
    static struct way ways[2];
    if (argc != 8) {
        fprintf(stderr, "usage: bench_relay NAMESPACE_A NAMESPACE_B DEVICE LOSS_PER_10000 LATE_PER_10000 LATE_FRAMES "
                        "SEED\n");
        return 2;
    }
    struct plan plan = {.loss = (unsigned)strtoul(argv[4], NULL, 10),
                        .late = (unsigned)strtoul(argv[5], NULL, 10),
                        .late_frames = (unsigned)strtoul(argv[6], NULL, 10),
                        .seed = strtoull(argv[7], NULL, 10) | 1u};
    ways[0].from = ways[1].to = open_tap(argv[1], argv[3]);
    ways[0].to = ways[1].from = open_tap(argv[2], argv[3]);
    printf("ready\n");
    fflush(stdout);
    run(ways, &plan);
}
