# SPDX-License-Identifier: Apache-2.0
"""The way between the gateways becomes narrow while traffic runs; and forged words about it change nothing."""
import os
import re
import time

from esptun import DROP_TOO_BIG_REFUSED, Esptun, config
from lab import Capture, Transfer, expect, ping_counts, transfer, wait_for
from packets import DF, ESP, ICMP, ICMP6, UDP, esp, icmp4, icmp6, ip4, ip6, send, udp
from probing import Asker, expand, start_echo
from roads import SUITE, narrow, pair_over, two_routers
from suites import inner_mtu

WIDE, NARROW = 1500, 1280
SIZE, RATE = 9_000_000, 2_000_000
DROP_AFTER_S = 1.0
STALL_LIMIT_S = 1.0  # beyond what the machine itself has cost before
FRAGMENTS = "(ip[6:2] & 0x3fff != 0) or ip6 proto 44"


def longest_stall(progress, since):
    """Seconds without a byte at the receiver, from `since` on, and up to then."""
    earlier = [at for at, _ in progress if at <= since]
    return stall_after(progress, since), max((b - a for a, b in zip(earlier, earlier[1:])), default=0.0)


def stall_after(progress, since):
    before = [at for at, _ in progress if at <= since]
    times = [max(before[-1:] + [0]) or since] + [at for at, _ in progress if at > since]
    return max((later - earlier for earlier, later in zip(times, times[1:])), default=float("inf"))


