# SPDX-License-Identifier: Apache-2.0
"""Fragments of IKE messages, with strongSwan at the other end."""
from esptun import pair
from lab import Capture, expect, tshark
from roads import narrow, pair_over, two_routers
from test_strongswan import carries, ends

IKE = "aes256-sha256-modp4096"
# An offer of over 1280 bytes; the last one is the one that is taken.
SUITES = [f"aes{bits}{mode}-modp2048" for mode in ("gcm16", "gcm12", "gcm8", "ccm16", "ccm12", "ccm8", "-sha512", "-sha384",
                                                   "-sha256") for bits in (128, 192, 256)]
LONG, LAST = ",\n    ".join(SUITES), SUITES[-1]


def in_fragments(lab, ours=None, **theirs):
    return ends(lab, ike=IKE, ours={"esp": LONG, **(ours or {})}, **{"esp": LAST, "fragmentation": "force",
                                                                     "fragment_size": 576, **theirs})


def test_strongswan_sends_fragments_as_responder(lab):
    left, right = in_fragments(lab)
    left.up()
    right.wait_established()
    carries(left, right)
    expect("splitting IKE message" in right.log(), "strongSwan sent no fragments")
    expect("received fragment #1, " in right.log(), "we sent no fragments")


def test_strongswan_sends_fragments_as_initiator(lab):
    left, right = in_fragments(lab)
    right.up()
    left.wait_established()
    carries(left, right)
    expect("splitting IKE message" in right.log(), "strongSwan sent no fragments")
    expect(not left.dropped("ike_malformed"), "fragments were refused")


def test_in_aggressive_mode(lab):
    left, right = in_fragments(lab, ours={"mode": "aggressive"}, aggressive="yes")
    left.up()
    right.wait_established()
    expect("splitting IKE message" in right.log(), "strongSwan sent no fragments")
    expect("received fragment #1, " in right.log(), "we sent no fragments")


def test_a_first_message_in_fragments_is_not_taken(lab):
    """Nobody knows yet whether we take fragments, and a forged address must not make us hold anything."""
    left, right = in_fragments(lab, ours={"mode": "aggressive"}, aggressive="yes")
    right.up(check=False)
    expect("splitting IKE message" in right.log(), "strongSwan sent no fragments")
    expect(left.dropped("ike_unknown_sa") > 0, "not counted")


def test_no_fragments_where_one_end_does_not_want_them(lab):
    left, right = in_fragments(lab, ours={"fragmentation": "no"}, fragmentation="yes")
    left.up()
    right.wait_established()
    expect("splitting IKE message" not in right.log(), "strongSwan sent fragments that nobody asked for")
    expect("received fragment" not in right.log(), "we sent fragments with fragmentation = no")
    left.down()
    right.wait_gone()
    right.change(fragmentation="no")
    left.up()
    right.wait_established()
    expect("received fragment" not in right.log(), "we sent fragments that nobody asked for")


def test_forced_fragments_are_not_taken(lab):
    left, right = in_fragments(lab, ours={"fragmentation": "no"})
    right.up(check=False)
    expect(left.dropped("ike_state") > 0, "not counted")
    expect(not left.children(), "a child came up all the same")


def test_behind_nat_by_port_4500(lab):
    left, right = in_fragments(lab, nat=True, ours={"encap": "auto"})
    left.up()
    right.wait_established()
    carries(left, right)
    expect("received fragment #1, " in right.log(), "we sent no fragments")


def test_over_ipv6_and_a_path_of_1280(lab):
    a, b, r1, r2 = two_routers(lab)
    narrow(r1, r2, 1280)
    left, right = pair_over(a, b, family=6, ike=IKE, left={"esp": LONG}, right={"esp": LAST})
    wire = Capture(b, "wan0")
    left.up()
    right.wait_established()
    sizes = tshark(wire.stop(), "-Y", "isakmp.frag.packetid", "-T", "fields", "-e", "ipv6.plen").split()
    expect(sizes and max(int(size) + 40 for size in sizes) <= 1280, f"fragments of {sizes} bytes")


def test_two_of_us(lab):
    left, right = pair(lab, ike=IKE, left={"esp": LONG}, right={"esp": LAST})
    left.up()
    right.wait_established()
    expect(left.gateway.host.ping(right.gateway.host_address, 3) == (3, 3), "lost")
