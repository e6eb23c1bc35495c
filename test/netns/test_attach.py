# SPDX-License-Identifier: Apache-2.0
"""A TUN that somebody else made: attached to, or handed over as a descriptor; with and without privilege."""
import os
import re

from esptun import Esptun, config
from lab import HERE, Capture, clear_packets, expect, transfer, wait_for

NOBODY = 65534
CAPS = "-all,+net_raw,+net_bind_service"
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", f"--inh-caps={CAPS}",
             f"--ambient-caps={CAPS}", f"--bounding-set={CAPS}")
HANDOVER = ("/usr/bin/python3", os.path.join(HERE, "handover.py"))


def lead_to(gateway, peer):
    """What the administrator does where esptun has `routes = no`."""
    gateway.ip("link", "set", "esp0", "up")
    gateway.ip("route", "add", peer.lan, "dev", "esp0", "src", gateway.lan_address)


def made_for(gateway, peer, user, mtu):
    gateway.ip("tuntap", "add", "esp0", "mode", "tun", "user", user)
    gateway.ip("link", "set", "esp0", "mtu", mtu)
    lead_to(gateway, peer)


def mtu_of(gateway):
    return int(re.search(r"mtu (\d+)", gateway.ip("link", "show", "esp0").stdout).group(1))


def carries(left, right):
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "the first ping was lost")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    transfer(b.host, a.host, a.host_address, 1_000_000)


def test_a_tun_of_nobody_without_net_admin(lab):
    a, b = lab.gateways()
    made_for(a, b, NOBODY, 1380)
    left = Esptun(a, config(a, b, settings={"routes": "no"}), prefix=AS_NOBODY, owner=NOBODY)
    right = Esptun(b, config(b, a))
    with open(f"/proc/{left.process.pid}/status", encoding="ascii") as file:
        status = file.read()
    expect(re.search(rf"^Uid:\s+{NOBODY}\s+{NOBODY}", status, re.M), f"not nobody: {status}")
    expect(int(re.search(r"^CapEff:\s+(\w+)", status, re.M).group(1), 16) == 1 << 13 | 1 << 10, f"caps: {status}")
    wire = Capture(b, "wan0")
    carries(left, right)
    left.rekey()
    carries(left, right)
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    left.wait_log(r"warning .*MTU of esp0 stays 1380.*ip link set esp0 mtu \d+")
    expect(mtu_of(a) == 1380, "the MTU was changed")
    left.terminate()
    expect(mtu_of(a) == 1380, "the MTU was changed at the end")
    right.terminate()


def test_what_needs_privilege_is_refused_by_name(lab):
    a, b = lab.gateways()
    made_for(a, b, NOBODY, 1380)
    for settings, pattern in (({"routes": "yes"}, "CAP_NET_ADMIN, or 'routes = no'"),
                              ({"routes": "no", "mtu": "1300"}, "cannot set the MTU of esp0 to 1300.*CAP_NET_ADMIN"),
                              ({"routes": "no", "guard": "yes"}, "CAP_NET_ADMIN, or 'guard = no'"),
                              ({"routes": "no", "tun": "esp1"}, "create.*CAP_NET_ADMIN")):
        end = Esptun(a, config(a, b, settings=settings), prefix=AS_NOBODY, owner=NOBODY, ready=False)
        expect(end.process.wait() == 1, f"{settings}: exit {end.process.popen.returncode}")
        expect(re.search(pattern, end.log().splitlines()[-1]), f"{settings}: {end.log()}")
        end.expect_clean()


def test_an_attached_tun_is_left_as_it_was(lab):
    a, b = lab.gateways()
    a.ip("tuntap", "add", "esp0", "mode", "tun")
    a.ip("link", "set", "esp0", "mtu", 1380, "up")
    left, right = Esptun(a, config(a, b, settings={"mtu": "1400"})), Esptun(b, config(b, a))
    expect(mtu_of(a) == 1400, "the MTU was not set")
    carries(left, right)
    left.terminate()
    expect(mtu_of(a) == 1380, "the MTU was not put back")


