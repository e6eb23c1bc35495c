/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/fragment.h"

#include <stdlib.h>
#include <string.h>

static enum status check(const struct fragments *f, unsigned number, unsigned total, struct bytes data)
{
    if (number > FRAGMENTS_MAX || total > FRAGMENTS_MAX)
        return ERR_LIMIT;
    if (number == 0 || data.len == 0 || (total != 0 && number > total))
        return ERR_MALFORMED;
    if (f->total != 0 && (number > f->total || (total != 0 && total != f->total)))
        return ERR_MALFORMED;
    return total != 0 && f->highest > total ? ERR_MALFORMED : OK;
}

enum status fragments_add(struct fragments *f, unsigned number, unsigned total, struct bytes data)
{
    enum status status = check(f, number, total, data);
    if (status != OK)
        return status;
    uint8_t **piece = &f->pieces[number - 1];
    size_t *len = &f->lens[number - 1];
    if (*piece == NULL) {
        if (data.len > IKE_MESSAGE_MAX - f->bytes)
            return ERR_LIMIT;
        *piece = malloc(data.len);
        if (*piece == NULL)
            return ERR_MEMORY;
        memcpy(*piece, data.data, data.len);
        *len = data.len;
        f->bytes += data.len;
        f->have++;
        f->highest = number > f->highest ? number : f->highest;
    } else if (*len != data.len || memcmp(*piece, data.data, data.len) != 0) {
        return ERR_MALFORMED;
    }
    if (total != 0)
        f->total = total;
    return OK;
}

bool fragments_are_complete(const struct fragments *f)
{
    return f->total != 0 && f->have == f->total;
}

void fragments_join(const struct fragments *f, struct writer *w)
{
    for (unsigned i = 0; i < f->total; i++)
        write_bytes(w, f->pieces[i], f->lens[i]);
}

void fragments_clear(struct fragments *f)
{
    for (unsigned i = 0; i < f->highest; i++)
        free(f->pieces[i]);
    *f = (struct fragments){0};
}
