# SPDX-License-Identifier: Apache-2.0
"""Renewal: new keys while traffic flows, and nothing lost."""
import time

from esptun import pair
from lab import PATIENCE, Capture, Failure, clear_packets, expect, ping_counts, transfer, tshark, wait_for


def spis(path):
    return set(tshark(path, "-Y", "esp", "-T", "fields", "-e", "esp.spi").split())


def nothing_lost(ping, count, what):
    ping.wait(60)
    expect(ping_counts(ping.log()) == (count, count), f"{what}: packets were lost: {ping.log()}")


def under_traffic(lab, seconds, least_spis, least_ikes=1, **keys):
    """Pings from both sides, every 5 ms, for so long; nothing may be lost, and SAs must have come and gone."""
    left, right = pair(lab, **keys)
    a, b = left.gateway, right.gateway
    left.up()
    wire = Capture(b, "wan0")
    count = seconds * 200
    pings = [a.host.start_ping(b.host_address, count, 0.005), b.host.start_ping(a.host_address, count, 0.005)]
    for ping in pings:
        nothing_lost(ping, count, f"{seconds} s of renewals")
    path = wire.stop()
    expect(not clear_packets(path), "clear packets on the wire")
    seen = spis(path)
    expect(len(seen) >= least_spis, f"only {len(seen)} SPIs in {seconds} s: not renewed")
    ikes = set(tshark(path, "-Y", "isakmp", "-T", "fields", "-e", "isakmp.ispi").split())
    expect(len(ikes) >= least_ikes, f"only {len(ikes)} IKE SAs in {seconds} s")
    for end in (left, right):
        wait_for("a time without renewal", lambda end=end: len(end.children()) == 1, 15)
        expect(end.child()["in"]["auth_failed"] == 0, "authentication failures")


def test_phase_2_by_time_with_pfs(lab):
    under_traffic(lab, 20, 6, lifetime="7s")


def test_phase_2_by_time_without_pfs(lab):
    under_traffic(lab, 20, 6, lifetime="7s", esp="aes256-sha256")


def test_phase_1_by_time_adopts_the_children(lab):
    under_traffic(lab, 22, 2, least_ikes=2, ike_lifetime="12s")


def test_lifetimes_that_differ_follow_the_shorter(lab):
    under_traffic(lab, 20, 4, left={"lifetime": "1h"}, right={"lifetime": "8s"})


def test_by_bytes(lab):
    left, right = pair(lab, lifetime_bytes="32MiB")
    a, b = left.gateway, right.gateway
    left.up()
    before = left.child()["spi_in"]
    ping = a.host.start_ping(b.host_address, 400, 0.01)
    transfer(a.host, b.host, b.host_address, 100_000_000)
    expect(left.children()[-1]["spi_in"] != before, "not renewed after 100 MB of 32 MiB")
    ping.wait(30)
    expect(left.process.alive() and right.process.alive(), "a daemon has ended")


def by_hand(lab, ends, **keys):
    left, right = pair(lab, **keys)
    a, b = left.gateway, right.gateway
    left.up()
    wire = Capture(b, "wan0")
    count = int(2000 * PATIENCE)  # they must outlast the last rekey
    ping = a.host.start_ping(b.host_address, count, 0.002)
    back = b.host.start_ping(a.host_address, count, 0.002)
    before = {end: end.child()["spi_in"] for end in (left, right)}
    for which in ends:
        end = (left, right)[which]
        old = end.children()[-1]["spi_in"]
        end.rekey()
        expect(old not in [c["spi_in"] for c in end.children() if c["state"] == "established"] or
               len(end.children()) > 1, "rekey has returned, but there is no new SA")
        time.sleep(0.3)
    expect(ping.alive() and back.alive(), "the pings were over before the rekeys: set ESPTUN_PATIENCE")
    nothing_lost(ping, count, "rekey by hand")
    nothing_lost(back, count, "rekey by hand, other direction")
    path = wire.stop()
    expect(len(spis(path)) >= 2 + 2 * len(ends), f"{len(spis(path))} SPIs for {len(ends)} rekeys")
    expect(not clear_packets(path), "clear packets on the wire")
    for end in (left, right):
        expect(end.wait_settled()["spi_in"] != before[end], "still the first SA")


def test_by_hand_from_the_initiator(lab):
    by_hand(lab, (0, 0, 0))


def test_by_hand_from_the_responder(lab):
    by_hand(lab, (1, 1))


def test_by_hand_in_turn_raw_cbc_without_pfs(lab):
    by_hand(lab, (0, 1, 0, 1), encap="no", esp="aes128-sha256")


def wait_one_pair(left, right):
    """For a while after simultaneous renewals the ends may prefer different pairs, while the others linger."""
    seen = []

    def look():
        seen[:] = left.every_child(), right.every_child()
        return len(seen[0]) == len(seen[1]) == 1 and all(
            seen[0][0][one] == seen[1][0][other] for one, other in (("spi_in", "spi_out"), ("spi_out", "spi_in"))
        ) and all(end[0]["state"] == "established" for end in seen)
    try:
        wait_for("both ends to keep one and the same pair", look, 120, 0.2)
    except Failure as failure:
        ends = [[(c["spi_in"], c["spi_out"], c["state"]) for c in end] for end in seen]
        raise Failure(f"{failure}; left has {ends[0]}, right has {ends[1]}") from failure


def test_by_hand_from_both_ends_at_once(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    left.up()
    ping = a.host.start_ping(b.host_address, 1500, 0.002)
    for _ in range(3):
        both = [end.gateway.start("rekey", end.binary, "rekey", "peer", "-s", end.socket) for end in (left, right)]
        for verb in both:
            expect(verb.wait(30) == 0, f"rekey failed: {verb.log()}")
    nothing_lost(ping, 1500, "rekeys from both ends at once")
    wait_one_pair(left, right)
    expect(a.host.ping(b.host_address, 3) == (3, 3), "lost after it all")
