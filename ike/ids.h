/* SPDX-License-Identifier: Apache-2.0 */
/* The message ids that one phase 1 has seen: never used twice (B28), so that nothing recorded can be played again. */
#ifndef IKE_IDS_H
#define IKE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Zero-initialised is empty. */
struct id_set {
    uint32_t *ids; /* owned, in order of arrival */
    size_t count, capacity;
};

bool id_set_has(const struct id_set *set, uint32_t id);

/* ERR_LIMIT when `most` are in it, ERR_MEMORY. */
MUST_USE enum status id_set_add(struct id_set *set, uint32_t id, size_t most);
void id_set_free(struct id_set *set);

#endif
