/* SPDX-License-Identifier: Apache-2.0 */
/* How many descriptors are attached to a TUN: what its owner, of all processes, cannot see in his own descriptor. */
#ifndef TUN_QUEUES_H
#define TUN_QUEUES_H

/* -1: the kernel does not tell (before Linux 4.18), or there is no such TUN. */
int queues_attached(const char *name);

#endif
