/* SPDX-License-Identifier: Apache-2.0 */
/* Which outer sockets a set of connections needs, and opening them. */
#ifndef DAEMON_UDP_OPEN_H
#define DAEMON_UDP_OPEN_H

#include "daemon/udp.h"

/* share: NULL, or see daemon/udp.h. Adds to sockets (capacity entries), of which *count are there, what is missing. On
 * failure *count are open, and `why` says what is wrong and what would be right. */
MUST_USE enum status udp_open_sockets(const struct connection *connections, size_t connection_count,
                                      const struct udp_share *share, const struct log *log, struct udp_socket *sockets,
                                      size_t capacity, size_t *count, char *why, size_t why_len);

/* Does some connection need it? One of all addresses serves each of its family. */
bool udp_socket_needed(const struct udp_socket *socket, const struct connection *connections, size_t count);

/* Sends with DF from now on, or without: see daemon/udp.h. False, with errno. */
bool udp_set_df(int fd, uint8_t family, bool df);

#endif
