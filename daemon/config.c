/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/config_access.h"
#include "daemon/config_apply.h"
#include "daemon/config_errors.h"
#include "daemon/config_profile.h"
#include "policy/ip.h"

/* The keys of one section: where each stands, and whether its value was good. Indexed like the table of keys. */
struct section_keys {
    const struct config_entry *entry[CONFIG_KEYS_MAX];
    bool good[CONFIG_KEYS_MAX];
};

static void refuse_key(struct config_load *load, const struct config_section *section, const struct config_entry *entry)
{
    char shown[QUOTE_TEXT], known[CONFIG_KEYS_TEXT];
    quote(entry->key, shown);
    const char *nearest = config_key_nearest(section->kind, entry->key);
    for (unsigned other = 0; other < SECTION_KINDS; other++) {
        if (config_key_find(other, entry->key) >= 0) {
            config_error(load->errors, entry->line, "key '%s' does not belong in [%s]: move it to %s", shown,
                         section->label, config_section_title(other));
            return;
        }
    }
    if (nearest != NULL)
        config_error(load->errors, entry->line, "unknown key '%s' in [%s]: did you mean '%s'?", shown, section->label,
                     nearest);
    else
        config_error(load->errors, entry->line, "unknown key '%s' in [%s]: remove it, or write one of %s", shown,
                     section->label, config_keys_print(section->kind, known));
}

/* One key that stands in the file. */
static bool entry_apply(struct config_load *load, const struct config_key *key, const struct config_entry *entry,
                        void *target)
{
    char why[160];
    struct config_item item = {
        .key = key, .line = entry->line, .text = load->value, .continued = entry->continued, .target = target};
    if (!value_expand(entry->value, load->value, &item.from_environment, why, sizeof why)) {
        config_error(load->errors, entry->line, "%s: %s", key->name, why);
        return false;
    }
    return key->apply(load, &item);
}

/* The profile of a connection, which is applied before all else, may know better. */
static const char *default_of(const struct config_key *key, const void *target)
{
    const struct connection *c = target;
    const char *value = NULL;
    if (key->section == SECTION_CONNECTION && c->profile != NULL)
        value = profile_value(profile_find(c->profile), key->name);
    return value != NULL ? value : key->fallback;
}

static bool default_apply(struct config_load *load, const struct config_key *key, const char *fallback, unsigned line,
                          void *target)
{
    struct config_item item = {.key = key, .line = line, .text = fallback, .target = target};
    return key->apply(load, &item);
}

/* Finds the entries of a section. Keys that repeat (rules) are applied at once, in their order. */
static void section_scan(struct config_load *load, const struct config_section *section, struct section_keys *keys)
{
    for (size_t i = section->first; i < section->end; i++) {
        const struct config_entry *entry = &load->source.entries[i];
        int index = config_key_find(section->kind, entry->key);
        if (index < 0)
            refuse_key(load, section, entry);
        else if (config_key_at((size_t)index)->repeats)
            (void)entry_apply(load, config_key_at((size_t)index), entry, NULL);
        else if (keys->entry[index] != NULL)
            config_error(load->errors, entry->line, "%s is there twice, first in line %u: remove one", entry->key,
                         keys->entry[index]->line);
        else
            keys->entry[index] = entry;
    }
}

/* section NULL: all defaults. In the order of the table, since some keys need others. */
static void section_apply(struct config_load *load, const struct config_section *section, enum section_kind kind,
                          void *target, struct section_keys *keys)
{
    *keys = (struct section_keys){0};
    if (section != NULL)
        section_scan(load, section, keys);
    unsigned line = section != NULL ? section->line : 0;
    const struct config_key *key;
    for (size_t i = 0; (key = config_key_at(i)) != NULL; i++) {
        if (key->section != kind || key->repeats)
            continue;
        const char *fallback = default_of(key, target);
        if (keys->entry[i] != NULL)
            keys->good[i] = entry_apply(load, key, keys->entry[i], target);
        else if (fallback != NULL)
            keys->good[i] = default_apply(load, key, fallback, line, target);
        else if (key->required)
            config_error(load->errors, line, "[%s] lacks %s: write %s = VALUE (%s)", section->label, key->name,
                         key->name, key->help);
    }
}

static const struct config_entry *entry_of(const struct section_keys *keys, const char *name)
{
    return keys->entry[config_key_find(SECTION_CONNECTION, name)];
}

