/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON document of `esptun status`: scripts read its members, so they keep their names. */
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include <jansson.h>

#include "daemon/worker.h"
#include "ike/ike.h"
#include "tun/guard.h"

/* Which calls carry several packets at the moment: configured, known to the kernel, and not found wanting. */
struct tunnel_probe;

struct offloads {
    bool tun, udp_gso, udp_gro;
};

struct status_input {
    const char *version;
    uint64_t now_ms, started_ms;
    uint64_t configured_ms; /* when the configuration in force was read */
    const struct connection *connections;
    size_t connection_count;
    const struct tunnel_probe *probes; /* by connection; NULL: nothing is probed */
    const struct spd *spd;
    const struct sad *sad; /* counters of children */
    const struct drops *drops;
    const struct rule_counters *rules; /* one per entry of the SPD */
    const uint64_t *ike_drops;         /* IKE_DROP_COUNT */
    const struct aead_library *crypto;
    size_t workers;
    const struct guard_counts *guard; /* NULL: none */
    struct offloads offloads;
    const struct log *log;      /* for its levels */
    const struct ike *ike;      /* for the addresses of names; NULL: none are known */
    char *const *name_problems; /* by connection, and NULL where there is none; NULL: nowhere */
};

/* By the word for a state of an IKE SA or child: "established", or renewed at the moment. */
bool status_is_up(const char *state);

/* A document under construction: status_begin, ike_visit(ike, status_visitor), status_finish. */
struct status_document {
    const struct status_input *input;
    json_t *sas;      /* owned */
    json_t *children; /* borrowed: of the SA visited last */
    bool failed;
};

void status_begin(struct status_document *document, const struct status_input *input);
struct ike_visitor status_visitor(struct status_document *document);

/* The text, to be freed by the caller; NULL when memory is short. The document is gone either way. */
char *status_finish(struct status_document *document, size_t *len);

#endif
