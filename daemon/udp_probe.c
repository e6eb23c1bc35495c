/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/udp_probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "daemon/udp_open.h"
#include "daemon/udp_state.h"

enum {
    MARKER = UDP_PROBE_SIZE + 1, /* length of the datagram behind the message: when it is here, so is the message */
    WAIT_MS = 50,                /* for it; the loopback needs microseconds */
    TRIES = 2,                   /* before something is called wrong */
};

/* --- what is sent, and what has to arrive --- */

static uint8_t byte_at(uint8_t number, size_t at)
{
    return (uint8_t)(at * 31 ^ at >> 8 ^ number);
}

void udp_probe_message(uint8_t number, uint8_t out[UDP_PROBE_BYTES])
{
    for (size_t i = 0; i < UDP_PROBE_BYTES; i++)
        out[i] = byte_at(number, i);
}

static size_t datagram_of(size_t at)
{
    return at / UDP_PROBE_SIZE + 1;
}

static size_t size_at(size_t at)
{
    return UDP_PROBE_BYTES - at < UDP_PROBE_SIZE ? UDP_PROBE_BYTES - at : UDP_PROBE_SIZE;
}

bool udp_probe_take(struct udp_arrivals *a, struct bytes datagram)
{
    size_t wanted = size_at(a->bytes);
    if (wanted == 0) {
        (void)snprintf(a->why, sizeof a->why, "%zu bytes more have arrived", datagram.len);
        return false;
    }
    if (datagram.len != wanted) {
        (void)snprintf(a->why, sizeof a->why, "datagram %zu has arrived with %zu bytes instead of %zu",
                       datagram_of(a->bytes), datagram.len, wanted);
        return false;
    }
    for (size_t i = 0; i < wanted; i++) {
        if (datagram.data[i] == byte_at(a->number, a->bytes + i))
            continue;
        (void)snprintf(a->why, sizeof a->why, "datagram %zu has arrived with another byte %zu", datagram_of(a->bytes),
                       i);
        return false;
    }
    a->bytes += wanted;
    return true;
}

bool udp_probe_whole(struct udp_arrivals *a)
{
    if (a->bytes == UDP_PROBE_BYTES)
        return true;
    (void)snprintf(a->why, sizeof a->why, "datagram %zu has not arrived", datagram_of(a->bytes));
    return false;
}

/* --- two sockets that know only each other --- */

struct pair {
    int from, to;
};

static bool bind_loopback(int fd, uint8_t family, struct sockaddr_storage *name, socklen_t *len)
{
    static const struct address loopbacks[] = {{.family = 4, .bytes = {127, 0, 0, 1}},
                                               {.family = 6, .bytes = {[15] = 1}}};
    *len = sockaddr_of(&loopbacks[family == 6], 0, name); /* the kernel chooses the port */
    return bind(fd, (struct sockaddr *)name, *len) == 0 && getsockname(fd, (struct sockaddr *)name, len) == 0;
}

static bool open_pair(uint8_t family, struct pair *pair)
{
    struct sockaddr_storage from, to;
    socklen_t from_len, to_len;
    int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    pair->from = socket(sockaddr_family(family), type, 0);
    pair->to = socket(sockaddr_family(family), type, 0);
    return pair->from >= 0 && pair->to >= 0 && bind_loopback(pair->from, family, &from, &from_len) &&
           bind_loopback(pair->to, family, &to, &to_len) && connect(pair->from, (struct sockaddr *)&to, to_len) == 0 &&
           connect(pair->to, (struct sockaddr *)&from, from_len) == 0 && udp_set_df(pair->from, family, true);
}

static void close_pair(const struct pair *pair)
{
    if (pair->from >= 0)
        close(pair->from);
    if (pair->to >= 0)
        close(pair->to);
}

/* --- sending --- */

static bool send_one_by_one(int fd, const uint8_t *message)
{
    for (size_t at = 0; at < UDP_PROBE_BYTES; at += UDP_PROBE_SIZE)
        if (send(fd, message + at, size_at(at), 0) < 0)
            return false;
    return true;
}

static bool send_together(int fd, uint8_t *message)
{
    struct control control = {0};
    struct iovec part = {message, UDP_PROBE_BYTES};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes};
    header.msg_controllen = udp_put_segment(UDP_PROBE_SIZE, (struct cmsghdr *)(void *)control.bytes);
    return sendmsg(fd, &header, 0) >= 0;
}

static bool send_marker(int fd)
{
    static const uint8_t zeroes[MARKER];
    return send(fd, zeroes, sizeof zeroes, 0) >= 0;
}

/* --- receiving --- */

/* What lies in `out`, and the size of the datagrams in it: 0, it is one. */
static ssize_t receive(int fd, uint8_t *out, size_t capacity, size_t *segment)
{
    struct control control;
    struct iovec part = {out, capacity};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    *segment = 0;
    if (poll(&ready, 1, WAIT_MS) <= 0)
        return -1;
    ssize_t len = recvmsg(fd, &header, 0);
    struct cmsghdr *c = len >= 0 ? CMSG_FIRSTHDR(&header) : NULL;
    if (c != NULL)
        *segment = udp_segment_of(c);
    return len;
}

