/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floods, and a paced flow that is to survive them.
 *     netns_flood send FILE RATE COUNT              sends the IP packets of FILE, in turn, COUNT in all, RATE a second
 *     netns_flood seal FILE RATE COUNT OUTER ENCR KEY_BITS INTEG KEYMAT SPI FIRST
 *                                                   the same, but each is OUTER bytes of headers and a text that is
 *                                                   sealed into ESP, numbered from FIRST: padding and trailer are the
 *                                                   text's own, right or wrong
 *     netns_flood pace ADDRESS PORT RATE COUNT      numbered UDP datagrams
 *     netns_flood count PORT                        receives those, and says which are missing
 * FILE holds records: a length (16 bits, big-endian) and a packet whose headers are complete (IPv4: the kernel fills
 * in checksum and identification). ENCR and INTEG are numbers, KEYMAT is hex.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto/aead.h"

enum {
    BATCH = 64, /* at most AEAD_BATCH_MAX */
    RECORDS_MAX = 4096,
    SEALED_MAX = 2048,
    KEYMAT_MAX = 128,
    BUFFER_BYTES = 16 << 20,
    BATCHES_PER_S = 1000,
    LATE_MAX_NS = 5000000, /* a flood that was held up does not catch up in one burst */
    PACED_BYTES = 100,
    PACED_MAX = 1 << 20,
    END_MARK = 0xffffffff,
};

_Static_assert((int)BATCH <= (int)AEAD_BATCH_MAX, "one batch is sealed at once");

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "netns_flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- time --- */

