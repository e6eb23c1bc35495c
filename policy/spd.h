/* SPDX-License-Identifier: Apache-2.0 */
/* The SPD, alias ACL: ordered rules, first match wins, an implicit discard at the end (RFC 4301 4.4.1). */
#ifndef POLICY_SPD_H
#define POLICY_SPD_H

#include "crypto/random.h"
#include "policy/connection.h"
#include "policy/selector.h"

enum action { ACTION_PROTECT, ACTION_BYPASS, ACTION_DISCARD };

enum { SPD_RULE_NONE = -1, RULE_TEXT = SELECTOR_TEXT + CONNECTION_NAME_MAX + 32 };

/*
 * One rule. "any" on a side stands for both families, so that one written rule can become two entries: `text` and
 * `line` then repeat, `number` (counted from 1 in the order of the file) is the same.
 */
struct rule {
    enum action action;
    struct selector selector;
    uint32_t connection; /* index of the connection of a protect rule */
    uint32_t number;
    uint32_t line; /* in the file */
    char *text;    /* as written, owned: "protect 10.1.0.0/24 -> 10.2.0.0/24 via branch" */
};

struct spd_index;

struct spd {
    struct rule *rules; /* owned */
    size_t count, capacity;
    struct spd_index *index; /* owned; NULL until spd_compile */
};

/*
 * Parses the right side of `protect = ...` and appends one or two rules. connection_index maps the name behind `via` to
 * an index (or -1). Grammar: [PROTO] SIDE -> SIDE [port P[-Q]] [via NAME], SIDE: any | address | prefix | range [port
 * P[-Q] directly behind the source side]; PROTO: a name (tcp, udp, icmp, icmpv6, sctp, gre, esp, any) or a number.
 * `via` is required with protect and refused otherwise. On failure `why` says what is wrong and what would be right,
 * and nothing is appended.
 */
MUST_USE enum status spd_add(struct spd *spd, enum action action, const char *text, uint32_t line,
                             int (*connection_index)(void *arg, const char *name), void *arg, char *why,
                             size_t why_len);
void spd_free(struct spd *spd);

/*
 * Makes the look-ups below quick, whatever the number of rules; without it they walk through them. Once all rules are
 * there: spd_add takes it back. From then on a look-up of several threads is safe, since it writes nothing. ERR_MEMORY,
 * or what random says.
 */
MUST_USE enum status spd_compile(struct spd *spd, const struct random *random);

/*
 * Index of the first rule that matches a packet from TUN, or SPD_RULE_NONE: the implicit discard. A later fragment does
 * not show whether it belongs to a rule above that names ports. Where such a rule is a discard, it is discarded,
 * whatever comes below; where one is a protect rule, it may leave through the same connection, but neither in clear nor
 * to another peer (RFC 4301 7). What may be meant for a bypass may be protected.
 */
int spd_lookup(const struct spd *spd, const struct flow *flow);
int spd_walk(const struct spd *spd,
             const struct flow *flow); /* the same, rule by rule: what the index is held against */

/*
 * By which rule an ICMP error of ours leaves, about a packet that came out of a tunnel (RFC 4301 6.2): quoted is that
 * packet as it was sent (source is remote). The first rule that covers its way back, when that is a protect rule;
 * SPD_RULE_NONE when it is another, or the quotation shows too little to tell whose it is.
 */
int spd_lookup_error(const struct spd *spd, const struct flow *quoted);

/*
 * Which protect rule of this connection covers a selector that its peer proposes: an equal one first, else the first
 * that contains it; SPD_RULE_NONE when there is none. A proposal that an earlier rule takes away in part (a bypass
 * above it) is left to the packet path, which looks at each packet.
 */
int spd_find_protect(const struct spd *spd, uint32_t connection, const struct selector *proposed);

/* Index of the first protect rule of a family (4 or 6), or SPD_RULE_NONE. */
int spd_first_protect(const struct spd *spd, uint8_t family);

const char *action_name(enum action action);                          /* "protect", "bypass", "discard" */
const char *rule_print(const struct rule *rule, char out[RULE_TEXT]); /* effective form, one family */

#endif
