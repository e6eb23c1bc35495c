# SPDX-License-Identifier: Apache-2.0
"""Wide ranges, peers inside what they protect, bypass, IPv6."""
from esptun import Esptun, config
from lab import Capture, clear_packets, expect, ping_counts, transfer, tshark, wait_for


def frames(path):
    return len(tshark(path, "-Y", "esp or udp.port == 4500").splitlines())


def test_everything_through_the_tunnel(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["protect = 10.1.0.0/24 -> 0.0.0.0/0 via peer"]))
    right = Esptun(b, config(b, a, acl=["protect = 0.0.0.0/0 -> 10.1.0.0/24 via peer"]))
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 20) == (20, 20), "lost")
    transfer(a.host, b.host, b.host_address, 2_000_000)
    transfer(b.host, a.host, a.host_address, 2_000_000)
    left.rekey()
    expect(a.host.ping(b.host_address, 3) == (3, 3), "lost after a rekey: IKE itself was cut off?")
    path = wire.stop()
    expect(not clear_packets(path), "clear packets on the wire")
    sealed = sum(left.status()["rules"][0][key] for key in ("packets",))
    expect(frames(path) < 20_000, f"{frames(path)} frames on the wire for {sealed} packets: a loop?")
    left.terminate()
    right.terminate()


def test_the_peer_lies_inside_the_protected_range(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["protect = 10.1.0.0/24 -> 192.0.2.2/32 via peer"]))
    right = Esptun(b, config(b, a, acl=["protect = 192.0.2.2/32 -> 10.1.0.0/24 via peer"]))
    wire = Capture(b, "wan0")
    expect(a.host.ping("192.0.2.2", 10) == (10, 10), "the peer itself is not reachable through the tunnel")
    path = wire.stop()
    expect(not clear_packets(path), "clear packets on the wire")
    expect(frames(path) <= 60, f"{frames(path)} frames for 10 pings: a loop")
    left.terminate()
    right.terminate()


def test_host_to_host(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["protect = 192.0.2.1/32 -> 192.0.2.2/32 via peer"]))
    right = Esptun(b, config(b, a, acl=["protect = 192.0.2.2/32 -> 192.0.2.1/32 via peer"]))
    wire = Capture(b, "wan0")
    expect(a.ping("192.0.2.2", 10) == (10, 10), "the gateways cannot ping each other through the tunnel")
    path = wire.stop()
    expect(not clear_packets(path), "clear packets on the wire")
    expect(frames(path) <= 60, f"{frames(path)} frames for 10 pings: a loop")
    left.terminate()
    right.terminate()


def test_bypass_goes_the_hosts_own_way(lab):
    a, b = lab.gateways()
    acl = "bypass = 10.1.0.0/24 -> 192.0.2.0/24", "protect = 10.1.0.0/24 -> 0.0.0.0/0 via peer"
    back = "bypass = 192.0.2.0/24 -> 10.1.0.0/24", "protect = 0.0.0.0/0 -> 10.1.0.0/24 via peer"
    left = Esptun(a, config(a, b, acl=list(acl)))
    right = Esptun(b, config(b, a, acl=list(back)))
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 3) == (3, 3), "protected traffic was lost")
    expect(a.host.ping("192.0.2.2", 3) == (3, 3), "bypassed traffic was lost")
    clear = clear_packets(wire.stop())
    expect(len(clear) == 6 and all("192.0.2.2" in line for line in clear), f"not exactly the bypassed pings: {clear}")
    left.terminate()
    right.terminate()


def six(lab):
    a, b = lab.gateways()
    for number, gateway, other in ((1, a, b), (2, b, a)):
        gateway.ip("addr", "add", f"fd00:{number}::1/64", "dev", "lan0", "nodad")
        gateway.host.ip("addr", "add", f"fd00:{number}::2/64", "dev", "eth0", "nodad")
        gateway.host.ip("-6", "route", "add", "default", "via", f"fd00:{number}::1")
        gateway.ip("addr", "add", f"2001:db8::{number}/64", "dev", "wan0", "nodad")
        gateway.ip("-6", "route", "add", "default", "via", f"2001:db8::{3 - number}")
    return a, b


def ping6(gateway, to, count):
    done = gateway.host.run("ping", "-6", "-n", "-c", count, "-i", 0.1, "-W", 2, to, check=False)
    return ping_counts(done.stdout)


def test_ipv6_inside(lab):
    a, b = six(lab)
    left = Esptun(a, config(a, b, acl=["protect = fd00:1::/64 -> fd00:2::/64 via peer",
                                       "protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer"]))
    right = Esptun(b, config(b, a, acl=["protect = fd00:2::/64 -> fd00:1::/64 via peer",
                                        "protect = 10.2.0.0/24 -> 10.1.0.0/24 via peer"]))
    wire = Capture(b, "wan0")
    expect(ping6(a, "fd00:2::2", 4) == (4, 4), "IPv6 pings were lost")
    expect(a.host.ping(b.host_address, 2) == (2, 2), "IPv4 pings were lost")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    left.terminate()
    right.terminate()


def six_outside(lab, encap):
    a, b = six(lab)
    left = Esptun(a, config(a, b, local="2001:db8::1", remote="2001:db8::2", encap=encap))
    right = Esptun(b, config(b, a, local="2001:db8::2", remote="2001:db8::1", encap=encap))
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 4) == (4, 4), "pings over IPv6 outside were lost")
    transfer(a.host, b.host, b.host_address, 500_000)
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    left.terminate()
    right.terminate()


def test_ipv6_outside_udp(lab):
    six_outside(lab, "yes")


def test_ipv6_outside_raw(lab):
    six_outside(lab, "no")


def test_one_port_only(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["protect = tcp 10.1.0.0/24 -> 10.2.0.2/32 port 5201 via peer"]))
    right = Esptun(b, config(b, a, acl=["protect = tcp 10.2.0.2/32 port 5201 -> 10.1.0.0/24 via peer"]))
    wire = Capture(b, "wan0")
    transfer(a.host, b.host, b.host_address, 300_000)
    expect(a.host.ping(b.host_address, 2, wait=1)[1] == 0, "ping matches no rule, but got through")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    wait_for("the discard to be counted", lambda: left.dropped("out_no_rule") >= 2, 3)
    right.terminate()
