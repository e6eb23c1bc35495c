/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transaction exchanges (type 6), between phase 1 and phase 2: v1_config.c (the exchange and its door),
 * v1_config_xauth.c (who is the user?), v1_config_net.c (what is its address?).
 *
 * "Phase 1 is done; what comes before phase 2?" is one step in the life of an IKE SA, SA_CONFIGURING, whatever mode
 * phase 1 had. While it lasts nothing else is spoken, and the SA belongs to nobody: a server adopts it, under the name
 * of the user, when the password was right.
 */
#ifndef IKE_V1_CONFIG_H
#define IKE_V1_CONFIG_H

#include "ike/v1.h"
#include "ike/v1_attr.h"
#include "ike/v1_message.h"

enum config_step {
    CONFIG_LOGIN,    /* server: has asked for user and password; client: waits to be asked */
    CONFIG_CHECKING, /* server: the password is being looked at */
    CONFIG_REFUSED,  /* server: it was wrong, and the peer is being told */
    CONFIG_ADDRESS,  /* client: logged in, waits for an address */
    CONFIG_DONE,     /* phase 2 may begin */
};

/* One exchange: a request and its reply. */
struct config_exchange {
    uint32_t message_id; /* 0: none */
    uint8_t iv[IV_MAX];
    uint8_t kind; /* of the request */
    struct exchange exchange;
};

struct config {
    enum config_step step;
    struct config_exchange ours;   /* one at a time; message_id 0: none is under way */
    struct config_exchange theirs; /* the last one, for repeats */
    struct timer timer;            /* of ours; of a client that waits: of the last message of phase 1 */
    struct identity user;          /* server: who the peer claims to be, until it is proven */
    bool password_sent;            /* client */
    bool pushed;                   /* server: the address has been set */
};

/* --- v1_config.c --- */

/* A request of ours, with its head: attributes go into m->w, then config_ask. */
MUST_USE enum status config_ask_begin(struct ike *ike, struct ike_sa *sa, enum v1_attr_kind kind, struct v1_message *m);
MUST_USE enum status config_ask(struct ike *ike, struct ike_sa *sa, struct v1_message *m);

/* The answer to config->theirs, likewise. */
struct v1_message config_answer_begin(struct ike *ike, const struct ike_sa *sa, const struct v1_attrs *about);
MUST_USE enum status config_answer(struct ike *ike, struct ike_sa *sa, struct v1_message *m, uint64_t digest);

/* Phase 2 may begin. Frees sa where that fails. */
void config_done(struct ike *ike, struct ike_sa *sa);

/* It will not: the peer is told with a delete. Frees sa, unless it was established before: then it is left alone. */
void config_fail(struct ike *ike, struct ike_sa *sa, const char *why);

/* --- v1_config_xauth.c --- */

MUST_USE enum status xauth_ask(struct ike *ike, struct ike_sa *sa);                    /* server */
void xauth_on_reply(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs); /* server */
void xauth_on_heard(struct ike *ike, struct ike_sa *sa);                               /* server: an ACK */
void xauth_on_request(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest); /* client */
void xauth_on_status(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest);  /* client */
bool xauth_is(const struct v1_attrs *attrs); /* does it speak of XAUTH? */

/* --- v1_config_net.c --- */

MUST_USE enum status net_ask(struct ike *ike, struct ike_sa *sa);                                   /* client */
void net_on_reply(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs);                /* client */
void net_on_set(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *attrs, uint64_t digest); /* client */
void net_on_request(struct ike *ike, struct ike_sa *sa, const struct v1_attrs *a, uint64_t digest); /* both */
MUST_USE enum status net_push(struct ike *ike, struct ike_sa *sa);                                  /* server */

#endif
