# SPDX-License-Identifier: Apache-2.0
"""Nothing of a protected flow is ever seen in clear: traffic that never rests, a capture on every interface but the TUN
and the LAN, and all that can happen to a gateway."""
import json
import os
import time

from esptun import Esptun, config
from lab import HERE, Capture, clear_packets, esptun_path, expect, expect_no_leak, ping_counts, tshark, wait_for
from test_ranges import six

PORT = 5300
PATIENCE_S = 40
DARK_PINGS = 30  # while no tunnel can be there

ACL = ["protect = 10.{0}.0.0/24 -> 10.{1}.0.0/24 via peer", "protect = fd00:{0}::/64 -> fd00:{1}::/64 via peer"]
# The kernel tells its own sockets by ICMP that a packet is too big for the TUN, or has no route.
# Nor is what esptun says to itself at its start, to find out what the kernel can (daemon/udp_probe).
TO_ITSELF = (" and not icmp.type == 3 and not icmpv6.type in {1, 2}"
             " and not ip.dst == 127.0.0.0/8 and not ipv6.dst == ::1")


def acl(mine, its):
    return [rule.format(mine, its) for rule in ACL]


class Traffic:
    """From the host and from the gateway itself, both families; each a ping and a TCP flow, in both directions of the
    tunnel."""

    def __init__(self, a, b):
        self.processes = []
        for number, gateway, other, its in ((1, a, b, 2), (2, b, a, 1)):
            other.host.start("talk-listen", "/usr/bin/python3", f"{HERE}/talk.py", "listen", PORT).wait_log("ready")
            for space, last in ((gateway.host, 2), (gateway, 1)):
                for family, own, to in (("-4", f"10.{number}.0.{last}", f"10.{its}.0.2"),
                                        ("-6", f"fd00:{number}::{last}", f"fd00:{its}::2")):
                    self.processes.append(space.start(f"ping{family}", "ping", family, "-n", "-i", 0.02, "-I",
                                                      own, to))
                    self.processes.append(space.start(f"talk{family}", "/usr/bin/python3", f"{HERE}/talk.py", "talk",
                                                      own, to, PORT))

    def flows(self):
        """Each ping and each flow gets through, from now on."""
        for process, mark in [(process, process.mark()) for process in self.processes]:
            word = "bytes from" if "ping" in process.name else "flowing"
            wait_for(f"{process.name} to get through", lambda p=process, m=mark, w=word: w in p.log(m), PATIENCE_S)

    def end(self):
        for process in self.processes:
            expect(process.alive(), f"{process.name} has ended by itself: {process.log()}")
            process.end()


class Watch:
    def __init__(self, *gateways):
        self.captures = [(Capture(gateway, device), more) for gateway in gateways
                         for device, more in (("wan0", ""), ("lo", TO_ITSELF))]

    def no_leak(self):
        for capture, more in self.captures:
            path = capture.stop()
            leaked = clear_packets(path, more)
            expect(not leaked, f"{len(leaked)} clear packets in {path}:\n" + "\n".join(leaked[:20]))
        expect(tshark(self.captures[0][0].path, "-Y", "esp"), "there was not even ESP")


def dark(a, b):
    sent, received = a.host.ping(b.host_address, DARK_PINGS, wait=1)
    expect(received == 0, f"{received} of {sent} were answered without a tunnel")


def guard_counts(gateway):
    """The named counters of the guard, asked of nft itself."""
    text = gateway.run("nft", "-j", "list", "counters", "table", "inet", "esptun_esp0").stdout
    return {item["counter"]["name"]: item["counter"]["packets"] for item in json.loads(text)["nftables"]
            if "counter" in item}


def traces(gateway):
    """All that esptun may leave behind: devices, routes of each table, policy rules, netfilter tables."""
    return gateway.devices(), gateway.routes(), gateway.run("nft", "list", "tables").stdout


def misfortunes(left, right, traffic):
    """Renewal; the peer dies; the daemon dies. Ends with traffic flowing."""
    a, b = left.gateway, right.gateway
    left.rekey()
    traffic.flows()
    right.kill()
    dark(a, b)
    right.start()
    traffic.flows()
    left.kill()
    dark(a, b)
    left.start()
    traffic.flows()