def survives(lab, family, udp_encap, settings=None, inner=4):
    a, b, r1, r2 = two_routers(lab)
    left, right = pair_over(a, b, family, udp_encap, settings=settings)
    left.up()
    address = b.host_address if inner == 4 else b.host_address6
    expect(a.host.ping(address, 3) == (3, 3), "no tunnel")
    cut = Capture(r2, "end0", "fragments", FRAGMENTS)
    moving = Transfer(a.host, b.host, address, SIZE, RATE, watched=True)
    wait_for("the transfer to run", lambda: len(moving.progress()) > 20)
    time.sleep(DROP_AFTER_S)
    narrow(r1, r2, NARROW)
    dropped_at = time.monotonic()
    took = moving.finish()
    progress = moving.progress()
    behind = [total for at, total in progress if at > dropped_at]
    expect(behind and behind[0] < SIZE * 3 // 4, "the transfer was over before the way became narrow")
    stall, stall_before = longest_stall(progress, dropped_at)
    expect(stall < STALL_LIMIT_S + stall_before, f"no byte arrived for {stall:.2f} s after the MTU had dropped, for "
           f"{stall_before:.2f} s before")
    back = transfer(b.host, a.host, a.host_address if inner == 4 else a.host_address6, 2_000_000)
    child = left.children()[0]
    expect(child["path_mtu"] == NARROW, f"status shows path_mtu {child['path_mtu']}, not {NARROW}")
    path = cut.stop()
    if inner == 4:  # an inner IPv6 packet of 1280 bytes has to be cut on the way
        expect(os.path.getsize(path) <= 24, f"outer packets travel in fragments: {path}")
    print(f"covered: {SIZE} bytes at {RATE}/s in {took:.1f} s, {len(progress)} marks of progress, longest stall after "
          f"the drop from {WIDE} to {NARROW}: {stall:.3f} s; 2000000 bytes back in {back:.1f} s")
    return left, right


def add_survivor(family, udp_encap, name, settings=None, inner=4):
    def test(lab):
        survives(lab, family, udp_encap, settings, inner)
    globals()[f"test_survives_mtu_drop_within_a_second{name}"] = test


add_survivor(4, True, "")
add_survivor(4, False, "_raw")
add_survivor(6, True, "_outer_ipv6")
add_survivor(6, False, "_outer_ipv6_raw")
add_survivor(4, True, "_when_esptun_cuts", {"mtu": 9000})
add_survivor(4, True, "_inner_ipv6", None, 6)


class Walk:
    """A tunnel over two routers, and somebody at the first one who says things about gwA's packets."""

    def __init__(self, lab, family, udp_encap):
        self.a, self.b, self.r1, self.r2 = two_routers(lab)
        self.family, self.udp = family, udp_encap
        self.left, self.right = pair_over(self.a, self.b, family, udp_encap)
        self.left.up()
        self.cut = Capture(self.r2, "end0", "fragments", FRAGMENTS)
        start_echo(self.b.host)
        self.asker = Asker(self.a.host)
        self.router = "198.18.1.254" if family == 4 else "2001:db8:1::fe"
        self.spi = int(self.left.children()[0]["spi_out"], 16)  # of the rule for inner IPv4

    def claim(self, mtu, spi=None, source=None, destination=None, protocol=None, cut=None, udp_ports=(4500, 4500),
              code=None):
        """A "too big" about one of gwA's packets."""
        source, destination = source or self.a.wans[self.family], destination or self.b.wans[self.family]
        inside = esp(self.spi if spi is None else spi, 7, bytes(40))
        inside = udp(*udp_ports, inside) if self.udp else inside
        protocol = protocol or (UDP if self.udp else ESP)
        to = self.a.wans[self.family]
        if self.family == 4:
            quoted = ip4(source, destination, protocol, inside, flags=DF)[:cut]
            return ip4(self.router, to, ICMP, icmp4(3, 4 if code is None else code, mtu, quoted))
        quoted = ip6(source, destination, protocol, inside)[:cut]
        return ip6(self.router, to, ICMP6, icmp6(self.router, to, 2, code or 0, mtu, quoted))

    def says(self, packets):
        send(self.r1, packets, 2)
        time.sleep(0.2)

    def refusals(self):
        return self.left.dropped(DROP_TOO_BIG_REFUSED)

    def carries(self):
        """The largest inner packet that arrives; the next size must be answered with it."""
        child = self.left.children()[0]
        said = self.asker.ask(self.a.host_address, self.b.host_address, True,
                              set(range(inner_mtu(SUITE, 1280, self.family, self.udp) - 3,
                                        inner_mtu(SUITE, WIDE, self.family, self.udp) + 4)), 200)
        arrived = max(expand(said["echoed"]))
        expect(not said["lost"], f"lost: {said}")
        # IPv6 is protected too, so the TUN itself never has less than 1280: the kernel's answer to what is larger.
        told = {part[2] for part in said["too_big"]}
        expect(arrived in told and told <= {arrived, 1280}, f"{arrived} bytes arrive, but 'packet too big' says {told}")
        expect(child["mtu"] == arrived, f"status shows mtu {child['mtu']}, but {arrived} bytes arrive")
        return arrived

    def expect_path(self, mtu, why):
        wanted, arrived = inner_mtu(SUITE, mtu, self.family, self.udp), self.carries()
        expect(arrived == wanted, f"{why}: {arrived} bytes fit, not the {wanted} of a path of {mtu}")

    def expect_no_fragments(self):
        path = self.cut.stop()
        expect(os.path.getsize(path) <= 24, f"outer packets travel in fragments: {path}")


def forged(walk):
    """(what, packet, is it counted): each must change nothing. What is not about ESP of ours is no claim at all."""
    floor = 576 if walk.family == 4 else 1280
    other = "198.18.1.77" if walk.family == 4 else "2001:db8:1::77"
    yield "unknown SPI", walk.claim(1300, spi=0x12345678), True
    yield "SPI of the other direction", walk.claim(1300, spi=int(walk.left.children()[0]["spi_in"], 16)), True
    yield "MTU 0", walk.claim(0), True
    yield "MTU 68", walk.claim(68), True
    yield "MTU under the floor", walk.claim(floor - 1), True
    yield "MTU above the path's", walk.claim(9000), True
    yield "not our address", walk.claim(1300, source=other), True
    yield "not to the peer", walk.claim(1300, destination=other), True
    yield "TCP", walk.claim(1300, protocol=6), False
    if walk.udp:
        yield "another port", walk.claim(1300, udp_ports=(4501, 4500)), True
        yield "another port of the peer", walk.claim(1300, udp_ports=(4500, 4501)), True
        yield "IKE", walk.claim(1300, spi=0), False
    else:
        yield "AH", walk.claim(1300, protocol=51), False
        yield "SPI 0", walk.claim(1300, spi=0), True
    headers = (20 if walk.family == 4 else 40) + (8 if walk.udp else 0)
    for size in (0, 1, headers - 8, headers, headers + 3):
        yield f"quotes {size} bytes", walk.claim(1300, cut=size), True
    if walk.family == 4:
        yield "port unreachable", walk.claim(1300, code=3), False


def nothing_changes(lab, family, udp_encap):
    walk = Walk(lab, family, udp_encap)
    walk.expect_path(WIDE, "at first")
    said, expected = 0, walk.refusals()
    for what, packet, counted in forged(walk):
        said, expected = said + 1, expected + counted
        walk.says([packet])
        wait_for(f"the forged 'too big' ({what}) to be counted", lambda: walk.refusals() >= expected)
        expect(walk.refusals() == expected, f"forged 'too big' ({what}): {DROP_TOO_BIG_REFUSED} is {walk.refusals()}, "
               f"not {expected}")
        child = walk.left.children()[0]
        expect(child["path_mtu"] == WIDE, f"forged 'too big' ({what}) has changed path_mtu to {child['path_mtu']}")
    walk.expect_path(WIDE, "after all that was forged")
    expect(walk.refusals() == expected, f"{DROP_TOO_BIG_REFUSED} has risen to {walk.refusals()} without a claim")
    # The kernel of the gateway may have believed them: a renewed SA must not take over what it believes.
    walk.left.rekey()
    wait_for("one child for each rule", lambda: len(walk.left.children()) == 2, 20)
    walk.expect_path(WIDE, "after a rekey")
    expect(walk.a.host.ping(walk.b.host_address, 3, size=1200) == (3, 3), "lost after forged claims")
    walk.expect_no_fragments()
    print(f"covered: {said} forged claims, {expected} counted as {DROP_TOO_BIG_REFUSED}")


def plausible(lab, family, udp_encap):
    """With a living SPI it might be true: believed, and never below the floor."""
    walk = Walk(lab, family, udp_encap)
    walk.expect_path(WIDE, "at first")
    for mtu in (1400, 1320):
        walk.says([walk.claim(mtu)])
        walk.expect_path(mtu, f"after a claim of {mtu}")
    walk.says([walk.claim(1450)])
    walk.expect_path(1320, "a larger claim must not raise it")
    expect(walk.right.children()[0]["path_mtu"] == WIDE, "the other end has learned something nobody told it")
    walk.expect_no_fragments()


def add_walk(walked, name, family, udp_encap):
    globals()[f"test_{name}"] = lambda lab: walked(lab, family, udp_encap)


for outer_family, more in ((4, ""), (6, "_outer_ipv6")):
    add_walk(nothing_changes, f"b40_forged_too_big_changes_nothing{more}_udp", outer_family, True)
    add_walk(nothing_changes, f"b40_forged_too_big_changes_nothing{more}_raw", outer_family, False)
add_walk(plausible, "a_plausible_claim_is_believed_udp", 4, True)
add_walk(plausible, "a_plausible_claim_is_believed_raw", 4, False)
add_walk(plausible, "a_plausible_claim_is_believed_outer_ipv6", 6, True)


def small_from_the_start(lab, family):
    """Nobody has told the gateways: the first large packets find out, both ways, inner IPv4 and IPv6."""
    a, b, r1, r2 = two_routers(lab)
    narrow(r1, r2, NARROW)
    left, right = pair_over(a, b, family, mss="off")  # else no TCP segment would be too large
    left.up()
    transfer(a.host, b.host, b.host_address, 1_000_000)
    transfer(b.host, a.host, a.host_address6, 1_000_000)
    for end in (left, right):
        expect(end.children()[0]["path_mtu"] == NARROW, f"{end.gateway.label} has not learned the path's MTU")


def test_a_small_path_from_the_start(lab):
    small_from_the_start(lab, 4)


def test_a_small_path_from_the_start_outer_ipv6(lab):
    small_from_the_start(lab, 6)


def tun_mtu(gateway):
    return int(re.search(r"mtu (\d+)", gateway.ip("link", "show", "esp0").stdout).group(1))


def follows(end, path_mtu, why):
    """Status, and the TUN after it. Seconds, since the host is asked twice a second at most."""
    wait_for(f"path_mtu {path_mtu} in status {why}",
             lambda: {child["path_mtu"] for child in end.children()} == {path_mtu}, 3)
    fits = end.children()[0]["mtu"]
    wait_for(f"the TUN to carry {fits} {why}", lambda: tun_mtu(end.gateway) == fits, 3)


def route_follows(lab, udp_encap):
    a, b = lab.gateways()
    a.ip("link", "set", "wan0", "mtu", 1400)
    encap = "yes" if udp_encap else "no"
    left, right = Esptun(a, config(a, b, encap=encap)), Esptun(b, config(b, a, encap=encap))
    small = tun_mtu(a)
    a.ip("link", "set", "wan0", "mtu", 1500)
    wait_for("the TUN to follow before any tunnel is up", lambda: tun_mtu(a) > small, 3)
    a.ip("link", "set", "wan0", "mtu", 1400)
    wait_for("the TUN to follow before any tunnel is up", lambda: tun_mtu(a) == small, 3)
    left.up()
    follows(left, 1400, "at first")
    ping = a.host.start_ping(b.host_address, 1000, 0.01)
    for change, mtu in ((("link", "set", "wan0", "mtu", 1500), 1500), (("link", "set", "wan0", "mtu", 1400), 1400),
                        (("link", "set", "wan0", "mtu", 1500), 1500),
                        (("route", "add", "192.0.2.2", "dev", "wan0", "mtu", 1350), 1350),
                        (("route", "del", "192.0.2.2"), 1500),
                        (("rule", "add", "to", "192.0.2.2", "lookup", 50, "pref", 500), 1500),
                        (("route", "add", "192.0.2.2", "dev", "wan0", "table", 50, "mtu", 1320), 1320),
                        (("rule", "del", "pref", 500), 1500),
                        (("route", "del", "192.0.2.2", "table", 50), 1500)):
        a.ip(*change)
        follows(left, mtu, "after ip " + " ".join(map(str, change)))
        expect(a.host.ping(b.host_address, 3, size=1200) == (3, 3), f"lost after {change}")
    ping.wait(30)
    sent, received = ping_counts(ping.log())
    expect(sent == received, f"{sent - received} of {sent} pings were lost on the way")
    expect(re.search(r"path MTU to 192\.0\.2\.2: 1500, was 1400", left.log()), "the log does not tell")
    # The same again changes nothing, and a flood of changes ends in the right state.
    for i in range(50):
        a.ip("link", "set", "wan0", "mtu", 1400 + i % 2 * 50)
    follows(left, 1450, "after a flood of changes")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    left.terminate()
    right.terminate()


def test_another_route_is_noticed_udp(lab):
    route_follows(lab, True)


def test_another_route_is_noticed_raw(lab):
    route_follows(lab, False)


def test_the_route_of_the_source_counts(lab):
    """An ip rule leads packets from the connection's own address elsewhere: over an interface with a smaller MTU."""
    a, b = lab.gateways()
    a.ip("link", "add", "narrow0", "link", "wan0", "type", "macvlan", "mode", "bridge")
    a.ip("link", "set", "narrow0", "mtu", 1300, "up")
    a.ip("route", "add", "192.0.2.2/32", "dev", "narrow0", "table", 50)
    rule = "from", "192.0.2.1", "to", "192.0.2.2", "lookup", 50, "pref", 500
    a.ip("rule", "add", *rule)
    left, right = Esptun(a, config(a, b)), Esptun(b, config(b, a))
    left.up()
    follows(left, 1300, "of the narrow interface")
    done = a.host.run("ping", "-n", "-c", 3, "-i", 0.2, "-W", 1, "-M", "do", "-s", 1350, b.host_address, check=False)
    expect(re.search(r"Frag needed|mtu ?[=:]? ?1\d\d\d|too long", done.stdout + done.stderr), f"nobody said why: {done}")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    expect(left.drops().get("out_too_big", 0) == 0, f"sealed packets were refused: {left.drops()}")
    a.ip("rule", "del", "pref", 500)
    follows(left, 1500, "without the rule")
    a.ip("rule", "add", *rule)
    follows(left, 1300, "with the rule")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    left.terminate()
    right.terminate()
