/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transaction of the kernel's nf_tables (linux/netfilter/nf_tables.h), as netlink messages: all of it holds at
 * once, or nothing of it. A rule is a row of expressions: something is loaded into the register, perhaps masked, and
 * compared; where a comparison fails, or there is nothing to load, the rest of the rule is not looked at.
 *
 * Of the table of family inet that the batch is for. Errors of memory are kept and told by nft_commit.
 */
#ifndef TUN_NFT_H
#define TUN_NFT_H

#include <netinet/in.h> /* before those of the kernel, which then leave its names alone */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "tun/netlink.h"

enum {
    NFT_NAME = 64,      /* of a table, a chain or a counter, with its zero */
    NFT_VALUE_MAX = 16, /* bytes of the register */
};

struct nft_batch {
    char table[NFT_NAME];
    char *bytes;
    size_t len, room, last; /* last: where the last message begins */
    struct nlmsghdr *open;  /* the message that is being written, not yet among the bytes */
    struct nlattr *expressions;
    uint32_t count; /* messages */
    bool failed;    /* memory was short */
};

/* A request to nf_tables in buffer (NETLINK_REQUEST bytes), for what needs no transaction; what: NFT_MSG_. */
struct nlmsghdr *nft_request(char *buffer, uint16_t what, uint8_t family);

/* Nothing is asked of the kernel before nft_commit. nft_batch_free is due in any case. */
void nft_batch_begin(struct nft_batch *b, const char *table);
void nft_batch_free(struct nft_batch *b);

void nft_table_make(struct nft_batch *b); /* one that is there stays as it is */
void nft_table_delete(struct nft_batch *b);
void nft_counter_make(struct nft_batch *b, const char *name);

/* An empty chain; of type filter at the priority of that name, with policy accept, where it has a hook. */
enum { NFT_NO_HOOK = -1 };
void nft_chain_make(struct nft_batch *b, const char *name, int hook /* NF_INET_ */);

/* Expressions stand between these two. comment: shown by nft; NULL: none. */
void nft_rule_begin(struct nft_batch *b, const char *chain, const char *comment);
void nft_rule_end(struct nft_batch *b);

void nft_load_meta(struct nft_batch *b, enum nft_meta_keys key);
void nft_load_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len);
void nft_load_exthdr(struct nft_batch *b, uint8_t header, uint32_t offset, uint32_t len); /* of IPv6 */

/* Values are bytes as they stand in the packet (what is no part of it, in the order of this machine). */
void nft_mask(struct nft_batch *b, const void *mask, size_t len);
void nft_compare(struct nft_batch *b, enum nft_cmp_ops operation, const void *value, size_t len);
void nft_between(struct nft_batch *b, const void *first, const void *last, size_t len); /* both belong to it */

void nft_count(struct nft_batch *b, const char *counter);
/* code: NF_DROP, NF_ACCEPT, NFT_RETURN, or NFT_JUMP and NFT_GOTO with a chain (else NULL). */
void nft_verdict(struct nft_batch *b, int code, const char *chain);

/* 0, or a negative errno: then nothing has changed. */
int nft_commit(struct nft_batch *b, struct netlink *netlink);

#endif
