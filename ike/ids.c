/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/ids.h"

#include <stdlib.h>

bool id_set_has(const struct id_set *set, uint32_t id)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->ids[i] == id)
            return true;
    return false;
}

enum status id_set_add(struct id_set *set, uint32_t id, size_t most)
{
    if (set->count >= most)
        return ERR_LIMIT;
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 16 : set->capacity * 2;
        uint32_t *grown = realloc(set->ids, capacity * sizeof *grown);
        if (grown == NULL)
            return ERR_MEMORY;
        set->ids = grown;
        set->capacity = capacity;
    }
    set->ids[set->count++] = id;
    return OK;
}

void id_set_free(struct id_set *set)
{
    free(set->ids);
    *set = (struct id_set){0};
}
