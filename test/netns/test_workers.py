# SPDX-License-Identifier: Apache-2.0
"""Several workers: SAs are spread over them, packets find theirs, and nothing is lost while SAs come and go."""
import os
import re

from esptun import OFFLOADS, Esptun, config, control_path, pair
from lab import Capture, Transfer, clear_packets, expect, ping_counts, wait_for
from many import Many, batch, host, inner_range
from suites import SUITES

COUNT = 6
WORKERS = 4


def many(lab, suite="aes256gcm16", settings=None, **more):
    suites = [s for s in SUITES if s.word == suite] * COUNT
    m = Many(lab, suites, settings={"workers": WORKERS, **(settings or {})}, **more)
    m.expect_all_known()
    m.wait_up()
    for side, end in ((1, m.a), (2, m.b)):  # what goes into tunnel i comes from its address
        batch(end.host, [f"route add {inner_range(family, 3 - side, i)} via {router} src {host(family, side, i)}"
                         for i in range(1, COUNT + 1) for family, router in ((4, f"10.{side}.0.1"),
                                                                             (6, f"fd00:{side}::1"))])
    return m


def threads(end):
    return len(os.listdir(f"/proc/{end.process.pid}/task"))


def shards_of(end):
    return {int(child["spi_in"], 16) % 16 for child in end.children()}


def lost(end):
    """Drops that no packet of a test may meet."""
    return {k: v for k, v in end.drops().items() if k not in ("out_no_rule", "out_discard_rule")}


def test_work_is_spread(lab):
    m = many(lab)
    for end in (m.left, m.right):
        expect(end.status()["workers"] == WORKERS, f"{end.status()['workers']} workers")
        expect(threads(end) > WORKERS, f"{threads(end)} threads, not {WORKERS} and the control thread")
        expect(shards_of(end) == set(range(WORKERS)), f"SAs are of the shards {shards_of(end)} only")
        for child in end.children():
            expect(int(child["spi_in"], 16) >= 256, f"SPI {child['spi_in']}")
    m.left.terminate()
    m.right.terminate()


def everything_at_once(m):
    """Transfers both ways in every tunnel at once, hashes compared."""
    running = []
    for i in range(1, COUNT + 1):
        for sender, receiver, side in ((m.a.host, m.b.host, 2), (m.b.host, m.a.host, 1)):
            running.append(Transfer(sender, receiver, host(4, side, i), 2_000_000, port=6000 + 2 * i + side))
    for transfer in running:
        transfer.finish()


def add_traffic(name, **keys):
    def test(lab):
        m = many(lab, **keys)
        wire = Capture(m.b, "wan0")
        everything_at_once(m)
        for i in range(1, COUNT + 1):
            for family in (4, 6):
                expect(m.a.host.ping(host(family, 2, i), count=3) == (3, 3), f"tunnel {i}, IPv{family}: pings lost")
        for end in (m.left, m.right):
            expect(not lost(end), f"{end.gateway.label} has dropped {lost(end)}")
            for child in end.children():
                expect(child["in"]["packets"] > 0 and child["out"]["packets"] > 0, f"no traffic: {child}")
        expect(not clear_packets(wire.stop()), "clear packets on the wire")
        m.left.terminate()
        m.right.terminate()
    globals()[f"test_traffic_in_all_tunnels_{name}"] = test


add_traffic("udp")
add_traffic("raw", udp=False)
add_traffic("outer_ipv6", family=6)
add_traffic("outer_ipv6_raw", family=6, udp=False)
add_traffic("cbc_without_offload", suite="aes128-sha256", settings=dict.fromkeys(OFFLOADS, "no"))


def test_one_way_traffic_finds_the_worker_of_its_sa(lab):
    """Nothing comes back, so that the kernel never learns which queue a flow belongs to."""
    m = many(lab)
    count = 400
    sinks = []
    for i in range(1, COUNT + 1):
        sink = m.b.host.start(f"sink-{i}", "/usr/bin/python3", "-c", f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("{host(4, 2, i)}", 7000)); s.settimeout(10)
print("ready", flush=True)
got = [s.recv(100) for _ in range({count})]
print("in order" if got == sorted(got) else "reordered", len(got), flush=True)
""")
        sink.wait_log("ready")
        sinks.append(sink)
    m.a.host.run("/usr/bin/python3", "-c", f"""
