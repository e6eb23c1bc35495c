/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/proposal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/why.h"

enum { WORD_MAX = 31, WORDS_OF_A_KIND = 8, ACCEPTED_TEXT = 320 };

enum word_kind { WORD_UNKNOWN, WORD_CIPHER, WORD_HASH, WORD_PRF, WORD_GROUP, WORD_ESN };

struct word {
    enum word_kind kind;
    uint16_t id; /* of a hash: enum integ, of which IKE takes the prf too; of esn 1, of noesn 0 */
    uint16_t key_bits;
};

struct words {
    struct word items[WORDS_OF_A_KIND];
    size_t count;
};

/* One proposal as written, before its alternatives are expanded. */
struct draft {
    const char *text;
    struct words ciphers, hashes, prfs, groups, esns;
};

/* What every step of the parser needs. */
struct parse {
    enum proposal_kind kind;
    const char *text; /* all of it */
    uint32_t allow;
    struct proposal_list *out;
    struct why why;
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"sha", "sha1"},        {"sha2_256", "sha256"},   {"sha2_384", "sha384"},
    {"sha2_512", "sha512"}, {"curve25519", "x25519"}, {"sha2_256_96", "sha256_96"},
};

/* Hash, integrity and prf are one word. */
static const struct {
    uint16_t prf, integ;
} hash_pairs[] = {
    {PRF_HMAC_SHA2_256, INTEG_HMAC_SHA2_256_128},
    {PRF_HMAC_SHA2_384, INTEG_HMAC_SHA2_384_192},
    {PRF_HMAC_SHA2_512, INTEG_HMAC_SHA2_512_256},
    {PRF_HMAC_SHA1, INTEG_HMAC_SHA1_96},
    {PRF_HMAC_MD5, INTEG_HMAC_MD5_96},
};

static uint16_t integ_of_prf(unsigned prf)
{
    for (size_t i = 0; i < sizeof hash_pairs / sizeof *hash_pairs; i++)
        if (hash_pairs[i].prf == prf)
            return hash_pairs[i].integ;
    return INTEG_NONE;
}

static uint16_t prf_of_integ(unsigned integ)
{
    for (size_t i = 0; i < sizeof hash_pairs / sizeof *hash_pairs; i++)
        if (hash_pairs[i].integ == integ)
            return hash_pairs[i].prf;
    return PRF_NONE;
}

/* --- words --- */

/* "gcm16" also as "gcm128" (bits) and, the usual one, as "gcm"; so with ccm. */
static bool suffix_matches(const struct encr_info *info, const char *text)
{
    static const struct {
        const char *alias, *suffix;
    } spellings[] = {{"gcm", "gcm16"}, {"gcm128", "gcm16"}, {"gcm96", "gcm12"}, {"gcm64", "gcm8"},
                     {"ccm", "ccm16"}, {"ccm128", "ccm16"}, {"ccm96", "ccm12"}, {"ccm64", "ccm8"}};
    if (strcasecmp(text, info->suffix) == 0)
        return true;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        if (strcasecmp(text, spellings[i].alias) == 0)
            return strcmp(info->suffix, spellings[i].suffix) == 0;
    return false;
}

static bool cipher_matches(const struct encr_info *info, const char *text, struct word *out)
{
    size_t len = strlen(info->name);
    if (strncasecmp(text, info->name, len) != 0)
        return false;
    text += len;
    uint16_t bits = info->fixed_key ? 0 : 128; /* plain "aes" */
    for (size_t i = 0; !info->fixed_key && i < sizeof info->key_bits / sizeof *info->key_bits; i++) {
        char digits[8];
        int n = snprintf(digits, sizeof digits, "%u", info->key_bits[i]);
        if (info->key_bits[i] != 0 && strncmp(text, digits, (size_t)n) == 0) {
            bits = info->key_bits[i];
            text += n;
            break;
        }
    }
    *out = (struct word){WORD_CIPHER, (uint16_t)info->id, bits};
    return suffix_matches(info, text);
}