static bool is_good(const struct section_keys *keys, const char *name)
{
    return keys->good[config_key_find(SECTION_CONNECTION, name)];
}

static void check_psk(struct config_load *load, const struct config_section *section, const struct section_keys *keys)
{
    const struct config_entry *psk = entry_of(keys, "psk"), *file = entry_of(keys, "psk_file");
    if (psk != NULL && file != NULL)
        config_error(load->errors, psk->line > file->line ? psk->line : file->line,
                     "both psk and psk_file are given: remove one of them");
    else if (psk == NULL && file == NULL)
        config_error(load->errors, section->line,
                     "[%s] has no pre-shared key: write psk_file = FILE; `(umask 077; esptun genpsk > FILE)` makes one",
                     section->label);
}

/* Reports keys of the connection that only another way of authentication has; whether there are none. */
static bool refuse_foreign(struct config_load *load, const struct section_keys *keys, const char *const names[],
                           const char *auth)
{
    bool good = true;
    for (; *names != NULL; names++) {
        const struct config_entry *entry = entry_of(keys, *names);
        if (entry != NULL)
            config_error(load->errors, entry->line, "%s belongs to auth = %s: remove it, or write auth = %s", *names,
                         auth, auth);
        good &= entry == NULL;
    }
    return good;
}

static void check_certificates(struct config_load *load, const struct config_section *section,
                               const struct section_keys *keys, struct connection *c)
{
    const struct config_entry *key = entry_of(keys, "key"), *cert = entry_of(keys, "cert");
    const struct config_entry *ca = entry_of(keys, "ca"), *crl = entry_of(keys, "crl");
    bool lacks_cert = cert == NULL && (key == NULL || (is_good(keys, "key") && c->credentials->chain.count == 0));
    if (key == NULL || ca == NULL || lacks_cert) {
        config_error(load->errors, section->line,
                     "[%s] has auth = %s, and lacks%s%s%s: write key = FILE (private key), cert = FILE (its "
                     "certificate) and ca = FILE (whom to believe)",
                     section->label, config_auth_name(c), key == NULL ? " key" : "", lacks_cert ? " cert" : "",
                     ca == NULL ? " ca" : "");
        return;
    }
    if (is_good(keys, "key") && is_good(keys, "ca") && (cert == NULL || is_good(keys, "cert")) &&
        (crl == NULL || is_good(keys, "crl")))
        credentials_review(load, cert != NULL ? cert->line : key->line, c);
}

static void check_auth(struct config_load *load, const struct config_section *section, const struct section_keys *keys,
                       struct connection *c)
{
    static const char *const of_psk[] = {"psk", "psk_file", NULL};
    static const char *const of_pubkey[] = {"key_password_file", "key", "cert", "ca", "crl", NULL};
    if (!is_good(keys, "auth"))
        return;
    if (c->auth == AUTH_PSK && refuse_foreign(load, keys, of_pubkey, c->access != NULL ? "xauth-pubkey" : "pubkey"))
        check_psk(load, section, keys);
    else if (c->auth == AUTH_PUBKEY && refuse_foreign(load, keys, of_psk, c->access != NULL ? "xauth-psk" : "psk"))
        check_certificates(load, section, keys, c);
}

static void check_ends(struct config_load *load, const struct section_keys *keys, const struct connection *c)
{
    const struct config_entry *local = entry_of(keys, "local"), *start = entry_of(keys, "start");
    const struct config_entry *remote = entry_of(keys, "remote");
    if (!is_good(keys, "remote"))
        return;
    if (connection_is_any(c) && is_good(keys, "start") && c->start != START_NONE)
        config_error(load->errors, start != NULL ? start->line : remote->line,
                     "remote = %%any cannot be called, so start = %s%s is impossible: write start = none, or the "
                     "address or name of the peer",
                     c->start == START_TRAP ? "trap" : "start", start == NULL ? " (the default)" : "");
    if (local == NULL || !is_good(keys, "local") || c->local.family == 0 || c->remote.family == 0)
        return;
    if (c->local.family != c->remote.family)
        config_error(load->errors, local->line > remote->line ? local->line : remote->line,
                     "local is IPv%u and remote IPv%u: write two addresses of one family", c->local.family,
                     c->remote.family);
    else if (address_equal(&c->local, &c->remote))
        config_error(load->errors, local->line > remote->line ? local->line : remote->line,
                     "local and remote are one address: write the address of the peer as remote");
}

