/* SPDX-License-Identifier: Apache-2.0 */
/* What the other end of a connection must be set to: our configuration, mirrored, for its administrator. */
#ifndef DAEMON_CONFIG_PARTNER_H
#define DAEMON_CONFIG_PARTNER_H

#include "daemon/config.h"

enum { PARTNER_NETWORKS_MAX = 32 }; /* pairs of networks that are told one by one */

/* The protect rules of each connection, in the order of the file. Owned; freed by partner_rules_free. */
struct partner_rules {
    uint32_t *first; /* by connection: an index into the rules plus 1; 0: none */
    uint32_t *next;  /* by rule: likewise */
};

MUST_USE enum status partner_rules_new(const struct config *config, struct partner_rules *out); /* ERR_MEMORY */
void partner_rules_free(struct partner_rules *rules);

/* The table for one connection. No secret. */
void config_partner(const struct config *config, size_t connection, const struct partner_rules *rules, FILE *out);

/* One line for each proposal, its transforms in the words of appliances. */
void proposals_tell(const struct proposal_list *list, const char *indent, FILE *out);

#endif
