/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the refusal of a peer means, for the person who has to mend it: the notification by its name, what we asked for,
 * and the likely remedy. IKEv1 tells no more than a number, so that what we offered is half of the answer, and the
 * other half stands in the settings of the peer. Several lines, separated by '\n', without one at the end.
 */
#ifndef IKE_REFUSAL_H
#define IKE_REFUSAL_H

#include "ike/engine.h"

enum { REFUSAL_TEXT = EXPLAIN_TEXT };

/* Of phase 1 (type: a notification, RFC 2408 3.14.1). Returns out. */
const char *refusal_of_phase1(const struct connection *c, const struct ike_sa *sa, unsigned type,
                              char out[REFUSAL_TEXT]);

/* Of phase 2: `offered` and the selectors `asked`, seen from here. Returns out. */
const char *refusal_of_phase2(const struct proposal_list *offered, const struct selector *asked, unsigned type,
                              char out[REFUSAL_TEXT]);

#endif
