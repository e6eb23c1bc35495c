/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A forwarder between two TUNs in two network namespaces, with segmentation offload on both and nothing between: what
 * one kernel sends in super-packets is split, put together again and given to the other. It is the judge of tun/split
 * and tun/coalesce, for both kernels' TCP must like it, and the control for benchmarks: a tunnel without a cipher.
 *     netns_offload NAMESPACE TUN NAMESPACE TUN [LIMIT] [plain] [udp] [check] [lose=N] [corrupt=N]
 * LIMIT    the longest inner packet (default: what the kernel says)
 * plain    no offload: the kernel splits by itself
 * udp      USO too, where the kernel has it
 * check    compares every packet, byte by byte, with what must come out; aborts at the first difference
 * lose=N, corrupt=N   of the packets between, every Nth is lost, or has a bit flipped
 * It makes the TUNs, says "ready", and at SIGTERM a line of JSON: what it has seen in each direction.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "test/offload.h"

enum {
    HEADROOM = 64,
    STRIDE = 9216 + HEADROOM, /* of a packet between; MTUs up to 9000 */
    DRAIN = 64,               /* reads before the other direction gets its turn */
    OFFLOAD_USO = 0x60,       /* TUN_F_USO4 and TUN_F_USO6, which Debian 12's header does not have */
};

struct counts {
    uint64_t reads, supers, segments, completed, refused;
    uint64_t packets, writes, merged, failed, longest;
};

struct options {
    uint32_t limit, lose, corrupt;
    bool plain, udp, check;
};

/* One direction. */
struct lane {
    int from, to;
    uint64_t number; /* of packets between */
    size_t used;
    struct options options;
    struct counts counts;
    struct coalesce coalesce;
    struct original batch[COALESCE_BATCH];
    uint8_t input[VNET_HEADER + OFFLOAD_ROOM];
    uint8_t slab[COALESCE_BATCH][STRIDE], copies[COALESCE_BATCH][STRIDE];
};

static _Noreturn void fail(const char *what)
{
    (void)fprintf(stderr, "netns_offload: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- TUNs --- */

static void enter(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
        fail(path);
    close(fd);
}

/* True with USO. */
static bool set_offload(int fd, const struct options *o)
{
    unsigned wanted = o->plain ? 0 : TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (o->udp && !o->plain && ioctl(fd, TUNSETOFFLOAD, (unsigned long)wanted | OFFLOAD_USO) == 0)
        return true;
    if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)wanted) < 0)
        fail("TUNSETOFFLOAD");
    return false;
}

static int open_tun(const char *namespace, const char *name, struct options *o)
{
    char path[256];
    (void)snprintf(path, sizeof path, "/run/netns/%s", namespace);
    enter(path);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%.15s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
        fail(name);
    o->udp = set_offload(fd, o);
    return fd;
}

/* --- from the packets between to the kernel --- */

static void flush(struct lane *l)
{
    struct coalesced out;
    size_t order[COALESCE_BATCH];
    while (coalesce_next(&l->coalesce, &out)) {
        if (l->options.check)
            check_coalesced(&out, l->batch, l->used, order);
        ssize_t len = writev(l->to, out.iov, out.count);
        l->counts.writes++;
        l->counts.packets += out.packets;
        l->counts.merged += out.packets > 1;
        if (len > (ssize_t)l->counts.longest)
            l->counts.longest = (uint64_t)len;
        if (len < 0 && errno != EIO && l->counts.failed++ == 0) /* EIO: the interface is not up yet */
            (void)fprintf(stderr, "netns_offload: writev of %u packets: %s\n", out.packets, strerror(errno));
    }
    l->used = 0;
}

/* The packet lies in the slab's next slot. */
static void pass_on(struct lane *l, uint8_t *data, size_t len)
{
    struct original *o = &l->batch[l->used];
    l->number++;
    if (l->options.lose != 0 && l->number % l->options.lose == 0)
        return;
    if (l->options.corrupt != 0 && l->number % l->options.corrupt == 0)
        data[len - 1] ^= 1;
    *o = (struct original){.data = data, .copy = l->copies[l->used], .len = len};
    if (l->options.check)
        memcpy(l->copies[l->used], data, len);
    if (flow_read(bytes_of(data, len), &o->flow, NULL) != OK || !coalesce_add(&l->coalesce, data, len, &o->flow)) {
        l->counts.refused++;
        return;
    }
    if (++l->used == COALESCE_BATCH)
        flush(l);
}

/* --- from the kernel to the packets between --- */

static struct packet next_slot(struct lane *l)
{
    return packet_of(l->slab[l->used], STRIDE, HEADROOM);
}

