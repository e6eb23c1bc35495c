/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

const char *status_text(enum status status)
{
    switch (status) {
    case OK: return "ok";
    case ERR_MALFORMED: return "malformed";
    case ERR_LIMIT: return "over a limit";
    case ERR_UNSUPPORTED: return "not supported";
    case ERR_AUTHENTICATION: return "authentication failed";
    case ERR_REPLAY: return "replayed";
    case ERR_MISMATCH: return "nothing in common";
    case ERR_NOT_FOUND: return "not found";
    case ERR_STATE: return "not in this state";
    case ERR_EXPIRED: return "expired";
    case ERR_MEMORY: return "out of memory";
    case ERR_CRYPTO: return "the crypto library failed";
    case ERR_IO: return "input or output failed";
    }
    return "unknown status";
}
