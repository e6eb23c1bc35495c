/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the ESP ciphers: every library that this build and this processor can make. */
#ifndef TEST_LIBRARIES_H
#define TEST_LIBRARIES_H

#include <stdio.h>
#include <stdlib.h>

#include "crypto/aead_backend.h"
#ifdef ESPTUN_IPSEC_MB
#include "crypto/aead_mb.h"
#endif

enum { LIBRARIES_MAX = 8 };

struct libraries {
    struct aead_library *all[LIBRARIES_MAX]; /* the first is NULL: the portable one */
    char names[LIBRARIES_MAX][AEAD_NOTE];
    size_t count;
};

static inline void libraries_make(struct libraries *l)
{
    *l = (struct libraries){.count = 1};
    (void)snprintf(l->names[0], sizeof l->names[0], "portable");
#ifdef ESPTUN_IPSEC_MB
    for (enum mb_arch arch = MB_SSE; arch < MB_ARCH_COUNT; arch++) {
        static const struct aead_backend *const mb[] = {&aead_mb_gcm, &aead_mb_hmac, &aead_mb_ccm, &aead_mb_chacha};
        const char *why;
        struct mb_engine *engine = mb_engine_new(arch, &why);
        struct aead_library *library = engine != NULL ? calloc(1, sizeof *library) : NULL;
        if (library == NULL) {
            printf("ipsec-mb, architecture %d: left out: %s\n", (int)arch, why);
            mb_engine_free(engine);
            continue;
        }
        library->engine = engine;
        engine->eager = true;
        for (size_t i = 0; i < sizeof mb / sizeof *mb; i++)
            library->backends[library->count++] = mb[i];
        for (size_t i = 0; i < aead_portable.count; i++)
            library->backends[library->count++] = aead_portable.backends[i];
        (void)snprintf(l->names[l->count], sizeof l->names[0], "%s", engine->name);
        l->all[l->count++] = library;
    }
#endif
    char reason[AEAD_WHY];
    if (aead_library_new(AEAD_AUTO, &l->all[l->count], reason) == OK) {
        (void)snprintf(l->names[l->count], sizeof l->names[0], "as in use: %.100s",
                       aead_library_note(l->all[l->count]));
        l->count++;
    }
}

static inline void libraries_free(struct libraries *l)
{
    for (size_t i = 0; i < l->count; i++)
        aead_library_free(l->all[i]);
}

#endif