struct pace {
    struct timespec next;
    int64_t interval_ns;
    bool catches_up;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct pace pace_of(double per_second, bool catches_up)
{
    struct pace pace = {.interval_ns = (int64_t)(1e9 / per_second), .catches_up = catches_up};
    clock_gettime(CLOCK_MONOTONIC, &pace.next);
    return pace;
}

static void pace_wait(struct pace *pace)
{
    int64_t next = (int64_t)pace->next.tv_sec * 1000000000 + pace->next.tv_nsec + pace->interval_ns;
    int64_t late = now_ns() - next;
    if (late > LATE_MAX_NS && !pace->catches_up)
        next += late;
    pace->next = (struct timespec){.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
    while (late < 0 && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &pace->next, NULL) == EINTR)
        ;
}

/* --- records --- */

struct record {
    uint8_t *data;
    uint32_t len;
};

struct records {
    struct record items[RECORDS_MAX];
    uint32_t count;
};

static struct records *read_records(const char *path)
{
    struct records *records = calloc(1, sizeof *records);
    FILE *file = fopen(path, "rb");
    uint8_t prefix[2];
    if (records == NULL || file == NULL)
        fail(path);
    while (records->count < RECORDS_MAX && fread(prefix, sizeof prefix, 1, file) == 1) {
        struct record *r = &records->items[records->count++];
        r->len = (uint32_t)prefix[0] << 8 | prefix[1];
        r->data = malloc(r->len + 1u);
        if (r->data == NULL || fread(r->data, 1, r->len, file) != r->len || r->len < 20)
            fail("a record is cut short");
    }
    fclose(file);
    if (records->count == 0) {
        errno = EINVAL;
        fail(path);
    }
    return records;
}

static void free_records(struct records *records)
{
    for (uint32_t i = 0; i < records->count; i++)
        free(records->items[i].data);
    free(records);
}

static socklen_t destination_of(const struct record *r, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (r->data[0] >> 4 == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, r->data + 16, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)(void *)out;
    in->sin6_family = AF_INET6;
    memcpy(&in->sin6_addr, r->data + 24, 16);
    return sizeof *in;
}

/* --- sealing --- */

struct sealer {
    struct aead *aead;
    struct aead_shape shape;
    struct random random;
    uint32_t spi, outer_len;
    uint64_t sequence;
    uint8_t slab[BATCH][SEALED_MAX];
    struct aead_job jobs[BATCH];
};

static void sealer_open(struct sealer *s, char **arguments)
{
    struct aead_suite suite = {.encr = (enum encr)strtoul(arguments[1], NULL, 10),
                               .key_bits = (uint16_t)strtoul(arguments[2], NULL, 10),
                               .integ = (enum integ)strtoul(arguments[3], NULL, 10)};
    uint8_t keymat[KEYMAT_MAX];
    size_t len = strlen(arguments[4]) / 2;
    for (size_t i = 0; i < len && i < sizeof keymat; i++)
        if (sscanf(arguments[4] + 2 * i, "%2hhx", &keymat[i]) != 1)
            fail("KEYMAT is no hex");
    s->outer_len = (uint32_t)strtoul(arguments[0], NULL, 10);
    s->spi = (uint32_t)strtoul(arguments[5], NULL, 16);
    s->sequence = strtoull(arguments[6], NULL, 10);
    s->random = random_system();
    if (len > sizeof keymat || aead_shape(&suite, &s->shape) != OK ||
        aead_new(NULL, &suite, bytes_of(keymat, len), &s->random, &s->aead) != OK) {
        errno = EINVAL;
        fail("suite or KEYMAT");
    }
}

/* Packet i of a batch, up to the sealing. */
static struct record sealer_prepare(struct sealer *s, const struct record *plain, uint32_t i)
{
    uint32_t text_len = plain->len - s->outer_len, text_at = s->outer_len + AEAD_HEADER + s->shape.iv;
    struct record out = {s->slab[i], text_at + text_len + s->shape.icv};
    if (plain->len < s->outer_len || out.len > SEALED_MAX) {
        errno = EMSGSIZE;
        fail("a record");
    }
    memcpy(out.data, plain->data, s->outer_len);
    memcpy(out.data + text_at, plain->data + s->outer_len, text_len);
    store_u32(out.data + s->outer_len, s->spi);
    store_u32(out.data + s->outer_len + 4, (uint32_t)s->sequence++);
    s->jobs[i] = (struct aead_job){.esp = out.data + s->outer_len, .text_len = text_len};
    return out;
}

/* --- sending --- */

struct sender {
    int fd;
    struct sealer *sealer; /* NULL: packets go as they are */
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    struct sockaddr_storage names[BATCH];
    uint64_t sent, errors;
};

static void send_batch(struct sender *s, const struct records *records, uint64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct record r = records->items[(first + i) % records->count];
        if (s->sealer != NULL)
            r = sealer_prepare(s->sealer, &r, i);
        s->parts[i] = (struct iovec){r.data, r.len};
        s->messages[i].msg_hdr = (struct msghdr){.msg_iov = &s->parts[i], .msg_iovlen = 1, .msg_name = &s->names[i]};
        s->messages[i].msg_hdr.msg_namelen = destination_of(&r, &s->names[i]);
    }
    if (s->sealer != NULL)
        aead_seal(s->sealer->aead, s->sealer->jobs, count);
    for (uint32_t done = 0; done < count;) {
        int n = sendmmsg(s->fd, s->messages + done, count - done, 0);
        if (n <= 0 && s->errors++ == 0)
            fprintf(stderr, "netns_flood: sendmmsg: %s\n", strerror(errno));
        s->sent += n > 0 ? (uint32_t)n : 0;
        done += n > 0 ? (uint32_t)n : 1;
    }
}

