/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Echo requests of our own through a tunnel, and their answers (RFC 792, RFC 4443 4). Beside them hosts behind us may
 * ping the same target from the same address, so an answer is known by the token in its data, which is random for each
 * process, and not by its identifier alone. Whoever sees the request (the target, and those before it in the remote
 * network) can make an answer: a probe tells that the tunnel leads there, not who is there.
 */
#ifndef ESP_ECHO_H
#define ESP_ECHO_H

#include "base/wire.h"
#include "policy/flow.h"
#include "policy/ip.h"

enum {
    ECHO_TOKEN = 16,
    ECHO_HEADER = 8,
    ECHO_MESSAGE = ECHO_HEADER + ECHO_TOKEN + 12, /* and then the subject and the nonce */
    ECHO_MAX = IPV6_HEADER + ECHO_MESSAGE,
};

/* What makes them ours. */
struct echo_mark {
    uint8_t token[ECHO_TOKEN];
    uint16_t identifier;
};

struct echo {
    struct address source, destination; /* of the packet: an answer has them the other way round */
    uint32_t subject;                   /* what is asked about, in the words of who asks */
    uint16_t sequence;
    uint64_t nonce; /* random for each request */
};

/* What classification sees of such a request. */
struct flow echo_flow(const struct address *from, const struct address *to);

/* The whole packet; source and destination are of one family. Returns its length. */
size_t echo_request(const struct echo_mark *mark, const struct echo *echo, uint8_t out[ECHO_MAX]);

/* The packet, whole and as flow_read has seen it, is an answer to a request of this mark. Else *out is not touched. */
bool echo_answer(const struct echo_mark *mark, struct bytes packet, const struct flow *flow, struct echo *out);

#endif
