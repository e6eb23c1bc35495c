/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/steer.h"

#include <errno.h>
#include <sys/socket.h>

#include <linux/filter.h>

#include "esp/spi.h"

/* Jumps count the instructions that they leave out: over none if true, over `other` if not. */
#define LOAD(at)             BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
#define LOAD_BEHIND_IPV4(at) BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0), BPF_STMT(BPF_LD | BPF_W | BPF_IND, (at))
#define MASK(bits)           BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (bits))
#define ADD(n)               BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, (n))
#define IF_EQUAL(n, other)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (n), 0, (other))
#define IF_LEAST(n, other)   BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (n), 0, (other))
#define ANSWER(n)            BPF_STMT(BPF_RET | BPF_K, (n))
#define ANSWER_RESULT        BPF_STMT(BPF_RET | BPF_A, 0)
#define COUNT(array)         (sizeof(array) / sizeof *(array))

static bool attach(int fd, int option, struct sock_filter *code, size_t len)
{
    const struct sock_fprog program = {.len = (unsigned short)len, .filter = code};
    return setsockopt(fd, SOL_SOCKET, option, &program, sizeof program) == 0;
}

bool steer_datagrams(int fd, size_t shards)
{
    /* The payload begins at 0. Less than a SPI cannot be loaded: the program then ends with 0, the control thread. */
    struct sock_filter code[] = {
        LOAD(0),
        IF_EQUAL(0, 1), /* the marker before IKE */
        ANSWER(0),
        MASK(SHARDS_MAX - 1),
        IF_LEAST((uint32_t)shards, 1), /* not an SPI of ours: shard 0 counts it */
        ANSWER(1),
        ADD(1),
        ANSWER_RESULT,
    };
    return attach(fd, SO_ATTACH_REUSEPORT_CBPF, code, COUNT(code));
}

/* What follows once the SPI is loaded: all of the packet, or nothing. */
#define KEEP_OWN(shard, least_foreign)                                                                                 \
    MASK(SHARDS_MAX - 1), IF_EQUAL((shard), 1), ANSWER(UINT32_MAX), IF_LEAST((least_foreign), 1), ANSWER(UINT32_MAX),  \
        ANSWER(0)

bool steer_raw(int fd, uint8_t family, uint8_t shard, size_t shards)
{
    const uint32_t least_foreign = shard == 0 ? (uint32_t)shards : SHARDS_MAX;
    /* Raw IPv4 sockets get the IP header, raw IPv6 sockets do not. */
    struct sock_filter ipv4[] = {LOAD_BEHIND_IPV4(0), KEEP_OWN(shard, least_foreign)};
    struct sock_filter ipv6[] = {LOAD(0), KEEP_OWN(shard, least_foreign)};
    return family == 4 ? attach(fd, SO_ATTACH_FILTER, ipv4, COUNT(ipv4))
                       : attach(fd, SO_ATTACH_FILTER, ipv6, COUNT(ipv6));
}
