/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/nft.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    MESSAGE_MAX = 4096,    /* room for any message of ours: a rule has two dozen expressions of 100 bytes at most */
    FIRST_ROOM = 64 << 10, /* of a batch */
    COMMENT_TYPE = 0,      /* what nft takes for a comment, in the data that a rule carries for it */
    COMMENT_MAX = 64,
};

struct nlmsghdr *nft_request(char *buffer, uint16_t what, uint8_t family)
{
    void *extra;
    uint16_t type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
    struct nlmsghdr *request = netlink_request(buffer, type, 0, sizeof(struct nfgenmsg), &extra);
    ((struct nfgenmsg *)extra)->nfgen_family = family;
    return request;
}

/* --- messages, one after the other --- */

/* The next message is written here, and taken into the batch when it is whole. */
static void *scratch(struct nft_batch *b)
{
    if (b->room - b->len < MESSAGE_MAX) {
        size_t room = b->room == 0 ? FIRST_ROOM : 2 * b->room;
        char *bytes = b->failed ? NULL : realloc(b->bytes, room);
        if (bytes == NULL) {
            b->failed = true;
            b->len = 0; /* what follows is written, and never sent */
        } else {
            b->bytes = bytes;
            b->room = room;
        }
    }
    return b->bytes == NULL ? NULL : b->bytes + b->len;
}

static void close_message(struct nft_batch *b)
{
    if (b->open == NULL)
        return;
    b->open->nlmsg_seq = ++b->count;
    b->last = b->len;
    b->len += b->open->nlmsg_len;
    b->open = NULL;
}

/* The border of a batch says whose it is. */
static void put_border(struct nft_batch *b, uint16_t type)
{
    void *extra, *at = scratch(b);
    if (at == NULL)
        return;
    b->open = netlink_request(at, type, 0, sizeof(struct nfgenmsg), &extra);
    ((struct nfgenmsg *)extra)->res_id = htons(NFNL_SUBSYS_NFTABLES);
    close_message(b);
}

/* False where memory is short. The attribute of the table is the first of all messages, each time with another type. */
static bool open_message(struct nft_batch *b, uint16_t what, uint16_t flags, uint16_t table_attribute)
{
    void *at = scratch(b);
    if (at == NULL)
        return false;
    b->open = nft_request(at, what, NFPROTO_INET);
    b->open->nlmsg_flags |= flags;
    mnl_attr_put_strz(b->open, table_attribute, b->table);
    return true;
}

void nft_batch_begin(struct nft_batch *b, const char *table)
{
    *b = (struct nft_batch){0};
    memcpy(b->table, table, strnlen(table, NFT_NAME - 1));
    put_border(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_free(struct nft_batch *b)
{
    free(b->bytes);
    *b = (struct nft_batch){0};
}

void nft_table_make(struct nft_batch *b)
{
    if (open_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME))
        close_message(b);
}

void nft_table_delete(struct nft_batch *b)
{
    if (open_message(b, NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME))
        close_message(b);
}

void nft_counter_make(struct nft_batch *b, const char *name)
{
    static const uint64_t zero;
    if (!open_message(b, NFT_MSG_NEWOBJ, NLM_F_CREATE, NFTA_OBJ_TABLE))
        return;
    mnl_attr_put_strz(b->open, NFTA_OBJ_NAME, name);
    mnl_attr_put_u32(b->open, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
    struct nlattr *data = mnl_attr_nest_start(b->open, NFTA_OBJ_DATA);
    mnl_attr_put(b->open, NFTA_COUNTER_PACKETS, sizeof zero, &zero);
    mnl_attr_put(b->open, NFTA_COUNTER_BYTES, sizeof zero, &zero);
    mnl_attr_nest_end(b->open, data);
    close_message(b);
}

void nft_chain_make(struct nft_batch *b, const char *name, int hook)
{
    if (!open_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE))
        return;
    mnl_attr_put_strz(b->open, NFTA_CHAIN_NAME, name);
    if (hook != NFT_NO_HOOK) {
        struct nlattr *where = mnl_attr_nest_start(b->open, NFTA_CHAIN_HOOK);
        mnl_attr_put_u32(b->open, NFTA_HOOK_HOOKNUM, htonl((uint32_t)hook));
        mnl_attr_put_u32(b->open, NFTA_HOOK_PRIORITY, htonl(0)); /* filter */
        mnl_attr_nest_end(b->open, where);
        mnl_attr_put_u32(b->open, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
        mnl_attr_put_strz(b->open, NFTA_CHAIN_TYPE, "filter");
    }
    close_message(b);
}

/* --- rules --- */

void nft_rule_begin(struct nft_batch *b, const char *chain, const char *comment)
{
    char data[2 + COMMENT_MAX] = {COMMENT_TYPE};
    if (!open_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE))
        return;
    mnl_attr_put_strz(b->open, NFTA_RULE_CHAIN, chain);
    if (comment != NULL) {
        size_t len = strnlen(comment, COMMENT_MAX - 1);
        data[1] = (char)(len + 1); /* the zero counts */
        memcpy(data + 2, comment, len);
        mnl_attr_put(b->open, NFTA_RULE_USERDATA, 2 + len + 1, data);
    }
    b->expressions = mnl_attr_nest_start(b->open, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *b)
{
    if (b->open == NULL)
        return;
    mnl_attr_nest_end(b->open, b->expressions);
    close_message(b);
}

/* The two nests that each expression stands in. */
struct expression {
    struct nlattr *element, *data;
};

static struct expression begin(struct nft_batch *b, const char *name)
{
    struct expression e = {.element = mnl_attr_nest_start(b->open, NFTA_LIST_ELEM)};
    mnl_attr_put_strz(b->open, NFTA_EXPR_NAME, name);
    e.data = mnl_attr_nest_start(b->open, NFTA_EXPR_DATA);
    return e;
}

static void end(struct nft_batch *b, struct expression e)
{
    mnl_attr_nest_end(b->open, e.data);
    mnl_attr_nest_end(b->open, e.element);
}

static void put_u32(struct nft_batch *b, uint16_t attribute, uint32_t value)
{
    mnl_attr_put_u32(b->open, attribute, htonl(value));
}

static void put_value(struct nft_batch *b, uint16_t attribute, const void *value, size_t len)
{
    struct nlattr *data = mnl_attr_nest_start(b->open, attribute);
    mnl_attr_put(b->open, NFTA_DATA_VALUE, len, value);
    mnl_attr_nest_end(b->open, data);
}

void nft_load_meta(struct nft_batch *b, enum nft_meta_keys key)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "meta");
    put_u32(b, NFTA_META_KEY, key);
    put_u32(b, NFTA_META_DREG, NFT_REG_1);
    end(b, e);
}

