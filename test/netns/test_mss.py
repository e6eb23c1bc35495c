# SPDX-License-Identifier: Apache-2.0
"""The segment size that TCP agrees on through the tunnel, as both hosts see it."""
from lab import Capture, expect, transfer, tshark
from roads import LAN_MTU, SUITE, pair_over, two_routers
from suites import inner_mtu

TCP_IP = {4: 40, 6: 60}
SIZE = 200_000
SYNS = "(tcp[tcpflags] & tcp-syn != 0) or (ip6[6] == 6 and ip6[53] & 2 != 0)"


def host_of(gateway, family):
    return gateway.host_address if family == 4 else gateway.host_address6


def connects(a, b):
    """One connection each way and family, between hosts that know nothing of the path."""
    for family in (4, 6):
        for one, other in ((a, b), (b, a)):
            for end in (a, b):
                for table in ("route", "-6 route", "tcp_metrics"):
                    end.host.run("ip", *table.split(), "flush", *(["cache"] if "route" in table else []), check=False)
            transfer(one.host, other.host, host_of(other, family), SIZE)


def arriving(capture):
    """{address that sent them: the MSS of its SYNs and SYN-ACKs}. A wrong checksum would have ended the connection."""
    text = tshark(capture.stop(), "-Y", "tcp.flags.syn == 1", "-T", "fields", "-E", "separator=,", "-e", "ip.src", "-e",
                  "ipv6.src", "-e", "tcp.options.mss_val")
    seen = {}
    for v4, v6, mss in (line.split(",") for line in text.splitlines()):
        seen.setdefault(v4 or v6, []).append(int(mss))
    return seen


def check(lab, expected, outer=4, left=None, right=None, **both):
    """expected: a function of the inner family."""
    a, b, _, _ = two_routers(lab)
    pair_over(a, b, outer, True, left, right, **both)
    captures = [Capture(end.host, "eth0", "syn", SYNS) for end in (a, b)]
    connects(a, b)
    for end, other, capture in ((a, b, captures[0]), (b, a, captures[1])):
        seen = arriving(capture)
        for family in (4, 6):
            got, wanted = seen.get(host_of(other, family), []), expected(family)
            expect(got == [wanted, wanted], f"IPv{family} from {other.label}: SYN and SYN-ACK arrive with MSS {got}, "
                   f"not {wanted}")


def fits(outer):
    return lambda family: inner_mtu(SUITE, 1500, outer, True) - TCP_IP[family]


def test_auto_is_what_fits(lab):
    check(lab, fits(4))


def test_auto_is_what_fits_outer_ipv6(lab):
    check(lab, fits(6), 6)


def test_auto_also_where_the_tun_is_larger(lab):
    check(lab, fits(4), settings={"mtu": 9000})


def test_one_end_is_enough(lab):
    """The other end may be of another make: both directions are clamped by one."""
    check(lab, fits(4), right={"mss": "off"})


def test_off_leaves_it(lab):
    check(lab, lambda family: LAN_MTU - TCP_IP[family], mss="off")


def test_a_number_is_the_limit(lab):
    check(lab, lambda family: 1000, mss="1000")


def test_never_raised(lab):
    check(lab, lambda family: LAN_MTU - TCP_IP[family], mss="65495")
