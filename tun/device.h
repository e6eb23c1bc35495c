/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TUN interface: whole IP packets, one per read and write. It is created, and then gone with the process; or it
 * existed before, is attached to, and stays; or it is handed over as an open descriptor, and may then lie in another
 * network namespace, where its MTU and state are not ours to see.
 */
#ifndef TUN_DEVICE_H
#define TUN_DEVICE_H

#include <string.h>

#include "base/log.h"
#include "base/slab.h"
#include "base/wire.h"
#include "tun/coalesce.h"
#include "tun/vnet.h"

enum {
    DEVICE_NAME = 16,
    DEVICE_QUEUE = 1000,
    DEVICE_DRAIN = 128 << 10, /* bytes that device_read stops after: more would leave the cache before it is sealed */
};

#define DEVICE_FD "fd:" /* and a number: a TUN that is handed over as this descriptor */

static inline bool device_is_handed_over(const char *tun)
{
    return strncmp(tun, DEVICE_FD, strlen(DEVICE_FD)) == 0;
}

struct device {
    int fd;         /* non-blocking */
    unsigned index; /* 0: in another network namespace */
    char name[DEVICE_NAME];
    bool attached;         /* existed before us */
    bool queues;           /* more descriptors of it may be opened: device_add_queue */
    bool vnet;             /* a vnet header stands before each packet */
    bool offload;          /* with it, the kernel may hand over super-packets */
    bool tcp_segments;     /* and takes those of TCP; it may do one without the other, see tun/probe.h */
    bool udp_segments;     /* and takes those of UDP too (Linux 6.2) */
    uint32_t mtu;          /* in force; of another network namespace: what was asked for */
    uint32_t mtu_original; /* of an attached device: put back at the end */
};

/* `tun` is the name of an interface, or DEVICE_FD and a number. With `offload` the kernel may hand over and take
 * super-packets, where it can; of a descriptor also, if it has a vnet header. `queues`: for several threads;
 * out->queues tells whether the interface can. On failure `why` says what is wrong and what would be right. */
MUST_USE enum status device_open(const char *tun, bool offload, bool queues, struct device *out, char *why,
                                 size_t why_len);

/* Another descriptor of a device with queues, which then has one queue more. The kernel puts the packets of one flow
 * into one queue, that by which packets of the flow were written last. To be closed before the first. Each queue may be
 * read and written by a thread of its own. */
MUST_USE enum status device_add_queue(const struct device *first, struct device *out, char *why, size_t why_len);
void device_close_queue(struct device *queue);

/* The name of the interface that device_open would give, and whether it is in this network namespace (a name that does
 * not exist yet will be). */
MUST_USE enum status device_identify(const char *tun, char name[DEVICE_NAME], bool *here, char *why, size_t why_len);

/*
 * Sets the MTU and brings the interface up. An attached device that is already so is left alone, which needs no
 * privilege. `exact`: an MTU that cannot be set is an error; else an attached device keeps its own, with a warning.
 */
MUST_USE enum status device_start(struct device *device, uint32_t mtu, bool exact, const struct log *log, char *why,
                                  size_t why_len);

/* Changes the MTU of a running device. 0, or a negative errno (-EPERM without CAP_NET_ADMIN, -ENODEV in another network
 * namespace); device->mtu is then what it was. */
int device_set_mtu(struct device *device, uint32_t mtu);

void device_close(struct device *device);

/*
 * Drains up to n packets into the slab, which it resets; returns how many. vnets[i] says what is left to do to packet
 * i. A packet whose vnet header makes no sense comes with length 0. *gone is set when the interface no longer works
 * (taken down or deleted by somebody else).
 */
size_t device_read(const struct device *device, struct slab *slab, struct packet *packets, struct vnet *vnets, size_t n,
                   bool *gone);

/* One whole packet. False when the interface did not take it. */
bool device_write(const struct device *device, struct bytes packet);

/* What coalesce_next gave; only with device->vnet. errno says why not. */
bool device_write_coalesced(const struct device *device, const struct coalesced *coalesced);

#endif
