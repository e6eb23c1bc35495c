/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `guard = yes`: netfilter rules (guard_rules.h) that drop clear packets of protected traffic, in both directions. They
 * are there before the TUN is up, and stay when the process has ended, in whatever way; a start with `guard = no`
 * removes them.
 */
#ifndef TUN_GUARD_H
#define TUN_GUARD_H

#include "base/log.h"
#include "policy/spd.h"
#include "tun/device.h"

struct guard {
    char device[DEVICE_NAME]; /* whose table it is; empty: there is none */
};

struct guard_counts {
    uint64_t in_clear, out_clear; /* packets dropped since the table was made */
};

/*
 * For the TUN that device_open will be asked for. Wanted: installs the rules, in place of what an earlier run left. Not
 * wanted: removes what an earlier run left, as far as that is allowed. On failure `why` says what is wrong and what
 * would be right, and the rules are as they were before.
 */
MUST_USE enum status guard_start(struct guard *guard, const char *tun, bool wanted, const struct spd *spd,
                                 const struct log *log, char *why, size_t why_len);

/* Rules for another SPD in place of those that are there, in one transaction; nothing where there is no guard. On
 * failure `why` says what is wrong, and they are as before. */
MUST_USE enum status guard_replace(const struct guard *guard, const struct spd *spd, char *why, size_t why_len);

/* Whether rules for that TUN are there, whoever made them; false also where the kernel does not tell. */
bool guard_is_there(const char *tun);

/* False when there is no guard, or the kernel does not tell. */
bool guard_count(const struct guard *guard, struct guard_counts *out);

/* At the end: says that the rules stay, and how to lift them. */
void guard_farewell(const struct guard *guard, const struct log *log);

#endif