def test_with_the_guard_at_no_moment(lab):
    a, b = six(lab)
    left = Esptun(a, config(a, b, acl=acl(1, 2), settings={"guard": "yes"}))
    right = Esptun(b, config(b, a, acl=acl(2, 1), settings={"guard": "yes"}))
    for end in (left, right):  # what an earlier run leaves: the guard
        end.terminate()
        expect("nft delete table inet esptun_esp0" in end.log(), "the log does not say how to lift the guard")
    watch, traffic = Watch(a, b), Traffic(a, b)
    dark(a, b)
    for gateway in (a, b):
        expect(guard_counts(gateway)["out_clear"] > 0, "the guard had nothing to do before the start?")
    left.start()
    right.start()
    traffic.flows()
    misfortunes(left, right, traffic)
    left.terminate()
    dark(a, b)
    expect(guard_counts(a)["out_clear"] > 0, "the guard had nothing to do after the stop?")
    left.start()
    traffic.flows()
    drops = left.status()["drops"]
    expect("in_clear" in drops and "out_clear" in drops, f"status does not tell of the guard: {drops}")
    traffic.end()
    watch.no_leak()
    left.terminate()
    right.terminate()


def test_without_the_guard_while_the_tun_was_up_once(lab):
    a, b = six(lab)
    before = [traces(gateway) for gateway in (a, b)]
    left, right = Esptun(a, config(a, b, acl=acl(1, 2))), Esptun(b, config(b, a, acl=acl(2, 1)))
    watch, traffic = Watch(a, b), Traffic(a, b)
    traffic.flows()
    misfortunes(left, right, traffic)
    traffic.end()
    watch.no_leak()
    left.terminate()
    right.terminate()
    for gateway, wanted in zip((a, b), before):  # also of what the crashes left
        expect(traces(gateway) == wanted, f"{gateway.label} has {traces(gateway)}, and had {wanted}")


def test_no_guard_lifts_the_guard(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings={"guard": "yes"}))
    left.terminate()
    wire = Capture(b, "wan0")
    expect_no_leak(a.host.ping(b.host_address)[1] == 0, "the guard is not there")
    again = Esptun(a, config(a, b, settings={"guard": "no"}))
    expect("esptun_esp0" not in a.run("nft", "list", "tables").stdout, "the guard is still there")
    again.wait_log("table inet esptun_esp0 of an earlier run is removed")
    expect(not {"in_clear", "out_clear"} & set(again.status()["drops"]), "status tells of a guard")
    again.terminate()
    a.host.ping(b.host_address)
    expect(len(clear_packets(wire.stop())) == 2, "one ping and its answer were expected in clear, after the stop")


def test_a_start_that_fails_beside_a_living_gateway_leaves_its_guard(lab):
    """Of the same control socket, or of the same TUN: with no guard, or with that of another access list."""
    a, b = lab.gateways()
    Esptun(a, config(a, b, settings={"guard": "yes"}))
    table = ("nft", "list", "table", "inet", "esptun_esp0")
    before = a.run(*table).stdout
    other_acl = [f"protect = {a.lan} -> 10.222.0.0/24 via peer"]
    away = os.path.join(lab.folder, "away.sock")
    for settings in ({"guard": "no"}, {"guard": "no", "control": away}, {"guard": "yes"}, {"guard": "yes", "control": away},
                     {"guard": "yes", "control": "/nonexistent/folder/x.sock"}):
        acl = other_acl if settings["guard"] == "yes" else None
        path = lab.file("second.ini", config(a, b, acl=acl, settings=settings))
        done = a.run(esptun_path(), "run", "-c", path, check=False)
        expect(done.returncode != 0 and "another process is attached to it" in done.stderr,
               f"with {settings}: exit {done.returncode}, {done.stderr}")
        expect(a.run(*table).stdout == before, f"with {settings} the guard has changed: {a.run(*table).stdout}")


