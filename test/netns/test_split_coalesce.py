# SPDX-License-Identifier: Apache-2.0
"""Segmentation offload against the kernel: two TUNs, and between them only tun/split and tun/coalesce.

   hostA 10.77.1.1 ──── tun0   netns_offload   tun0 ──── 10.77.2.1 hostB
         fd77:1::1                                       fd77:2::1
"""
import json
import os
import re

from lab import HERE, Skip, expect, transfer
from probing import tool

SIZE = 50_000_000
MTU = 1400


class Pair:
    def __init__(self, lab, *options, mtu=MTU):
        self.a, self.b = lab.namespace("hostA"), lab.namespace("hostB")
        argv = [tool("netns_offload"), self.a.name, "tun0", self.b.name, "tun0", *map(str, options)]
        self.forwarder = lab.start("forwarder", argv)
        self.uso = "USO" in self.forwarder.wait_log("ready.*").group(0)
        for number, host in ((1, self.a), (2, self.b)):
            host.ip("addr", "add", f"10.77.{number}.1/24", "dev", "tun0")
            host.ip("addr", "add", f"fd77:{number}::1/64", "dev", "tun0", "nodad")
            host.ip("link", "set", "tun0", "mtu", mtu, "up")
            host.ip("route", "add", "10.77.0.0/16", "dev", "tun0")
            host.ip("route", "add", "fd77::/16", "dev", "tun0")

    def both_ways(self, size=SIZE):
        for there, back in (("10.77.2.1", "10.77.1.1"), ("fd77:2::1", "fd77:1::1")):
            transfer(self.a, self.b, there, size, timeout=120)
            transfer(self.b, self.a, back, size, timeout=120)

    def end(self):
        """What it has seen, there and back. Nothing may have been refused, by us or by the kernel."""
        expect(self.forwarder.end() == 0, f"the forwarder failed:\n{self.forwarder.log()}")
        seen = json.loads(self.forwarder.log().splitlines()[-1])
        for way in ("there", "back"):
            expect(seen[way]["refused"] == 0 and seen[way]["failed"] == 0, f"{way}: {seen[way]}")
        return [seen["there"], seen["back"]]


def expect_big(ways, size, least=5):
    """Super-packets were read, and written."""
    for way in ways:
        expect(way["segments"] >= size // MTU // 2, f"only {way['segments']} segments were cut: {way}")
        expect(way["segments"] > least * way["supers"], f"the super-packets are small: {way}")
        expect(way["merged"] > 0 and way["packets"] > 2 * way["writes"], f"little was put together: {way}")
        expect(way["longest"] > 20_000, f"the longest write was {way['longest']} bytes")
    print("covered: " + "; ".join(f"{way['supers']} super-packets of {way['segments']} segments, {way['packets']} "
                                  f"packets in {way['writes']} writes" for way in ways))


def test_tcp(lab):
    pair = Pair(lab, "check")
    pair.both_ways()
    expect_big(pair.end(), 2 * SIZE)


def test_tcp_unchecked(lab):
    """Without the comparisons, so at speed: other sizes and other gaps."""
    pair = Pair(lab, mtu=9000)
    pair.both_ways(4 * SIZE)
    expect_big(pair.end(), 8 * SIZE * MTU // 9000, least=2)


def test_smaller_than_the_mtu(lab):
    """Segments cut to less than the kernel asked for: its TCP sees the same stream."""
    pair = Pair(lab, "check", 1000, mtu=1500)
    pair.both_ways(SIZE // 5)
    expect_big(pair.end(), 2 * SIZE // 5)


def test_without_offload(lab):
    """Control: the kernel splits, so every packet read is whole. They are put together all the same."""
    pair = Pair(lab, "check", "plain")
    pair.both_ways(SIZE // 5)
    for way in pair.end():
        expect(way["supers"] == 0 and way["completed"] == 0, f"plain, and yet {way}")


def test_loss(lab):
    pair = Pair(lab, "check", "lose=501")
    pair.both_ways(SIZE // 5)
    expect_big(pair.end(), 2 * SIZE // 5, least=2)


def test_corruption(lab):
    """A flipped bit reaches the kernel as it is, in a packet of its own, and is thrown away there. Were it merged, the
    kernel would believe it and the hashes would differ."""
    pair = Pair(lab, "corrupt=501")
    pair.both_ways(SIZE // 5)
    expect_big(pair.end(), 2 * SIZE // 5, least=2)
    for host in (pair.a, pair.b):
        found = re.search(r"TcpInCsumErrors\s+(\d+)", host.run("nstat", "-az").stdout)
        expect(found and int(found.group(1)) > 10, f"{host.label} saw no broken checksum")


def test_udp(lab):
    pair = Pair(lab, "check", "udp")
    if not pair.uso:
        raise Skip("this kernel's TUN has no USO (it came with Linux 6.2)")
    count = 0
    for address, size, total in (("10.77.2.1", 1200, 24_000), ("fd77:2::1", 1200, 24_000), ("10.77.2.1", 500, 9_900),
                                 ("fd77:2::1", 1000, 1_004)):
        rounds, each = 50, -(-total // size)
        script = os.path.join(HERE, "datagrams.py")
        sink = pair.b.start(f"sink-{size}-{total}-{address}", "/usr/bin/python3", script, "sink", 7000, rounds * each)
        sink.wait_log("ready")
        sent = pair.a.run("/usr/bin/python3", script, "send", address, 7000, size, total, rounds).stdout
        sink.wait()
        expect(sent in sink.log(), f"sent {sent}but received {sink.log()}")
        count += rounds
    there, _ = pair.end()
    expect(there["supers"] == count, f"{count} super-packets of UDP were sent, {there['supers']} seen")
    # Two in a row may leave as one.
    expect(count // 2 < there["merged"] <= count, f"{count} super-packets could be written, {there['merged']} were")
    print(f"covered: {count} super-packets of UDP, {there['packets']} datagrams")
