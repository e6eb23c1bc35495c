/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nf_tables of the kernel (linux/netfilter/nf_tables.h) by netlink. A batch is a transaction: all of it holds at once,
 * or nothing of it. A rule is a row of expressions: something is loaded into the register, perhaps masked, and
 * compared; where a comparison fails, or there is nothing to load, the rest of the rule is not looked at.
 *
 * Everything in a batch belongs to its one table, of family inet. What goes wrong on the way (memory, a rule that is
 * too long) is remembered, and nft_commit tells it.
 */
#ifndef TUN_NFT_H
#define TUN_NFT_H

#include <netinet/in.h> /* before those of the kernel, which then leave its names alone */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "tun/netlink.h"

enum {
    NFT_BATCH_TABLE = 64,     /* bytes of its name, with the zero; a longer one is cut */
    NFT_BATCH_MESSAGE = 4096, /* bytes: a rule has two dozen expressions of 100 bytes at most */
    NFT_BATCH_VALUE = 16,     /* bytes that are compared at once at most */
    NFT_BATCH_COMMENT = 64,   /* bytes, with the zero; a longer one is cut */
};

struct nft_batch {
    char table[NFT_BATCH_TABLE];
    char *bytes; /* the messages that are whole */
    size_t len, room, last /* where the last message begins */;
    uint32_t count; /* of messages */
    bool failed;
    union {
        struct nlmsghdr header;
        char bytes[NFT_BATCH_MESSAGE];
    } open; /* the message that is being written */
    struct nlattr *expressions;
};

/* Nothing is asked of the kernel before nft_commit. nft_batch_free is due in any case. */
void nft_batch_begin(struct nft_batch *b, const char *table);
void nft_batch_free(struct nft_batch *b);

/* Names of chains and counters have 127 bytes at most; the kernel refuses longer ones. */
void nft_table_make(struct nft_batch *b); /* one that is there stays as it is */
void nft_table_delete(struct nft_batch *b);
void nft_counter_make(struct nft_batch *b, const char *name);

/* An empty chain. With a hook (NF_INET_): of type filter, at the priority of that name, with policy accept. */
enum { NFT_BATCH_NO_HOOK = -1 };
void nft_chain_make(struct nft_batch *b, const char *name, int hook);

/* Expressions stand between these two. comment: shown by nft; NULL: none. */
void nft_rule_begin(struct nft_batch *b, const char *chain, const char *comment);
void nft_rule_end(struct nft_batch *b);

void nft_load_meta(struct nft_batch *b, enum nft_meta_keys key);
void nft_load_payload(struct nft_batch *b, enum nft_payload_bases base, uint32_t offset, uint32_t len);
void nft_load_exthdr(struct nft_batch *b, uint8_t header, uint32_t offset, uint32_t len); /* of IPv6 */

/* Values are bytes as they stand in the packet (what is no part of it: in the order of this machine), as many as were
 * loaded, up to NFT_BATCH_VALUE. */
void nft_mask(struct nft_batch *b, const void *mask, size_t len);
void nft_compare(struct nft_batch *b, enum nft_cmp_ops operation, const void *value, size_t len);
void nft_between(struct nft_batch *b, const void *first, const void *last, size_t len); /* both belong to it */

void nft_count(struct nft_batch *b, const char *counter);
/* code: NF_DROP, NF_ACCEPT, NFT_RETURN, or NFT_JUMP and NFT_GOTO with a chain (else NULL). */
void nft_verdict(struct nft_batch *b, int code, const char *chain);

/* 0, or a negative errno: then nothing has changed. -ENOMEM also for what was remembered on the way. */
int nft_commit(struct nft_batch *b, struct netlink *netlink);

/* How many packets a counter of a table of family inet has seen; false where the kernel does not tell. */
bool nft_counter_read(struct netlink *netlink, const char *table, const char *name, uint64_t *packets);

#endif
