# SPDX-License-Identifier: Apache-2.0
"""Where the contestants meet: two gateways in two namespaces, the load between their own inner addresses.

      gwA                                      gwB
   10.1.0.1  192.0.2.1 ──── wire ──── 192.0.2.2  10.2.0.1
   lan0      wan0                     wan0       lan0

Both gateways and the load share the cores of one machine. The wire is a veth pair that carries super-packets ("super")
or packets of the MTU ("mtu"), or a relay that loses and reorders.
"""
import itertools
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "netns"))

import lab as netns  # noqa: E402  test/netns/lab.py

INNER_MTU = 1400  # of every contestant, so that all carry the same packets
_numbers = itertools.count(1)


def tool(name):
    """A program that ./test/bench/run has built."""
    build = os.environ.get("BENCH_BUILD", os.path.join(netns.ROOT, "build", "bench"))
    for folder in (os.path.join(build, "release", "test", "bench"), os.path.join(netns.ROOT, "build", "test", "bench")):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise netns.Skip(f"there is no {name}: start ./test/bench/run, which builds it")


def null_binary():
    build = os.environ.get("BENCH_BUILD", os.path.join(netns.ROOT, "build", "bench"))
    return os.path.join(build, "null", "esptun-bench-null")


def need_program(name, *places):
    path = shutil.which(name) or next((place for place in places if os.access(place, os.X_OK)), None)
    if path is None:
        raise netns.Skip(f"{name} is not installed")
    return path


def gateways(lab, wire="super", relay=None):
    """Two gateways and a wire. relay: (loss per 10000, late per 10000, late by how many frames, seed)."""
    a, b = lab.namespace("gwA"), lab.namespace("gwB")
    if relay:
        process = lab.start("relay", [tool("bench_relay"), a.name, b.name, "wan0", *map(str, relay)])
        process.wait_log("^ready")
        for end, address in ((a, "192.0.2.1/24"), (b, "192.0.2.2/24")):
            end.ip("addr", "add", address, "dev", "wan0")
            end.ip("link", "set", "wan0", "txqueuelen", 1000, "up")
    else:
        lab.link(a, "wan0", "192.0.2.1/24", b, "wan0", "192.0.2.2/24")
        for end in (a, b):
            end.run("ethtool", "-K", "wan0", "gro", "on")
            if wire == "mtu":  # checksum offload stays: only segmentation comes before the wire
                end.run("ethtool", "-K", "wan0", "tso", "off", "gso", "off", "tx-udp-segmentation", "off")
    for number, end, other in ((1, a, "192.0.2.2"), (2, b, "192.0.2.1")):
        end.wan, end.via = f"192.0.2.{number}", other
        end.lan, end.lan_address = f"10.{number}.0.0/24", f"10.{number}.0.1"
        end.ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan0peer")
        end.ip("link", "set", "lan0peer", "up")
        end.ip("addr", "add", end.lan_address + "/24", "dev", "lan0")
        end.ip("link", "set", "lan0", "up")
        end.ip("route", "add", "default", "via", other)
    return a, b


def finish(namespace, name, *argv, timeout=60.0):
    """Runs a program to its end as one of the lab's processes, so that an interrupt ends it too. Returns its output."""
    process = namespace.start(f"{name}-{next(_numbers)}", *argv)
    return ended(process, timeout)


def ended(process, timeout):
    code = process.wait(timeout)
    if code != 0:
        raise netns.Failure(f"{process.name}: exit {code}: {process.log().strip()[-600:]}")
    return process.log()