/* RFC 2409 5.4: the first message of aggressive mode already has the one KE payload. */
static void check_one_group(struct config_load *load, const struct section_keys *keys, struct connection *c)
{
    char first[PROPOSAL_TEXT], other[PROPOSAL_TEXT];
    const struct config_entry *ike = entry_of(keys, "ike");
    struct proposal_list *list = &c->ike;
    for (size_t i = 1; i < list->count; i++) {
        if (list->items[i].group == list->items[0].group)
            continue;
        if (ike == NULL) { /* the default, as far as it goes */
            list->count = i;
            return;
        }
        config_error(load->errors, ike->line,
                     "ike: %s and %s differ in their group, which aggressive mode cannot negotiate: write proposals of "
                     "one group, the peer's, or mode = main",
                     proposal_print(&list->items[0], first), proposal_print(&list->items[i], other));
        return;
    }
}

static void warn_of_aggressive(struct config_load *load, unsigned line, const struct connection *c)
{
    if (c->auth == AUTH_PUBKEY)
        config_warning(load->errors, line,
                       "aggressive mode with certificates: the names of both ends and our certificates go in clear, "
                       "the latter to whoever asks; write mode = main, which hides them, where the peer can do it");
    else
        config_warning(
            load->errors, line,
            "aggressive mode with a pre-shared key: whoever listens, or only asks, gets a hash with which the key "
            "can be guessed offline; write mode = main, or at least take a key of `esptun genpsk`, which nobody "
            "guesses");
}

static void check_mode(struct config_load *load, const struct config_section *section, const struct section_keys *keys,
                       struct connection *c)
{
    const struct config_entry *mode = entry_of(keys, "mode");
    unsigned line = mode != NULL ? mode->line : section->line; /* of the profile */
    if (!is_good(keys, "mode") || c->mode != MODE_AGGRESSIVE || !is_good(keys, "auth"))
        return;
    warn_of_aggressive(load, line, c);
    if (is_good(keys, "ike"))
        check_one_group(load, keys, c);
    if (is_good(keys, "local") && is_good(keys, "remote") && c->local.family == 0 && !connection_is_any(c) &&
        c->auth == AUTH_PSK && entry_of(keys, "local_id") == NULL)
        config_error(
            load->errors, line,
            "the first message of aggressive mode says who we are, and neither local nor local_id tells: write "
            "local_id, as the peer expects it");
}

/* Whether two connections name the same files, so that one copy of what is in them will do. */
static bool same_files(const struct config_load *load, const struct config_section *a, const struct config_section *b)
{
    static const char *const names[] = {"profile", "auth", "allow", "key_password_file", "key", "cert", "ca", "crl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct config_entry *of_a = config_source_entry(&load->source, a, names[i]);
        const struct config_entry *of_b = config_source_entry(&load->source, b, names[i]);
        if ((of_a == NULL) != (of_b == NULL) || (of_a != NULL && strcmp(of_a->value, of_b->value) != 0))
            return false;
    }
    return true;
}

/* An address that a name server tells proves nothing. A certificate does, when it has the name that was written here.
 */
static void expect_name(struct connection *c)
{
    if (c->remote_name == NULL || c->auth != AUTH_PUBKEY || c->remote_id.type != ID_NONE)
        return;
    size_t len = strlen(c->remote_name);
    c->remote_id.type = ID_FQDN;
    c->remote_id.len = (uint16_t)(c->remote_name[len - 1] == '.' ? len - 1 : len);
    memcpy(c->remote_id.data, c->remote_name, c->remote_id.len);
}

static void connection_read(struct config_load *load, const struct config_section *section)
{
    struct section_keys keys;
    struct connection *c = &load->config->connections[section->index];
    size_t errors = load->errors->errors;
    const struct config_section *like = load->with_certificates;
    load->same_certificates = like != NULL && same_files(load, like, section);
    if (load->same_certificates)
        c->credentials = credentials_share(load->config->connections[like->index].credentials);
    c->ike_version = 1;
    section_apply(load, section, SECTION_CONNECTION, c, &keys);
    check_auth(load, section, &keys, c);
    secret_free(&load->key_password);
    check_ends(load, &keys, c);
    expect_name(c);
    check_mode(load, section, &keys, c);
    access_check(load, c, keys.entry, section->line);
    if (c->credentials != NULL && load->errors->errors == errors)
        load->with_certificates = section;
}

