/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_access.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"
#include "daemon/config_values.h"

enum { USERS_FILE_MAX = 16 << 20 };

#define PASSWORD_REMEDY ": `(umask 077; cat > FILE)` makes one"
#define USERS_REMEDY    ": `(umask 077; esptun passwd NAME >> FILE)` makes one"

static struct access *access_of(const struct config_item *item)
{
    return ((struct connection *)item->target)->access;
}

const char *config_auth_name(const struct connection *c)
{
    static const char *const names[2][2] = {{"psk", "pubkey"}, {"xauth-psk", "xauth-pubkey"}};
    return names[c->access != NULL][c->auth == AUTH_PUBKEY];
}

bool apply_auth(struct config_load *load, const struct config_item *item)
{
    struct connection *c = item->target;
    if (value_word(item->text, item->key->words) < 0)
        return apply_word(load, item); /* says so */
    c->auth = strstr(item->text, "pubkey") != NULL ? AUTH_PUBKEY : AUTH_PSK;
    if (strncmp(item->text, "xauth-", 6) != 0)
        return true;
    c->access = calloc(1, sizeof *c->access);
    if (c->access != NULL)
        return true;
    config_error(load->errors, item->line, "out of memory");
    return false;
}

/* Reported when the key has no place in this connection. */
static bool has_access(struct config_load *load, const struct config_item *item)
{
    if (access_of(item) != NULL)
        return true;
    config_error(load->errors, item->line,
                 "%s belongs to remote access: write auth = xauth-psk or xauth-pubkey, or remove %s", item->key->name,
                 item->key->name);
    return false;
}

static bool refuse(struct config_load *load, const struct config_item *item, const char *word, const char *right)
{
    char shown[QUOTE_TEXT];
    config_error(load->errors, item->line, "%s: '%s' is wrong: write %s", item->key->name, quote(word, shown), right);
    return false;
}

/* The words of a list, one after the other; false at its end. */
static bool next_word(const char **at, char *word, size_t size)
{
    static const char blanks[] = " \t,";
    *at += strspn(*at, blanks);
    size_t len = strcspn(*at, blanks);
    snprintf(word, size, "%.*s", (int)(len < size ? len : size - 1), *at);
    *at += len;
    return len > 0;
}

bool apply_pool(struct config_load *load, const struct config_item *item)
{
    static const char right[] =
        "one range or prefix of IPv4, one of IPv6, or one of each with a comma, e.g. 10.9.0.0/24";
    char word[2 * ADDRESS_TEXT];
    const char *at = item->text;
    struct access *access = access_of(item);
    size_t count = 0;
    if (!has_access(load, item))
        return false;
    for (; next_word(&at, word, sizeof word); count++) {
        struct address_range range;
        if (range_parse(word, &range) != OK || access->pool[family_index(&range.first)].first.family != 0)
            return refuse(load, item, word, right);
        access->pool[family_index(&range.first)] = range;
    }
    return count > 0 || refuse(load, item, "", right);
}

bool apply_dns(struct config_load *load, const struct config_item *item)
{
    char word[2 * ADDRESS_TEXT];
    struct access *access = access_of(item);
    if (!has_access(load, item))
        return false;
    for (const char *at = item->text; next_word(&at, word, sizeof word); access->dns_count++) {
        if (access->dns_count == ACCESS_DNS_MAX)
            return refuse(load, item, word, "at most 4 addresses");
        struct address *dns = &access->dns[access->dns_count];
        if (address_parse(word, dns) != OK || dns->family == 0)
            return refuse(load, item, word, "addresses of DNS servers, with commas between them");
    }
    return access->dns_count > 0 || refuse(load, item, "", "an address, or remove the key");
}

