/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the kernel take the super-packets that it has promised to take? Some do not: Linux 6.6.44 and its like of August
 * 2024 refuse those whose last segment is short, with EINVAL.
 *
 * A super-packet of each kind is written to the TUN itself, just as tun/coalesce makes them. While the interface is
 * down the kernel looks at the packet all the same, says EIO and drops it; nothing else sees it. An interface that
 * somebody has brought up takes it and drops it at its first look at the header: the IPv4 ones have a wrong checksum,
 * the IPv6 ones the loopback's addresses. Needs no privilege and no other interface. What the kernel makes of a
 * super-packet that it has taken is not looked at: that would need a second network namespace.
 */
#ifndef TUN_PROBE_H
#define TUN_PROBE_H

#include "tun/device.h"

/* After device_open, best before device_start. Clears device->tcp_segments or udp_segments where the kernel refuses
 * such super-packets but takes single packets, with a warning; a TUN that takes nothing at all is let be. */
void device_probe(struct device *device, const struct log *log);

#endif
