/* SPDX-License-Identifier: Apache-2.0 */
#include "tun/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tun/netlink.h"
#include "tun/queues.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#define TUN_PATH "/dev/net/tun"

_Static_assert((int)DEVICE_NAME == IFNAMSIZ, "an interface name");

static enum status explain_open(int error, char *why, size_t why_len)
{
    const char *remedy = "check the permissions of " TUN_PATH;
    if (error == ENOENT || error == ENODEV || error == ENXIO)
        remedy = "load the module (modprobe tun), or give the container the device (--device " TUN_PATH ")";
    else if (error == EPERM) /* the modes of the file would say EACCES */
        remedy = "it is there, but its device cgroup forbids it: a container wants --device " TUN_PATH
                 ", a unit of systemd DeviceAllow=" TUN_PATH " rw, a pod what doc/howto/sidecar.md says";
    else if (error == EACCES)
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

/* Own numbers: the kernel headers of Debian 12 do not know USO yet. */
enum { OFFLOAD_USO4 = 0x20, OFFLOAD_USO6 = 0x40 };

/* What the kernel may leave to us, and take from us. A kernel that refuses sends whole packets. False: the header
 * cannot be ours. */
static bool set_offload(struct device *device, bool offload)
{
    const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int header = VNET_HEADER;
    if (ioctl(device->fd, TUNSETVNETHDRSZ, &header) < 0)
        return false;
    device->udp_segments = offload && ioctl(device->fd, TUNSETOFFLOAD, tcp | OFFLOAD_USO4 | OFFLOAD_USO6) == 0;
    device->offload = device->udp_segments || (offload && ioctl(device->fd, TUNSETOFFLOAD, tcp) == 0);
    device->tcp_segments = device->offload;
    if (!device->offload)
        (void)ioctl(device->fd, TUNSETOFFLOAD, 0UL);
    return true;
}

/* --- a descriptor that is handed over --- */

/* True when the device is in our network namespace. The kernel tells a namespace only to who has CAP_NET_ADMIN over it:
 * where that is so of one of the two alone, they differ; where of neither, the name has to do. */
static bool is_here(int fd, const char *name)
{
    struct stat stats[2];
    if (if_nametoindex(name) == 0)
        return false;
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int its = ioctl(fd, TUNGETDEVNETNS), ours = any >= 0 ? ioctl(any, SIOCGSKNS) : -1;
    bool here = its < 0 && ours < 0;
    if (its >= 0 && ours >= 0)
        here = fstat(its, &stats[0]) == 0 && fstat(ours, &stats[1]) == 0 && stats[0].st_ino == stats[1].st_ino &&
               stats[0].st_dev == stats[1].st_dev;
    const int open_fds[] = {any, its, ours};
    for (size_t i = 0; i < sizeof open_fds / sizeof *open_fds; i++)
        if (open_fds[i] >= 0)
            close(open_fds[i]);
    return here;
}

static enum status refuse_fd(const char *tun, const char *what, char *why, size_t why_len)
{
    (void)snprintf(why, why_len,
                   "tun = %s: %s; hand over a descriptor of " TUN_PATH " after TUNSETIFF with IFF_TUN | IFF_NO_PI, or "
                   "write the name of an interface",
                   tun, what);
    return ERR_IO;
}

/* TUNGETIFF cannot tell: it has a bit of the same value, IFF_NOFILTER, for something else. Without packet information
 * the first byte of what is written must be that of an IP packet; with it, these zeroes are a packet of no protocol,
 * which nobody receives. */
static bool has_packet_information(int fd)
{
    static const uint8_t zeroes[24];
    return write(fd, zeroes, sizeof zeroes) >= 0 || errno != EINVAL;
}

static enum status look_at_fd(const char *tun, int fd, struct ifreq *request, char *why, size_t why_len)
{
    if (fcntl(fd, F_GETFD) < 0)
        return refuse_fd(tun, "no such descriptor is open", why, why_len);
    *request = (struct ifreq){0};
    if (ioctl(fd, TUNGETIFF, request) < 0)
        return refuse_fd(tun, errno == EBADFD ? "it is not tied to an interface yet" : "it is not a TUN", why, why_len);
    unsigned flags = (unsigned short)request->ifr_flags;
    if ((flags & IFF_TUN) == 0)
        return refuse_fd(tun, "it is a TAP and carries Ethernet frames", why, why_len);
    if (has_packet_information(fd))
        return refuse_fd(tun, "it puts packet information before each packet (IFF_NO_PI is missing)", why, why_len);
    return OK;
}

/* -1: `tun` is a name. */
static int fd_of(const char *tun)
{
    if (!device_is_handed_over(tun))
        return -1;
    return (int)strtol(tun + strlen(DEVICE_FD), NULL, 10);
}

static enum status device_take(const char *tun, int fd, bool offload, struct device *out, char *why, size_t why_len)
{
    struct ifreq request;
    enum status status = look_at_fd(tun, fd, &request, why, why_len);
    if (status != OK)
        return status;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return refuse_fd(tun, strerror(errno), why, why_len);
    out->fd = fd;
    out->attached = true;
    out->vnet = ((unsigned short)request.ifr_flags & IFF_VNET_HDR) != 0;
    if (out->vnet && !set_offload(out, offload))
        return refuse_fd(tun, "its virtio header (IFF_VNET_HDR) cannot be set to 10 bytes", why, why_len);
    memcpy(out->name, request.ifr_name, sizeof out->name);
    if (is_here(fd, out->name)) {
        out->index = if_nametoindex(out->name);
        remember_mtu(out);
    }
    return OK;
}

static enum status check_name(const char *name, char *why, size_t why_len)
{
    if (strlen(name) < DEVICE_NAME)
        return OK;
    (void)snprintf(why, why_len, "the TUN name '%s' is too long; at most %d characters", name, DEVICE_NAME - 1);
    return ERR_LIMIT;
}

enum status device_identify(const char *tun, char name[DEVICE_NAME], bool *here, char *why, size_t why_len)
{
    struct ifreq request;
    int fd = fd_of(tun);
    enum status status = fd < 0 ? check_name(tun, why, why_len) : look_at_fd(tun, fd, &request, why, why_len);
    if (status != OK)
        return status;
    (void)snprintf(name, DEVICE_NAME, "%s", fd < 0 ? tun : request.ifr_name);
    *here = fd < 0 || is_here(fd, name);
    return OK;
}

/* --- open --- */

/* A device with queues takes any number of descriptors, and a second gateway would get a part of the packets. */
static bool is_free(const char *name, int ours)
{
    int attached = queues_attached(name);
    errno = EBUSY;
    return attached < 0 || attached <= ours;
}

/* One with several queues is attached to only by that flag, one without only by its absence. A new one is made as it is
 * wanted. */
static int attach(struct device *device, const char *tun, bool offload, bool queues, bool existed,
                  struct ifreq *request)
{
    const int header = offload ? IFF_VNET_HDR : 0;
    const int tries[] = {header | (queues ? IFF_MULTI_QUEUE : 0), header | (queues ? 0 : IFF_MULTI_QUEUE)};
    int result = set_interface(device->fd, tun, tries[0], request);
    device->queues = result == 0 && queues;
    if (result < 0 && errno == EINVAL && existed)
        result = set_interface(device->fd, tun, tries[1], request);
    device->vnet = result == 0 && offload;
    if (device->vnet && !set_offload(device, true))
        return -1;
    return result;
}

enum status device_open(const char *tun, bool offload, bool queues, struct device *out, char *why, size_t why_len)
{
    *out = (struct device){.fd = -1};
    if (fd_of(tun) >= 0)
        return device_take(tun, fd_of(tun), offload, out, why, why_len);
    enum status status = check_name(tun, why, why_len);
    if (status != OK)
        return status;
    bool existed = if_nametoindex(tun) != 0;
    out->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (out->fd < 0)
        return explain_open(errno, why, why_len);
    struct ifreq request;
    /* Looked at before, so that the one who has it loses nothing, and after: two may start at once. */
    if ((existed && !is_free(tun, 0)) || attach(out, tun, offload, queues, existed, &request) < 0 ||
        !is_free(request.ifr_name, 1)) {
        status = explain_attach(errno, tun, existed, why, why_len);
        device_close_queue(out);
        return status;
    }
    out->attached = existed;
    memcpy(out->name, request.ifr_name, sizeof out->name);
    out->index = if_nametoindex(out->name);
    remember_mtu(out);
    return OK;
}

enum status device_add_queue(const struct device *first, struct device *out, char *why, size_t why_len)
{
    struct ifreq request;
    int header = VNET_HEADER;
    *out = *first;
    out->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (out->fd < 0)
        return explain_open(errno, why, why_len);
    if (set_interface(out->fd, first->name, IFF_MULTI_QUEUE | (first->vnet ? IFF_VNET_HDR : 0), &request) == 0 &&
        (!first->vnet || ioctl(out->fd, TUNSETVNETHDRSZ, &header) == 0))
        return OK;
    (void)snprintf(why, why_len, "cannot open another queue of %s: %s; use 'workers = 1'", first->name,
                   strerror(errno));
    device_close_queue(out);
    return ERR_IO;
}

void device_close_queue(struct device *queue)
{
    if (queue->fd >= 0)
        close(queue->fd);
    *queue = (struct device){.fd = -1};
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

int device_set_mtu(struct device *device, uint32_t mtu)
{
    if (device->index == 0)
        return -ENODEV;
    if (mtu == device->mtu)
        return 0;
    struct ifreq request = {.ifr_mtu = (int)mtu};
    if (interface_ioctl(SIOCSIFMTU, device->name, &request) < 0)
        return -errno;
    device->mtu = mtu;
    return 0;
}

static enum status settle_mtu(struct device *device, uint32_t mtu, bool exact, const struct log *log, char *why,
                              size_t why_len)
{
    int error = device_set_mtu(device, mtu);
    if (error == 0)
        return OK;
    if (error == -EPERM && device->attached && !exact) {
        log_write(log, LOG_WARNING,
                  "the MTU of %s stays %u: to set it to %u needs CAP_NET_ADMIN; do it beforehand with 'ip link set %s "
                  "mtu %u'",
                  device->name, device->mtu, mtu, device->name, mtu);
        return OK;
    }
    (void)snprintf(why, why_len, "cannot set the MTU of %s to %u: %s; %s", device->name, mtu, strerror(-error),
                   error == -EPERM ? "it needs CAP_NET_ADMIN, or set it beforehand with 'ip link', or use 'mtu = auto'"
                                   : "choose another 'mtu' in [gateway]");
    return ERR_IO;
}

enum status device_start(struct device *device, uint32_t mtu, bool exact, const struct log *log, char *why,
                         size_t why_len)
{
    if (device->index == 0) { /* whoever made it has set it up where it is */
        device->mtu = mtu;
        return OK;
    }
    if (!device->attached) {
        struct ifreq queue = {.ifr_qlen = DEVICE_QUEUE};
        (void)interface_ioctl(SIOCSIFTXQLEN, device->name, &queue);
        quieten(device);
    }
    enum status status = settle_mtu(device, mtu, exact, log, why, why_len);
    return status == OK ? bring_up(device, why, why_len) : status;
}

void device_close(struct device *device)
{
    if (device->attached && device->index != 0)
        (void)device_set_mtu(device, device->mtu_original);
    if (device->attached && device->vnet)
        (void)ioctl(device->fd, TUNSETOFFLOAD, 0UL); /* who attaches next may not know what to do with it */
    if (device->fd >= 0)
        close(device->fd);
    *device = (struct device){.fd = -1};
}

/* The header into the head-room, the packet behind it. */
static ssize_t read_one(const struct device *device, struct packet *p, struct vnet *vnet)
{
    uint32_t header = device->vnet ? VNET_HEADER : 0;
    uint8_t *at = packet_data(p) - header;
    ssize_t len = read(device->fd, at, PACKET_PAYLOAD_MAX + header);
    *vnet = (struct vnet){0};
    if (len <= (ssize_t)header)
        return len < 0 ? len : 0;
    p->len = (uint32_t)len - header;
    if (device->vnet && vnet_read(bytes_of(at, header), vnet) != OK)
        p->len = 0;
    return len;
}

size_t device_read(const struct device *device, struct slab *slab, struct packet *packets, struct vnet *vnets, size_t n,
                   bool *gone)
{
    size_t count = 0;
    slab_reset(slab);
    while (count < n && slab->used < DEVICE_DRAIN && slab_next(slab, PACKET_PAYLOAD_MAX, &packets[count])) {
        ssize_t len = read_one(device, &packets[count], &vnets[count]);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0) {
            *gone = len < 0 && errno != EAGAIN;
            break;
        }
        slab_keep(slab, &packets[count]);
        count++;
    }
    return count;
}

static bool write_all(const struct device *device, const struct iovec *iov, int count)
{
    ssize_t len;
    do {
        len = writev(device->fd, iov, count);
    } while (len < 0 && errno == EINTR);
    return len >= 0;
}

bool device_write(const struct device *device, struct bytes packet)
{
    static const uint8_t nothing_to_do[VNET_HEADER];
    const struct iovec iov[2] = {{(void *)(uintptr_t)nothing_to_do, sizeof nothing_to_do},
                                 {(void *)(uintptr_t)packet.data, packet.len}};
    return device->vnet ? write_all(device, iov, 2) : write_all(device, iov + 1, 1);
}

bool device_write_coalesced(const struct device *device, const struct coalesced *coalesced)
{
    return write_all(device, coalesced->iov, coalesced->count);
}