bool apply_split(struct config_load *load, const struct config_item *item)
{
    char word[2 * ADDRESS_TEXT];
    unsigned len;
    struct access *access = access_of(item);
    if (!has_access(load, item))
        return false;
    for (const char *at = item->text; next_word(&at, word, sizeof word); access->split_count++) {
        if (access->split_count == ACCESS_SPLIT_MAX)
            return refuse(load, item, word, "at most 32 networks");
        struct address_range *range = &access->split[access->split_count];
        if (range_parse(word, range) != OK || range->first.family != 4 || !range_is_prefix(range, &len))
            return refuse(load, item, word, "IPv4 networks as prefixes, with commas between them, e.g. 10.1.0.0/16");
    }
    return access->split_count > 0 || refuse(load, item, "", "a network, or remove the key");
}

static bool take_text(struct config_load *load, const struct config_item *item, char *out, size_t size)
{
    char right[QUOTE_TEXT];
    size_t len = strlen(item->text);
    bool good = len > 0 && len < size && !item->continued;
    for (size_t i = 0; i < len; i++)
        good = good && (unsigned char)item->text[i] >= ' ' && item->text[i] != 0x7f;
    if (!good) {
        snprintf(right, sizeof right, "1 to %zu characters in one line, or remove the key", size - 1);
        return refuse(load, item, item->text, right);
    }
    memcpy(out, item->text, len + 1);
    return true;
}

bool apply_domain(struct config_load *load, const struct config_item *item)
{
    return has_access(load, item) && take_text(load, item, access_of(item)->domain, ACCESS_DOMAIN);
}

bool apply_banner(struct config_load *load, const struct config_item *item)
{
    return has_access(load, item) && take_text(load, item, access_of(item)->banner, ACCESS_BANNER);
}

bool apply_xauth_user(struct config_load *load, const struct config_item *item)
{
    struct access *access = access_of(item);
    return has_access(load, item) && take_text(load, item, access->user, sizeof access->user);
}

bool apply_mode_config(struct config_load *load, const struct config_item *item)
{
    struct access *access = access_of(item);
    int index = value_word(item->text, item->key->words);
    if (index < 0)
        return refuse(load, item, item->text, "pull or push");
    if (access != NULL)
        access->push = index == 1;
    return access != NULL || index == 0 || has_access(load, item);
}

static bool keep_password(struct config_load *load, const struct config_item *item, const char *data, size_t len)
{
    enum status status = ERR_MALFORMED;
    if (len > 0 && len <= XAUTH_PASSWORD_MAX)
        status = secret_copy(load->vault, data, len, &access_of(item)->password);
    if (status == ERR_MALFORMED)
        config_error(load->errors, item->line, "%s must hold a password of 1 to %d bytes in one line", item->key->name,
                     XAUTH_PASSWORD_MAX);
    else if (status != OK)
        config_error(load->errors, item->line,
                     "%s: no memory for a secret: raise the limit of locked memory (ulimit -l)", item->key->name);
    return status == OK;
}

bool apply_xauth_password(struct config_load *load, const struct config_item *item)
{
    if (!has_access(load, item))
        return false;
    if (load->others_can_read && !item->from_environment) {
        config_error(load->errors, item->line,
                     "%s stands in a file that others can read: chmod 600 this file, or write xauth_password_file = "
                     "FILE",
                     item->key->name);
        return false;
    }
    return keep_password(load, item, item->text, item->continued ? 0 : strlen(item->text));
}

bool apply_xauth_password_file(struct config_load *load, const struct config_item *item)
{
    struct config_file file;
    if (!has_access(load, item))
        return false;
    if (access_of(item)->password.data != NULL)
        return true; /* both are there: reported with the connection */
    if (!config_file_read(load, item, true, SECRET_MAX, PASSWORD_REMEDY, &file))
        return false;
    bool good = keep_password(load, item, (const char *)file.data, config_file_line(&file));
    config_file_free(&file);
    return good;
}