static const char *unalias(const char *text)
{
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(text, aliases[i].alias) == 0)
            return aliases[i].name;
    return text;
}

static bool hash_matches(const char *text, struct word *out)
{
    const struct integ_info *integ;
    for (size_t i = 0; (integ = integ_at(i)) != NULL; i++) {
        if (strcasecmp(unalias(text), integ->name) == 0) {
            *out = (struct word){.kind = WORD_HASH, .id = (uint16_t)integ->id};
            return true;
        }
    }
    return false;
}

static bool prf_matches(const char *text, struct word *out)
{
    const struct prf_info *prf;
    if (strncasecmp(text, "prf", 3) != 0)
        return false;
    for (size_t i = 0; (prf = prf_at(i)) != NULL; i++) {
        if (strcasecmp(unalias(text + 3), prf->name) == 0) {
            *out = (struct word){.kind = WORD_PRF, .id = (uint16_t)prf->id};
            return true;
        }
    }
    return false;
}

static struct word find_word(const char *text)
{
    struct word word = {WORD_UNKNOWN, 0, 0};
    const struct encr_info *encr;
    const struct group_info *group;
    for (size_t i = 0; (encr = encr_at(i)) != NULL; i++)
        if (cipher_matches(encr, text, &word))
            return word;
    if (hash_matches(text, &word) || prf_matches(text, &word))
        return word;
    if (strcasecmp(text, "esn") == 0 || strcasecmp(text, "noesn") == 0)
        return (struct word){.kind = WORD_ESN, .id = strcasecmp(text, "esn") == 0};
    for (size_t i = 0; (group = group_at(i)) != NULL; i++)
        if (strcasecmp(unalias(text), group->name) == 0)
            return (struct word){.kind = WORD_GROUP, .id = (uint16_t)group->id};
    return (struct word){WORD_UNKNOWN, 0, 0};
}

/* --- what would be right --- */

static void add_name(char out[ACCEPTED_TEXT], const char *name)
{
    size_t used = strlen(out);
    snprintf(out + used, ACCEPTED_TEXT - used, "%s%s", used > 0 ? ", " : "", name);
}

/* IKEv1 has the block ciphers in CBC mode alone (RFC 2409 App. A, RFC 3602 5.1). */
static bool suits_ike(const struct encr_info *info)
{
    return !info->aead && !info->counter && !info->clear;
}

static void list_ciphers(enum proposal_kind kind, char out[ACCEPTED_TEXT])
{
    const struct encr_info *info;
    out[0] = '\0';
    for (size_t i = 0; (info = encr_at(i)) != NULL; i++) {
        char name[PROPOSAL_TEXT];
        if (kind == PROPOSAL_IKE && !suits_ike(info))
            continue;
        if (info->fixed_key)
            snprintf(name, sizeof name, "%s", info->name);
        else
            snprintf(name, sizeof name, "%s128%s/192/256", info->name, info->suffix);
        add_name(out, name);
    }
}

static void list_hashes(enum proposal_kind kind, char out[ACCEPTED_TEXT])
{
    const struct integ_info *info;
    out[0] = '\0';
    for (size_t i = 0; (info = integ_at(i)) != NULL; i++)
        if (kind == PROPOSAL_ESP || prf_of_integ(info->id) != PRF_NONE)
            add_name(out, info->name);
}

static void list_groups(char out[ACCEPTED_TEXT])
{
    const struct group_info *info;
    out[0] = '\0';
    for (size_t i = 0; (info = group_at(i)) != NULL; i++)
        if (!info->never)
            add_name(out, info->name);
}

static enum status refuse_unknown(const struct parse *p, const char *text)
{
    char shown[QUOTED_TEXT], ciphers[ACCEPTED_TEXT], hashes[ACCEPTED_TEXT], groups[ACCEPTED_TEXT];
    if (strcasecmp(text, "des") == 0)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "des is broken and never accepted: write aes256 or aes128");
    list_ciphers(p->kind, ciphers);
    list_hashes(p->kind, hashes);
    list_groups(groups);
    return why_refuse(&p->why, ERR_UNSUPPORTED, "unknown algorithm '%s': ciphers are %s; hashes are %s; groups are %s",
                      why_quoted(text, shown), ciphers, hashes, groups);
}

