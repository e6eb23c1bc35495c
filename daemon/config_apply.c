/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_apply.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#include "daemon/config_errors.h"
#include "daemon/config_profile.h"
#include "daemon/config_values.h"
#include "policy/host_name.h"
#include "tun/device.h"

const char *quote(const char *text, char out[QUOTE_TEXT])
{
    return log_escape(out, QUOTE_TEXT, text, strlen(text));
}

static void *field(const struct config_item *item)
{
    return (char *)item->target + item->key->offset;
}

/* "trap|start|none" as "trap, start or none". */
static const char *list_words(const char *words, char out[QUOTE_TEXT])
{
    size_t used = 0;
    for (; *words != '\0' && used + 6 < QUOTE_TEXT; words++) {
        bool last = strchr(words + 1, '|') == NULL;
        const char *text = *words != '|' ? (const char[]){*words, '\0'} : last ? " or " : ", ";
        used += (size_t)snprintf(out + used, QUOTE_TEXT - used, "%s", text);
    }
    return out;
}

static bool refuse_word(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT], words[QUOTE_TEXT];
    config_error(load->errors, item->line, "%s cannot be '%s': write %s", item->key->name, quote(item->text, shown),
                 list_words(item->key->words, words));
    return false;
}

static bool refuse_later(struct config_load *load, const struct config_item *item)
{
    char words[QUOTE_TEXT];
    config_error(load->errors, item->line, "%s = %s is not available in this version: write %s = %s", item->key->name,
                 item->text, item->key->name, list_words(item->key->words, words));
    return false;
}

bool apply_word(struct config_load *load, const struct config_item *item)
{
    int index = value_word(item->text, item->key->words);
    if (index < 0 && item->key->later != NULL && value_word(item->text, item->key->later) >= 0)
        return refuse_later(load, item);
    if (index < 0)
        return refuse_word(load, item);
    unsigned value = (unsigned)index;
    _Static_assert(sizeof(enum start_action) == sizeof value && sizeof(enum log_level) == sizeof value &&
                       sizeof(enum aead_choice) == sizeof value && sizeof(enum log_format) == sizeof value,
                   "enum size");
    memcpy(field(item), &value, sizeof value);
    return true;
}

bool apply_yes_no(struct config_load *load, const struct config_item *item)
{
    int index = value_word(item->text, item->key->words);
    if (index < 0)
        return refuse_word(load, item);
    *(bool *)field(item) = index == 0;
    return true;
}

bool apply_profile(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT], names[PROFILE_NAMES];
    const struct profile *profile = profile_find(item->text);
    if (profile == NULL) {
        config_error(load->errors, item->line, "no profile is named '%s': write one of %s, or remove the key",
                     quote(item->text, shown), profile_names(names));
        return false;
    }
    ((struct connection *)item->target)->profile = profile_name(profile);
    return true;
}

bool apply_fixed(struct config_load *load, const struct config_item *item)
{
    if (value_word(item->text, item->key->words) >= 0)
        return true;
    return value_word(item->text, item->key->later) < 0 ? refuse_word(load, item) : refuse_later(load, item);
}

bool apply_later(struct config_load *load, const struct config_item *item)
{
    config_error(load->errors, item->line, "%s is not available in this version: %s", item->key->name, item->key->help);
    return false;
}

static bool in_range(const struct config_item *item, uint64_t value)
{
    return value >= item->key->min && value <= item->key->max;
}

/* good: it is a value, but not one that may stand here. right: what to write. */
static bool refuse_value(struct config_load *load, const struct config_item *item, bool good, const char *right)
{
    char shown[QUOTE_TEXT];
    config_error(load->errors, item->line, good ? "%s = %s is out of range: write %s" : "%s cannot be '%s': write %s",
                 item->key->name, quote(item->text, shown), right);
    return false;
}

/* "a number from 64 to 8192", with something before it. Returns out. */
static const char *number_range(const struct config_item *item, const char *before, char out[QUOTE_TEXT])
{
    snprintf(out, QUOTE_TEXT, "%sa number from %llu to %llu", before, (unsigned long long)item->key->min,
             (unsigned long long)item->key->max);
    return out;
}

