/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of IKEv1 messages: a vendor extension (Cisco's, and everyone's since), announced by the vendor id
 * "FRAGMENTATION". A whole message, header and all, is cut; each piece travels behind a copy of its header as the only
 * payload, of type 132. Nothing of it is authenticated: the message is, once it is whole.
 */
#ifndef IKE_V1_FRAGMENT_H
#define IKE_V1_FRAGMENT_H

#include "ike/engine.h"

struct v1_fragment {
    uint16_t id;    /* of the message; some peers use the same one for all */
    uint8_t number; /* from 1 */
    bool last;
    struct bytes data;
};

/* A message whose first payload is a fragment. ERR_MALFORMED: not exactly one payload, or one without data (B20). */
MUST_USE enum status v1_fragment_read(const struct ike_header *header, struct bytes message, struct v1_fragment *out);

/* The header is the whole message's. */
void v1_fragment_write(struct writer *w, const struct ike_header *header, const struct v1_fragment *fragment);

/* Sends a finished message, in fragments when it is long and the peer takes them. attempt: how often it was sent
 * before: when the long ones seem not to get through, smaller ones may. */
void v1_send(struct ike *ike, const struct ike_sa *sa, struct bytes message, unsigned attempt);

/* One fragment for this SA. When it is the one that was missing: true, and the whole message in *whole (borrowed until
 * the next call) with its header. */
MUST_USE bool v1_fragment_input(struct ike *ike, struct ike_sa *sa, struct ike_header *header, const struct path *path,
                                struct bytes message, struct bytes *whole);

/* The rest has not come in time, or the SA ends. */
void v1_fragments_forget(struct ike *ike, struct ike_sa *sa);

#endif