/* --- what IKE can say --- */

static unsigned integ_on_wire(unsigned integ)
{
    return integ == INTEG_HMAC_SHA2_256_96 ? (unsigned)INTEG_HMAC_SHA2_256_128 : integ;
}

static bool same_on_wire(const struct proposal *a, const struct proposal *b)
{
    return a->encr == b->encr && a->key_bits == b->key_bits && integ_on_wire(a->integ) == integ_on_wire(b->integ) &&
           a->prf == b->prf && a->group == b->group && a->esn == b->esn;
}

/* --- checks of one word and of one proposal --- */

static uint32_t word_legacy(const struct word *word)
{
    const struct encr_info *encr = word->kind == WORD_CIPHER ? encr_info(word->id) : NULL;
    const struct integ_info *integ = word->kind == WORD_HASH ? integ_info(word->id) : NULL;
    const struct prf_info *prf = word->kind == WORD_PRF ? prf_info(word->id) : NULL;
    const struct group_info *group = word->kind == WORD_GROUP ? group_info(word->id) : NULL;
    return (encr != NULL ? encr->legacy : 0) | (integ != NULL ? integ->legacy : 0) | (prf != NULL ? prf->legacy : 0) |
           (group != NULL ? group->legacy : 0);
}

/* RFC 2409 has a hash for all, and no AEAD. */
static enum status check_ike_cipher(const struct parse *p, const struct word *word, const char *text)
{
    const struct encr_info *info = encr_info(word->id);
    if (info->clear)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s does not encrypt, which ike must: write aes256 or aes128",
                          text);
    if (info->aead)
        return why_refuse(&p->why, ERR_UNSUPPORTED,
                          "%s authenticates by itself, which IKEv1 does not know: it is for esp. In ike write a cipher "
                          "and a hash, e.g. aes256-sha256-modp2048",
                          text);
    if (!suits_ike(info))
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s is for esp: IKEv1 has no counter mode; write aes256 or aes128",
                          text);
    return OK;
}

/* What is of esp alone, in ike, and the other way round. */
static enum status check_kind(const struct parse *p, const struct word *word, const char *text)
{
    bool ike = p->kind == PROPOSAL_IKE;
    if (ike && word->kind == WORD_CIPHER)
        return check_ike_cipher(p, word, text);
    if (ike && word->kind == WORD_HASH && prf_of_integ(word->id) == PRF_NONE)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s is a truncation of esp: in ike write sha256", text);
    if (ike && word->kind == WORD_ESN)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s is about the sequence numbers of ESP: write it in esp", text);
    if (!ike && word->kind == WORD_PRF)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s: a prf belongs to ike, esp has none: write the hash, e.g. %s",
                          text, prf_info(word->id)->name);
    return OK;
}

/* The legacy algorithms that the text names, all of them: who adds one to allow shall not come back for the next. */
static uint32_t text_legacy(const char *text)
{
    static const char ends[] = "-, \t\r\n";
    uint32_t mask = 0;
    for (const char *at = text + strspn(text, ends); *at != '\0'; at += strspn(at, ends)) {
        char one[WORD_MAX + 1];
        size_t len = strcspn(at, ends);
        if (len < sizeof one) {
            memcpy(one, at, len);
            one[len] = '\0';
            struct word word = find_word(one);
            mask |= word_legacy(&word);
        }
        at += len;
    }
    return mask;
}

static enum status refuse_legacy(const struct parse *p)
{
    char missing[ACCEPTED_TEXT], allow[ACCEPTED_TEXT];
    uint32_t legacy = text_legacy(p->text) & ~p->allow;
    (void)legacy_list(legacy, ", ", missing, sizeof missing);
    (void)legacy_list(legacy | p->allow, " ", allow, sizeof allow);
    return why_refuse(&p->why, ERR_UNSUPPORTED,
                      "%s %s legacy; write allow = %s in this connection if the peer knows nothing better", missing,
                      strchr(missing, ',') != NULL ? "are" : "is", allow);
}