bool apply_users(struct config_load *load, const struct config_item *item)
{
    char why[256] = "it is longer than 16 MiB", shown[QUOTE_TEXT];
    unsigned line = 0;
    struct config_file file;
    if (!has_access(load, item) || !config_file_read(load, item, true, USERS_FILE_MAX + 1, USERS_REMEDY, &file))
        return false;
    struct access *access = access_of(item);
    enum status status = ERR_LIMIT;
    if (file.len <= USERS_FILE_MAX)
        status = users_read(bytes_of(file.data, file.len), &access->users, &line, why, sizeof why);
    config_file_free(&file);
    access->server = true;
    if (status == OK)
        return true;
    quote(item->text, shown);
    if (line != 0)
        config_error(load->errors, item->line, "users %s, line %u: %s", shown, line, why);
    else
        config_error(load->errors, item->line, "users %s: %s", shown, why);
    return false;
}

/* --- together --- */

static const struct config_entry *entry_of(const struct config_entry *const *entry, const char *name)
{
    return entry[config_key_find(SECTION_CONNECTION, name)];
}

static void refuse_keys(struct config_load *load, const struct config_entry *const *entry, const char *const *names,
                        size_t count, const char *why)
{
    for (size_t i = 0; i < count; i++)
        if (entry_of(entry, names[i]) != NULL)
            config_error(load->errors, entry_of(entry, names[i])->line, "%s %s: remove it", names[i], why);
}

static void check_server(struct config_load *load, const struct connection *c, const struct config_entry *const *entry,
                         unsigned line)
{
    static const char *const clients[] = {"xauth_user", "xauth_password", "xauth_password_file"};
    refuse_keys(load, entry, clients, 3, "belongs to a client, and users makes this a server");
    if (!connection_is_any(c))
        config_error(load->errors, line,
                     "[connection %s] is a server of remote access (users), and its clients come from anywhere: write "
                     "remote = %%any and start = none",
                     c->name);
    if (c->access->push && !access_has_pool(c->access))
        config_error(load->errors, line, "[connection %s]: mode_config = push has nothing to set: write pool = RANGE",
                     c->name);
}

static void check_login(struct config_load *load, const struct connection *c, const struct config_entry *const *entry,
                        unsigned line)
{
    const struct config_entry *user = entry_of(entry, "xauth_user"), *text = entry_of(entry, "xauth_password");
    const struct config_entry *file = entry_of(entry, "xauth_password_file");
    if (user == NULL && text == NULL && file == NULL)
        config_error(load->errors, line,
                     "[connection %s] has auth = %s: as a server it needs users = FILE (`esptun passwd NAME` "
                     "makes its lines), as a client xauth_user = NAME and xauth_password_file = FILE",
                     c->name, config_auth_name(c));
    else if (text != NULL && file != NULL)
        config_error(load->errors, text->line > file->line ? text->line : file->line,
                     "both xauth_password and xauth_password_file are given: remove one of them");
    else if (user == NULL)
        config_error(load->errors, line, "[connection %s] has a password, but no xauth_user = NAME", c->name);
    else if (text == NULL && file == NULL)
        config_error(load->errors, line, "[connection %s] has a user, but no xauth_password_file = FILE", c->name);
    else if (connection_is_any(c))
        config_error(load->errors, line,
                     "[connection %s] is a client of remote access (xauth_user), but calls nobody: write remote = "
                     "ADDRESS or NAME of the concentrator",
                     c->name);
}

static void check_client(struct config_load *load, const struct connection *c, const struct config_entry *const *entry,
                         unsigned line)
{
    static const char *const servers[] = {"pool", "dns", "split", "domain", "banner"};
    refuse_keys(load, entry, servers, 5, "belongs to a server (users = FILE)");
    check_login(load, c, entry, line);
}

void access_check(struct config_load *load, const struct connection *c, const struct config_entry *const *entry,
                  unsigned line)
{
    if (c->access == NULL)
        return;
    if (entry_of(entry, "users") != NULL)
        check_server(load, c, entry, line);
    else
        check_client(load, c, entry, line);
}

