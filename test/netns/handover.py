#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a TUN and hands it over as descriptor 3, as a container runtime may do.

handover.py NAME NAMESPACE|- COMMAND ...    NAMESPACE: of "ip netns", where the TUN is made; -: here
"""
import ctypes
import fcntl
import os
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
HANDED_OVER = 3


def enter(path):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(path, "rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", path)


def main(name, namespace, *command):
    with open("/proc/self/ns/net", "rb") as own:
        home = f"/proc/self/fd/{own.fileno()}"
        if namespace != "-":
            enter(f"/run/netns/{namespace}")
        tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        if namespace != "-":
            enter(home)
    os.dup2(tun, HANDED_OVER) if tun != HANDED_OVER else os.set_inheritable(tun, True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