static enum status check_word(const struct parse *p, const struct word *word, const char *text)
{
    if (word->kind == WORD_UNKNOWN)
        return refuse_unknown(p, text);
    if (word->kind == WORD_GROUP && group_info(word->id)->never)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s is broken and never accepted: write modp2048, ecp256 or x25519",
                          text);
    enum status status = check_kind(p, word, text);
    if (status == OK && (word_legacy(word) & ~p->allow) != 0)
        status = refuse_legacy(p);
    return status;
}

static struct words *words_of(struct draft *draft, enum word_kind kind)
{
    switch (kind) {
    case WORD_CIPHER: return &draft->ciphers;
    case WORD_HASH: return &draft->hashes;
    case WORD_PRF: return &draft->prfs;
    case WORD_ESN: return &draft->esns;
    default: return &draft->groups;
    }
}

static enum status add_word(const struct parse *p, struct draft *draft, const char *text)
{
    struct word word = find_word(text);
    enum status status = check_word(p, &word, text);
    if (status != OK)
        return status;
    struct words *words = words_of(draft, word.kind);
    for (size_t i = 0; i < words->count; i++)
        if (words->items[i].id == word.id && words->items[i].key_bits == word.key_bits)
            return OK;
    if (words->count == WORDS_OF_A_KIND)
        return why_refuse(&p->why, ERR_LIMIT, "more than %d alternatives of one kind at '%s': write fewer",
                          WORDS_OF_A_KIND, text);
    words->items[words->count++] = word;
    return OK;
}

/* A prf that is named must say what the hash says, since in IKEv1 it is the same algorithm (RFC 2409 4). */
static enum status settle_prf(const struct parse *p, struct draft *draft)
{
    for (size_t i = 0; draft->hashes.count == i && i < draft->prfs.count; i++)
        draft->hashes.items[draft->hashes.count++] =
            (struct word){.kind = WORD_HASH, .id = integ_of_prf(draft->prfs.items[i].id)};
    bool same = draft->prfs.count == 0 || draft->prfs.count == draft->hashes.count;
    for (size_t i = 0; same && i < draft->prfs.count; i++)
        same = draft->prfs.items[i].id == prf_of_integ(draft->hashes.items[i].id);
    if (same)
        return OK;
    return why_refuse(&p->why, ERR_UNSUPPORTED,
                      "'%s' names a hash and another prf: IKEv1 has one algorithm for both; leave out the prf",
                      draft->text);
}

/* All ciphers of a proposal need a hash beside them, or none does. */
static enum status check_cipher_kinds(const struct parse *p, const struct draft *draft)
{
    size_t aead = 0;
    for (size_t i = 0; i < draft->ciphers.count; i++)
        aead += encr_info(draft->ciphers.items[i].id)->aead;
    if (aead != 0 && aead != draft->ciphers.count)
        return why_refuse(&p->why, ERR_MALFORMED,
                          "'%s' mixes ciphers that authenticate by themselves with ciphers that need a hash: write two "
                          "proposals, e.g. aes256gcm16, aes256-sha256",
                          draft->text);
    if (aead != 0 && draft->hashes.count > 0)
        return why_refuse(&p->why, ERR_MALFORMED,
                          "'%s': this cipher authenticates by itself and takes no hash: leave out %s", draft->text,
                          integ_info(draft->hashes.items[0].id)->name);
    if (aead == 0 && draft->hashes.count == 0)
        return why_refuse(&p->why, ERR_MALFORMED, "'%s' has no hash: add one, e.g. sha256", draft->text);
    return OK;
}