def test_handed_over_as_a_descriptor(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings={"tun": "fd:3", "guard": "yes"}), prefix=(*HANDOVER, "esp0", "-"))
    right = Esptun(b, config(b, a))
    left.wait_log(r"TUN esp0 \(attached, MTU \d+\)")
    carries(left, right)
    expect("esptun_esp0" in a.run("nft", "list", "tables").stdout, "no guard")
    left.terminate()


def test_handed_over_to_nobody(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings={"tun": "fd:3", "routes": "no"}),
                  prefix=(*HANDOVER, "esp0", "-", "sh", "-c", "ip link set esp0 mtu 1380 up; exec \"$@\"", "sh",
                          *AS_NOBODY), owner=NOBODY)
    lead_to(a, b)
    right = Esptun(b, config(b, a))
    carries(left, right)
    right.terminate()


def test_handed_over_from_another_namespace(lab):
    """The TUN is in the host's namespace; the gateway process has none of the host's routes, nor a TUN of its own."""
    a, b = lab.gateways()
    for settings, pattern in (({"routes": "yes"}, "another network namespace.*routes = no"),
                              ({"routes": "no", "guard": "yes"}, "another network namespace.*guard = no")):
        end = Esptun(a, config(a, b, settings={"tun": "fd:3", **settings}), prefix=(*HANDOVER, "esp9", a.host.name),
                     ready=False)
        expect(end.process.wait() == 1, f"{settings}: exit {end.process.popen.returncode}")
        expect(re.search(pattern, end.log()), f"{settings}: {end.log()}")
    left = Esptun(a, config(a, b, settings={"tun": "fd:3", "routes": "no", "mtu": "1370"}),
                  prefix=(*HANDOVER, "esp9", a.host.name))
    right = Esptun(b, config(b, a))
    expect("esp9" not in a.devices() and "esp9" in a.host.devices(), "the TUN is not in the host's namespace")
    a.host.ip("link", "set", "esp9", "mtu", 1370, "up")
    a.host.ip("route", "add", b.lan, "dev", "esp9", "src", a.host_address)
    left.wait_log(r"TUN esp9 \(attached, MTU 1370\)")
    wire, lan = Capture(b, "wan0"), Capture(a, "lan0")
    carries(left, right)
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    expect(not clear_packets(lan.stop()), "packets of the tunnel on the LAN of the gateway")
    left.terminate()


def test_a_descriptor_that_is_none(lab):
    a, b = lab.gateways()
    end = Esptun(a, config(a, b, settings={"tun": "fd:7"}), ready=False)
    expect(end.process.wait() == 1, "it started")
    expect(re.search(r"tun = fd:7: no such descriptor is open; hand over", end.log()), end.log())


def test_crash_on_an_attached_tun(lab):
    """The TUN and its routes stay, but nobody reads them."""
    a, b = lab.gateways()
    a.ip("tuntap", "add", "esp0", "mode", "tun")
    a.ip("link", "set", "esp0", "up")
    left, right = Esptun(a, config(a, b)), Esptun(b, config(b, a))
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    wire = Capture(b, "wan0")
    pings = [a.host.start_ping(b.host_address, 200, interval=0.02),
             a.start("own-ping", "ping", "-n", "-q", "-c", 200, "-i", 0.02, "-I", a.lan_address, b.host_address)]
    left.kill()
    expect(a.host.ping(b.host_address, 20)[1] == 0, "an answer from nowhere")
    a.ip("link", "set", "esp0", "down")  # takes the routes to it away
    expect(a.host.ping(b.host_address, 20)[1] == 0, "an answer from nowhere")
    left.start()
    wait_for("the tunnel after the restart", lambda: a.host.ping(b.host_address)[1] == 1, 20)
    for ping in pings:
        ping.end()
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    left.terminate()
    right.terminate()
