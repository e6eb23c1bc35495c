/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash tables of the control plane: uthash, with allocation failure reported instead of exit(). Tables whose
 * keys a peer can choose are hashed with hash_short() of crypto/hash.h under a secret seed, through the
 * ..._BYHASHVALUE macros, so that nobody outside can aim for one bucket.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#endif
