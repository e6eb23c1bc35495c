#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scapy reads what esptun says and makes of inner packets: "too big", fragments, MSS, ECN; and says "too big" to it.

Usage: scapy_inner.py INNER_TOOL. Exit 77: scapy is absent.
"""
import os
import random
import subprocess
import sys

try:
    from scapy.layers.inet import (ICMP, IP, TCP, UDP, IPerror, IPOption_NOP, IPOption_RR, IPOption_Router_Alert,
                                   defragment)
    from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6PacketTooBig, IPerror6, IPv6, IPv6ExtHdrDestOpt,
                                    IPv6ExtHdrFragment)
    from scapy.packet import Raw, raw
except ImportError as reason:
    print("skipped: %s (python3-scapy)" % reason)
    sys.exit(77)

RNG = random.Random(6040)
count = 0


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, verb, number, packet):
        global count
        count += 1
        self.process.stdin.write("%s %d %s\n" % (verb, number, raw(packet).hex()))
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def data(size):
    return Raw(bytes(RNG.randrange(256) for _ in range(size)))


def same_when_rebuilt(layer, packet, *fields):
    """The bytes are those that scapy makes itself when it computes these (layer, field) anew."""
    fresh = layer(raw(packet))
    for where, field in fields:
        fresh[where].delfieldval(field)
    assert raw(fresh) == raw(packet), "scapy computes %s, not %s" % (raw(fresh).hex(), raw(packet).hex())


def check_too_big(tool):
    for size in (0, 1, 100, 499, 520, 521, 1001, 1400):
        packet = IP(raw(IP(src="10.1.0.2", dst="10.2.0.3", flags="DF") / UDP(sport=4711, dport=53) / data(size)))
        said = IP(bytes.fromhex(tool.ask("too_big", 1438, packet)))
        same_when_rebuilt(IP, said, (IP, "chksum"), (IP, "len"), (ICMP, "chksum"))
        assert (said.src, said.dst, said[ICMP].type, said[ICMP].code) == ("10.2.0.3", "10.1.0.2", 3, 4)
        assert said[ICMP].nexthopmtu == 1438 and said[IPerror].src == "10.1.0.2" and len(said) <= 576

        packet = IPv6(raw(IPv6(src="fd00::1", dst="fd01::2") / UDP(sport=4711, dport=53) / data(size)))
        said = IPv6(bytes.fromhex(tool.ask("too_big", 1418, packet)))
        same_when_rebuilt(IPv6, said, (IPv6, "plen"), (ICMPv6PacketTooBig, "cksum"))
        assert (said.src, said.dst, said[ICMPv6PacketTooBig].mtu) == ("fd01::2", "fd00::1", 1418)
        assert said[IPerror6].src == "fd00::1" and len(said) <= 1280
        assert tool.ask("too_big", 1418, said) == "none"
    echo = IPv6(src="fd00::1", dst="fd01::2") / IPv6ExtHdrDestOpt() / ICMPv6EchoRequest(data=b"x" * 1400)
    assert ICMPv6PacketTooBig in IPv6(bytes.fromhex(tool.ask("too_big", 1418, echo)))
    assert tool.ask("too_big", 1418, IP(src="10.1.0.2", dst="10.2.0.3") / UDP() / data(1400)) == "none"


def check_fragments(tool):
    option_sets = [[], [IPOption_Router_Alert()], [IPOption_RR(routers=["0.0.0.0"] * 2), IPOption_Router_Alert()],
                   [IPOption_NOP(), IPOption_RR(routers=["0.0.0.0"] * 3)]]
    for options in option_sets:
        for size in (0, 1, 60, 571, 1400, 9000):
            for mtu in (68, 69, 576, 1399, 1438):
                packet = IP(raw(IP(src="10.1.0.2", dst="10.2.0.3", id=RNG.randrange(65536), tos=0xb9,
                                   options=options) / UDP(sport=4711, dport=53) / data(size)))
                pieces = [IP(bytes.fromhex(text)) for text in tool.ask("fragment", mtu, packet).split()]
                for piece in pieces:
                    assert len(piece) <= mtu
                    same_when_rebuilt(IP, piece, (IP, "chksum"), (IP, "len"), (IP, "ihl"))
                for piece in pieces[1:]:
                    kinds = [o.option for o in piece.options if o.option > 1]
                    assert kinds == [o.option for o in packet.options if o.copy_flag], kinds
                RNG.shuffle(pieces)
                whole = defragment(pieces)
                assert len(whole) == 1
                got = IP(raw(whole[0]))
                assert raw(got.payload) == raw(packet.payload), "%d bytes, MTU %d" % (size, mtu)
    assert tool.ask("fragment", 576, IP(flags="DF") / data(1000)) == "none"


def check_mss(tool):
    for mss in (536, 1200, 1201, 1460, 8960, 65535):
        for options in ([("MSS", mss)], [("NOP", None), ("MSS", mss), ("SAckOK", b"")],
                        [("SAckOK", b""), ("Timestamp", (7, 0)), ("MSS", mss), ("WScale", 7)]):
            for flags in ("S", "SA"):
                tcp = TCP(sport=4711, dport=443, flags=flags, options=options)
                for layer, packet in ((IP, IP(src="10.1.0.2", dst="10.2.0.3") / tcp),
                                      (IPv6, IPv6(src="fd00::1", dst="fd01::2") / tcp),
                                      (IPv6, IPv6(src="fd00::1", dst="fd01::2") / IPv6ExtHdrDestOpt() / tcp)):
                    got = layer(bytes.fromhex(tool.ask("mss", 1200, packet)))
                    assert dict(got[TCP].options)["MSS"] == min(mss, 1200), got[TCP].options
                    same_when_rebuilt(layer, got, (TCP, "chksum"))
                    assert len(got) == len(raw(packet))


def check_ecn(tool):
    for inner in range(256):
        outer = RNG.randrange(64) * 4 + 3
        for layer, packet in ((IP, IP(src="10.1.0.2", dst="10.2.0.3", tos=inner, id=inner * 7) / data(8)),
                              (IPv6, IPv6(src="fd00::1", dst="fd01::2", tc=inner, fl=0xfffff) / data(8))):
            said = tool.ask("ecn", outer, packet)
            if inner % 4 == 0:
                assert said == "none"
                continue
            got = layer(bytes.fromhex(said))
            assert (got.tos if layer is IP else got.tc) == inner | 3
            if layer is IP:
                same_when_rebuilt(IP, got, (IP, "chksum"))


def check_claims(tool):
    esp = bytes.fromhex("c0ffee0100000007") + b"x" * 40
    spi = str(0xc0ffee01)
    four, six = IP(src="192.0.2.1", dst="198.51.100.7"), IPv6(src="2001:db8::1", dst="2001:db8::7")
    udp = UDP(sport=4500, dport=4501)
    for quoted, expected in ((four.copy() / Raw(esp), ("192.0.2.1:0 198.51.100.7:0 " + spi + " 0 1300")),
                             (four / udp / Raw(esp), ("192.0.2.1:4500 198.51.100.7:4501 " + spi + " 1 1300"))):
        quoted[IP].proto = 17 if UDP in quoted else 50
        message = ICMP(type=3, code=4, nexthopmtu=1300) / quoted
        assert tool.ask("claim", 4, message) == expected, tool.ask("claim", 4, message)
    for quoted, expected in ((six / Raw(esp), "[2001:db8::1]:0 [2001:db8::7]:0 " + spi + " 0 1300"),
                             (six / udp / Raw(esp), "[2001:db8::1]:4500 [2001:db8::7]:4501 " + spi + " 1 1300"),
                             (six / IPv6ExtHdrFragment(m=1) / udp / Raw(esp),
                              "[2001:db8::1]:4500 [2001:db8::7]:4501 " + spi + " 1 1300")):
        if UDP not in quoted:
            quoted[IPv6].nh = 50
        router = IPv6(src="2001:db8::99", dst="2001:db8::1")
        message = IPv6(raw(router / ICMPv6PacketTooBig(mtu=1300) / quoted)).payload
        assert tool.ask("claim", 6, message) == expected, tool.ask("claim", 6, message)
    assert tool.ask("claim", 4, ICMP(type=3, code=4, nexthopmtu=1300) / four / TCP()) == "none"


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: scapy_inner.py INNER_TOOL (the executable that the build makes of test/vectors/inner_tool.c)")
    tool = Tool(sys.argv[1])
    for check in (check_too_big, check_fragments, check_mss, check_ecn, check_claims):
        check(tool)
    print("%d packets" % count)


main()
