/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/nft.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
    FIRST_ROOM = 64 << 10, /* of a batch */
    EXPRESSION_MAX = 256,  /* bytes of any expression of ours */
    COMMENT_TYPE = 0,      /* what nft takes for a comment, in the data that a rule carries for it */
};

static struct nlmsghdr *request_to_nft(void *buffer, uint16_t what)
{
    void *extra;
    uint16_t type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | what);
    struct nlmsghdr *request = netlink_request(buffer, type, 0, sizeof(struct nfgenmsg), &extra);
    ((struct nfgenmsg *)extra)->nfgen_family = NFPROTO_INET;
    return request;
}

/* --- messages, one after the other --- */

static void put_u32(struct nft_batch *b, uint16_t attribute, uint32_t value)
{
    mnl_attr_put_u32(&b->open.header, attribute, htonl(value));
}

static void put_name(struct nft_batch *b, uint16_t attribute, const char *name)
{
    mnl_attr_put_strz(&b->open.header, attribute, name);
}

static struct nlattr *begin_nest(struct nft_batch *b, uint16_t attribute)
{
    return mnl_attr_nest_start(&b->open.header, attribute);
}

static void end_nest(struct nft_batch *b, struct nlattr *nest)
{
    mnl_attr_nest_end(&b->open.header, nest);
}

/* The table is the first attribute of all messages, each time with another type. */
static void open_message(struct nft_batch *b, uint16_t what, uint16_t flags, uint16_t table_attribute)
{
    request_to_nft(&b->open, what)->nlmsg_flags |= flags;
    put_name(b, table_attribute, b->table);
}

static bool has_room(struct nft_batch *b)
{
    if (b->room - b->len >= NFT_BATCH_MESSAGE)
        return true;
    size_t room = b->room == 0 ? FIRST_ROOM : 2 * b->room;
    char *bytes = realloc(b->bytes, room);
    if (bytes == NULL)
        return false;
    b->bytes = bytes;
    b->room = room;
    return true;
}

static void close_message(struct nft_batch *b)
{
    if (b->failed || !has_room(b)) {
        b->failed = true;
        return;
    }
    b->open.header.nlmsg_seq = ++b->count;
    memcpy(b->bytes + b->len, &b->open, b->open.header.nlmsg_len);
    b->last = b->len;
    b->len += b->open.header.nlmsg_len;
}

/* The border of a batch says whose it is. */
static void put_border(struct nft_batch *b, uint16_t type)
{
    void *extra;
    (void)netlink_request(&b->open, type, 0, sizeof(struct nfgenmsg), &extra);
    ((struct nfgenmsg *)extra)->res_id = htons(NFNL_SUBSYS_NFTABLES);
    close_message(b);
}

void nft_batch_begin(struct nft_batch *b, const char *table)
{
    *b = (struct nft_batch){0};
    memcpy(b->table, table, strnlen(table, sizeof b->table - 1));
    put_border(b, NFNL_MSG_BATCH_BEGIN);
}

void nft_batch_free(struct nft_batch *b)
{
    free(b->bytes);
    *b = (struct nft_batch){0};
}

void nft_table_make(struct nft_batch *b)
{
    open_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE, NFTA_TABLE_NAME);
    close_message(b);
}

void nft_table_delete(struct nft_batch *b)
{
    open_message(b, NFT_MSG_DELTABLE, 0, NFTA_TABLE_NAME);
    close_message(b);
}

