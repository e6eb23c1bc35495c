/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole IP packets of chosen sizes, there and back: which arrive byte for byte, which are answered by "packet too big",
 * which are lost. Two experimental protocol numbers (RFC 3692) carry them: 253 with DF off, 254 with DF on, so that the
 * far end answers in kind.
 *     netns_probe echo       sends back whatever comes; says "ready"
 *     netns_probe ask        reads questions, a line each, and answers each with a line of JSON:
 *         FAMILY(4|6) SOURCE DESTINATION DF(0|1) QUIET_MS WINDOW SIZES
 * SIZES are lengths of IP packets: 21-84,1400,8900-9000. What has no answer for QUIET_MS is sent again, a few times.
 * The bytes of a packet follow from its length and the number of the question.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PROTOCOL_FREE = 253, /* DF off */
    PROTOCOL_DF = 254,
    SIZE_LIMIT = 65535,
    WINDOW_LIMIT = 256,
    TRIES = 10,
    LOST_MAX = 24,           /* then the question ends: what is left stays unasked */
    BUFFER_BYTES = 16 << 20, /* of sockets */
    CONTROL_BYTES = 512,
};

struct name {
    struct sockaddr_storage address;
    socklen_t len;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "netns_probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void set(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof value) < 0)
        fail("setsockopt");
}

/* DF on: sent whole whatever the kernel has learned of the path, and errors are reported. */
static int open_raw(int family, bool df)
{
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, df ? PROTOCOL_DF : PROTOCOL_FREE);
    if (fd < 0)
        fail("socket");
    if (family == AF_INET) {
        set(fd, IPPROTO_IP, IP_MTU_DISCOVER, df ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
        set(fd, IPPROTO_IP, IP_RECVERR, 1);
        set(fd, IPPROTO_IP, IP_PKTINFO, 1);
    } else {
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, df ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
        set(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
    set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
    set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
    return fd;
}

static uint32_t header_of(int family)
{
    return family == AF_INET ? 20 : 40;
}

/* A raw IPv4 socket gives the header too. Returns the payload within buffer. */
static uint8_t *strip(int family, uint8_t *buffer, size_t *len)
{
    size_t header = family == AF_INET ? (buffer[0] & 15u) * 4u : 0;
    if (*len < header)
        header = *len;
    *len -= header;
    return buffer + header;
}

/* --- the far end --- */

/* The address that was addressed becomes the source: the control data serve again as they came. */
static void echo_one(int fd, int family)
{
    static uint8_t buffer[SIZE_LIMIT];
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
    struct sockaddr_storage from;
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    message.msg_controllen = sizeof control;
    ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
    if (got < 0)
        return;
    size_t len = (size_t)got;
    part.iov_base = strip(family, buffer, &len);
    part.iov_len = len;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c != NULL && c->cmsg_level == IPPROTO_IP) {
        struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(c);
        info->ipi_spec_dst = info->ipi_addr;
        info->ipi_ifindex = 0;
    } else if (c != NULL) {
        ((struct in6_pktinfo *)(void *)CMSG_DATA(c))->ipi6_ifindex = 0;
    }
    if (family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&from)->sin6_port = 0;
    /* A pending error of an earlier packet is reported once, instead of sending. */
    if (sendmsg(fd, &message, 0) < 0)
        (void)sendmsg(fd, &message, 0);
}

static void drain_errors(int fd)
{
    uint8_t byte[1];
    while (recv(fd, byte, sizeof byte, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
        ;
}

static int echo(void)
{
    static const int families[] = {AF_INET, AF_INET, AF_INET6, AF_INET6};
    struct pollfd polled[4];
    for (int i = 0; i < 4; i++)
        polled[i] = (struct pollfd){.fd = open_raw(families[i], i % 2 == 1), .events = POLLIN};
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (poll(polled, 4, -1) < 0 && errno != EINTR)
            fail("poll");
        for (int i = 0; i < 4; i++) {
            if ((polled[i].revents & POLLERR) != 0)
                drain_errors(polled[i].fd);
            if ((polled[i].revents & POLLIN) != 0)
                echo_one(polled[i].fd, families[i]);
        }
    }
}

/* --- the near end --- */

enum state { UNASKED, ASKED, ECHOED, TOO_BIG, LOST, REFUSED, CORRUPT, STATES };

static const char *const state_names[] = {"unasked", "asked", "echoed", "too_big", "lost", "refused", "corrupt"};

struct question {
    int fd, family;
    bool df;
    int quiet_ms;
    uint32_t window, salt;
    uint32_t outstanding[WINDOW_LIMIT], outstanding_count, next, lost;
    uint32_t resent, sent;
    bool wanted[SIZE_LIMIT + 1];
    uint8_t state[SIZE_LIMIT + 1], tries[SIZE_LIMIT + 1];
    uint32_t mtu[SIZE_LIMIT + 1]; /* of "too big" */
};

/* The length stands in front where there is room: so that a quotation tells whose it is. */
static void fill(const struct question *q, uint32_t size, uint8_t *out, size_t len)
{
    uint32_t x = q->salt * 2654435761u ^ size * 40503u;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        out[i] = (uint8_t)(x >> 24);
    }
    if (len >= 4) {
        out[0] = (uint8_t)(size >> 8);
        out[1] = (uint8_t)size;
    }
}

static void send_size(struct question *q, uint32_t size)
{
    static uint8_t payload[SIZE_LIMIT];
    size_t len = size - header_of(q->family);
    fill(q, size, payload, len);
    ssize_t done = send(q->fd, payload, len, 0);
    if (done < 0) /* perhaps the error of an earlier one: reported once */
        done = send(q->fd, payload, len, 0);
    q->sent++;
    q->state[size] = done < 0 ? REFUSED : ASKED;
    if (done < 0)
        return;
    if (q->tries[size]++ > 0)
        q->resent++;
    q->outstanding[q->outstanding_count++] = size;
}

static void settle(struct question *q, uint32_t size, enum state state)
{
    q->state[size] = (uint8_t)state;
    for (uint32_t i = 0; i < q->outstanding_count; i++)
        if (q->outstanding[i] == size) {
            q->outstanding[i] = q->outstanding[--q->outstanding_count];
            return;
        }
}

/* Waiting packets that got no answer: once more, or given up. */
static void ask_again(struct question *q)
{
    uint32_t sizes[WINDOW_LIMIT], count = q->outstanding_count;
    memcpy(sizes, q->outstanding, count * sizeof *sizes);
    q->outstanding_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (q->tries[sizes[i]] < TRIES) {
            send_size(q, sizes[i]);
            continue;
        }
        q->state[sizes[i]] = LOST;
        q->lost++;
    }
    if (q->lost >= LOST_MAX)
        q->next = SIZE_LIMIT + 1;
}

