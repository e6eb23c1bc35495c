/* SPDX-License-Identifier: Apache-2.0 */
/* Vendor ids: the way IKEv1 peers tell each other what they can do. */
#ifndef IKE_V1_VENDOR_H
#define IKE_V1_VENDOR_H

#include "ike/payload.h"

enum vendor {
    VENDOR_NATT = 1 << 0, /* RFC 3947 3.1 */
    VENDOR_DPD = 1 << 1,  /* RFC 3706 5.1 */
    /* Drafts of RFC 3947, newest first; with other numbers of payloads and encapsulations. The text of 02 was hashed
     * with and without its line feed. */
    VENDOR_NATT_03 = 1 << 2,
    VENDOR_NATT_02N = 1 << 3,
    VENDOR_NATT_02 = 1 << 4,
    VENDOR_FRAGMENTATION = 1 << 5, /* of IKE messages: see v1_fragment.h */
    VENDOR_XAUTH = 1 << 8,         /* draft-ietf-ipsec-isakmp-xauth-06 2.1 */
    VENDOR_UNITY = 1 << 9,         /* split networks, banner and more in mode-config */

    VENDOR_NATT_DRAFTS = VENDOR_NATT_03 | VENDOR_NATT_02N | VENDOR_NATT_02,
    VENDOR_NATT_ANY = VENDOR_NATT | VENDOR_NATT_DRAFTS,
    VENDOR_ALL = VENDOR_NATT_ANY | VENDOR_DPD | VENDOR_FRAGMENTATION | VENDOR_XAUTH | VENDOR_UNITY,
};

/* Of what both ends know only the newest NAT traversal stays. */
unsigned vendor_newest_natt(unsigned mask);

/* The mask of enum vendor that a message announces. */
unsigned vendor_read(const struct payloads *p);
void vendor_write(struct chain *chain, struct writer *w, unsigned mask);

#endif
