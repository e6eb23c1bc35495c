/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tun/netlink.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#define TUN_PATH "/dev/net/tun"

_Static_assert((int)DEVICE_NAME == IFNAMSIZ, "an interface name");

static enum status explain_open(int error, char *why, size_t why_len)
{
    const char *remedy = "check the permissions of " TUN_PATH;
    if (error == ENOENT || error == ENODEV || error == ENXIO)
        remedy = "load the module (modprobe tun), or give the container the device (--device " TUN_PATH ")";
    else if (error == EACCES || error == EPERM)
        remedy = "run as root, or give the container the device (--device " TUN_PATH ")";
    (void)snprintf(why, why_len, "cannot open " TUN_PATH ": %s; %s", strerror(error), remedy);
    return ERR_IO;
}

static enum status explain_attach(int error, const char *name, bool existed, char *why, size_t why_len)
{
    const char *remedy = "choose another name for 'tun' in [gateway]";
    if (error == EPERM && existed)
        remedy = "it belongs to another user; run with CAP_NET_ADMIN, or create it with 'ip tuntap add ... user'";
    else if (error == EPERM)
        remedy = "creating it needs CAP_NET_ADMIN (run as root, or give the container NET_ADMIN), or create it "
                 "beforehand with 'ip tuntap add'";
    else if (error == EBUSY)
        remedy = "another process is attached to it; end that one, or choose another name for 'tun' in [gateway]";
    else if (error == EINVAL && existed)
        remedy = "an interface of this name exists and is not a TUN; choose another name for 'tun' in [gateway]";
    (void)snprintf(why, why_len, "cannot %s TUN interface %s: %s; %s", existed ? "attach to" : "create", name,
                   strerror(error), remedy);
    return ERR_IO;
}

static int set_interface(int fd, const char *name, int extra_flags, struct ifreq *request)
{
    *request = (struct ifreq){.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | extra_flags)};
    (void)snprintf(request->ifr_name, sizeof request->ifr_name, "%s", name);
    return ioctl(fd, TUNSETIFF, request);
}

/* One ioctl about an interface goes through any socket. */
static int interface_ioctl(unsigned long what, const char *name, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)snprintf(request->ifr_name, sizeof request->ifr_name, "%s", name);
    int result = ioctl(fd, what, request);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static void remember_mtu(struct device *device)
{
    struct ifreq request = {0};
    if (interface_ioctl(SIOCGIFMTU, device->name, &request) == 0)
        device->mtu_original = device->mtu = (uint32_t)request.ifr_mtu;
}

enum status device_open(const char *name, struct device *out, char *why, size_t why_len)
{
    *out = (struct device){.fd = -1};
    if (strlen(name) >= DEVICE_NAME) {
        (void)snprintf(why, why_len, "the TUN name '%s' is too long; at most %d characters", name, DEVICE_NAME - 1);
        return ERR_LIMIT;
    }
    bool existed = if_nametoindex(name) != 0;
    out->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (out->fd < 0)
        return explain_open(errno, why, why_len);
    struct ifreq request;
    int result = set_interface(out->fd, name, 0, &request);
    /* A device that was created with several queues is attached to only with that flag. */
    if (result < 0 && errno == EINVAL && existed)
        result = set_interface(out->fd, name, IFF_MULTI_QUEUE, &request);
    if (result < 0) {
        enum status status = explain_attach(errno, name, existed, why, why_len);
        device_close(out);
        return status;
    }
    out->attached = existed;
    memcpy(out->name, request.ifr_name, sizeof out->name);
    out->index = if_nametoindex(out->name);
    remember_mtu(out);
    return OK;
}

/* Without IPv6 link-local addresses the kernel has nothing of its own to say on the TUN. A kernel that does not know
 * this is only more talkative. */
static void quieten(const struct device *device)
{
    struct netlink netlink;
    char buffer[NETLINK_REQUEST];
    void *header;
    if (netlink_open(&netlink) != OK)
        return;
    struct nlmsghdr *request = netlink_request(buffer, RTM_NEWLINK, 0, sizeof(struct ifinfomsg), &header);
    ((struct ifinfomsg *)header)->ifi_index = (int)device->index;
    struct nlattr *outer = mnl_attr_nest_start(request, IFLA_AF_SPEC);
    struct nlattr *inner = mnl_attr_nest_start(request, AF_INET6);
    mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    mnl_attr_nest_end(request, inner);
    mnl_attr_nest_end(request, outer);
    (void)netlink_ask(&netlink, request);
    netlink_close(&netlink);
}

static enum status bring_up(const struct device *device, char *why, size_t why_len)
{
    struct ifreq request = {0};
    if (interface_ioctl(SIOCGIFFLAGS, device->name, &request) == 0 && (request.ifr_flags & IFF_UP) != 0)
        return OK;
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    if (interface_ioctl(SIOCSIFFLAGS, device->name, &request) == 0)
        return OK;
    (void)snprintf(why, why_len, "cannot bring %s up: %s; it needs CAP_NET_ADMIN, or do it beforehand with 'ip link'",
                   device->name, strerror(errno));
    return ERR_IO;
}

enum status device_start(struct device *device, uint32_t mtu, char *why, size_t why_len)
{
    if (!device->attached) {
        struct ifreq queue = {.ifr_qlen = DEVICE_QUEUE};
        (void)interface_ioctl(SIOCSIFTXQLEN, device->name, &queue);
        quieten(device);
    }
    struct ifreq request = {.ifr_mtu = (int)mtu};
    if (mtu != device->mtu && interface_ioctl(SIOCSIFMTU, device->name, &request) < 0) {
        (void)snprintf(why, why_len, "cannot set the MTU of %s to %u: %s; %s", device->name, mtu, strerror(errno),
                       errno == EPERM ? "it needs CAP_NET_ADMIN, or set it beforehand with 'ip link'"
                                      : "choose another 'mtu' in [gateway]");
        return ERR_IO;
    }
    device->mtu = mtu;
    return bring_up(device, why, why_len);
}

void device_close(struct device *device)
{
    if (device->attached && device->mtu != device->mtu_original) {
        struct ifreq request = {.ifr_mtu = (int)device->mtu_original};
        (void)interface_ioctl(SIOCSIFMTU, device->name, &request);
    }
    if (device->fd >= 0)
        close(device->fd);
    *device = (struct device){.fd = -1};
}

size_t device_read(const struct device *device, struct packet *packets, size_t n, bool *gone)
{
    size_t count = 0;
    while (count < n) {
        struct packet *p = &packets[count];
        p->offset = PACKET_HEADROOM;
        ssize_t len =
            read(device->fd, p->buffer + p->offset, p->capacity - PACKET_HEADROOM - (uint32_t)PACKET_TAILROOM);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0) {
            *gone = len < 0 && errno != EAGAIN;
            break;
        }
        p->len = (uint32_t)len;
        count++;
    }
    return count;
}

bool device_write(const struct device *device, struct bytes packet)
{
    ssize_t len;
    do {
        len = write(device->fd, packet.data, packet.len);
    } while (len < 0 && errno == EINTR);
    return len == (ssize_t)packet.len;
}