/* Under it the kernel takes IPv6 off an interface (RFC 8200 5), and the routes of the rule with it. */
static void check_mtu(struct config_load *load, unsigned line)
{
    const struct config *config = load->config;
    if (config->gateway.mtu == 0 || config->gateway.mtu >= IPV6_MTU_MIN)
        return;
    int first = spd_first_protect(&config->spd, 6);
    if (first != SPD_RULE_NONE)
        config_error(
            load->errors, line,
            "mtu = %u is too small for IPv6, which the rule in line %u protects: write mtu = auto, or at least "
            "%d, or IPv4 ranges in that rule",
            config->gateway.mtu, config->spd.rules[first].line, IPV6_MTU_MIN);
}

/* Names first: rules and messages need all of them. */
static enum status connections_prepare(struct config_load *load)
{
    struct config *config = load->config;
    uint32_t count = 0;
    for (size_t i = 0; i < load->source.section_count; i++) {
        struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip)
            section->index = count++;
    }
    config->connections = calloc(count + (size_t)1, sizeof *config->connections);
    if (config->connections == NULL)
        return ERR_MEMORY;
    config->connection_count = count;
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip)
            snprintf(config->connections[section->index].name, sizeof config->connections[0].name, "%s", section->name);
    }
    return OK;
}

static void sections_read(struct config_load *load)
{
    struct section_keys keys;
    section_apply(load, config_source_find(&load->source, "gateway"), SECTION_GATEWAY, &load->config->gateway, &keys);
    const struct config_entry *mtu = keys.entry[config_key_find(SECTION_GATEWAY, "mtu")];
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip)
            connection_read(load, section);
    }
    const struct config_section *acl = config_source_find(&load->source, "acl");
    if (acl != NULL)
        section_apply(load, acl, SECTION_ACL, NULL, &keys);
    check_mtu(load, mtu != NULL ? mtu->line : 0);
    if (load->config->connection_count == 0 && load->errors->errors == 0)
        config_warning(load->errors, 0, "there is no connection: add a section [connection NAME]");
}

/* Behind it the rules never change. */
static enum status rules_compile(struct config_load *load)
{
    const struct random random = random_system();
    enum status status = spd_compile(&load->config->spd, &random);
    if (status != OK && status != ERR_MEMORY)
        config_error(load->errors, 0,
                     "the system has no randomness to give, which the table of rules needs (%s): allow "
                     "getrandom() where a sandbox or a filter of system calls stands around esptun",
                     status_text(status));
    return status;
}

static unsigned count_lines(const uint8_t *data, size_t len)
{
    unsigned lines = 1;
    for (size_t i = 0; i < len; i++)
        lines += data[i] == '\n';
    return lines;
}

/* Needs the rules. */
static void review_access(struct config_load *load)
{
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip)
            access_review(load, &load->config->connections[section->index], section->line);
    }
}

static void review_probes(struct config_load *load)
{
    for (size_t i = 0; i < load->source.section_count; i++) {
        const struct config_section *section = &load->source.sections[i];
        if (section->kind == SECTION_CONNECTION && !section->skip)
            probe_review(load, section, &load->config->connections[section->index]);
    }
}

static enum status text_read(struct config_load *load, struct bytes text)
{
    if (text.len > CONFIG_SIZE_MAX) {
        config_error(load->errors, count_lines(text.data, CONFIG_SIZE_MAX),
                     "here the file exceeds %d bytes, the limit: is it a configuration? Else split it over several "
                     "gateways",
                     CONFIG_SIZE_MAX);
        return ERR_LIMIT;
    }
    enum status status = config_source_read(text, &load->source, load->errors);
    if (status == OK)
        status = connections_prepare(load);
    if (status != OK)
        return status;
    sections_read(load);
    if (load->errors->errors == 0)
        status = twins_review(load);
    if (status == OK && load->errors->errors == 0)
        review_access(load);
    if (status == OK)
        status = rules_compile(load);
    if (status == OK)
        acl_review(load);
    if (status == OK && load->errors->errors == 0)
        review_probes(load);
    return status;
}

static struct config *config_new(const char *path)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return NULL;
    config->path = strdup(path);
    if (config->path != NULL)
        return config;
    free(config);
    return NULL;
}

