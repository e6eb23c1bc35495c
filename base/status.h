/* SPDX-License-Identifier: Apache-2.0 */
/* The one error type of the house. Every function that can fail returns it and is marked MUST_USE. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#define MUST_USE                         __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

enum status {
    OK = 0,
    ERR_MALFORMED,      /* the bytes are not what the format asks for */
    ERR_LIMIT,          /* well-formed, but over one of our caps */
    ERR_UNSUPPORTED,    /* well-formed, but something we do not do */
    ERR_AUTHENTICATION, /* a hash, an ICV or a credential did not verify */
    ERR_REPLAY,         /* seen before, or older than the window */
    ERR_MISMATCH,       /* no common ground: proposal, selector, identity */
    ERR_NOT_FOUND,      /* no such SA, rule, connection */
    ERR_STATE,          /* not now: the exchange is at another step */
    ERR_EXPIRED,        /* lifetime, byte count or sequence numbers used up */
    ERR_MEMORY,         /* allocation failed */
    ERR_CRYPTO,         /* the crypto library refused: fail closed */
    ERR_IO,             /* the system refused; errno was logged where it happened */
};

/* A few plain words, for logs. Never NULL. */
const char *status_text(enum status status);

#endif
