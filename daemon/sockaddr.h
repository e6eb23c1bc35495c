/* SPDX-License-Identifier: Apache-2.0 */
/* Between our addresses and those of the socket interface. */
#ifndef DAEMON_SOCKADDR_H
#define DAEMON_SOCKADDR_H

#include <sys/socket.h>

#include "policy/address.h"

/* Returns the length of *out. */
socklen_t sockaddr_of(const struct address *address, uint16_t port, struct sockaddr_storage *out);

/* An endpoint of family 0 for anything but IPv4 and IPv6. */
struct endpoint endpoint_of_sockaddr(const struct sockaddr_storage *from);

static inline int sockaddr_family(uint8_t family)
{
    return family == 4 ? AF_INET : AF_INET6;
}

#endif
