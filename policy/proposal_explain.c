/* SPDX-License-Identifier: Apache-2.0 */
/* Why two ends agree on no proposal, told to the person who has to change one of them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/proposal.h"

/* The conclusion is written first, so that long lists never push it out. */
enum { NAME_TEXT = 48, LEGACY_TEXT = 64, CONCLUSION_TEXT = 1024, LINE_TEXT = PROPOSAL_TEXT + 3 * NAME_TEXT + 64 };

struct text {
    char *out;
    size_t len, used;
};

static PRINTF_LIKE(2, 3) void add(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->out + t->used, t->len - t->used, format, args);
    va_end(args);
    if (n > 0)
        t->used += (size_t)n < t->len - t->used ? (size_t)n : t->len - t->used - 1;
}

/* --- the nearest pair --- */

struct difference {
    bool cipher, key_size, hash, group, esn;
};

static struct difference compare(const struct proposal *ours, const struct proposal *theirs)
{
    struct proposal hash = *ours; /* ours, but for the hash */
    hash.integ = theirs->integ;
    hash.prf = theirs->prf;
    return (struct difference){
        .cipher = ours->encr != theirs->encr,
        .key_size = ours->encr == theirs->encr && ours->key_bits != theirs->key_bits,
        .hash = !proposal_fits(ours, &hash),
        .group = ours->group != theirs->group,
        .esn = ours->esn != theirs->esn,
    };
}

/* Kinds that differ weigh most; among equals a key size is nearer than another cipher, and the numbers nearest. */
static unsigned distance(struct difference d)
{
    return 3u * d.cipher + 2u * d.key_size + 3u * d.hash + 3u * d.group + 1u * d.esn;
}

struct pair {
    const struct proposal *ours, *theirs;
};

static struct pair nearest(const struct proposal_list *ours, const struct proposal_list *offered)
{
    struct pair best = {0};
    unsigned least = UINT32_MAX;
    for (size_t i = 0; i < ours->count; i++) {
        for (size_t k = 0; k < offered->count; k++) {
            unsigned here = distance(compare(&ours->items[i], &offered->items[k]));
            if (here < least) {
                least = here;
                best = (struct pair){&ours->items[i], &offered->items[k]};
            }
        }
    }
    return best;
}

/* --- names --- */

static const char *cipher_name(const struct proposal *p, char out[NAME_TEXT])
{
    char text[PROPOSAL_TEXT];
    struct proposal alone = {.encr = p->encr, .key_bits = p->key_bits};
    snprintf(out, NAME_TEXT, "%s", proposal_print(&alone, text));
    return out;
}

static const char *hash_name(const struct proposal *p)
{
    const struct prf_info *prf = prf_info(p->prf);
    const struct integ_info *integ = integ_info(p->integ);
    return prf != NULL ? prf->name : integ != NULL ? integ->name : "no hash";
}

/* With the number by which appliances call it. */
static const char *group_name(const struct proposal *p, char out[NAME_TEXT])
{
    const struct group_info *info = group_info(p->group);
    if (p->group == GROUP_NONE)
        snprintf(out, NAME_TEXT, "no group");
    else
        snprintf(out, NAME_TEXT, "%s (group %u)", info != NULL ? info->name : "an unknown group", p->group);
    return out;
}

static const char *legacy_names(uint32_t mask, char out[LEGACY_TEXT])
{
    return legacy_list(mask, " ", out, LEGACY_TEXT);
}

/* --- the conclusion --- */

static void tell_cipher(struct text *t, const struct pair *pair, const struct difference *d)
{
    char theirs[NAME_TEXT], ours[NAME_TEXT];
    add(t, "\n  encryption: the peer offers %s, we accept %s%s", cipher_name(pair->theirs, theirs),
        cipher_name(pair->ours, ours), d->key_size ? " (the key size differs)" : "");
}

static void tell_group(struct text *t, const struct pair *pair)
{
    char theirs[NAME_TEXT], ours[NAME_TEXT];
    group_name(pair->theirs, theirs);
    group_name(pair->ours, ours);
    if (pair->theirs->group == GROUP_NONE)
        add(t, "\n  PFS: the peer offers no group, we require %s", ours);
    else if (pair->ours->group == GROUP_NONE)
        add(t, "\n  PFS: the peer wants %s, we accept only proposals without a group", theirs);
    else
        add(t, "\n  group: the peer offers %s, we accept %s", theirs, ours);
}

static bool is_never(const struct proposal *p)
{
    const struct group_info *info = group_info(p->group);
    return info != NULL && info->never;
}

