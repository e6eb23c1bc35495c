# SPDX-License-Identifier: Apache-2.0
"""Inner packets that do not show where they belong: ICMP errors (RFC 4301 6) and fragments under rules with ports (7)."""
from esptun import pair
from lab import Capture, clear_packets, expect, expect_no_leak, tshark

# Sends one datagram through a connected socket, then waits for an answer: prints it, or the error that came back.
ASK = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(4)
s.setsockopt(socket.IPPROTO_IP, 10, 0)  # IP_MTU_DISCOVER: no DF
s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: also errors that may pass
s.connect((sys.argv[1], int(sys.argv[2])))
s.send(bytes(i * 7 % 256 for i in range(int(sys.argv[3]))))
try:
    print(len(s.recv(65535)))
except OSError as error:
    print(type(error).__name__)
"""
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 10, 0)
s.bind(("", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(65535)
    assert data == bytes(i * 7 % 256 for i in range(len(data)))
    s.sendto(data, peer)
"""


def ask(host, address, port, size):
    return host.run("/usr/bin/python3", "-c", ASK, address, port, size).stdout.strip()


def echo(host, port):
    host.start("echo", "/usr/bin/python3", "-c", ECHO, port).wait_log("ready")


def rules(text):
    """An ACL of one rule for each side, which both see as their own."""
    return {"left": {"acl": [f"protect = {text.format('10.1.0.0/24', '10.2.0.0/24')} via peer"]},
            "right": {"acl": [f"protect = {text.format('10.2.0.0/24', '10.1.0.0/24')} via peer"]}}


def test_an_icmp_error_finds_its_sa_by_what_it_quotes(lab):
    left, right = pair(lab, **rules("udp {} -> {}"))
    a, b = left.gateway, right.gateway
    echo(b.host, 7)
    expect(ask(a.host, b.host_address, 7, 100) == "100", "UDP does not cross")
    wire = Capture(b, "wan0")
    said = ask(a.host, b.host_address, 9, 100)
    expect(said == "ConnectionRefusedError", f"port unreachable did not come back: {said}")
    b.ip("route", "add", "unreachable", "10.2.0.200/32")
    said = ask(a.host, "10.2.0.200", 9, 100)
    expect(said == "OSError", f"host unreachable of the gateway did not come back: {said}")
    # An echo request quotes nothing: no rule takes it.
    expect(a.host.ping(b.host_address, wait=1) == (1, 0), "ICMP crossed an SA for UDP")
    expect(left.dropped("out_no_rule") > 0, f"not counted: {left.drops()}")
    expect_no_leak(not clear_packets(wire.stop()), "something left in clear")


def test_b37_an_icmp_error_about_other_traffic_is_refused(lab):
    """The peer's own host claims that a connection outside the SA is dead."""
    left, right = pair(lab, left={"acl": ["protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer"]},
                       right={"acl": ["protect = 10.2.0.0/24 -> 10.1.0.0/24 via peer"]})
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "the tunnel is not up")
    forge = ("from scapy.all import *\n"
             "conf.verb = 0\n"
             "send(IP(src='10.2.0.2', dst='10.1.0.2')/ICMP(type=3, code=3)/"
             "IP(src='10.1.0.2', dst='198.51.100.7')/UDP(sport=1024, dport=53))\n")
    before = left.dropped("in_selector")
    b.host.run("/usr/bin/python3", "-c", forge)
    expect(left.dropped("in_selector") == before + 1, f"not refused: {left.drops()}")


def fragments(lab, text, **both):
    left, right = pair(lab, **rules(text), **both)
    a, b = left.gateway, right.gateway
    echo(b.host, 7777)
    wire = Capture(b, "wan0")
    for size in (100, 1472, 1473, 4000, 20000, 65000):
        said = ask(a.host, b.host_address, 7777, size)
        expect(said == str(size), f"{size} bytes: {said}; drops: {left.drops()} {right.drops()}")
    expect_no_leak(not clear_packets(wire.stop()), "something left in clear")
    for end in (left, right):
        expect(set(end.drops()) <= {"out_no_rule"}, f"{end.gateway.label} dropped something: {end.drops()}")