import socket, time
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range({COUNT})]
for n in range({count}):
    for i in range({COUNT}):
        s[i].sendto(b"%08d" % n, ("10.2.%d.2" % (i + 1), 7000))
    time.sleep(0.001)
""")
    for sink in sinks:
        found = sink.wait_log(r"^(in order|reordered) (\d+)$")
        expect(found.group(1) == "in order", "a flow was reordered")
    expect(not lost(m.left) and not lost(m.right), f"dropped: {lost(m.left)} {lost(m.right)}")
    m.left.terminate()
    m.right.terminate()


def test_renewal_of_all_under_traffic(lab):
    m = many(lab)
    pings = [m.a.host.start_ping(host(4, 2, i), 300) for i in range(1, COUNT + 1)]
    before = {child["spi_in"] for child in m.left.children()}
    for turn in range(3):
        for i in range(1, COUNT + 1):
            (m.left, m.right)[turn % 2].verb("rekey", f"s{i}")
    for ping in pings:
        expect(ping.wait(30) == 0, "ping failed")
        expect(ping_counts(ping.log()) == (300, 300), f"lost by a renewal: {ping.log()}")
    m.wait_up()
    expect(not before & {child["spi_in"] for child in m.left.children()}, "SAs were not renewed")
    expect(shards_of(m.left) == set(range(WORKERS)), "a renewal has moved SAs to other workers")
    m.left.terminate()
    m.right.terminate()


def test_what_waits_leaves_when_the_sa_is_there(lab):
    left, right = pair(lab, settings={"workers": WORKERS})
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address, count=5, interval=0.01) == (5, 5), "packets that waited for the SA were lost")
    expect(not lost(left), f"dropped {lost(left)}")
    left.terminate()
    right.wait_gone()
    right.terminate()


def test_the_peer_behind_nat_moves(lab):
    left, right = pair(lab, nat=True, settings={"workers": WORKERS}, left={"encap": "auto"}, right={"encap": "auto"})
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address, count=2) == (2, 2), "no tunnel through the NAT")
    port = right.status()["ike_sas"][0]["remote"]
    a.router.run("nft", "flush", "ruleset")
    a.router.run("conntrack", "-F")
    a.router.nft("table ip nat {\nchain post {\ntype nat hook postrouting priority srcnat;\n"
                 " meta l4proto udp oifname out0 masquerade to :40000-49999 random\noifname out0 masquerade\n}\n}\n")
    wait_for("pings by the new port", lambda: a.host.ping(b.host_address, wait=1) == (1, 1), 20)
    wait_for("the peer to be followed", lambda: right.status()["ike_sas"][0]["remote"] != port, 10)
    left.terminate()
    right.terminate()


def test_a_second_gateway_on_the_same_tun_is_refused(lab):
    left, right = pair(lab, settings={"workers": WORKERS})
    a, b = left.gateway, right.gateway
    text = config(a, b, settings={"workers": WORKERS, "control": control_path(a) + "2"}, local="%any")
    second = a.start("second", left.binary, "run", "-c", lab.file("second.ini", text))
    expect(second.wait() == 1, "it started")
    expect(re.search(r"esp0.*another process is attached", second.log()), second.log())
    expect(a.host.ping(b.host_address) == (1, 1), "the first one was disturbed")
    left.terminate()
    right.terminate()


def test_a_tun_with_one_queue_has_one_worker(lab):
    a, b = lab.gateways()
    a.ip("tuntap", "add", "esp0", "mode", "tun")
    b.ip("tuntap", "add", "esp0", "mode", "tun", "multi_queue")
    left = Esptun(a, config(a, b, settings={"workers": WORKERS}))
    right = Esptun(b, config(b, a, settings={"workers": WORKERS}))
    left.wait_log(r"one worker: esp0 was not made for several queues.*multi_queue")
    expect(left.status()["workers"] == 1, "more workers than queues")
    expect(right.status()["workers"] == WORKERS, "a TUN with queues has one worker")
    expect(a.host.ping(b.host_address, count=3) == (3, 3), "pings lost")
    left.terminate()
    right.terminate()


def test_the_tun_goes(lab):
    left, right = pair(lab, settings={"workers": WORKERS})
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "no tunnel")
    left.gateway.ip("link", "del", "esp0")
    expect(left.process.wait() == 1, "exit code")
    expect(re.search("TUN interface esp0 is gone", left.log()), "the log does not say so")
    right.wait_gone(10)
    right.terminate()