static void take_echo(struct question *q)
{
    static uint8_t buffer[SIZE_LIMIT], expected[SIZE_LIMIT];
    /* The socket is connected: only what the far end sent comes here. */
    ssize_t got = recv(q->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0)
        return;
    size_t len = (size_t)got;
    const uint8_t *payload = strip(q->family, buffer, &len);
    uint32_t size = (uint32_t)len + header_of(q->family);
    if (size > SIZE_LIMIT || q->state[size] != ASKED)
        return;
    fill(q, size, expected, len);
    settle(q, size, memcmp(payload, expected, len) == 0 ? ECHOED : CORRUPT);
}

/* What a quotation is about; 0: not a packet of this question. */
static uint32_t quoted_size(const struct question *q, const uint8_t *quoted, ssize_t len)
{
    uint32_t size = len < 4 ? 0 : (uint32_t)quoted[0] << 8 | quoted[1];
    return q->wanted[size] ? size : 0;
}

static bool take_error(struct question *q)
{
    uint8_t quoted[64];
    _Alignas(struct cmsghdr) uint8_t control[CONTROL_BYTES];
    struct iovec part = {quoted, sizeof quoted};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
    message.msg_controllen = sizeof control;
    ssize_t len = recvmsg(q->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (len < 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
        const struct sock_extended_err *e = (const struct sock_extended_err *)(const void *)CMSG_DATA(c);
        bool error = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                     (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
        uint32_t size = error && e->ee_errno == EMSGSIZE ? quoted_size(q, quoted, len) : 0;
        if (size == 0 || q->state[size] != ASKED)
            continue;
        q->mtu[size] = e->ee_info;
        settle(q, size, TOO_BIG);
        /* Who may be fragmented asks again: an IPv6 host cuts, now that it knows. */
        if (!q->df && q->tries[size] < TRIES)
            send_size(q, size);
    }
    return true;
}

static void work(struct question *q)
{
    for (;;) {
        while (q->outstanding_count < q->window && q->next <= SIZE_LIMIT) {
            if (q->wanted[q->next])
                send_size(q, q->next);
            q->next++;
        }
        if (q->outstanding_count == 0)
            return;
        struct pollfd polled = {.fd = q->fd, .events = POLLIN};
        int ready = poll(&polled, 1, q->quiet_ms);
        if (ready < 0)
            fail("poll");
        if (ready == 0)
            ask_again(q);
        if ((polled.revents & POLLERR) != 0)
            while (take_error(q))
                ;
        if ((polled.revents & (POLLIN | POLLERR)) != 0)
            take_echo(q);
    }
}

/* "21-84,1400": the ranges of sizes in one state (and, for "too big", with one MTU). */
static void print_state(const struct question *q, enum state state)
{
    bool any = false;
    printf("%s\"%s\":[", state == UNASKED ? "" : ",", state_names[state]);
    for (uint32_t first = 0, last; first <= SIZE_LIMIT; first = last + 1) {
        last = first;
        if (!q->wanted[first] || q->state[first] != state)
            continue;
        while (last < SIZE_LIMIT && q->wanted[last + 1] && q->state[last + 1] == state &&
               (state != TOO_BIG || q->mtu[last + 1] == q->mtu[first]))
            last++;
        printf("%s[%u,%u%s", any ? "," : "", first, last, state == TOO_BIG ? "," : "]");
        if (state == TOO_BIG)
            printf("%u]", q->mtu[first]);
        any = true;
    }
    printf("]");
}

static void parse_sizes(struct question *q, char *text)
{
    uint32_t least = header_of(q->family) + 1;
    for (char *word = strtok(text, ",\n"); word != NULL; word = strtok(NULL, ",\n")) {
        char *end;
        unsigned long first = strtoul(word, &end, 10), last = *end == '-' ? strtoul(end + 1, NULL, 10) : first;
        for (unsigned long size = first; size <= last && size <= SIZE_LIMIT; size++)
            q->wanted[size] = size >= least;
    }
}

static struct name name_of(int family, const char *text)
{
    struct name name = {.len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)};
    void *at = family == AF_INET ? (void *)&((struct sockaddr_in *)(void *)&name.address)->sin_addr
                                 : (void *)&((struct sockaddr_in6 *)(void *)&name.address)->sin6_addr;
    name.address.ss_family = (sa_family_t)family;
    if (inet_pton(family, text, at) != 1)
        fail(text);
    return name;
}

static void answer(char *line, uint32_t salt)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    static char sizes[1 << 16];
    int version, df, quiet_ms;
    unsigned window;
    if (sscanf(line, "%d %45s %45s %d %d %u %65535s", &version, source, destination, &df, &quiet_ms, &window, sizes) !=
            7 ||
        window == 0 || window > WINDOW_LIMIT) {
        errno = EINVAL;
        fail(line);
    }
    struct question *q = calloc(1, sizeof *q);
    if (q == NULL)
        fail("calloc");
    q->family = version == 4 ? AF_INET : AF_INET6;
    q->df = df != 0;
    q->quiet_ms = quiet_ms;
    q->window = window;
    q->salt = salt;
    q->fd = open_raw(q->family, q->df);
    struct name from = name_of(q->family, source), to = name_of(q->family, destination);
    if (bind(q->fd, (struct sockaddr *)&from.address, from.len) < 0 ||
        connect(q->fd, (struct sockaddr *)&to.address, to.len) < 0)
        fail(line);
    /* What came before the socket was bound to this pair is not ours: neither packets nor errors. */
    drain_errors(q->fd);
    while (recv(q->fd, sizes, 0, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
        ;
    parse_sizes(q, sizes);
    work(q);
    printf("{");
    for (enum state state = UNASKED; state < STATES; state++)
        print_state(q, state);
    printf(",\"sent\":%u,\"resent\":%u}\n", q->sent, q->resent);
    fflush(stdout);
    close(q->fd);
    free(q);
}

int main(int argc, char **argv)
{
    static char line[1 << 17];
    if (argc == 2 && strcmp(argv[1], "echo") == 0)
        return echo();
    if (argc != 2 || strcmp(argv[1], "ask") != 0) {
        fprintf(stderr, "netns_probe echo | ask: see the comment at the top of probe.c\n");
        return 2;
    }
    for (uint32_t salt = 1; fgets(line, sizeof line, stdin) != NULL; salt++)
        answer(line, salt);
    return 0;
}
