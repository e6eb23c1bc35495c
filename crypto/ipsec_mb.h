/* SPDX-License-Identifier: Apache-2.0 */
/* Private to crypto/aead_mb*.c: the only door to intel-ipsec-mb's header. */
#ifndef CRYPTO_IPSEC_MB_H
#define CRYPTO_IPSEC_MB_H

#define NO_COMPAT_IMB_API_053 /* else it defines words such as CBC and GCM */
#include <intel-ipsec-mb.h>

#endif