void nft_counter_make(struct nft_batch *b, const char *name)
{
    static const uint64_t zero;
    open_message(b, NFT_MSG_NEWOBJ, NLM_F_CREATE, NFTA_OBJ_TABLE);
    put_name(b, NFTA_OBJ_NAME, name);
    put_u32(b, NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
    struct nlattr *data = begin_nest(b, NFTA_OBJ_DATA);
    mnl_attr_put(&b->open.header, NFTA_COUNTER_PACKETS, sizeof zero, &zero);
    mnl_attr_put(&b->open.header, NFTA_COUNTER_BYTES, sizeof zero, &zero);
    end_nest(b, data);
    close_message(b);
}

void nft_chain_make(struct nft_batch *b, const char *name, int hook)
{
    open_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFTA_CHAIN_TABLE);
    put_name(b, NFTA_CHAIN_NAME, name);
    if (hook != NFT_BATCH_NO_HOOK) {
        struct nlattr *where = begin_nest(b, NFTA_CHAIN_HOOK);
        put_u32(b, NFTA_HOOK_HOOKNUM, (uint32_t)hook);
        put_u32(b, NFTA_HOOK_PRIORITY, 0); /* filter */
        end_nest(b, where);
        put_u32(b, NFTA_CHAIN_POLICY, NF_ACCEPT);
        put_name(b, NFTA_CHAIN_TYPE, "filter");
    }
    close_message(b);
}

/* --- rules --- */

void nft_rule_begin(struct nft_batch *b, const char *chain, const char *comment)
{
    char data[2 + NFT_BATCH_COMMENT] = {COMMENT_TYPE};
    open_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, NFTA_RULE_TABLE);
    put_name(b, NFTA_RULE_CHAIN, chain);
    if (comment != NULL) {
        size_t len = strnlen(comment, NFT_BATCH_COMMENT - 1);
        data[1] = (char)(len + 1); /* the zero counts */
        memcpy(data + 2, comment, len);
        mnl_attr_put(&b->open.header, NFTA_RULE_USERDATA, 2 + len + 1, data);
    }
    b->expressions = begin_nest(b, NFTA_RULE_EXPRESSIONS);
}

void nft_rule_end(struct nft_batch *b)
{
    end_nest(b, b->expressions);
    close_message(b);
}

/* The two nests that each expression stands in. */
struct expression {
    struct nlattr *element, *data;
};

static struct expression begin(struct nft_batch *b, const char *name)
{
    /* What does not fit is not sent; it is written over the rule itself, so that it goes nowhere else. */
    if (b->open.header.nlmsg_len > NFT_BATCH_MESSAGE - EXPRESSION_MAX) {
        b->failed = true;
        b->open.header.nlmsg_len = (uint32_t)((char *)b->expressions - b->open.bytes) + (uint32_t)sizeof(struct nlattr);
    }
    struct expression e = {.element = begin_nest(b, NFTA_LIST_ELEM)};
    put_name(b, NFTA_EXPR_NAME, name);
    e.data = begin_nest(b, NFTA_EXPR_DATA);
    return e;
}

static void end(struct nft_batch *b, struct expression e)
{
    end_nest(b, e.data);
    end_nest(b, e.element);
}

static void put_value(struct nft_batch *b, uint16_t attribute, const void *value, size_t len)
{
    struct nlattr *data = begin_nest(b, attribute);
    mnl_attr_put(&b->open.header, NFTA_DATA_VALUE, len, value);
    end_nest(b, data);
}

void nft_load_meta(struct nft_batch *b, enum nft_meta_keys key)
{
    struct expression e = begin(b, "meta");
    put_u32(b, NFTA_META_KEY, key);
    put_u32(b, NFTA_META_DREG, NFT_REG_1);
    end(b, e);
}

void nft_load_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len)
{
    struct expression e = begin(b, "payload");
    put_u32(b, NFTA_PAYLOAD_DREG, NFT_REG_1);
    put_u32(b, NFTA_PAYLOAD_BASE, base);
    put_u32(b, NFTA_PAYLOAD_OFFSET, offset);
    put_u32(b, NFTA_PAYLOAD_LEN, len);
    end(b, e);
}