bool apply_auto_or_number(struct config_load *load, const struct config_item *item)
{
    uint64_t value = 0;
    bool good = value_number(item->text, &value);
    if (strcmp(item->text, "auto") != 0 && (!good || !in_range(item, value)))
        return refuse_value(load, item, good, item->key->help);
    *(uint32_t *)field(item) = (uint32_t)value;
    return true;
}

bool apply_number(struct config_load *load, const struct config_item *item)
{
    uint64_t value;
    char right[QUOTE_TEXT];
    bool good = value_number(item->text, &value);
    if (!good || !in_range(item, value))
        return refuse_value(load, item, good, number_range(item, "", right));
    *(uint32_t *)field(item) = (uint32_t)value;
    return true;
}

bool apply_duration(struct config_load *load, const struct config_item *item)
{
    uint64_t value;
    char right[QUOTE_TEXT], min[VALUE_TEXT], max[VALUE_TEXT];
    bool good = value_duration(item->text, &value);
    if (!good || !in_range(item, value)) {
        snprintf(right, sizeof right, "a time from %s to %s, such as 90s, 5m, 8h or 1d",
                 value_duration_print(item->key->min, min), value_duration_print(item->key->max, max));
        return refuse_value(load, item, good, right);
    }
    *(uint64_t *)field(item) = value;
    return true;
}

bool apply_bytes(struct config_load *load, const struct config_item *item)
{
    uint64_t value = 0;
    char right[2 * QUOTE_TEXT], min[VALUE_TEXT], max[VALUE_TEXT];
    bool good = value_bytes(item->text, &value);
    if (strcmp(item->text, "none") != 0 && (!good || !in_range(item, value))) {
        snprintf(right, sizeof right, "none, or a size from %s to %s in B, KiB, MiB, GiB, KB, MB or GB, such as 4GiB",
                 value_bytes_print(item->key->min, min), value_bytes_print(item->key->max, max));
        return refuse_value(load, item, good, right);
    }
    *(uint64_t *)field(item) = value;
    return true;
}

bool apply_count(struct config_load *load, const struct config_item *item)
{
    uint64_t value = 0;
    char right[QUOTE_TEXT];
    bool good = value_number(item->text, &value);
    if (strcmp(item->text, "none") != 0 && (!good || !in_range(item, value)))
        return refuse_value(load, item, good, number_range(item, "none, or ", right));
    *(uint64_t *)field(item) = value;
    return true;
}

bool apply_dscp(struct config_load *load, const struct config_item *item)
{
    uint64_t number;
    uint32_t value = DSCP_COPY;
    if (strcmp(item->text, "copy") != 0 && !value_dscp(item->text, &value))
        return refuse_value(load, item, value_number(item->text, &number),
                            "copy, a number from 0 to 63, or a name such as ef, cs6 or af21");
    *(uint32_t *)field(item) = value;
    return true;
}

bool apply_mss(struct config_load *load, const struct config_item *item)
{
    char right[QUOTE_TEXT];
    uint64_t value = strcmp(item->text, "off") == 0 ? MSS_OFF : MSS_AUTO;
    if (value == MSS_AUTO && strcmp(item->text, "auto") != 0) {
        bool good = value_number(item->text, &value);
        if (!good || !in_range(item, value))
            return refuse_value(load, item, good, number_range(item, "auto, off, or ", right));
    }
    *(uint32_t *)field(item) = (uint32_t)value;
    return true;
}

/* A descriptor that is handed over: 0 to 2 are the standard ones. */
static bool is_descriptor(const char *text)
{
    uint64_t number;
    return device_is_handed_over(text) && value_number(text + strlen(DEVICE_FD), &number) && number >= 3 &&
           number <= INT_MAX;
}

bool apply_tun(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    size_t len = strlen(item->text);
    bool good = len > 0 && len < CONFIG_TUN_MAX && item->text[0] != '.';
    for (size_t i = 0; i < len; i++)
        good = good && (isalnum((unsigned char)item->text[i]) || strchr("._-", item->text[i]) != NULL);
    if (!good && !is_descriptor(item->text)) {
        config_error(load->errors, item->line,
                     "tun = '%s' is no name for an interface: write 1 to %d letters, digits, '.', '_' and '-', such as "
                     "esp0, or fd:N for a TUN that is handed over as descriptor N, from 3 on",
                     quote(item->text, shown), CONFIG_TUN_MAX - 1);
        return false;
    }
    memcpy(field(item), item->text, len + 1);
    return true;
}

