/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TUN interface: whole IP packets, one per read and write. It is created, and then gone with the process; or it
 * existed before, is attached to, and stays; or it is handed over as an open descriptor, and may then lie in another
 * network namespace, where its MTU and state are not ours to see.
 */
#ifndef TUN_DEVICE_H
#define TUN_DEVICE_H

#include "base/log.h"
#include "base/packet.h"
#include "base/wire.h"

enum { DEVICE_NAME = 16, DEVICE_MTU_MIN = 576, DEVICE_MTU_MAX = 65535, DEVICE_QUEUE = 1000 };

#define DEVICE_FD "fd:" /* and a number: a TUN that is handed over as this descriptor */

struct device {
    int fd;         /* non-blocking */
    unsigned index; /* 0: in another network namespace */
    char name[DEVICE_NAME];
    bool attached;         /* existed before us */
    uint32_t mtu;          /* in force; of another network namespace: what was asked for */
    uint32_t mtu_original; /* of an attached device: put back at the end */
};

/* `tun` is the name of an interface, or DEVICE_FD and a number. On failure `why` says what is wrong and what would be
 * right. */
MUST_USE enum status device_open(const char *tun, struct device *out, char *why, size_t why_len);

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
 * Drains up to n packets into the buffers of `packets`, each behind PACKET_HEADROOM; returns how many. *gone is set
 * when the interface no longer works (taken down or deleted by somebody else).
 */
size_t device_read(const struct device *device, struct packet *packets, size_t n, bool *gone);

/* False when the interface did not take it. */
bool device_write(const struct device *device, struct bytes packet);

#endif