def test_a_start_that_fails_raises_the_guard(lab):
    a, b = lab.gateways()
    wire = Capture(b, "wan0")
    text = config(a, b, settings={"guard": "yes", "control": "/nonexistent/folder/x.sock"})
    done = a.run(esptun_path(), "run", "-c", lab.file("first.ini", text), check=False)
    expect(done.returncode != 0 and "its folder does not exist" in done.stderr, f"exit {done.returncode}, {done.stderr}")
    expect_no_leak(a.host.ping(b.host_address)[1] == 0, "the guard is not there")
    # The control socket of another gateway says nothing of this TUN.
    Esptun(a, config(a, b, acl=["protect = 10.77.0.0/24 -> 10.78.0.0/24 via peer"], settings={"tun": "esp1"}))
    done = a.run(esptun_path(), "run", "-c", lab.file("second.ini", config(a, b, settings={"guard": "yes", "tun": "esp2"})),
                 check=False)
    expect(done.returncode != 0 and "another process answers on the control socket" in done.stderr,
           f"exit {done.returncode}, {done.stderr}")
    expect("esptun_esp2" in a.run("nft", "list", "tables").stdout, "no guard for the TUN of the start that failed")
    # A guard that is not wanted stays while the start fails.
    done = a.run(esptun_path(), "run", "-c", lab.file("first.ini", text.replace("guard = yes", "guard = no")), check=False)
    expect(done.returncode != 0, "it has started without a control socket")
    expect_no_leak(a.host.ping(b.host_address)[1] == 0, "the guard is gone")
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:20]))


def test_clear_packets_from_outside_are_dropped(lab):
    """The other side has no esptun: what it sends is in clear."""
    a, b = six(lab)
    left = Esptun(a, config(a, b, acl=["bypass = 10.1.0.0/24 -> 10.2.0.7/32"] + acl(1, 2), settings={"guard": "yes"}))
    b.host.ip("addr", "add", "10.2.0.7/24", "dev", "eth0")
    for running in (True, False):
        lan = Capture(a, "lan0", only="icmp or (icmp6 and ip6[40] == 128)")
        before = guard_counts(a)
        for to in (a.host_address, a.lan_address):
            expect_no_leak(b.host.ping(to, 3, wait=1)[1] == 0, f"{to} answered in clear")
        for to in ("fd00:1::2", "fd00:1::1"):
            done = b.host.run("ping", "-6", "-n", "-c", 3, "-i", 0.1, "-W", 1, to, check=False)
            expect_no_leak(ping_counts(done.stdout)[1] == 0, f"{to} answered in clear")
        leaked = tshark(lan.stop())
        expect_no_leak(not leaked, f"it came through to the LAN: {leaked}")
        after = guard_counts(a)
        expect(after["in_clear"] - before["in_clear"] == 12, f"counted: {before}, then {after}")
        done = b.host.run("ping", "-n", "-c", 3, "-i", 0.1, "-W", 1, "-I", "10.2.0.7", a.host_address, check=False)
        expect(ping_counts(done.stdout)[1] == 3, "the bypass above does not work")
        expect(a.host.ping(a.lan_address, 2) == (2, 2), "the LAN is cut off")
        expect(b.ping(a.wan, 2) == (2, 2), "the gateway's own address, which no rule names, is cut off")
        if running:
            expect(left.drops()["in_clear"] == 12, f"status: {left.drops()}")
            left.terminate()


UDP_TO = ("import socket, sys\ns = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, "
          "socket.SOCK_DGRAM)\nfor i in range(3): s.sendto(bytes(int(sys.argv[3])), (sys.argv[1], int(sys.argv[2])))")


def send_udp(space, to, port, size):
    space.run("/usr/bin/python3", "-c", UDP_TO, to, port, size, check=False)


