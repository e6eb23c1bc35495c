/* SPDX-License-Identifier: Apache-2.0 */
/* Vendor ids: the way IKEv1 peers tell each other what they can do. */
#ifndef IKE_V1_VENDOR_H
#define IKE_V1_VENDOR_H

#include "ike/payload.h"

enum vendor {
    VENDOR_NATT = 1 << 0, /* RFC 3947 3.1 */
    VENDOR_DPD = 1 << 1,  /* RFC 3706 5.1 */
};

/* The mask of enum vendor that a message announces. */
unsigned vendor_read(const struct payloads *p);
void vendor_write(struct chain *chain, struct writer *w, unsigned mask);

#endif