enum status config_load_text(const char *path, struct bytes text, bool others_can_read, struct vault *vault,
                             struct config **out, struct config_errors *errors)
{
    enum status status = ERR_MEMORY;
    struct config_load *load = calloc(1, sizeof *load);
    *out = NULL;
    if (errors->path == NULL)
        errors->path = strdup(path);
    if (load == NULL)
        goto out;
    *load = (struct config_load){.config = config_new(path),
                                 .errors = errors,
                                 .vault = vault,
                                 .now = (int64_t)time(NULL),
                                 .others_can_read = others_can_read};
    if (load->config != NULL)
        status = text_read(load, text);
    if (errors->errors > 0 && status != ERR_MEMORY)
        status = ERR_MALFORMED;
    if (status == OK) {
        *out = load->config;
        load->config = NULL;
    }
    config_free(load->config);
    config_source_free(&load->source);
    wipe(load->value, sizeof load->value);
out:
    if (status == ERR_MEMORY)
        config_error(errors, 0, "out of memory");
    free(load);
    config_errors_sort(errors);
    return status;
}

/* At most one byte more than the limit, so that the caller sees what is over it. */
static enum status file_read(const char *path, uint8_t *data, size_t *len, bool *others_can_read)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ERR_IO;
    enum status status = fstat(fd, &info) == 0 ? OK : ERR_IO;
    *len = 0;
    while (status == OK && *len <= CONFIG_SIZE_MAX) {
        ssize_t got = read(fd, data + *len, CONFIG_SIZE_MAX + 1 - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = ERR_IO;
        if (got <= 0)
            break;
        *len += (size_t)got;
    }
    *others_can_read = status == OK && S_ISREG(info.st_mode) && (info.st_mode & (S_IRGRP | S_IROTH)) != 0;
    int why = errno;
    close(fd);
    errno = why;
    return status;
}

enum status config_load(const char *path, struct vault *vault, struct config **out, struct config_errors *errors)
{
    size_t len = 0;
    bool others_can_read = true;
    uint8_t *data = malloc(CONFIG_SIZE_MAX + 1);
    *out = NULL;
    errors->path = strdup(path);
    enum status status = data == NULL ? ERR_MEMORY : file_read(path, data, &len, &others_can_read);
    if (status == ERR_MEMORY)
        config_error(errors, 0, "out of memory");
    else if (status != OK)
        config_error(errors, 0, "cannot read the configuration: %s: name another file with -c FILE", strerror(errno));
    else
        status = config_load_text(path, bytes_of(data, len), others_can_read, vault, out, errors);
    if (status == OK && config_note_folder(*out, path) != OK) {
        config_free(*out);
        *out = NULL;
        status = ERR_MEMORY;
        config_error(errors, 0, "out of memory");
    }
    if (data != NULL)
        wipe(data, len);
    free(data);
    return status;
}

enum status config_control_path(const char *path, char out[CONFIG_CONTROL_MAX])
{
    struct config config = {.path = NULL};
    struct config_errors errors = {0};
    bool unused;
    size_t len = 0;
    uint8_t *data = malloc(CONFIG_SIZE_MAX + 1);
    struct config_load *load = calloc(1, sizeof *load);
    enum status status = data == NULL || load == NULL ? ERR_MEMORY : file_read(path, data, &len, &unused);
    snprintf(out, CONFIG_CONTROL_MAX, "%s", CONFIG_CONTROL_DEFAULT);
    if (status != OK)
        goto out;
    *load = (struct config_load){.config = &config, .errors = &errors};
    status = config_source_read(bytes_of(data, len), &load->source, &errors);
    const struct config_section *section = config_source_find(&load->source, "gateway");
    for (size_t i = section != NULL ? section->first : 0; section != NULL && i < section->end; i++) {
        const struct config_key *key = config_key_at((size_t)config_key_find(SECTION_GATEWAY, "control"));
        if (strcmp(load->source.entries[i].key, key->name) == 0 &&
            entry_apply(load, key, &load->source.entries[i], &config.gateway))
            memcpy(out, config.gateway.control, CONFIG_CONTROL_MAX);
    }
    config_source_free(&load->source);
out:
    if (data != NULL)
        wipe(data, len);
    free(data);
    free(load);
    config_errors_free(&errors);
    return status;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->connection_count; i++)
        connection_clear(&config->connections[i]);
    free(config->connections);
    spd_free(&config->spd);
    config_folders_free(&config->folders);
    free(config->path);
    free(config);
}