/* Until the marker. UDP_UNKNOWN: it does not come. */
static enum udp_verdict receive_all(int fd, struct udp_arrivals *a)
{
    uint8_t buffer[2 * UDP_PROBE_BYTES];
    bool right = true;
    for (;;) {
        size_t segment, at = 0;
        ssize_t len = receive(fd, buffer, sizeof buffer, &segment);
        if (len < 0)
            return UDP_UNKNOWN;
        if (len == MARKER && segment == 0)
            return right && udp_probe_whole(a) ? UDP_RIGHT : UDP_WRONG;
        do {
            size_t rest = (size_t)len - at, size = segment > 0 && segment < rest ? segment : rest;
            right = right && udp_probe_take(a, bytes_of(buffer + at, size));
            at += size;
        } while (at < (size_t)len);
    }
}

/* --- both --- */

/* Not a matter of the message's being many: no checksum offload on this interface or a transform on the route (EIO), a
 * filter, no memory. */
static bool says_nothing(int error)
{
    return error == EIO || error == EPERM || error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

static struct udp_finding found(enum udp_verdict verdict, const char *why)
{
    struct udp_finding finding = {.verdict = verdict};
    (void)snprintf(finding.why, sizeof finding.why, "%s", why);
    return finding;
}

static struct udp_finding carry(const struct pair *pair, uint8_t number, bool together)
{
    uint8_t message[UDP_PROBE_BYTES];
    struct udp_arrivals arrivals = {.number = number};
    udp_probe_message(number, message);
    if (together ? !send_together(pair->from, message) : !send_one_by_one(pair->from, message))
        return found(!together || says_nothing(errno) ? UDP_UNKNOWN : UDP_WRONG, strerror(errno));
    enum udp_verdict verdict = send_marker(pair->from) ? receive_all(pair->to, &arrivals) : UDP_UNKNOWN;
    if (verdict == UDP_UNKNOWN)
        return found(UDP_UNKNOWN, "the loopback interface does not carry it");
    return found(verdict, verdict == UDP_WRONG ? arrivals.why : "");
}

/* Once right is enough: something else may have come between. */
static struct udp_finding try(const struct pair *pair, uint8_t *number, bool together)
{
    struct udp_finding finding = found(UDP_UNKNOWN, "");
    for (int i = 0; i < TRIES; i++) {
        finding = carry(pair, ++*number, together);
        if (finding.verdict != UDP_WRONG)
            break;
    }
    return finding;
}

static void ask_pair(const struct pair *pair, struct udp_findings *out)
{
    int on = 1;
    uint8_t number = 0;
    struct udp_finding plain = try(pair, &number, false);
    if (plain.verdict != UDP_RIGHT) { /* then nothing is GSO's fault, or GRO's */
        out->gso = out->gro = found(UDP_UNKNOWN, plain.why);
        return;
    }
    if (!udp_can_segment(pair->from))
        out->gso = found(UDP_UNKNOWN, strerror(errno));
    else
        out->gso = try(pair, &number, true);
    if (setsockopt(pair->to, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0)
        out->gro = found(UDP_UNKNOWN, strerror(errno));
    else
        out->gro = try(pair, &number, out->gso.verdict == UDP_RIGHT);
}

void udp_probe_ask(uint8_t family, struct udp_findings *out)
{
    struct pair pair;
    if (open_pair(family, &pair))
        ask_pair(&pair, out);
    else
        out->gso = out->gro = found(UDP_UNKNOWN, strerror(errno));
    close_pair(&pair);
}

/* --- what follows --- */

static void judge(const struct udp_finding *finding, const char *key, const char *what, uint8_t family,
                  const struct log *log, bool *use)
{
    if (!*use || finding->verdict == UDP_RIGHT)
        return;
    if (finding->verdict == UDP_UNKNOWN) {
        log_write(log, LOG_DEBUG, "%s could not be tested over IPv%u (%s); it stays on", key, family, finding->why);
        return;
    }
    log_write(log, LOG_WARNING,
              "%s is off: of a test message of %d datagrams over IPv%u, %s (%s); packets go one by one, which is "
              "slower; use a kernel without this fault, or '%s = no' to do without this test",
              key, UDP_PROBE_SEGMENTS + 1, family, what, finding->why, key);
    *use = false;
}

void udp_probe_judge(const struct udp_findings *findings, uint8_t family, const struct log *log, bool *gso, bool *gro)
{
    judge(&findings->gso, "udp_gso", "sent in one call, not all left as they should", family, log, gso);
    judge(&findings->gro, "udp_gro", "received with UDP_GRO, not all arrived as they should", family, log, gro);
}

/* Digits, and the dot behind them. None are 0. */
static unsigned take_number(const char **text)
{
    unsigned number = 0;
    for (; **text >= '0' && **text <= '9' && number < 100000; ++*text)
        number = number * 10 + (unsigned)(**text - '0');
    *text += **text == '.';
    return number;
}

bool udp_probe_doubts(const char *release)
{
    unsigned major = take_number(&release), minor = take_number(&release), patch = take_number(&release);
    return major == 7 && (minor == 0 || (minor == 1 && patch <= 4));
}

void udp_probe(const struct log *log, bool *gso, bool *gro)
{
    struct utsname name;
    for (uint8_t family = 4; family <= 6 && (*gso || *gro); family = (uint8_t)(family + 2)) {
        struct udp_findings findings;
        udp_probe_ask(family, &findings);
        udp_probe_judge(&findings, family, log, gso, gro);
    }
    if (*gso && uname(&name) == 0 && udp_probe_doubts(name.release))
        log_write(log, LOG_WARNING,
                  "Linux %s: versions 7.0 to 7.1.4 spoil UDP segments on some network cards, which no test on this "
                  "host shows; when traffic to a peer is very slow or lost, set 'udp_gso = no', or use 7.1.5",
                  name.release);
}