static void review_pools(struct config_load *load, const struct connection *c, unsigned line)
{
    char range[RANGE_TEXT];
    for (const struct connection *other = load->config->connections; other < c; other++)
        for (size_t f = 0; other->access != NULL && f < FAMILIES; f++) {
            const struct address_range *a = &c->access->pool[f], *b = &other->access->pool[f];
            if (a->first.family != 0 && b->first.family != 0 && range_overlaps(a, b))
                config_error(load->errors, line,
                             "[connection %s]: its pool %s overlaps that of [connection %s], and two clients would get "
                             "one address: write ranges that do not overlap",
                             c->name, range_print(a, range), other->name);
        }
}

static bool leads_to(const struct config_load *load, const struct connection *c, const struct address_range *pool)
{
    const struct spd *spd = &load->config->spd;
    for (size_t i = 0; i < spd->count; i++)
        if (spd->rules[i].action == ACTION_PROTECT && &load->config->connections[spd->rules[i].connection] == c &&
            range_contains(&spd->rules[i].selector.remote, pool))
            return true;
    return false;
}

/* A client proposes its virtual address as its side; a rule of ours with another one never fits. */
static void review_client_rules(struct config_load *load, const struct connection *c)
{
    const struct spd *spd = &load->config->spd;
    for (size_t i = 0; i < spd->count; i++) {
        const struct rule *rule = &spd->rules[i];
        if (rule->action == ACTION_PROTECT && &load->config->connections[rule->connection] == c &&
            !range_is_any(&rule->selector.local))
            config_warning(load->errors, rule->line,
                           "[connection %s] gets a virtual address, and this rule takes only those that its local side "
                           "holds: write 'any' there, unless that is meant",
                           c->name);
    }
}

void access_review(struct config_load *load, const struct connection *c, unsigned line)
{
    char range[RANGE_TEXT];
    if (c->access == NULL)
        return;
    if (!c->access->server) {
        review_client_rules(load, c);
        return;
    }
    review_pools(load, c, line);
    for (size_t f = 0; f < FAMILIES; f++)
        if (c->access->pool[f].first.family != 0 && !leads_to(load, c, &c->access->pool[f]))
            config_warning(load->errors, line,
                           "[connection %s]: no protect rule leads to the whole pool %s, so that clients cannot use "
                           "it: write 'protect = NETWORK -> %s via %s'",
                           c->name, range_print(&c->access->pool[f], range), range, c->name);
}

/* --- for `check` --- */

static void print_ranges(FILE *out, const char *name, const struct address_range *ranges, size_t count)
{
    char text[RANGE_TEXT];
    bool any = false;
    for (size_t i = 0; i < count; i++)
        if (ranges[i].first.family != 0) {
            if (any)
                fprintf(out, ", %s", range_print(&ranges[i], text));
            else
                fprintf(out, "%-16s = %s", name, range_print(&ranges[i], text));
            any = true;
        }
    if (any)
        fputc('\n', out);
}

static void print_text(FILE *out, const char *name, const char *text)
{
    char shown[2 * ACCESS_BANNER];
    if (text[0] != '\0')
        fprintf(out, "%-16s = %s\n", name, log_escape(shown, sizeof shown, text, strlen(text)));
}

void access_print(const struct connection *c, FILE *out)
{
    const struct access *a = c->access;
    char text[ADDRESS_TEXT];
    if (a == NULL)
        return;
    if (a->server)
        fprintf(out, "; %zu users may log in\n", users_count(a->users));
    print_text(out, "xauth_user", a->user);
    if (!a->server)
        fprintf(out, "; the password is not shown\n");
    print_ranges(out, "pool", a->pool, FAMILIES);
    for (size_t i = 0; i < a->dns_count; i++)
        fprintf(out, "%s%s%s", i == 0 ? "dns              = " : ", ", address_print(&a->dns[i], text),
                i + 1 == a->dns_count ? "\n" : "");
    print_ranges(out, "split", a->split, a->split_count);
    print_text(out, "domain", a->domain);
    print_text(out, "banner", a->banner);
    fprintf(out, "%-16s = %s\n", "mode_config", a->push ? "push" : "pull");
}