static enum status check_draft(const struct parse *p, struct draft *draft)
{
    const char *example = p->kind == PROPOSAL_IKE ? "aes256-sha256-modp2048" : "aes256gcm16-modp2048";
    if (draft->ciphers.count == 0)
        return why_refuse(&p->why, ERR_MALFORMED, "'%s' has no cipher: write e.g. %s", draft->text, example);
    enum status status = settle_prf(p, draft);
    if (status == OK)
        status = check_cipher_kinds(p, draft);
    if (status == OK && p->kind == PROPOSAL_IKE && draft->groups.count == 0)
        return why_refuse(&p->why, ERR_MALFORMED,
                          "'%s' has no group, which ike needs for its key exchange: add one, e.g. modp2048 or ecp256",
                          draft->text);
    return status;
}

/* --- expansion --- */

/* A peer could choose one, and we would not know which (proposal_fits). */
static enum status refuse_twins(const struct parse *p, const struct proposal *a, const struct proposal *b)
{
    char first[PROPOSAL_TEXT], second[PROPOSAL_TEXT];
    return why_refuse(
        &p->why, ERR_UNSUPPORTED,
        "%s and %s are one and the same in IKE, which has no number for the truncation: keep the one that "
        "the peer means",
        proposal_print(a, first), proposal_print(b, second));
}

static enum status add_proposal(const struct parse *p, const struct proposal *item)
{
    for (size_t i = 0; i < p->out->count; i++)
        if (proposal_equal(&p->out->items[i], item))
            return OK;
    for (size_t i = 0; i < p->out->count; i++)
        if (same_on_wire(&p->out->items[i], item))
            return refuse_twins(p, &p->out->items[i], item);
    if (p->out->count == PROPOSALS_MAX)
        return why_refuse(&p->why, ERR_LIMIT,
                          "over %d proposals once alternatives are expanded: write fewer alternatives", PROPOSALS_MAX);
    p->out->items[p->out->count++] = *item;
    return OK;
}

static struct word word_or_none(const struct words *words, size_t i)
{
    return i < words->count ? words->items[i] : (struct word){0};
}

static enum status expand(const struct parse *p, const struct draft *draft)
{
    size_t hashes = draft->hashes.count > 0 ? draft->hashes.count : 1;
    size_t groups = draft->groups.count > 0 ? draft->groups.count : 1;
    size_t esns = draft->esns.count > 0 ? draft->esns.count : 1;
    size_t total = draft->ciphers.count * hashes * groups * esns;
    enum status status = OK;
    for (size_t i = 0; i < total && status == OK; i++) {
        struct word cipher = word_or_none(&draft->ciphers, i / esns / groups / hashes);
        struct word hash = word_or_none(&draft->hashes, i / esns / groups % hashes);
        struct proposal item = {
            .encr = cipher.id,
            .key_bits = cipher.key_bits,
            .integ = hash.id,
            .prf = p->kind == PROPOSAL_IKE ? prf_of_integ(hash.id) : (uint16_t)PRF_NONE,
            .group = word_or_none(&draft->groups, i / esns % groups).id,
            /* both: first the wider, whatever the order of the words */
            .esn = draft->esns.count == 2 ? i % 2 == 0 : word_or_none(&draft->esns, 0).id == 1,
        };
        status = add_proposal(p, &item);
    }
    return status;
}

/* --- text --- */

