# SPDX-License-Identifier: Apache-2.0
"""Fragments of IKE messages, with strongSwan at the other end."""
import re

from esptun import Esptun, config, pair
from lab import Capture, expect, tshark, wait_for
from pki import Pki
from roads import narrow, pair_over, two_routers
from strongswan import CERTIFICATES, Strongswan
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


# --- a chain of three intermediate authorities, over a path that is narrow and carries no fragments of IP ---

DROP_FRAGMENTS = """table ip only_whole {
    counter fragments { }
    chain in {
        type filter hook prerouting priority -450;
        ip frag-off & 0x3fff != 0 counter name fragments drop
    }
}
"""


def lost_fragments(*ends):
    texts = [end.run("nft", "list", "counter", "ip", "only_whole", "fragments").stdout for end in ends]
    return sum(int(re.search(r"packets (\d+)", text).group(1)) for text in texts)


def long_chains_arrive(left, right, we_call):
    a, b, start = left.gateway, right.gateway, right.mark()
    if we_call:
        left.up()
    else:
        right.up()
    left.wait_established(40)
    right.wait_established(40)
    said = right.log(start)
    expect("splitting IKE message" in said, "strongSwan sent no fragments")
    expect("received fragment #1, " in said, "we sent no fragments")
    expect(said.count("received issuer cert") >= 3, "strongSwan did not get all of our chain")
    expect(a.host.ping(b.host_address, 3) == (3, 3), "lost")
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost")
    left.down()
    right.wait_gone()


def test_long_chains(lab):
    """Each end has over 5,000 bytes of certificates to send. One test, because so many keys of RSA-4096 take long."""
    a, b, r1, r2 = two_routers(lab)
    narrow(r1, r2, 1280)
    for end in (a, b):
        end.nft(DROP_FRAGMENTS)
    pki = Pki(lab, "rsa4096", middles=3)
    ike, esp = "aes256-sha256-ecp256", "aes256gcm16-ecp256"
    right = Strongswan(b, a, ike=ike, esp=esp, plugins=CERTIFICATES, credentials=pki, local_id="gwB.example.org",
                       remote_id="gwA.example.org", fragmentation="yes", fragment_size=560)
    keys = {"ike": ike, "esp": esp, **pki.keys("gwA", "gwB")}
    left = Esptun(a, config(a, b, **keys, fragmentation="no"))
    a.start("up", left.binary, "up", "peer", "-s", left.socket)
    wait_for("IP fragments of our chain to be dropped", lambda: lost_fragments(b) > 0, 15)
    expect(not left.children(), "it came up all the same: the test is none")
    left.terminate()
    left = Esptun(a, config(a, b, **keys))
    before = lost_fragments(a, b)
    long_chains_arrive(left, right, True)
    long_chains_arrive(left, right, False)
    expect(lost_fragments(a, b) == before, "IP had to cut what was sent")
    # What we send first is cut by the router now, and does not arrive; the third time it goes in smaller pieces.
    narrow(r1, r2, 600)
    long_chains_arrive(left, right, True)
    expect(lost_fragments(b) > before, "nothing was cut: the test is none")
    before = lost_fragments(b)
    long_chains_arrive(left, right, False)
    expect(lost_fragments(b) > before, "nothing was cut: the test is none")


def test_two_of_us(lab):
    left, right = pair(lab, ike=IKE, left={"esp": LONG}, right={"esp": LAST})
    left.up()
    right.wait_established()
    expect(left.gateway.host.ping(right.gateway.host_address, 3) == (3, 3), "lost")
