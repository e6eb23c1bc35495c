# SPDX-License-Identifier: Apache-2.0
"""`protect = any -> any`: all but what a bypass rule names goes to the peer, and IKE and ESP are not cut off."""
from esptun import Esptun, config
from lab import Capture, clear_packets, expect, expect_no_leak, ping_counts, transfer, tshark
from test_ranges import ping6, six

AWAY, AWAY6 = "192.168.77.1", "fd77::1"  # in clear, by a bypass rule


def everything(gateway):
    """Where both sides are any, addresses do not tell whose they are: a bypass rule names our own networks."""
    number = gateway.lan.split(".")[1]
    return [f"bypass = any -> {gateway.lan}", f"bypass = any -> fd00:{number}::/64", "protect = any -> any via peer"]


def main_table(gateway):
    return "".join(gateway.ip(*family, "route", "show", "table", "main").stdout for family in ([], ["-6"]))


def both_families(left, right):
    a, b = left.gateway, right.gateway
    for one, other, number in ((a, b, 2), (b, a, 1)):
        expect(one.host.ping(other.host_address, 5) == (5, 5), f"IPv4 pings from {one.label}'s host were lost")
        expect(ping6(one, f"fd00:{number}::2", 5) == (5, 5), f"IPv6 pings from {one.label}'s host were lost")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    transfer(b.host, a.host, a.host_address, 1_000_000)


def full_tunnel(lab, guard, left_acl=None, right_acl=None, **keys):
    """The away network lies behind gwB, and is reached in clear."""
    a, b = six(lab)
    b.ip("addr", "add", AWAY + "/32", "dev", "lo")
    b.ip("addr", "add", AWAY6 + "/128", "dev", "lo")
    away = ["bypass = any -> 192.168.77.0/24", "bypass = any -> fd77::/64"]
    back = ["bypass = 192.168.77.0/24 -> any", "bypass = fd77::/64 -> any"]
    before = main_table(a)
    left = Esptun(a, config(a, b, acl=away + (left_acl or everything(a)), settings={"guard": guard}, **keys))
    keys = {**keys, "local": keys.get("remote", b.wan), "remote": keys.get("local", a.wan)}
    right = Esptun(b, config(b, a, acl=back + (right_acl or everything(b)), settings={"guard": guard}, **keys))
    expect(main_table(a) == before, f"the host's own routes have changed:\n{main_table(a)}\nbefore:\n{before}")
    wire = Capture(b, "wan0", only=f"not host {AWAY} and not host {AWAY6}")
    both_families(left, right)
    left.rekey()
    right.rekey()
    both_families(left, right)
    path = wire.stop()
    expect(not clear_packets(path), "clear packets on the wire:\n" + "\n".join(clear_packets(path)[:20]))
    sealed = len(tshark(path, "-Y", "esp").splitlines())
    expect(sealed < 20_000, f"{sealed} frames on the wire: a loop?")
    wire = Capture(b, "wan0", only=f"host {AWAY} or host {AWAY6}")
    expect(a.host.ping(AWAY, 3) == (3, 3), "the bypassed network is not reached")
    expect(ping6(a, AWAY6, 3) == (3, 3), "the bypassed IPv6 network is not reached")
    expect(len(clear_packets(wire.stop())) == 12, "bypassed pings were expected in clear")
    return left, right


def ended(left, right):
    left.terminate()
    right.terminate()


def test_any_to_any(lab):
    left, right = full_tunnel(lab, "no")
    a, b = left.gateway, right.gateway
    expect(a.ping(b.host_address, 3) == (3, 3), "the gateway itself does not use the tunnel")
    ended(left, right)


def test_any_to_any_with_the_guard(lab):
    left, right = full_tunnel(lab, "yes")
    ended(left, right)


def test_any_to_any_with_the_guard_over_raw_esp(lab):
    left, right = full_tunnel(lab, "yes", encap="no")
    ended(left, right)


def test_any_to_any_with_the_guard_over_ipv6(lab):
    """Neighbour discovery on the outside is not cut off either."""
    left, right = full_tunnel(lab, "yes", local="2001:db8::1", remote="2001:db8::2")
    a, b = left.gateway, right.gateway
    for gateway in (a, b):
        gateway.ip("neigh", "flush", "dev", "wan0")
    both_families(left, right)
    ended(left, right)


def test_any_to_one_network(lab):
    """A branch sends everything to its head office, which knows the branch by its network."""
    right_acl = ["protect = 0.0.0.0/0 -> 10.1.0.0/24 via peer", "protect = ::/0 -> fd00:1::/64 via peer"]
    left_acl = ["protect = 10.1.0.0/24 -> 0.0.0.0/0 via peer", "protect = fd00:1::/64 -> ::/0 via peer"]
    left, right = full_tunnel(lab, "yes", left_acl, right_acl)
    a, b = left.gateway, right.gateway
    expect(a.host.ping(a.lan_address, 2) == (2, 2) and a.ping(a.host_address, 2) == (2, 2), "the LAN is cut off")
    expect(a.ping(b.wan, 2) == (2, 2), "what no rule names, from the gateway's outer address, is cut off")
    left.terminate()
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 5, wait=1)[1] == 0 and a.host.ping("192.0.2.2", 5, wait=1)[1] == 0, "an answer")
    expect(a.host.ping(a.lan_address, 2) == (2, 2) and a.ping(a.host_address, 2) == (2, 2), "the LAN is cut off")
    expect_no_leak(not [line for line in clear_packets(wire.stop()) if "10.1.0." in line], "clear packets after the stop")
    right.terminate()


def test_the_guard_keeps_errors_about_esp(lab):
    """A router on the path tells of its MTU; with any -> any its word is not from a bypassed network."""
    left, right = full_tunnel(lab, "yes")
    a, b = left.gateway, right.gateway
    before = left.dropped("in_clear")
    quoted = "/usr/bin/python3", "-c", ERROR_ABOUT
    b.run(*quoted, a.wan, "4500")
    b.run(*quoted, a.wan, "500")
    expect(left.dropped("in_clear") == before, "an ICMP error about ESP or IKE was dropped")
    b.run(*quoted, a.wan, "53")
    expect(left.dropped("in_clear") == before + 1, "an ICMP error about something else came through")
    ended(left, right)


# An ICMP "fragmentation needed" that quotes UDP from the port given, sent past routes and rules.
ERROR_ABOUT = """
import socket, struct, sys
to, port = sys.argv[1], int(sys.argv[2])
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, 1, 0x4000, 64, 17, 0, socket.inet_aton(to),
                     socket.inet_aton("192.0.2.2")) + struct.pack("!HHHH", port, port, 1380, 0)
icmp = struct.pack("!BBHHH", 3, 4, 0, 0, 1300) + quoted
icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x4500)
s.sendto(icmp, (to, 0))
"""