/* The piece of *at up to one of `ends`, without blanks around it. False when it does not fit. */
static bool take_piece(const char **at, const char *ends, char *out, size_t capacity)
{
    static const char blanks[] = " \t\r\n";
    const char *from = *at + strspn(*at, blanks);
    size_t whole = strcspn(*at, ends);
    const char *end = *at + whole;
    *at = *end == '\0' ? end : end + 1;
    while (end > from && strchr(blanks, end[-1]) != NULL)
        end--;
    size_t len = end > from ? (size_t)(end - from) : 0;
    if (len >= capacity)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

static enum status parse_one(const struct parse *p, const char *text)
{
    struct draft draft = {.text = text};
    bool again = true;
    for (const char *at = text; again;) {
        char word[WORD_MAX + 1], shown[QUOTED_TEXT];
        const char *from = at;
        again = strchr(at, '-') != NULL;
        if (!take_piece(&at, "-", word, sizeof word))
            return refuse_unknown(p, from);
        if (word[0] == '\0')
            return why_refuse(&p->why, ERR_MALFORMED, "'%s' has an empty word: write words with one '-' between them",
                              why_quoted(text, shown));
        enum status status = add_word(p, &draft, word);
        if (status != OK)
            return status;
    }
    enum status status = check_draft(p, &draft);
    return status == OK ? expand(p, &draft) : status;
}

static enum status parse_all(const struct parse *p, const char *text)
{
    const char *example = p->kind == PROPOSAL_IKE ? "aes256-sha256-modp2048" : "aes256gcm16-modp2048";
    bool again = true;
    for (const char *at = text; again;) {
        char one[256];
        again = strchr(at, ',') != NULL;
        if (!take_piece(&at, ",", one, sizeof one))
            return why_refuse(&p->why, ERR_LIMIT, "a proposal of over %zu characters: split it in two with a comma",
                              sizeof one - 1);
        if (one[0] == '\0')
            return why_refuse(&p->why, ERR_MALFORMED,
                              "an empty proposal: write proposals like %s with one comma between", example);
        enum status status = parse_one(p, one);
        if (status != OK)
            return status;
    }
    return OK;
}

enum status proposal_parse(enum proposal_kind kind, const char *text, uint32_t allow, struct proposal_list *out,
                           char *why, size_t why_len)
{
    struct parse p = {.kind = kind, .text = text, .allow = allow, .out = out, .why = {why, why_len}};
    size_t before = out->count;
    if (why_len > 0)
        why[0] = '\0';
    enum status status = parse_all(&p, text);
    if (status != OK)
        out->count = before;
    return status;
}

/* --- values --- */

static void append_name(char out[PROPOSAL_TEXT], const char *name, unsigned number, const char *kind)
{
    size_t used = strlen(out);
    const char *dash = used > 0 ? "-" : "";
    if (name != NULL)
        snprintf(out + used, PROPOSAL_TEXT - used, "%s%s", dash, name);
    else
        snprintf(out + used, PROPOSAL_TEXT - used, "%s%s%u", dash, kind, number);
}

const char *proposal_print(const struct proposal *p, char out[PROPOSAL_TEXT])
{
    const struct encr_info *encr = encr_info(p->encr);
    const struct integ_info *integ = integ_info(p->integ);
    const struct prf_info *prf = prf_info(p->prf);
    const struct group_info *group = group_info(p->group);
    out[0] = '\0';
    if (encr != NULL && !encr->fixed_key)
        snprintf(out, PROPOSAL_TEXT, "%s%u%s", encr->name, p->key_bits, encr->suffix);
    else
        append_name(out, encr != NULL ? encr->name : NULL, p->encr, "encr");
    if (p->prf != PRF_NONE)
        append_name(out, prf != NULL ? prf->name : NULL, p->prf, "prf");
    else if (p->integ != INTEG_NONE)
        append_name(out, integ != NULL ? integ->name : NULL, p->integ, "integ");
    if (p->group != GROUP_NONE)
        append_name(out, group != NULL ? group->name : NULL, p->group, "group");
    if (p->esn)
        append_name(out, "esn", 1, NULL);
    return out;
}

bool proposal_equal(const struct proposal *a, const struct proposal *b)
{
    return a->integ == b->integ && same_on_wire(a, b);
}

bool proposal_fits(const struct proposal *ours, const struct proposal *offered)
{
    return same_on_wire(ours, offered);
}

uint32_t proposal_legacy(const struct proposal *p)
{
    const struct encr_info *encr = encr_info(p->encr);
    const struct integ_info *integ = integ_info(p->integ);
    const struct prf_info *prf = prf_info(p->prf);
    const struct group_info *group = group_info(p->group);
    return (encr != NULL ? encr->legacy : 0) | (integ != NULL ? integ->legacy : 0) | (prf != NULL ? prf->legacy : 0) |
           (group != NULL ? group->legacy : 0);
}