void nft_load_exthdr(struct nft_batch *b, uint8_t header, uint32_t offset, uint32_t len)
{
    struct expression e = begin(b, "exthdr");
    put_u32(b, NFTA_EXTHDR_DREG, NFT_REG_1);
    mnl_attr_put_u8(&b->open.header, NFTA_EXTHDR_TYPE, header);
    put_u32(b, NFTA_EXTHDR_OFFSET, offset);
    put_u32(b, NFTA_EXTHDR_LEN, len);
    put_u32(b, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
    end(b, e);
}

void nft_mask(struct nft_batch *b, const void *mask, size_t len)
{
    static const uint8_t unchanged[NFT_BATCH_VALUE];
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
    struct expression e = begin(b, "cmp");
    put_u32(b, NFTA_CMP_SREG, NFT_REG_1);
    put_u32(b, NFTA_CMP_OP, operation);
    put_value(b, NFTA_CMP_DATA, value, len);
    end(b, e);
}

void nft_between(struct nft_batch *b, const void *first, const void *last, size_t len)
{
    struct expression e = begin(b, "range");
    put_u32(b, NFTA_RANGE_SREG, NFT_REG_1);
    put_u32(b, NFTA_RANGE_OP, NFT_RANGE_EQ);
    put_value(b, NFTA_RANGE_FROM_DATA, first, len);
    put_value(b, NFTA_RANGE_TO_DATA, last, len);
    end(b, e);
}

void nft_count(struct nft_batch *b, const char *counter)
{
    struct expression e = begin(b, "objref");
    put_u32(b, NFTA_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
    put_name(b, NFTA_OBJREF_IMM_NAME, counter);
    end(b, e);
}

void nft_verdict(struct nft_batch *b, int code, const char *chain)
{
    struct expression e = begin(b, "immediate");
    put_u32(b, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    struct nlattr *data = begin_nest(b, NFTA_IMMEDIATE_DATA);
    struct nlattr *verdict = begin_nest(b, NFTA_DATA_VERDICT);
    put_u32(b, NFTA_VERDICT_CODE, (uint32_t)code);
    if (chain != NULL)
        put_name(b, NFTA_VERDICT_CHAIN, chain);
    end_nest(b, verdict);
    end_nest(b, data);
    end(b, e);
}

/* --- the transaction --- */

/* The kernel takes a batch in one piece (SO_SNDBUFFORCE needs CAP_NET_ADMIN, as does the batch), and answers each
 * message that fails: the first answer is what counts, however many are lost for want of room. */
static void make_room(int fd, size_t len)
{
    int want = len > INT32_MAX / 4 ? INT32_MAX / 2 : (int)len, yes = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof want); /* if that is too little, sending says so */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &yes, sizeof yes);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK); /* the answers are there when sending returns */
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

/* --- counters --- */

static int look_at_counter(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == NFTA_COUNTER_PACKETS && mnl_attr_validate(attribute, MNL_TYPE_U64) == 0)
        *(uint64_t *)arg = be64toh(mnl_attr_get_u64(attribute));
    return MNL_CB_OK;
}

static int look_at_object_attribute(const struct nlattr *attribute, void *arg)
{
    if (mnl_attr_get_type(attribute) == NFTA_OBJ_DATA && mnl_attr_validate(attribute, MNL_TYPE_NESTED) == 0)
        (void)mnl_attr_parse_nested(attribute, look_at_counter, arg);
    return MNL_CB_OK;
}

static int look_at_object(const struct nlmsghdr *message, void *arg)
{
    (void)mnl_attr_parse(message, sizeof(struct nfgenmsg), look_at_object_attribute, arg);
    return MNL_CB_OK;
}

bool nft_counter_read(struct netlink *netlink, const char *table, const char *name, uint64_t *packets)
{
    char buffer[NETLINK_REQUEST];
    struct nlmsghdr *request = request_to_nft(buffer, NFT_MSG_GETOBJ);
    mnl_attr_put_strz(request, NFTA_OBJ_TABLE, table);
    mnl_attr_put_strz(request, NFTA_OBJ_NAME, name);
    mnl_attr_put_u32(request, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
    *packets = 0;
    return netlink_ask_for(netlink, request, look_at_object, packets) == 0;
}