def test_the_guard_minds_ports_and_fragments(lab):
    """Stopped: the guard stands alone. UDP port 9 is protected, all else is not; fragments may belong to it."""
    a, b = six(lab)
    rules = ["protect = udp 10.1.0.0/24 -> 10.2.0.0/24 port 9 via peer",
             "protect = udp fd00:1::/64 -> fd00:2::/64 port 9 via peer"]
    left = Esptun(a, config(a, b, acl=rules, settings={"guard": "yes"}))
    left.terminate()
    for to in ("10.2.0.2", "fd00:2::2"):
        for port, size, clear, dropped in ((9, 10, 0, 3), (10, 10, 3, 0), (9, 3000, 0, 9), (10, 3000, 3, 6)):
            wire, before = Capture(b, "wan0", only=f"src host {'10.1.0.2' if '.' in to else 'fd00:1::2'}"), guard_counts(a)
            send_udp(a.host, to, port, size)
            time.sleep(0.1)
            seen, after = len(tshark(wire.stop()).splitlines()), guard_counts(a)
            expect(after["out_clear"] - before["out_clear"] == dropped and seen == clear,
                   f"port {port}, {size} bytes to {to}: {seen} on the wire, {before}, then {after}")


def everything(mine, its):
    """any -> any, but for what is our own (which both sides of a rule cannot tell)."""
    return [f"bypass = any -> 10.{mine}.0.0/24", f"bypass = any -> fd00:{mine}::/64", "protect = any -> any via peer"]


def bound_pings(gateway, device, *more):
    """From sockets of the gateway's own that are bound to an interface. Returns how many were answered."""
    answered = 0
    for args in (("-6", "fd00:2::2"), ("-6", "-I", "fd00:1::1", "fd00:2::2"), ("-4", "10.2.0.2"),
                 ("-4", "-I", "10.1.0.1", "10.2.0.2"), *more):
        done = gateway.run("ping", "-n", "-c", 2, "-i", 0.1, "-W", 1, "-I", device, *args, check=False)
        answered += done.returncode == 0
    return answered


def bound_sockets(lab, rules, guard, *more):
    """`more`: other destinations that are protected."""
    a, b = six(lab)
    left = Esptun(a, config(a, b, acl=rules(1, 2), settings={"guard": guard}))
    right = Esptun(b, config(b, a, acl=rules(2, 1)))
    left.up()
    wire = Capture(b, "wan0")
    link = b.ip("-6", "-br", "addr", "show", "dev", "wan0", "scope", "link").stdout.split()[2].split("/")[0]
    for alive in (True, False):
        if not alive:
            left.kill()
        expect(bound_pings(a, "wan0", *more) == 0, "a socket bound to wan0 got an answer")
        free = [("fd00:1::2", "lan0"), ("10.1.0.2", "lan0")]
        if guard == "no":  # to the guard a link-local address is one like others
            free.append((f"{link}%wan0", "wan0"))
        for to, device in free:
            done = a.run("ping", "-n", "-c", 2, "-i", 0.1, "-W", 2, "-I", device, to, check=False)
            expect(ping_counts(done.stdout) == (2, 2), f"{to}, which is not protected, is cut off: {done.stdout}")
        if alive:
            done = a.run("ping", "-6", "-n", "-c", 3, "-i", 0.1, "-I", "fd00:1::1", "fd00:2::2")
            expect(ping_counts(done.stdout) == (3, 3), "no tunnel for a socket that is not bound")
            done = a.run("ping", "-6", "-n", "-c", 3, "-i", 0.1, "-I", "esp0", "-I", "fd00:1::1", "fd00:2::2")
            expect(ping_counts(done.stdout) == (3, 3), "no tunnel for a socket that is bound to the TUN")
    left.start()
    wait_for("the tunnel after the restart", lambda: a.host.ping(b.host_address)[1] == 1, 20)
    expect(bound_pings(a, "wan0", *more) == 0, "a socket bound to wan0 got an answer")
    leaked = [line for line in clear_packets(wire.stop()) if link not in line]
    expect(not leaked, f"{len(leaked)} clear packets:\n" + "\n".join(leaked[:20]))
    left.terminate()


def test_a_socket_bound_to_an_interface(lab):
    bound_sockets(lab, acl, "no")


def test_a_socket_bound_to_an_interface_any(lab):
    bound_sockets(lab, everything, "no", ("-6", "2001:db8::2"))


def test_a_socket_bound_to_an_interface_with_the_guard(lab):
    """What is on the link, IPv4: no route can hold that back."""
    bound_sockets(lab, everything, "yes", ("-6", "2001:db8::2"), ("-4", "192.0.2.2"))
