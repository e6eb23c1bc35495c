/* SPDX-License-Identifier: Apache-2.0 */
/* Main mode, shared by its two halves: v1_main.c (messages 1 to 4, the door) and v1_main_auth.c (5 and 6). */
#ifndef IKE_V1_MAIN_H
#define IKE_V1_MAIN_H

#include "ike/v1.h"

/* The values of phase 1 so far; they point into sa->phase1. */
struct v1_phase1_values main_values(const struct ike_sa *sa);

/* Message 5 or 6. */
MUST_USE enum status main_send_auth(struct ike *ike, struct ike_sa *sa, bool waits);
void main_on_auth(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                  uint64_t digest, struct bytes message);

#endif
