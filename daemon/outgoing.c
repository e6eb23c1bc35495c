/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/outgoing.h"

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "ike/ike.h"
#include "tun/host.h"
#include "tun/route.h"

struct address outgoing_source(const struct address *remote)
{
    struct sockaddr_storage name;
    struct address found = {0};
    if (remote->family == 0)
        return found;
    int mark = ROUTE_MARK, fd = socket(sockaddr_family(remote->family), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return found;
    (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    /* Connecting a UDP socket sends nothing; it only looks up the route. */
    socklen_t len = sockaddr_of(remote, IKE_PORT, &name);
    if (connect(fd, (struct sockaddr *)&name, len) == 0) {
        len = sizeof name;
        if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
            found = endpoint_of_sockaddr(&name).address;
    }
    close(fd);
    return found;
}

uint32_t outgoing_mtu(const struct path *path, bool udp)
{
    struct netlink netlink;
    if (path->remote.address.family == 0 || netlink_open(&netlink) != OK)
        return 0;
    uint32_t mtu = host_route_mtu(&netlink, path, udp, ROUTE_MARK);
    netlink_close(&netlink);
    return mtu;
}