static void tell_remedy(struct text *t, const struct pair *pair, const struct difference *d)
{
    char theirs[PROPOSAL_TEXT], ours[PROPOSAL_TEXT], names[LEGACY_TEXT], group[NAME_TEXT];
    const char *key = pair->ours->prf != PRF_NONE ? "ike" : "esp";
    uint32_t legacy = proposal_legacy(pair->theirs) & ~proposal_legacy(pair->ours);
    proposal_print(pair->theirs, theirs);
    proposal_print(pair->ours, ours);
    legacy_names(legacy, names);
    if (d->group && pair->theirs->group == GROUP_NONE)
        add(t, "\nremedy: turn on PFS with %s at the peer", group_name(pair->ours, group));
    else if (d->group && pair->ours->group == GROUP_NONE)
        add(t, "\nremedy: turn off PFS at the peer");
    else
        add(t, "\nremedy: let the peer offer %s", ours);
    if (is_never(pair->theirs))
        add(t, "; its %s is broken and never accepted", group_name(pair->theirs, group));
    else if (legacy != 0)
        add(t, "; or, as %s is legacy, only if the peer knows nothing better: write allow = %s and add %s to %s here",
            names, names, theirs, key);
    else
        add(t, "; or add %s to %s here", theirs, key);
}

static void tell_pair(struct text *t, const struct pair *pair)
{
    char theirs[PROPOSAL_TEXT], ours[PROPOSAL_TEXT];
    struct difference d = compare(pair->ours, pair->theirs);
    if (distance(d) == 0) {
        add(t,
            "both have %s: the algorithms agree, so look at the authentication method, tunnel mode and encapsulation",
            proposal_print(pair->ours, ours));
        return;
    }
    add(t, "nearest: %s of the peer and %s of ours; what differs:", proposal_print(pair->theirs, theirs),
        proposal_print(pair->ours, ours));
    if (d.cipher || d.key_size)
        tell_cipher(t, pair, &d);
    if (d.hash)
        add(t, "\n  hash: the peer offers %s, we accept %s", hash_name(pair->theirs), hash_name(pair->ours));
    if (d.group)
        tell_group(t, pair);
    if (d.esn)
        add(t, "\n  sequence numbers: the peer offers %s bits, we accept %s", pair->theirs->esn ? "64" : "32",
            pair->ours->esn ? "64 (esn)" : "32 (noesn)");
    tell_remedy(t, pair, &d);
}

static void conclude(struct text *t, const struct proposal_list *ours, const struct proposal_list *offered)
{
    struct pair pair = nearest(ours, offered);
    if (offered->count == 0)
        add(t, "the peer offers nothing that we know: let it offer a proposal that is accepted here");
    else if (ours->count == 0)
        add(t, "nothing is accepted here: add a proposal that the peer offers");
    else
        tell_pair(t, &pair);
}

/* --- the whole --- */

typedef const char *print_line(const struct proposal *p, char out[LINE_TEXT]);

static const char *named(const struct proposal *p, char out[LINE_TEXT])
{
    return proposal_print(p, out);
}

static const char *spelled(const struct proposal *p, char out[LINE_TEXT])
{
    char name[PROPOSAL_TEXT], cipher[NAME_TEXT], group[NAME_TEXT] = "none";
    bool ike = p->prf != PRF_NONE;
    const char *hash = ike || p->integ != INTEG_NONE ? hash_name(p) : "none (the cipher authenticates)";
    if (p->group != GROUP_NONE)
        snprintf(group, sizeof group, "group %u", p->group);
    snprintf(out, LINE_TEXT, "%s: encryption %s, hash %s, %s%s%s", proposal_print(p, name), cipher_name(p, cipher),
             hash, ike ? "" : "PFS ", group, p->esn ? ", 64-bit sequence numbers" : "");
    return out;
}

/* As many lines as leave `reserve` bytes; the rest is counted. */
static void add_list(struct text *t, const char *title, const struct proposal_list *list, print_line *print,
                     size_t reserve)
{
    char line[LINE_TEXT];
    add(t, "%s%s\n", title, list->count == 0 ? " nothing that we know" : "");
    for (size_t i = 0; i < list->count; i++) {
        print(&list->items[i], line);
        if (t->len - t->used < strlen(line) + 40 + reserve) {
            add(t, "  and %zu more\n", list->count - i);
            return;
        }
        add(t, "  %s\n", line);
    }
}

const char *proposal_explain(const struct proposal_list *ours, const struct proposal_list *offered, char *out,
                             size_t out_len)
{
    char conclusion[CONCLUSION_TEXT] = "";
    struct text end = {conclusion, sizeof conclusion, 0}, all = {out, out_len, 0};
    if (out_len == 0)
        return out;
    out[0] = '\0';
    conclude(&end, ours, offered);
    /* Half of what the conclusion leaves goes to each list. */
    size_t lists = out_len > end.used ? out_len - end.used : 0;
    add_list(&all, "the peer offers:", offered, named, end.used + lists / 2);
    add_list(&all, "we accept:", ours, named, end.used);
    add(&all, "%s", conclusion);
    return out;
}

const char *proposal_spell(const struct proposal_list *offer, char *out, size_t out_len)
{
    struct text all = {out, out_len, 0};
    if (out_len == 0)
        return out;
    out[0] = '\0';
    add_list(&all, "we offer:", offer, spelled, 0);
    if (all.used > 0 && out[all.used - 1] == '\n')
        out[all.used - 1] = '\0';
    return out;
}