def test_fragments_cross_a_rule_without_ports(lab):
    fragments(lab, "{} -> {}")


def test_fragments_cross_a_rule_with_ports(lab):
    """The far side answers from the port, so its rule has it at the source."""
    left, right = pair(lab, left={"acl": ["protect = udp 10.1.0.0/24 -> 10.2.0.0/24 port 7777 via peer"]},
                       right={"acl": ["protect = udp 10.2.0.0/24 port 7777 -> 10.1.0.0/24 via peer"]})
    a, b = left.gateway, right.gateway
    echo(b.host, 7777)
    for size in (100, 1473, 4000, 20000, 65000):
        said = ask(a.host, b.host_address, 7777, size)
        expect(said == str(size), f"{size} bytes: {said}; drops: {left.drops()} {right.drops()}")
    for end in (left, right):
        expect(set(end.drops()) <= {"out_no_rule"}, f"{end.gateway.label} dropped something: {end.drops()}")
    # Without its first, a later fragment has no port, and goes nowhere.
    lone = ("from scapy.all import *\n"
            "conf.verb = 0\n"
            "send(IP(src='10.1.0.2', dst='10.2.0.2', proto=17, id=77, frag=10)/(b'x' * 64))\n")
    before = left.dropped("out_no_rule")
    a.host.run("/usr/bin/python3", "-c", lone)
    expect(left.dropped("out_no_rule") > before, f"a lone later fragment was not dropped: {left.drops()}")


def test_b38_overlapping_and_tiny_fragments(lab):
    left, right = pair(lab, left={"acl": ["protect = udp 10.1.0.0/24 -> 10.2.0.0/24 port 7777 via peer"]},
                       right={"acl": ["protect = udp 10.2.0.0/24 port 7777 -> 10.1.0.0/24 via peer"]})
    a, b = left.gateway, right.gateway
    echo(b.host, 7777)
    expect(ask(a.host, b.host_address, 7777, 10) == "10", "the tunnel is not up")
    forge = ("from scapy.all import *\n"
             "conf.verb = 0\n"
             "ip = dict(src='10.1.0.2', dst='10.2.0.2', proto=17)\n"
             "udp = bytes(UDP(sport=99, dport=7777, len=80))[:8]\n"
             "first = IP(**ip, id=1, flags='MF', frag=0)/(udp + bytes(32))\n"
             "send([first, IP(**ip, id=1, flags='MF', frag=3)/bytes(32)])\n"   # overlaps the first
             "send(first)\n"                                                   # again
             "send(IP(**ip, id=2, flags='MF', frag=0)/udp[:4])\n")             # shows no whole header, odd length
    before = {name: left.dropped(name) for name in ("out_fragment", "out_malformed")}
    a.host.run("/usr/bin/python3", "-c", forge)
    after = {name: left.dropped(name) for name in before}
    expect(after["out_fragment"] >= before["out_fragment"] + 2, f"not refused: {before} {after}")
    expect(after["out_malformed"] > before["out_malformed"], f"not refused: {before} {after}")


def hops(path, only, field):
    return set(tshark(path, "-Y", only, "-T", "fields", "-e", field).split())


def test_hop_limits(lab):
    """RFC 4301 5.1.2: each gateway that forwards takes one hop, the tunnel none; the outer header starts afresh."""
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "the tunnel is not up")
    wire, heard = Capture(b, "wan0"), Capture(b.host, "eth0", "heard")
    a.host.run("ping", "-n", "-c", 3, "-i", 0.05, "-W", 2, "-t", 20, b.host_address)
    seen = hops(heard.stop(), "icmp.type == 8", "ip.ttl")
    expect(seen == {"18"}, f"sent with 20, two gateways between, arrived with {seen}")
    outside = hops(wire.stop(), "udp.port == 4500 and ip.src == 192.0.2.1", "ip.ttl")
    expect(outside == {"64"}, f"outer hop limits: {outside}")
    # With two hops the packet ends at the second gateway, which says so through the tunnel.
    said = a.host.run("ping", "-n", "-c", 1, "-W", 2, "-t", 2, b.host_address, check=False).stdout
    expect("Time to live exceeded" in said and "10.2.0.1" in said, f"the far gateway was not heard: {said}")
