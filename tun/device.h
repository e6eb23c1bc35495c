/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TUN interface: whole IP packets, one per read and write. It is created, and then gone with the process; or it
 * existed before, is attached to, and stays.
 */
#ifndef TUN_DEVICE_H
#define TUN_DEVICE_H

#include "base/packet.h"
#include "base/wire.h"

enum { DEVICE_NAME = 16, DEVICE_MTU_MIN = 576, DEVICE_MTU_MAX = 65535, DEVICE_QUEUE = 1000 };

struct device {
    int fd; /* non-blocking */
    unsigned index;
    char name[DEVICE_NAME];
    bool attached;         /* existed before us */
    uint32_t mtu;          /* as set by device_start */
    uint32_t mtu_original; /* of an attached device: put back at the end */
};

/* On failure `why` says what is wrong and what would be right. */
MUST_USE enum status device_open(const char *name, struct device *out, char *why, size_t why_len);

/* Sets the MTU and brings the interface up. An attached device that is already so is left alone, which needs no
 * privilege. */
MUST_USE enum status device_start(struct device *device, uint32_t mtu, char *why, size_t why_len);

void device_close(struct device *device);

/*
 * Drains up to n packets into the buffers of `packets`, each behind PACKET_HEADROOM; returns how many. *gone is set
 * when the interface no longer works (taken down or deleted by somebody else).
 */
size_t device_read(const struct device *device, struct packet *packets, size_t n, bool *gone);

/* False when the interface did not take it. */
bool device_write(const struct device *device, struct bytes packet);

#endif
