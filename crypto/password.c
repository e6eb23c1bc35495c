/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(PASSWORD_HASH == crypto_pwhash_STRBYTES, "size of a hash");

enum status password_hash(struct bytes password, char out[PASSWORD_HASH])
{
    out[0] = '\0';
    if (password.len == 0 || password.len > PASSWORD_MAX)
        return ERR_LIMIT;
    if (sodium_init() < 0)
        return ERR_CRYPTO;
    return crypto_pwhash_str(out, (const char *)password.data, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                             crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0
               ? OK
               : ERR_MEMORY;
}

bool password_verify(const char *hash, struct bytes password)
{
    if (password.len == 0 || password.len > PASSWORD_MAX || sodium_init() < 0)
        return false;
    return crypto_pwhash_str_verify(hash, (const char *)password.data, password.len) == 0;
}

const char *password_hash_of_nobody(void)
{
    /* The cost of password_hash; salt and hash are zeros, which no password gives. */
    return "$argon2id$v=19$m=65536,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
}

bool password_hash_is_sound(const char *text)
{
    return strlen(text) < PASSWORD_HASH && sodium_init() >= 0 &&
           crypto_pwhash_str_needs_rehash(text, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                          crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
}
