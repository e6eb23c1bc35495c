/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/proposal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "policy/why.h"

enum { WORD_MAX = 31, WORDS_OF_A_KIND = 8, ACCEPTED_TEXT = 256 };

enum word_kind { WORD_UNKNOWN, WORD_CIPHER, WORD_HASH, WORD_PRF, WORD_GROUP };

struct word {
    enum word_kind kind;
    uint16_t id; /* of a hash: enum prf, for ESP translated at the end */
    uint16_t key_bits;
};

struct words {
    struct word items[WORDS_OF_A_KIND];
    size_t count;
};

/* One proposal as written, before its alternatives are expanded. */
struct draft {
    const char *text;
    struct words ciphers, hashes, prfs, groups;
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
    {"sha", "sha1"}, {"sha2_256", "sha256"}, {"sha2_384", "sha384"}, {"sha2_512", "sha512"}, {"curve25519", "x25519"},
};

/* Hash, integrity and prf are one word. In the order of preference in which they are named to people. */
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

/* --- words --- */

/* "gcm16" also as "gcm128" (bits) and, the usual one, as "gcm". */
static bool suffix_matches(const struct encr_info *info, const char *text)
{
    static const struct {
        const char *alias, *suffix;
    } spellings[] = {{"gcm", "gcm16"}, {"gcm128", "gcm16"}, {"gcm96", "gcm12"}, {"gcm64", "gcm8"}};
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

static bool hash_matches(const char *text, enum word_kind kind, struct word *out)
{
    const char *name = unalias(text);
    const struct prf_info *prf;
    for (size_t i = 0; (prf = prf_at(i)) != NULL; i++) {
        if (strcasecmp(name, prf->name) == 0) {
            *out = (struct word){.kind = kind, .id = (uint16_t)prf->id};
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
    if (hash_matches(text, WORD_HASH, &word))
        return word;
    if (strncasecmp(text, "prf", 3) == 0 && hash_matches(text + 3, WORD_PRF, &word))
        return word;
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

static void list_ciphers(enum proposal_kind kind, char out[ACCEPTED_TEXT])
{
    const struct encr_info *info;
    out[0] = '\0';
    for (size_t i = 0; (info = encr_at(i)) != NULL; i++) {
        char name[PROPOSAL_TEXT];
        if (kind == PROPOSAL_IKE && (info->aead || info->id == ENCR_NULL))
            continue;
        if (info->fixed_key)
            snprintf(name, sizeof name, "%s", info->name);
        else
            snprintf(name, sizeof name, "%s128%s/192/256", info->name, info->suffix);
        add_name(out, name);
    }
}

static void list_hashes(char out[ACCEPTED_TEXT])
{
    const struct prf_info *info;
    out[0] = '\0';
    for (size_t i = 0; (info = prf_at(i)) != NULL; i++)
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
    list_hashes(hashes);
    list_groups(groups);
    return why_refuse(&p->why, ERR_UNSUPPORTED, "unknown algorithm '%s': ciphers are %s; hashes are %s; groups are %s",
                      why_quoted(text, shown), ciphers, hashes, groups);
}

/* --- checks of one word and of one proposal --- */

static uint32_t word_legacy(const struct word *word)
{
    const struct encr_info *encr = word->kind == WORD_CIPHER ? encr_info(word->id) : NULL;
    const struct prf_info *prf = word->kind == WORD_HASH || word->kind == WORD_PRF ? prf_info(word->id) : NULL;
    const struct group_info *group = word->kind == WORD_GROUP ? group_info(word->id) : NULL;
    return encr != NULL ? encr->legacy : prf != NULL ? prf->legacy : group != NULL ? group->legacy : 0;
}

/* The rest is said of the cipher in an IKE proposal: RFC 2409 has a hash for all, and no AEAD. */
static enum status check_ike_cipher(const struct parse *p, const struct word *word, const char *text)
{
    const struct encr_info *info = encr_info(word->id);
    if (info->aead)
        return why_refuse(&p->why, ERR_UNSUPPORTED,
                          "%s authenticates by itself, which IKEv1 does not know: it is for esp. In ike write a cipher "
                          "and a hash, e.g. aes256-sha256-modp2048",
                          text);
    if (info->id == ENCR_NULL)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "null does not encrypt, which ike must: write aes256 or aes128");
    return OK;
}

static void list_legacy(uint32_t mask, const char *between, char out[ACCEPTED_TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    for (uint32_t bit = 1; bit != 0 && bit <= mask; bit <<= 1)
        if ((mask & bit) != 0 && used < ACCEPTED_TEXT)
            used +=
                (size_t)snprintf(out + used, ACCEPTED_TEXT - used, "%s%s", used > 0 ? between : "", legacy_name(bit));
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
    list_legacy(legacy, ", ", missing);
    list_legacy(legacy | p->allow, " ", allow);
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
    if ((word_legacy(word) & ~p->allow) != 0)
        return refuse_legacy(p);
    if (word->kind == WORD_CIPHER && p->kind == PROPOSAL_IKE)
        return check_ike_cipher(p, word, text);
    if (word->kind == WORD_PRF && p->kind == PROPOSAL_ESP)
        return why_refuse(&p->why, ERR_UNSUPPORTED, "%s: a prf belongs to ike, esp has none: write the hash, e.g. %s",
                          text, prf_info(word->id)->name);
    return OK;
}

static enum status add_word(const struct parse *p, struct draft *draft, const char *text)
{
    struct word word = find_word(text);
    enum status status = check_word(p, &word, text);
    if (status != OK)
        return status;
    struct words *words = word.kind == WORD_CIPHER ? &draft->ciphers
                          : word.kind == WORD_HASH ? &draft->hashes
                          : word.kind == WORD_PRF  ? &draft->prfs
                                                   : &draft->groups;
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
    if (draft->hashes.count == 0)
        draft->hashes = draft->prfs;
    bool same = draft->prfs.count == 0 || draft->prfs.count == draft->hashes.count;
    for (size_t i = 0; same && i < draft->prfs.count; i++)
        same = draft->prfs.items[i].id == draft->hashes.items[i].id;
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
                          prf_info(draft->hashes.items[0].id)->name);
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

static enum status add_proposal(const struct parse *p, const struct proposal *item)
{
    for (size_t i = 0; i < p->out->count; i++)
        if (proposal_equal(&p->out->items[i], item))
            return OK;
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
    size_t total = draft->ciphers.count * hashes * groups;
    enum status status = OK;
    for (size_t i = 0; i < total && status == OK; i++) {
        struct word cipher = word_or_none(&draft->ciphers, i / groups / hashes);
        struct word hash = word_or_none(&draft->hashes, i / groups % hashes);
        struct proposal item = {
            .encr = cipher.id,
            .key_bits = cipher.key_bits,
            .integ = integ_of_prf(hash.id),
            .prf = p->kind == PROPOSAL_IKE ? hash.id : (uint16_t)PRF_NONE,
            .group = word_or_none(&draft->groups, i % groups).id,
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
    return out;
}

bool proposal_equal(const struct proposal *a, const struct proposal *b)
{
    return a->encr == b->encr && a->key_bits == b->key_bits && a->integ == b->integ && a->prf == b->prf &&
           a->group == b->group;
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
