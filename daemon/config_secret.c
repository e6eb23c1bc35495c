/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets come from: the file itself, the environment, a file of their own. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"

/* The name between ${ and }, copied; returns what follows the }, or NULL. */
static const char *take_variable(const char *at, char name[64])
{
    size_t len = 0;
    while (isalnum((unsigned char)at[len]) || at[len] == '_')
        len++;
    if (len == 0 || len >= 64 || at[len] != '}' || isdigit((unsigned char)at[0]))
        return NULL;
    memcpy(name, at, len);
    name[len] = '\0';
    return at + len + 1;
}

static bool put(char *out, size_t *used, const char *text, size_t len, char *why, size_t why_len)
{
    if (len >= CONFIG_VALUE_MAX - *used) {
        snprintf(why, why_len, "the value is longer than %d bytes: shorten it", CONFIG_VALUE_MAX - 1);
        return false;
    }
    memcpy(out + *used, text, len);
    *used += len;
    out[*used] = '\0';
    return true;
}

/* One ${NAME}; returns what follows, or NULL with why set. */
static const char *expand_variable(const char *at, char *out, size_t *used, char *why, size_t why_len)
{
    char name[64];
    const char *rest = take_variable(at + 2, name);
    if (rest == NULL) {
        snprintf(why, why_len, "'${' begins the name of an environment variable: write ${NAME}, or $$ for a dollar");
        return NULL;
    }
    const char *value = getenv(name);
    if (value == NULL) {
        snprintf(why, why_len, "the environment variable %s is not set: set it, or write $$ for a dollar", name);
        return NULL;
    }
    return put(out, used, value, strlen(value), why, why_len) ? rest : NULL;
}

bool value_expand(const char *text, char *out, bool *only_environment, char *why, size_t why_len)
{
    size_t used = 0;
    out[0] = '\0';
    *only_environment = true;
    while (*text != '\0') {
        if (text[0] == '$' && text[1] == '{') {
            text = expand_variable(text, out, &used, why, why_len);
            if (text == NULL)
                return false;
            continue;
        }
        *only_environment = *only_environment && isblank((unsigned char)*text);
        if (!put(out, &used, text, 1, why, why_len))
            return false;
        text += text[0] == '$' && text[1] == '$' ? 2 : 1;
    }
    return true;
}

enum { PSK_SHORT = 16 };

static void refuse_memory(struct config_load *load, const struct config_item *item)
{
    config_error(load->errors, item->line, "%s: no memory for a secret: raise the limit of locked memory (ulimit -l)",
                 item->key->name);
}

static bool keep_secret(struct config_load *load, const struct config_item *item, const void *data, size_t len)
{
    struct secret *psk = &((struct connection *)item->target)->psk;
    if (len < PSK_SHORT)
        config_warning(load->errors, item->line,
                       "%s: the key is shorter than %d bytes, so it may be guessed: `esptun genpsk` makes a good one",
                       item->key->name, PSK_SHORT);
    if (secret_copy(load->vault, data, len, psk) == OK)
        return true;
    refuse_memory(load, item);
    return false;
}

bool apply_psk(struct config_load *load, const struct config_item *item)
{
    size_t len = strlen(item->text);
    const char *wrong = NULL;
    if (len == 0)
        wrong = "is empty: write psk = TEXT; `esptun genpsk` makes a good one";
    else if (len > SECRET_MAX)
        wrong = "is longer than 4096 bytes: `esptun genpsk` makes one that is long enough";
    else if (item->continued)
        wrong = "goes on over several lines: write it in one, or in a file and psk_file = FILE";
    else if (load->others_can_read && !item->from_environment)
        wrong = "stands in a file that others can read: chmod 600 this file, or write psk_file = FILE";
    if (wrong != NULL) {
        config_error(load->errors, item->line, "psk %s", wrong);
        return false;
    }
    bool quoted = len >= 2 && (item->text[0] == '"' || item->text[0] == '\'') && item->text[len - 1] == item->text[0];
    if (quoted)
        config_warning(load->errors, item->line, "the quotes belong to the psk: remove them when the peer has none");
    return keep_secret(load, item, item->text, len);
}

bool apply_key_password_file(struct config_load *load, const struct config_item *item)
{
    struct config_file file;
    bool good = false;
    if (load->same_certificates)
        return true;
    if (!config_file_read(load, item, true, SECRET_MAX + 3, "", &file))
        return false;
    size_t len = config_file_line(&file);
    if (len == 0 || len > SECRET_MAX)
        config_error(load->errors, item->line, "key_password_file is %s: write the password in one line into it",
                     len == 0 ? "empty" : "too long");
    else if (secret_copy(load->vault, file.data, len, &load->key_password) == OK)
        good = true;
    else
        refuse_memory(load, item);
    config_file_free(&file);
    return good;
}

bool apply_psk_file(struct config_load *load, const struct config_item *item)
{
    struct config_file file;
    bool good = false;
    if (((const struct connection *)item->target)->psk.data != NULL)
        return true; /* psk and psk_file are both there: reported with the connection */
    /* A line end, and one byte to see that it is too long. */
    if (!config_file_read(load, item, true, SECRET_MAX + 3, ": `(umask 077; esptun genpsk > FILE)` makes one", &file))
        return false;
    size_t len = config_file_line(&file);
    if (len == 0)
        config_error(load->errors, item->line, "psk_file is empty: `(umask 077; esptun genpsk > FILE)` makes a key");
    else if (len > SECRET_MAX)
        config_error(load->errors, item->line,
                     "psk_file holds more than %d bytes: `(umask 077; esptun genpsk > FILE)` makes a key "
                     "that is long enough",
                     SECRET_MAX);
    else
        good = keep_secret(load, item, file.data, len);
    config_file_free(&file);
    return good;
}