static void split(struct lane *l, struct bytes packet, const struct flow *flow, const struct vnet *vnet)
{
    struct splitter s;
    enum status status;
    l->counts.supers++;
    if (split_begin(&s, packet, flow, vnet, l->options.limit) != OK) {
        l->counts.refused++;
        return;
    }
    if (l->options.check)
        REQUIRE(check_split(packet, flow, vnet, l->options.limit, &status) == s.count);
    for (struct packet p = next_slot(l); split_next(&s, &p); p = next_slot(l)) {
        l->counts.segments++;
        if (l->options.check)
            REQUIRE(is_all_right(packet_data(&p), p.len));
        pass_on(l, packet_data(&p), p.len);
    }
}

static void take(struct lane *l, size_t len)
{
    struct vnet vnet;
    struct flow flow;
    size_t total = 0;
    uint8_t *packet = l->input + VNET_HEADER;
    struct packet p = next_slot(l);
    l->counts.reads++;
    if (len < VNET_HEADER || vnet_read(bytes_of(l->input, VNET_HEADER), &vnet) != OK ||
        flow_read(bytes_of(packet, len - VNET_HEADER), &flow, &total) != OK) {
        l->counts.refused++;
        return;
    }
    if (vnet.gso != VNET_GSO_NONE) {
        split(l, bytes_of(packet, total), &flow, &vnet);
        return;
    }
    uint8_t *copy = packet_append(&p, total);
    if (copy == NULL || split_complete(packet, total, &flow, &vnet) != OK) {
        l->counts.refused++;
        return;
    }
    l->counts.completed += vnet.needs_checksum;
    if (l->options.check && vnet.needs_checksum)
        REQUIRE(is_all_right(packet, total));
    memcpy(copy, packet, total);
    pass_on(l, copy, total);
}

static void drain(struct lane *l)
{
    for (int i = 0; i < DRAIN; i++) {
        ssize_t len = read(l->from, l->input, sizeof l->input);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno != EAGAIN)
            fail("read");
        if (len <= 0)
            break;
        take(l, (size_t)len);
    }
    flush(l);
}

/* --- */

static void report(const char *name, const struct counts *c, const char *end)
{
    printf("\"%s\": {\"reads\": %lu, \"supers\": %lu, \"segments\": %lu, \"completed\": %lu, \"refused\": %lu, "
           "\"packets\": %lu, \"writes\": %lu, \"merged\": %lu, \"failed\": %lu, \"longest\": %lu}%s",
           name, c->reads, c->supers, c->segments, c->completed, c->refused, c->packets, c->writes, c->merged,
           c->failed, c->longest, end);
}

static struct options read_options(int argc, char **argv)
{
    struct options o = {0};
    for (int i = 5; i < argc; i++) {
        const char *word = argv[i], *value = strchr(word, '=');
        uint32_t number = (uint32_t)strtoul(value != NULL ? value + 1 : word, NULL, 10);
        o.plain |= strcmp(word, "plain") == 0;
        o.udp |= strcmp(word, "udp") == 0;
        o.check |= strcmp(word, "check") == 0;
        if (strncmp(word, "lose=", 5) == 0)
            o.lose = number;
        else if (strncmp(word, "corrupt=", 8) == 0)
            o.corrupt = number;
        else if (number > 0)
            o.limit = number;
    }
    return o;
}

int main(int argc, char **argv)
{
    static struct lane lanes[2];
    if (argc < 5) {
        (void)fprintf(stderr, "usage: netns_offload NAMESPACE TUN NAMESPACE TUN [LIMIT] [plain] [udp] [check] [lose=N] "
                              "[corrupt=N]\n");
        return 2;
    }
    struct options options = read_options(argc, argv);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int a = open_tun(argv[1], argv[2], &options), b = open_tun(argv[3], argv[4], &options);
    lanes[0].from = lanes[1].to = a;
    lanes[0].to = lanes[1].from = b;
    for (int i = 0; i < 2; i++) {
        lanes[i].options = options;
        coalesce_begin(&lanes[i].coalesce, options.udp);
    }
    struct pollfd fds[] = {{a, POLLIN, 0}, {b, POLLIN, 0}, {signalfd(-1, &signals, SFD_CLOEXEC), POLLIN, 0}};
    printf("ready%s\n", options.udp ? " with USO" : "");
    (void)fflush(stdout);
    while ((fds[2].revents & POLLIN) == 0) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            fail("poll");
        for (int i = 0; i < 2; i++)
            if ((fds[i].revents & POLLIN) != 0)
                drain(&lanes[i]);
    }
    printf("{");
    report("there", &lanes[0].counts, ", ");
    report("back", &lanes[1].counts, "}\n");
    return 0;
}
