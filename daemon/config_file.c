/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a key names: secrets, which must be open to their owner alone, and certificates. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config_apply.h"
#include "daemon/config_errors.h"

/* A relative path starts at the folder of the configuration. */
static bool resolve(const char *config_path, const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(config_path, '/');
    int folder = path[0] == '/' || slash == NULL ? 0 : (int)(slash - config_path + 1);
    int len = snprintf(out, PATH_MAX, "%.*s%s", folder, config_path, path);
    return len > 0 && len < PATH_MAX;
}

/* Opens it when it is fit; else -1, reported. */
static int open_file(struct config_load *load, const struct config_item *item, const char *path, bool secret,
                     const char *remedy)
{
    char shown[QUOTE_TEXT];
    const char *name = item->key->name;
    struct stat info;
    quote(path, shown);
    /* Not to hang at a FIFO; what is no plain file is refused below. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0)
        config_error(load->errors, item->line, "cannot read %s %s: %s%s", name, shown, strerror(errno), remedy);
    else if (!S_ISREG(info.st_mode))
        config_error(load->errors, item->line, "%s %s is not a plain file: write the path of one", name, shown);
    else if (secret && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        config_error(load->errors, item->line, "%s %s is open to others (mode %04o): chmod 600 %s", name, shown,
                     (unsigned)info.st_mode & 07777U, shown);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Up to room bytes; the count, or -1. */
static ssize_t read_all(int fd, uint8_t *out, size_t room)
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

bool config_file_read(struct config_load *load, const struct config_item *item, bool secret, size_t most,
                      const char *remedy, struct config_file *out)
{
    char path[PATH_MAX];
    *out = (struct config_file){0};
    if (item->text[0] == '\0' || !resolve(load->config->path, item->text, path)) {
        config_error(load->errors, item->line, "%s is not a path: write %s = FILE", item->key->name, item->key->name);
        return false;
    }
    int fd = open_file(load, item, path, secret, remedy);
    if (fd < 0)
        return false;
    uint8_t *data = config_note_folder(load->config, path) == OK ? malloc(most) : NULL;
    ssize_t len = data != NULL ? read_all(fd, data, most) : -1;
    if (len < 0)
        config_error(load->errors, item->line, "cannot read %s: %s", item->key->name, strerror(errno));
    close(fd);
    *out = (struct config_file){.data = data, .size = data != NULL ? most : 0, .len = len > 0 ? (size_t)len : 0};
    if (len < 0)
        config_file_free(out);
    return len >= 0;
}

/* --- hooks --- */

/* What is wrong with the program, and what would be right; NULL: nothing. */
static const char *unfit_program(const char *path)
{
    struct stat info;
    if (path[0] != '/')
        return "is not an absolute path: write one, such as /etc/esptun/up, without arguments";
    if (stat(path, &info) != 0)
        return strerror(errno);
    if (!S_ISREG(info.st_mode))
        return "is not a plain file: write the path of a program";
    if ((info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
        return "is not executable: chmod 755 it";
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return "can be changed by others than its owner: chmod 755 it";
    return NULL;
}

bool apply_hook(struct config_load *load, const struct config_item *item)
{
    char shown[QUOTE_TEXT];
    char **field = (char **)(void *)((char *)item->target + item->key->offset);
    const char *wrong = unfit_program(item->text);
    if (wrong == NULL && (*field = strdup(item->text)) == NULL)
        wrong = strerror(ENOMEM);
    if (wrong != NULL)
        config_error(load->errors, item->line, "%s: '%s': %s", item->key->name, quote(item->text, shown), wrong);
    return wrong == NULL;
}

/* --- folders --- */

static enum status note_one(struct config_folders *folders, const char *path, size_t len)
{
    for (size_t i = folders->count; i > 0; i--)
        if (strlen(folders->items[i - 1]) == len && memcmp(folders->items[i - 1], path, len) == 0)
            return OK;
    char **items = realloc(folders->items, (folders->count + 1) * sizeof *items);
    if (items == NULL)
        return ERR_MEMORY;
    folders->items = items;
    items[folders->count] = strndup(path, len);
    return items[folders->count] != NULL ? (folders->count++, OK) : ERR_MEMORY;
}

enum status config_note_folder(struct config *config, const char *path)
{
    char real[PATH_MAX];
    const char *slash = strrchr(path, '/'), *end = realpath(path, real) != NULL ? strrchr(real, '/') : NULL;
    enum status status = slash != NULL ? note_one(&config->folders, path, (size_t)(slash - path + 1))
                                       : note_one(&config->folders, "./", 2);
    return status == OK && end != NULL ? note_one(&config->folders, real, (size_t)(end - real + 1)) : status;
}

void config_folders_free(struct config_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++)
        free(folders->items[i]);
    free(folders->items);
    *folders = (struct config_folders){0};
}

void config_file_free(struct config_file *file)
{
    if (file->data != NULL)
        wipe(file->data, file->size);
    free(file->data);
    *file = (struct config_file){0};
}

size_t config_file_line(const struct config_file *file)
{
    size_t len = file->len;
    if (len > 0 && file->data[len - 1] == '\n')
        len -= len > 1 && file->data[len - 2] == '\r' ? 2 : 1;
    return len;
}
