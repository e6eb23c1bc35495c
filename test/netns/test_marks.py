# SPDX-License-Identifier: Apache-2.0
"""What the outer header says for the inner one, and what comes back: DSCP, ECN, DF, fragments of outer packets."""
import os
import socket
import struct

from lab import Capture, expect, wait_for
from packets import DF, captured, ip4, ip6, send
from probing import Asker, expand, start_echo
from roads import pair_over, two_routers

EF, CS6, AF21, BEST = 46, 48, 18, 0
NOT_ECT, ECT1, ECT0, CE = 0, 1, 2, 3
PROTOCOL = 253


class Road:
    """A tunnel over two routers: marked packets from hostA, outer packets seen at r1, inner ones at hostB."""

    def __init__(self, lab, outer, udp=True, **keys):
        self.lab, self.outer = lab, outer
        self.a, self.b, self.r1, self.r2 = two_routers(lab)
        self.left, self.right = pair_over(self.a, self.b, outer, udp, **keys)
        self.left.up()
        wait_for("both children", lambda: len(self.left.children()) == len(self.right.children()) == 2)

    def packet(self, family, tos, size=100, flags=0):
        if family == 4:
            return ip4(self.a.host_address, self.b.host_address, PROTOCOL, bytes(size - 20), tos, flags)
        return ip6(self.a.host_address6, self.b.host_address6, PROTOCOL, bytes(size - 40), tos)

    def pass_through(self, inner):
        """Sends inner packets, returns the outer ones on the first link and the inner ones that arrive, as pairs of IP
        packets in order."""
        outer = Capture(self.r1, "end0", "outer", "udp port 4500 or ip proto 50 or ip6 proto 50 or ip6 proto 44 or "
                        "(ip[6:2] & 0x1fff != 0)")
        arrived = Capture(self.b.host, "eth0", "inner", f"ip proto {PROTOCOL} or ip6 proto {PROTOCOL} or ip6 proto 44")
        send(self.a.host, inner, 2)
        return [packet for packet in captured(outer.stop()) if source_of(packet) == self.a.wans[self.outer]], \
            captured(arrived.stop())


def source_of(packet):
    if packet[0] >> 4 == 4:
        return ".".join(str(byte) for byte in packet[12:16])
    return socket.inet_ntop(socket.AF_INET6, packet[8:24])


def tos_of(packet):
    return packet[1] if packet[0] >> 4 == 4 else struct.unpack(">H", packet[:2])[0] >> 4 & 0xff


def tos(dscp, ecn):
    return dscp << 2 | ecn


def marks(lab, outer, expected, udp=True, **keys):
    """expected(inner TOS): what the outer header must carry. Inner packets must arrive as they were sent."""
    road = Road(lab, outer, udp, **keys)
    chosen = [tos(dscp, ecn) for dscp in (BEST, AF21, EF, CS6, 63) for ecn in range(4)]
    for family in (4, 6):
        outside, inside = road.pass_through([road.packet(family, mark) for mark in chosen])
        got = [tos_of(packet) for packet in outside]
        expect(got == [expected(mark) for mark in chosen], f"inner IPv{family} with TOS {chosen}: the outer ones have "
               f"{got}, not {[expected(mark) for mark in chosen]}")
        expect([tos_of(packet) for packet in inside] == chosen, f"inner IPv{family}: {chosen} arrive as "
               f"{[tos_of(packet) for packet in inside]}")


def copied(mark):
    # RFC 6040 4.1, normal mode: CE is copied as it is.
    return mark


def add_marks(name, outer, expected, udp=True, **keys):
    globals()[f"test_dscp_{name}"] = lambda lab: marks(lab, outer, expected, udp, **keys)


for outer_family, more in ((4, ""), (6, "_outer_ipv6")):
    add_marks(f"and_ecn_are_copied{more}", outer_family, copied)
    add_marks(f"and_ecn_are_copied{more}_raw", outer_family, copied, False)
add_marks("fixed", 4, lambda mark: tos(CS6, mark & 3), dscp="cs6")
add_marks("fixed_outer_ipv6", 6, lambda mark: tos(EF, mark & 3), dscp="ef")


def test_ecn_off(lab):
    """RFC 6040 4.1, compatibility mode: the outer one is Not-ECT."""
    marks(lab, 4, lambda mark: mark & ~3, ecn="no")