bool apply_control(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    size_t len = strlen(item->text);
    if (item->text[0] != '/' || item->text[len - 1] == '/' || len >= CONFIG_CONTROL_MAX) {
        config_error(load->errors, item->line,
                     "control = '%s' is not the path of a socket: write an absolute path of "
                     "at most %d bytes, such as " CONFIG_CONTROL_DEFAULT,
                     quote(item->text, shown), CONFIG_CONTROL_MAX - 1);
        return false;
    }
    memcpy(field(item), item->text, len + 1);
    return true;
}

/* Whether there is such a user is known where esptun runs, not where it is checked. */
bool apply_user(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    size_t len = strlen(item->text);
    if (len == 0 || len >= CONFIG_USER_MAX || strpbrk(item->text, " \t:/") != NULL) {
        config_error(
            load->errors, item->line,
            "user = '%s' is not the name of a user: write one of this system, such as nobody, or remove the key",
            quote(item->text, shown));
        return false;
    }
    memcpy(field(item), item->text, len + 1);
    return true;
}

static bool is_unspecified(const struct address *a)
{
    static const uint8_t zero[16];
    return a->family != 0 && memcmp(a->bytes, zero, address_len(a)) == 0;
}

/* "192.0.2.1:9903", "[2001:db8::1]:9903"; false: it is none. */
static bool parse_endpoint(const char *text, struct endpoint *out)
{
    char host[ADDRESS_TEXT];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    bool in_brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    const char *begin = in_brackets ? text + 1 : text, *end = in_brackets ? colon - 1 : colon;
    if (colon == NULL || end <= begin || (size_t)(end - begin) >= sizeof host)
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    if (address_parse(host, &out->address) != OK || out->address.family != (in_brackets ? 6 : 4) ||
        !value_number(colon + 1, &port) || port < 1 || port > UINT16_MAX)
        return false;
    out->port = (uint16_t)port;
    return true;
}

static bool is_loopback(const struct address *a)
{
    static const uint8_t six[16] = {[15] = 1};
    return a->family == 4 ? a->bytes[0] == 127 : memcmp(a->bytes, six, sizeof six) == 0;
}

bool apply_endpoint(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    struct endpoint at = {0};
    if (strcmp(item->text, "off") == 0) {
        *(struct endpoint *)field(item) = at;
        return true;
    }
    if (!parse_endpoint(item->text, &at)) {
        config_error(load->errors, item->line,
                     "%s = '%s' is not an address and a port: write both, such as 127.0.0.1:9903 or [::1]:9903, or off",
                     item->key->name, quote(item->text, shown));
        return false;
    }
    if (!is_loopback(&at.address))
        config_warning(load->errors, item->line,
                       "%s = %s: whoever reaches this address can read the state of all tunnels: let only your "
                       "monitoring reach it, or write 127.0.0.1",
                       item->key->name, item->text);
    *(struct endpoint *)field(item) = at;
    return true;
}

static bool apply_address(struct config_load *load, const struct config_item *item, const char *remedy)
{
    char shown[QUOTE_TEXT];
    struct address address;
    if (address_parse(item->text, &address) != OK)
        config_error(load->errors, item->line, "%s = '%s' is not an IP address: %s", item->key->name,
                     quote(item->text, shown), remedy);
    else if (is_unspecified(&address))
        config_error(load->errors, item->line, "%s = %s is nobody's address: write %s = %%any for \"any address\"",
                     item->key->name, item->text, item->key->name);
    else {
        *(struct address *)field(item) = address;
        return true;
    }
    return false;
}

bool apply_local(struct config_load *load, const struct config_item *item)
{
    return apply_address(load, item, "write an address of this host without a prefix length, or %any");
}

bool apply_remote(struct config_load *load, const struct config_item *item)
{
    struct connection *c = item->target;
    char shown[QUOTE_TEXT];
    struct address address;
    if (item->text[0] == '\0' || item->text[0] == '%' || address_parse(item->text, &address) == OK)
        return apply_address(load, item, "write the address or the name of the peer, or %any");
    const char *why = host_name_refusal(item->text);
    if (why != NULL) {
        config_error(load->errors, item->line, "remote = '%s' is no address and no name of a host: %s",
                     quote(item->text, shown), why);
        return false;
    }
    c->remote_name = strdup(item->text);
    if (c->remote_name == NULL)
        config_error(load->errors, item->line, "remote: out of memory");
    return c->remote_name != NULL;
}

