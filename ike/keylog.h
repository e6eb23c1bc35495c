/* SPDX-License-Identifier: Apache-2.0 */
/* Test builds only (ESPTUN_KEYLOG): lines of Wireshark's key tables. In every other build these functions are empty and
 * the code is not there. */
#ifndef IKE_KEYLOG_H
#define IKE_KEYLOG_H

#include "ike/engine.h"

#ifdef ESPTUN_KEYLOG
void keylog_phase1(const struct ike *ike, const struct ike_sa *sa);
void keylog_child(const struct ike *ike, const struct child *child);
#else
static inline void keylog_phase1(const struct ike *ike, const struct ike_sa *sa)
{
    (void)ike;
    (void)sa;
}

static inline void keylog_child(const struct ike *ike, const struct child *child)
{
    (void)ike;
    (void)child;
}
#endif

#endif
