/* SPDX-License-Identifier: Apache-2.0 */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum status why_refuse(const struct why *why, enum status status, const char *format, ...)
{
    if (why->len == 0)
        return status;
    va_list args;
    va_start(args, format);
    if (vsnprintf(why->text, why->len, format, args) < 0)
        why->text[0] = '\0';
    va_end(args);
    return status;
}

const char *why_quoted(const char *word, char out[QUOTED_TEXT])
{
    return log_escape(out, QUOTED_TEXT, word, strlen(word));
}
