/* SPDX-License-Identifier: Apache-2.0 */
/* Where secrets come from: the file itself, the environment, a file of their own. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static bool keep_secret(struct config_load *load, const struct config_item *item, const void *data, size_t len)
{
    struct secret *psk = &((struct connection *)item->target)->psk;
    if (len < PSK_SHORT)
        config_warning(load->errors, item->line,
                       "%s: the key is shorter than %d bytes, so it may be guessed: `esptun genpsk` makes a good one",
                       item->key->name, PSK_SHORT);
    if (secret_copy(load->vault, data, len, psk) == OK)
        return true;
    config_error(load->errors, item->line, "%s: no memory for a secret: raise the limit of locked memory (ulimit -l)",
                 item->key->name);
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

/* A relative path starts at the folder of the configuration. */
static bool resolve(const char *config_path, const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(config_path, '/');
    int folder = path[0] == '/' || slash == NULL ? 0 : (int)(slash - config_path + 1);
    int len = snprintf(out, PATH_MAX, "%.*s%s", folder, config_path, path);
    return len > 0 && len < PATH_MAX;
}

/* Opens it when it is fit to hold a secret; else -1, reported. */
static int open_secret(struct config_load *load, const struct config_item *item, const char *path)
{
    char shown[QUOTE_TEXT];
    struct stat info;
    quote(path, shown);
    /* Not to hang at a FIFO; what is no plain file is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0)
        config_error(load->errors, item->line,
                     "cannot read psk_file %s: %s: `(umask 077; esptun genpsk > FILE)` makes one", shown,
                     strerror(errno));
    else if (!S_ISREG(info.st_mode))
        config_error(load->errors, item->line, "psk_file %s is not a plain file: write the path of one", shown);
    else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        config_error(load->errors, item->line, "psk_file %s is open to others (mode %04o): chmod 600 %s", shown,
                     (unsigned)info.st_mode & 07777U, shown);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Up to room bytes; the count, or -1. */
static ssize_t read_all(int fd, char *out, size_t room)
{
    size_t used = 0;
    while (used < room) {
        ssize_t got = read(fd, out + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

bool apply_psk_file(struct config_load *load, const struct config_item *item)
{
    char path[PATH_MAX], data[SECRET_MAX + 3]; /* a line end, and one byte to see that it is too long */
    bool good = false;
    if (((const struct connection *)item->target)->psk.data != NULL)
        return true; /* psk and psk_file are both there: reported with the connection */
    if (item->text[0] == '\0' || !resolve(load->config->path, item->text, path)) {
        config_error(load->errors, item->line, "psk_file is not a path: write psk_file = FILE");
        return false;
    }
    int fd = open_secret(load, item, path);
    if (fd < 0)
        return false;
    ssize_t len = read_all(fd, data, sizeof data);
    if (len < 0)
        config_error(load->errors, item->line, "cannot read psk_file: %s", strerror(errno));
    if (len > 0 && data[len - 1] == '\n')
        len -= len > 1 && data[len - 2] == '\r' ? 2 : 1;
    if (len == 0)
        config_error(load->errors, item->line, "psk_file is empty: `(umask 077; esptun genpsk > FILE)` makes a key");
    else if (len > SECRET_MAX)
        config_error(load->errors, item->line,
                     "psk_file holds more than %d bytes: `(umask 077; esptun genpsk > FILE)` makes a key "
                     "that is long enough",
                     SECRET_MAX);
    else if (len > 0)
        good = keep_secret(load, item, data, (size_t)len);
    wipe(data, sizeof data);
    close(fd);
    return good;
}
