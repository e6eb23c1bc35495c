# SPDX-License-Identifier: Apache-2.0
"""What people do wrong, and what esptun tells them."""
import re

from esptun import Esptun, config, pair
from lab import Capture, clear_packets, expect, wait_for


def refused(end, pattern, timeout=60.0):
    """`esptun up` must fail and say why; returns what it said."""
    done = end.gateway.run(end.binary, "up", "peer", "-s", end.socket, check=False, timeout=timeout)
    text = done.stdout + done.stderr
    expect(done.returncode != 0, f"esptun up succeeded: {text}")
    expect(re.search(pattern, text, re.I | re.S), f"esptun up does not say /{pattern}/ but: {text}")
    expect(not end.children(), "a child came up all the same")
    return text


def test_wrong_psk_is_called_that(lab):
    left, right = pair(lab, left={"psk": "one thing"}, right={"psk": "quite another"})
    wire = Capture(right.gateway, "wan0")
    refused(left, r"AUTHENTICATION_FAILED: most likely the pre-shared keys differ")
    right.wait_log(r"psk|pre-shared")
    text = left.log() + right.log()
    expect("one thing" not in text and "quite another" not in text, "a key stands in the log")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


def test_phase_1_mismatch_tells_offer_and_remedy(lab):
    left, right = pair(lab, left={"ike": "aes128-sha256-modp2048"}, right={"ike": "aes256-sha384-ecp384"})
    refused(left, r"NO_PROPOSAL_CHOSEN.*aes128-sha256-modp2048: encryption aes128, hash sha256, group 14.*remedy:")
    right.wait_log("NO_PROPOSAL_CHOSEN")
    for word in ("aes128-sha256-modp2048", "aes256-sha384-ecp384"):
        expect(word in right.log(), f"the responder's log does not name {word}")


def test_phase_2_mismatch_tells_offer_and_remedy(lab):
    left, right = pair(lab, left={"esp": "aes128-sha256"}, right={"esp": "aes256gcm16"})
    refused(left, "NO_PROPOSAL_CHOSEN.*aes128-sha256: encryption aes128, hash sha256, PFS none.*remedy:")
    right.wait_log("NO_PROPOSAL_CHOSEN")
    for word in ("aes128-sha256", "aes256gcm16"):
        expect(word in right.log(), f"the responder's log does not name {word}")


def test_pfs_mismatch_is_told_at_once(lab):
    left, right = pair(lab, left={"esp": "aes256gcm16"}, right={"esp": "aes256gcm16-modp2048"})
    refused(left, "NO_PROPOSAL_CHOSEN.*PFS none.*remedy:.*PFS")
    right.wait_log("modp2048")


def test_selectors_mismatch(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["protect = 10.1.0.0/24 -> 10.7.0.0/24 via peer"]))
    right = Esptun(b, config(b, a))
    refused(left, "INVALID_ID_INFORMATION.*we ask for 10.1.0.0/24 -> 10.7.0.0/24.*remedy:.*local 10.7.0.0/24 and "
                  "remote 10.1.0.0/24")
    right.wait_log("INVALID_ID_INFORMATION")
    expect("10.7.0.0/24" in right.log(), "the responder does not name the selectors that it refused")


def test_wrong_identity(lab):
    left, right = pair(lab, left={"local_id": "someone.example.org"}, right={"remote_id": "branch.example.org"})
    refused(left, "INVALID_ID_INFORMATION.*we call ourselves someone.example.org.*remedy:.*local_id")
    right.wait_log("someone.example.org")


def test_peer_of_another_identity_is_not_accepted_by_the_initiator(lab):
    left, _ = pair(lab, left={"remote_id": "head.example.org"})
    refused(left, r"INVALID_ID_INFORMATION: the peer calls itself 192\.0\.2\.2, .*head\.example\.org.*write remote_id")


def test_peer_not_responding(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b))
    done = a.start("up", left.binary, "up", "peer", "-s", left.socket)
    left.wait_log("peer not responding|not responding", 100)
    right = Esptun(b, config(b, a))
    wait_for("the tunnel, once the peer is there", lambda: left.children() or
             a.host.ping(b.host_address)[1] == 1, 60)
    done.end()
    right.terminate()


def test_unknown_peer_gets_no_state(lab):
    left, right = pair(lab, right={"remote": "192.0.2.77", "start": "none"})
    refused(left, r"not responding|NO_PROPOSAL_CHOSEN|no answer", 150)
    expect(not right.status()["ike_sas"], "state for a peer that nobody configured")
    expect(right.dropped("ike_no_connection") > 0, f"not counted: {right.drops()}")


def test_modp1024_only_by_allow(lab):
    left, right = pair(lab, ike="aes128-sha1-modp1024", esp="aes128-sha1", allow="modp1024 sha1")
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "legacy by allow does not work")
    expect(re.search("legacy", left.log(), re.I), "no warning about legacy algorithms")
