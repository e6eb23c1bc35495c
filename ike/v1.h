/* SPDX-License-Identifier: Apache-2.0 */
/* The exchanges of IKEv1, and the door that messages come in by. */
#ifndef IKE_V1_H
#define IKE_V1_H

#include "ike/engine.h"
#include "ike/payload.h"

/* --- v1_main.c: main mode, RFC 2409 5.4 --- */

MUST_USE enum status v1_main_initiate(struct ike *ike, struct peer *peer);
/* sa: NULL for a first message. */
void v1_main_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message);

/* --- v1_aggressive.c: aggressive mode, RFC 2409 5.4 --- */

MUST_USE enum status v1_aggressive_initiate(struct ike *ike, struct peer *peer);
/* sa: NULL for a first message. */
void v1_aggressive_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                         struct bytes message);
/* Something of phase 2 came while message 3 is still due: was it lost? */
void v1_aggressive_overtaken(struct ike *ike, struct ike_sa *sa, const struct path *path);

/* --- v1_config.c: transaction exchanges, XAUTH and mode-config --- */

/* Phase 1 is complete and remote_id authenticated: what comes before phase 2 begins, or else the SA is established. The
 * caller then pursues what waits, when sa->state is SA_ESTABLISHED, or ends the SA when this fails. */
MUST_USE enum status v1_phase1_done(struct ike *ike, struct ike_sa *sa, const struct identity *remote_id);
void v1_config_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                     struct bytes message);
void v1_config_timer(struct ike *ike, struct ike_sa *sa);
void v1_config_free(struct ike *ike, struct ike_sa *sa);
/* An authenticated informational message while the SA is being configured: the peer may end it. Frees sa then. */
void v1_config_deleted(struct ike *ike, struct ike_sa *sa, const struct payloads *p);

/* --- v1_quick.c: quick mode, RFC 2409 5.5 --- */

struct quick; /* one quick mode */

MUST_USE enum status v1_quick_initiate(struct ike *ike, struct ike_sa *sa, uint32_t rule, struct child_sa *replaces);
void v1_quick_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                    struct bytes message);
void v1_quick_timer(struct ike *ike, struct quick *q);
/* The peer refused with an authenticated notification (RFC 2408 3.14.1); spi: the one of our offer, or 0 when it did
 * not say. */
void v1_quick_refused(struct ike *ike, struct ike_sa *sa, uint32_t spi, unsigned notify);
/* why: what waits on them is told that it failed; NULL: silently. */
void v1_quick_forget_all(struct ike *ike, struct ike_sa *sa, const char *why);
void v1_quick_forget_gone(struct ike *ike, struct ike_sa *sa, const struct renumber *numbers, const char *why);
void v1_quick_renumber(struct ike_sa *sa, const struct renumber *numbers);
bool v1_quick_is_creating(const struct ike_sa *sa, uint32_t rule);
bool v1_quick_has_room(const struct ike_sa *sa);
bool v1_quick_is_creating_any(const struct ike *ike, const struct ike_sa *sa);

/* --- v1_info.c: informational, RFC 2409 5.7; deletes, notifications, dead-peer detection (RFC 3706) --- */

void v1_info_input(struct ike *ike, struct ike_sa *sa, const struct ike_header *header, const struct path *path,
                   struct bytes message);
void v1_info_delete_child(struct ike *ike, struct ike_sa *sa, const struct child_sa *child);
void v1_info_delete_sa(struct ike *ike, struct ike_sa *sa);
void v1_info_probe(struct ike *ike, struct ike_sa *sa);
/* RESPONDER-LIFETIME of phase 1: ours is shorter than what was offered (RFC 2407 4.5.4). */
void v1_info_lifetime(struct ike *ike, struct ike_sa *sa);
/* An authenticated notification about phase 2; the datagram stays in ike->out and is returned, so that it can be kept.
 */
struct bytes v1_info_notify(struct ike *ike, struct ike_sa *sa, unsigned type, uint32_t spi);
/* A clear one, about phase 1, rate limited; at most one per received message. */
void v1_info_notify_clear(struct ike *ike, const struct ike_header *about, const struct path *path, unsigned type);

#endif