def congested(lab, outer, udp=True):
    """A router marks outer packets: the table of RFC 6040 4.2 for an outer CE."""
    road = Road(lab, outer, udp)
    word = "ip" if outer == 4 else "ip6"
    # Whatever the sender has set: as a router would that does not look.
    road.r1.nft(f"table {word} congestion {{\nchain forward {{\ntype filter hook forward priority 0;\n"
                f"oifname mid0 {word} ecn set ce\n}}\n}}\n")
    for family in (4, 6):
        before = road.right.status()["drops"]["in_ecn"]
        _, inside = road.pass_through([road.packet(family, tos(AF21, ecn)) for ecn in (ECT0, ECT1, CE, NOT_ECT)])
        got = [tos_of(packet) for packet in inside]
        expect(got == [tos(AF21, CE)] * 3, f"inner IPv{family}: ECT(0), ECT(1) and CE should arrive as CE with their "
               f"DSCP, and Not-ECT not at all: {got}")
        dropped = road.right.status()["drops"]["in_ecn"] - before
        expect(dropped == 1, f"CE over Not-ECT counted {dropped} times as in_ecn")


def test_ce_from_the_way_arrives_inside(lab):
    congested(lab, 4)


def test_ce_from_the_way_arrives_inside_raw(lab):
    congested(lab, 4, False)


def test_ce_from_the_way_arrives_inside_outer_ipv6(lab):
    congested(lab, 6)


def test_dscp_from_the_way_stays_outside(lab):
    road = Road(lab, 4)
    road.r1.nft("table ip remark {\nchain forward {\ntype filter hook forward priority 0;\noifname mid0 ip dscp set "
                "cs1\n}\n}\n")
    _, inside = road.pass_through([road.packet(family, tos(EF, ECT0)) for family in (4, 6)])
    expect([tos_of(packet) for packet in inside] == [tos(EF, ECT0)] * 2, f"arrived: {[tos_of(p) for p in inside]}")


def df_of(packet):
    return bool(struct.unpack(">H", packet[6:8])[0] & DF)


def add_df(word, expected, udp):
    def test(lab):
        road = Road(lab, 4, udp, df=word)
        outside, _ = road.pass_through([road.packet(4, 0), road.packet(4, 0, flags=DF), road.packet(6, 0)])
        got = tuple(df_of(packet) for packet in outside)
        expect(got == expected, f"df = {word}: inner without DF, with DF, IPv6: the outer ones have DF {got}, not "
               f"{expected}")
    globals()[f"test_df_{word}_{'udp' if udp else 'raw'}"] = test


for in_udp in (True, False):
    add_df("copy", (False, True, True), in_udp)
    add_df("set", (True, True, True), in_udp)
    add_df("clear", (False, False, False), in_udp)


def sizes_arrive(road, df, chosen):
    start_echo(road.b.host)
    asker = Asker(road.a.host)
    said = asker.ask(road.a.host_address, road.b.host_address, df, chosen, 300)
    asker.end()
    return expand(said["echoed"]), said


def outer_in_fragments(road, df):
    """2000 bytes over a wire of 1500, with the connection's choices. Returns (arrived, did fragments travel)."""
    wire = Capture(road.r1, "end0", "fragments", "(ip[6:2] & 0x3fff != 0) or ip6 proto 44")
    arrived, _ = sizes_arrive(road, df, {2000})
    return bool(arrived), os.path.getsize(wire.stop()) > 24


def test_fragments_before_sealing(lab):
    expect(outer_in_fragments(Road(lab, 4, settings={"mtu": 9000}), False) == (True, False), "not cut before sealing")


def test_fragments_after_sealing(lab):
    expect(outer_in_fragments(Road(lab, 4, settings={"mtu": 9000}, fragment="after"), False) == (True, True),
           "fragment = after: no outer fragments, or nothing arrives")


def test_fragments_after_sealing_outer_ipv6(lab):
    expect(outer_in_fragments(Road(lab, 6, settings={"mtu": 9000}, fragment="after"), False) == (True, True),
           "fragment = after: no outer fragments, or nothing arrives")


def test_df_clear_carries_inner_df_in_fragments(lab):
    expect(outer_in_fragments(Road(lab, 4, settings={"mtu": 9000}, df="clear"), True) == (True, True),
           "df = clear: an inner packet with DF should travel in outer fragments")


def refused(lab, outer, udp):
    """outer_fragments = refuse: what travelled in fragments ends, and nothing else."""
    road = Road(lab, outer, udp, settings={"mtu": 9000}, left={"fragment": "after"},
                right={"outer_fragments": "refuse"})
    arrived, travelled = outer_in_fragments(road, False)
    expect(travelled, "there were no outer fragments to refuse")
    expect(not arrived, "outer_fragments = refuse, but the packet arrived")
    expect(road.right.dropped("in_outer_fragment") >= 1, f"not counted as in_outer_fragment: {road.right.drops()}")
    expect(road.a.host.ping(road.b.host_address, 3) == (3, 3), "whole packets no longer arrive")


def add_refused(name, outer, udp):
    globals()[f"test_outer_fragments_refused_{name}"] = lambda lab: refused(lab, outer, udp)


add_refused("udp", 4, True)
add_refused("raw", 4, False)
add_refused("outer_ipv6", 6, True)