bool apply_identity(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    enum status status =
        item->text[0] == '%' || item->text[0] == '\0' ? ERR_MALFORMED : identity_parse(item->text, field(item));
    if (status == OK)
        return true;
    if (status == ERR_UNSUPPORTED)
        config_error(load->errors, item->line,
                     "%s = '%s' is no distinguished name that can be read: write it as the certificate has it, such as "
                     "C=CH, O=Example, CN=gw.example.org, with a backslash before a comma inside a value",
                     item->key->name, quote(item->text, shown));
    else
        config_error(load->errors, item->line,
                     "%s cannot be '%s': write an address, a name, user@name, @name, a distinguished name, or "
                     "remove the key for the address of that end",
                     item->key->name, quote(item->text, shown));
    return false;
}

bool apply_allow(struct config_load *load, const struct config_item *item)
{
    static const char blanks[] = " \t,";
    char word[32], shown[QUOTE_TEXT], known[QUOTE_TEXT];
    bool good = true;
    uint32_t mask = 0;
    for (const char *at = item->text + strspn(item->text, blanks); *at != '\0'; at += strspn(at, blanks)) {
        size_t len = strcspn(at, blanks);
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), at);
        uint32_t bit = legacy_bit(word);
        if (bit == 0) {
            config_error(load->errors, item->line, "allow: '%s' is no legacy algorithm: write some of %s, or nothing",
                         quote(word, shown), legacy_list(~0u, ", ", known, sizeof known));
            good = false;
        }
        mask |= bit;
        at += len;
    }
    *(uint32_t *)field(item) = mask;
    return good;
}

static void warn_of_legacy(struct config_load *load, const struct config_item *item, const struct proposal_list *list)
{
    char names[QUOTE_TEXT];
    uint32_t mask = 0;
    for (size_t i = 0; i < list->count; i++)
        mask |= proposal_legacy(&list->items[i]);
    if (mask != 0)
        config_warning(load->errors, item->line,
                       "%s uses legacy algorithms (%s): keep them only while the peer has "
                       "nothing better",
                       item->key->name, legacy_list(mask, ", ", names, sizeof names));
}

static void warn_of_clear_text(struct config_load *load, const struct config_item *item,
                               const struct proposal_list *list)
{
    char text[PROPOSAL_TEXT];
    for (size_t i = 0; i < list->count; i++) {
        if (!encr_info(list->items[i].encr)->clear)
            continue;
        config_warning(load->errors, item->line,
                       "%s: %s authenticates, but does not encrypt: everyone on the way can read; write e.g. "
                       "aes256gcm16 if that is not meant",
                       item->key->name, proposal_print(&list->items[i], text));
        return;
    }
}

/* RFC 2409 5.5: the one KE payload of quick mode belongs to one group. */
static void warn_of_groups(struct config_load *load, const struct config_item *item, const struct proposal_list *list)
{
    char first[PROPOSAL_TEXT], other[PROPOSAL_TEXT];
    for (size_t i = 1; i < list->count; i++) {
        if (list->items[i].group == list->items[0].group)
            continue;
        config_warning(load->errors, item->line,
                       "%s: %s and %s differ in their group, and one offer of IKEv1 has one: only the proposals with "
                       "the group of the first are offered; write the same group in all, or in none",
                       item->key->name, proposal_print(&list->items[0], first), proposal_print(&list->items[i], other));
        return;
    }
}

bool apply_proposals(struct config_load *load, const struct config_item *item)
{
    char why[768] = "";
    struct connection *c = item->target;
    struct proposal_list *list = field(item);
    enum proposal_kind kind = strcmp(item->key->name, "ike") == 0 ? PROPOSAL_IKE : PROPOSAL_ESP;
    list->count = 0;
    if (proposal_parse(kind, item->text, c->allow, list, why, sizeof why) != OK || list->count == 0) {
        config_error(load->errors, item->line, "%s: %s", item->key->name,
                     why[0] != '\0' ? why : "no proposal: write at least one, or remove the key for the default");
        return false;
    }
    warn_of_legacy(load, item, list);
    warn_of_clear_text(load, item, list);
    if (kind == PROPOSAL_ESP)
        warn_of_groups(load, item, list);
    return true;
}
