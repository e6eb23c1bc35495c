/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/outgoing.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/sockaddr.h"
#include "ike/ike.h"
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

static uint32_t interface_mtu(const char *name)
{
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    uint32_t mtu = ioctl(fd, SIOCGIFMTU, &request) == 0 ? (uint32_t)request.ifr_mtu : 0;
    close(fd);
    return mtu;
}

static bool has_address(const struct ifaddrs *entry, const struct address *wanted)
{
    if (entry->ifa_addr == NULL || (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6))
        return false;
    struct endpoint e = endpoint_of_sockaddr((const struct sockaddr_storage *)(const void *)entry->ifa_addr);
    return address_equal(&e.address, wanted);
}

uint32_t outgoing_mtu(const struct address *local, const struct address *remote)
{
    struct address source = local->family != 0 ? *local : outgoing_source(remote);
    struct ifaddrs *all = NULL;
    uint32_t mtu = 0;
    if (source.family == 0 || getifaddrs(&all) < 0)
        return 0;
    for (const struct ifaddrs *entry = all; entry != NULL && mtu == 0; entry = entry->ifa_next)
        if (has_address(entry, &source))
            mtu = interface_mtu(entry->ifa_name);
    freeifaddrs(all);
    return mtu;
}
