/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void collect(struct config_errors *errors, unsigned line, bool warning, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void collect(struct config_errors *errors, unsigned line, bool warning, const char *format, va_list args)
{
    char text[CONFIG_MESSAGE_TEXT];
    *(warning ? &errors->warnings : &errors->errors) += 1;
    if (errors->count >= CONFIG_MESSAGES_MAX)
        return;
    if (errors->items == NULL)
        errors->items = calloc(CONFIG_MESSAGES_MAX, sizeof *errors->items);
    if (errors->items == NULL || vsnprintf(text, sizeof text, format, args) < 0)
        return;
    char *copy = strdup(text);
    if (copy != NULL)
        errors->items[errors->count++] = (struct config_message){.line = line, .warning = warning, .text = copy};
}

void config_error(struct config_errors *errors, unsigned line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    collect(errors, line, false, format, args);
    va_end(args);
}

void config_warning(struct config_errors *errors, unsigned line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    collect(errors, line, true, format, args);
    va_end(args);
}

void config_errors_sort(struct config_errors *errors)
{
    for (size_t i = 1; i < errors->count; i++) {
        struct config_message item = errors->items[i];
        size_t at = i;
        for (; at > 0 && errors->items[at - 1].line > item.line; at--)
            errors->items[at] = errors->items[at - 1];
        errors->items[at] = item;
    }
}

static const char *message_print(const struct config_errors *errors, const struct config_message *item,
                                 char out[LOG_LINE_MAX])
{
    const char *path = errors->path != NULL ? errors->path : "configuration";
    const char *kind = item->warning ? "warning: " : "";
    if (item->line == 0)
        snprintf(out, LOG_LINE_MAX, "%s: %s%s", path, kind, item->text);
    else
        snprintf(out, LOG_LINE_MAX, "%s:%u: %s%s", path, item->line, kind, item->text);
    return out;
}

void config_errors_print(const struct config_errors *errors, FILE *out)
{
    char line[LOG_LINE_MAX];
    for (size_t i = 0; i < errors->count; i++)
        fprintf(out, "%s\n", message_print(errors, &errors->items[i], line));
    size_t hidden = errors->errors + errors->warnings - errors->count;
    if (hidden > 0)
        fprintf(out, "%s: %zu more are not shown; correct these first\n",
                errors->path != NULL ? errors->path : "configuration", hidden);
}

void config_errors_log(const struct config_errors *errors, const struct log *log)
{
    char line[LOG_LINE_MAX];
    for (size_t i = 0; i < errors->count; i++)
        log_write(log, errors->items[i].warning ? LOG_WARNING : LOG_ERROR, "%s",
                  message_print(errors, &errors->items[i], line));
}

void config_errors_free(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->items[i].text);
    free(errors->items);
    free(errors->path);
    *errors = (struct config_errors){0};
}
