/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024 };
_Static_assert(CHUNK % SECRET_SLOT == 0, "a chunk is cut into whole slots");

struct chunk {
    struct chunk *next;
    uint8_t *memory; /* CHUNK bytes of sodium_malloc */
};

/* A free slot is wiped and then holds the link to the next free one, so nothing else has to be kept per slot. */
struct free_slot {
    struct free_slot *next;
};

struct vault {
    struct chunk *chunks;
    struct free_slot *free;
    size_t live;
};

struct vault *vault_new(void)
{
    if (sodium_init() < 0)
        return NULL;
    return calloc(1, sizeof(struct vault));
}

void vault_free(struct vault *vault)
{
    if (vault == NULL)
        return;
    while (vault->chunks != NULL) {
        struct chunk *chunk = vault->chunks;
        vault->chunks = chunk->next;
        sodium_free(chunk->memory); /* wipes */
        free(chunk);
    }
    free(vault);
}

size_t vault_live(const struct vault *vault)
{
    return vault->live;
}

static void slot_put(struct vault *vault, uint8_t *slot)
{
    sodium_memzero(slot, SECRET_SLOT);
    memcpy(slot, &(struct free_slot){.next = vault->free}, sizeof(struct free_slot));
    vault->free = (struct free_slot *)(void *)slot;
}

static enum status vault_grow(struct vault *vault)
{
    struct chunk *chunk = calloc(1, sizeof *chunk);
    if (chunk == NULL)
        return ERR_MEMORY;
    chunk->memory = sodium_malloc(CHUNK);
    if (chunk->memory == NULL) {
        free(chunk);
        return ERR_MEMORY;
    }
    chunk->next = vault->chunks;
    vault->chunks = chunk;
    for (size_t at = CHUNK; at > 0; at -= SECRET_SLOT)
        slot_put(vault, chunk->memory + at - SECRET_SLOT);
    return OK;
}

static uint8_t *slot_take(struct vault *vault)
{
    if (vault->free == NULL && vault_grow(vault) != OK)
        return NULL;
    struct free_slot *slot = vault->free;
    vault->free = slot->next;
    memset(slot, 0, sizeof *slot);
    return (uint8_t *)slot;
}

enum status secret_new(struct vault *vault, size_t len, struct secret *out)
{
    *out = (struct secret){0};
    if (len == 0 || len > SECRET_MAX)
        return ERR_LIMIT;
    uint8_t *data = len <= SECRET_SLOT ? slot_take(vault) : sodium_malloc(len);
    if (data == NULL)
        return ERR_MEMORY;
    if (len > SECRET_SLOT)
        memset(data, 0, len);
    vault->live++;
    *out = (struct secret){.data = data, .len = len, .vault = vault};
    return OK;
}

enum status secret_copy(struct vault *vault, const void *data, size_t len, struct secret *out)
{
    enum status status = secret_new(vault, len, out);
    if (status == OK)
        memcpy(out->data, data, len);
    return status;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL || secret->data == NULL)
        return;
    if (secret->len <= SECRET_SLOT)
        slot_put(secret->vault, secret->data);
    else
        sodium_free(secret->data); /* wipes */
    secret->vault->live--;
    *secret = (struct secret){0};
}

void wipe(void *data, size_t len)
{
    if (len > 0)
        sodium_memzero(data, len);
}

bool equal_constant_time(const void *a, const void *b, size_t len)
{
    return len == 0 || sodium_memcmp(a, b, len) == 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
    return a->len == b->len && equal_constant_time(a->data, b->data, a->len);
}