void nft_load_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "payload");
    put_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_u32(b, NFTA_PAYLOAD_BASE, base);
    put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(b, NFTA_PAYLOAD_LEN, len);
    end(b, e);
}

void nft_load_exthdr(struct nft_batch *b, uint8_t header, uint32_t offset, uint32_t len)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "exthdr");
    put_u32(b, NFTA_EXTHDR_DREG, NFT_REG_1);
    mnl_attr_put_u8(b->open, NFTA_EXTHDR_TYPE, header);
    put_u32(b, NFTA_EXTHDR_OFFSET, offset);
    put_u32(b, NFTA_EXTHDR_LEN, len);
    put_u32(b, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
    end(b, e);
}

void nft_mask(struct nft_batch *b, const void *mask, size_t len)
{
    static const uint8_t unchanged[NFT_VALUE_MAX];
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "bitwise");
    put_u32(b, NFTA_BITWISE_SREG, NFT_REG_1);
    put_u32(b, NFTA_BITWISE_DREG, NFT_REG_1);
    put_u32(b, NFTA_BITWISE_LEN, (uint32_t)len);
    put_value(b, NFTA_BITWISE_MASK, mask, len);
    put_value(b, NFTA_BITWISE_XOR, unchanged, len);
    end(b, e);
}

void nft_compare(struct nft_batch *b, enum nft_cmp_ops operation, const void *value, size_t len)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "cmp");
    put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
    put_u32(b, NFTA_CMP_OP, operation);
    put_value(b, NFTA_CMP_DATA, value, len);
    end(b, e);
}

void nft_between(struct nft_batch *b, const void *first, const void *last, size_t len)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "range");
    put_u32(b, NFTA_RANGE_SREG, NFT_REG_1);
    put_u32(b, NFTA_RANGE_OP, NFT_RANGE_EQ);
    put_value(b, NFTA_RANGE_FROM_DATA, first, len);
    put_value(b, NFTA_RANGE_TO_DATA, last, len);
    end(b, e);
}

void nft_count(struct nft_batch *b, const char *counter)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "objref");
    put_u32(b, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    mnl_attr_put_strz(b->open, NFTA_OBJREF_IMM_NAME, counter);
    end(b, e);
}

void nft_verdict(struct nft_batch *b, int code, const char *chain)
{
    if (b->open == NULL)
        return;
    struct expression e = begin(b, "immediate");
    put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    struct nlattr *data = mnl_attr_nest_start(b->open, NFTA_IMMEDIATE_DATA);
    struct nlattr *verdict = mnl_attr_nest_start(b->open, NFTA_DATA_VERDICT);
    put_u32(b, NFTA_VERDICT_CODE, (uint32_t)code);
    if (chain != NULL)
        mnl_attr_put_strz(b->open, NFTA_VERDICT_CHAIN, chain);
    mnl_attr_nest_end(b->open, verdict);
    mnl_attr_nest_end(b->open, data);
    end(b, e);
}

/* --- the transaction --- */

/* The kernel takes a batch in one piece; SO_SNDBUFFORCE needs CAP_NET_ADMIN, as does the batch. */
static void make_room(int fd, size_t len)
{
    int want = len > INT32_MAX / 4 ? INT32_MAX / 2 : (int)len;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof want); /* if that is too little, sending says so */
}

/* Of all messages only the last asks for an answer, so that one comes in any case: its own, or, before it, that of the
 * first that failed. */
int nft_commit(struct nft_batch *b, struct netlink *netlink)
{
    char answer[8192];
    size_t last = b->last;
    put_border(b, NFNL_MSG_BATCH_END);
    if (b->failed)
        return -ENOMEM;
    ((struct nlmsghdr *)(void *)(b->bytes + last))->nlmsg_flags |= NLM_F_ACK;
    make_room(mnl_socket_get_fd(netlink->socket), b->len);
    if (mnl_socket_sendto(netlink->socket, b->bytes, b->len) < 0)
        return -errno;
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(netlink->socket, answer, sizeof answer);
        if (len < 0)
            return -errno;
        int more = mnl_cb_run(answer, (size_t)len, 0, mnl_socket_get_portid(netlink->socket), NULL, NULL);
        if (more <= 0)
            return more == 0 ? 0 : -errno;
    }
}