static int flood(struct sealer *sealer, char **argv)
{
    struct records *records = read_records(argv[0]);
    double rate = strtod(argv[1], NULL);
    uint64_t count = strtoull(argv[2], NULL, 10);
    struct sender *s = calloc(1, sizeof *s);
    bool four = records->items[0].data[0] >> 4 == 4;
    if (s == NULL || (s->fd = socket(four ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) < 0)
        fail("socket");
    int size = BUFFER_BYTES;
    (void)setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    s->sealer = sealer;
    uint32_t batch = (uint32_t)(rate / BATCHES_PER_S);
    batch = batch < 1 ? 1 : batch > BATCH ? BATCH : batch;
    struct pace pace = pace_of(rate / batch, false);
    int64_t began = now_ns();
    for (uint64_t i = 0; i < count; i += batch) {
        send_batch(s, records, i, (uint32_t)(count - i < batch ? count - i : batch));
        pace_wait(&pace);
    }
    double took = (double)(now_ns() - began) / 1e9;
    printf("sent %llu in %.2f s, %.0f a second, %llu errors\n", (unsigned long long)s->sent, took,
           (double)s->sent / took, (unsigned long long)s->errors);
    close(s->fd);
    free(s);
    free_records(records);
    return 0;
}

/* --- the flow that is to survive --- */

static void address_of_text(const char *text, const char *port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)out;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)out;
    uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = number;
        *len = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = number;
        *len = sizeof *six;
    } else {
        fail(text);
    }
}

static int send_paced(char **argv)
{
    struct sockaddr_storage to;
    socklen_t len;
    uint8_t packet[PACED_BYTES] = {0};
    uint32_t count = (uint32_t)strtoul(argv[3], NULL, 10);
    struct timespec moment = {.tv_nsec = 100000000};
    address_of_text(argv[0], argv[1], &to, &len);
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, len) < 0)
        fail("connect");
    struct pace pace = pace_of(strtod(argv[2], NULL), true);
    for (uint32_t i = 0; i < count; i++) {
        store_u32(packet, i);
        if (send(fd, packet, sizeof packet, 0) < 0)
            fail("send");
        pace_wait(&pace);
    }
    /* The end is said several times; what is on its way arrives before. */
    for (int i = 0; i < 5; i++) {
        nanosleep(&moment, NULL);
        store_u32(packet, END_MARK);
        store_u32(packet + 4, count);
        (void)send(fd, packet, sizeof packet, 0);
    }
    printf("sent %u\n", count);
    return 0;
}

static void report_paced(const uint8_t *seen, uint32_t count, uint32_t repeated)
{
    uint32_t missing = 0, gaps = 0, first = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i])
            continue;
        first = missing++ == 0 ? i : first;
        gaps += i == 0 || seen[i - 1];
    }
    printf("received %u of %u, missing %u in %u gaps from %u on, repeated %u\n", count - missing, count, missing, gaps,
           first, repeated);
}

static int count_paced(char **argv)
{
    struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)strtoul(argv[0], NULL, 10))};
    uint8_t packet[PACED_BYTES], *seen = calloc(PACED_MAX, 1);
    int size = BUFFER_BYTES, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint32_t repeated = 0;
    if (seen == NULL || fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof here) < 0)
        fail("bind");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        if (recv(fd, packet, sizeof packet, 0) != sizeof packet)
            continue;
        uint32_t number = load_u32(packet);
        if (number == END_MARK)
            break;
        if (number < PACED_MAX)
            repeated += seen[number]++ > 0;
    }
    report_paced(seen, load_u32(packet + 4), repeated);
    free(seen);
    return 0;
}

int main(int argc, char **argv)
{
    static struct sealer sealer;
    if (argc == 5 && strcmp(argv[1], "send") == 0)
        return flood(NULL, argv + 2);
    if (argc == 12 && strcmp(argv[1], "seal") == 0) {
        sealer_open(&sealer, argv + 5);
        int code = flood(&sealer, argv + 2);
        aead_free(sealer.aead);
        return code;
    }
    if (argc == 6 && strcmp(argv[1], "pace") == 0)
        return send_paced(argv + 2);
    if (argc == 3 && strcmp(argv[1], "count") == 0)
        return count_paced(argv + 2);
    fprintf(stderr, "netns_flood send | seal | pace | count: see the comment at the top of flood.c\n");
    return 2;
}
