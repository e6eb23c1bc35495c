# SPDX-License-Identifier: Apache-2.0
"""strongSwan 5.9 as the other end, in both roles. Its libipsec puts ESP into UDP, always."""
import re
import time

from esptun import Esptun, config
from lab import Capture, clear_packets, expect, ping_counts, transfer, wait_for
from strongswan import Strongswan

# ike, esp (with a group: PFS), allow
SUITES = {
    "cbc_modp2048": ("aes256-sha256-modp2048", "aes256-sha256", None),
    "cbc_modp2048_pfs": ("aes256-sha256-modp2048", "aes256-sha256-modp2048", None),
    "cbc192_sha384_ecp384_pfs": ("aes192-sha384-ecp384", "aes192-sha384-ecp384", None),
    "gcm256_modp2048_pfs": ("aes256-sha256-modp2048", "aes256gcm16-modp2048", None),
    "gcm128_ecp256": ("aes128-sha256-ecp256", "aes128gcm16", None),
    "gcm256_ecp256_pfs": ("aes256-sha256-ecp256", "aes256gcm16-ecp256", None),
    "gcm256_x25519_pfs": ("aes256-sha256-x25519", "aes256gcm16-x25519", None),
    "cbc_sha512_x25519": ("aes256-sha512-x25519", "aes256-sha512", None),
    "cbc_sha512_ecp521_pfs": ("aes256-sha512-ecp521", "aes256-sha512-ecp521", None),
    "sha1_modp2048": ("aes128-sha1-modp2048", "aes128-sha1", "sha1"),
    "modp4096_pfs": ("aes256-sha256-modp4096", "aes128-sha256-modp3072", None),
}


def ends(lab, ike="aes256-sha256-modp2048", esp="aes256gcm16-modp2048", allow=None, nat=False, ours=None, **theirs):
    """esptun at A, strongSwan at B."""
    a, b = lab.gateways(nat=nat)
    ours = {"remote_id": b.wan, **(ours or {})} if nat else (ours or {})
    theirs = {"remote": "192.0.2.1", "remote_id": a.wan, **theirs} if nat else theirs
    right = Strongswan(b, a, ike=theirs.pop("ike", ike), esp=theirs.pop("esp", esp), **theirs)
    left = Esptun(a, config(a, b, **{"ike": ike, "esp": esp, "allow": allow, **ours}))
    return left, right


def carries(left, right):
    a, b = left.gateway, right.gateway
    for size in (0, 1, 15, 16, 17, 1300):
        expect(a.host.ping(b.host_address, size=size) == (1, 1), f"ping with {size} bytes was lost")
        expect(b.host.ping(a.host_address, size=size) == (1, 1), f"ping back with {size} bytes was lost")
    transfer(a.host, b.host, b.host_address, 3_000_000)
    transfer(b.host, a.host, a.host_address, 3_000_000)
    expect(left.child()["in"]["auth_failed"] == 0, "authentication failures")


def no_leak(wire):
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:20]))


def we_initiate(lab, ike, esp, allow):
    left, right = ends(lab, ike, esp, allow)
    wire = Capture(right.gateway, "wan0")
    right.expect_woken_by(left.gateway)
    right.wait_established()
    carries(left, right)
    expect(left.child()["proposal"] == esp, f"phase 2 has {left.child()['proposal']}")
    left.terminate()
    right.wait_gone()
    no_leak(wire)


def strongswan_initiates(lab, ike, esp, allow):
    left, right = ends(lab, ike, esp, allow)
    wire = Capture(right.gateway, "wan0")
    right.up()
    left.wait_established()
    carries(left, right)
    expect(left.status()["ike_sas"][0]["initiator"] is False, "we are not the responder")
    right.down()
    left.wait_gone()
    left.terminate()
    no_leak(wire)


def add_suite(name, suite):
    globals()[f"test_initiator_{name}"] = lambda lab: we_initiate(lab, *suite)
    globals()[f"test_responder_{name}"] = lambda lab: strongswan_initiates(lab, *suite)


for suite_name, suite_words in SUITES.items():
    add_suite(suite_name, suite_words)


def test_responder_chooses_among_several(lab):
    a, b = lab.gateways()
    right = Strongswan(b, a, ike="aes192-sha384-ecp384,aes128-sha256-ecp256",
                       esp="aes192-sha384-ecp256,aes128-sha256-ecp256")
    left = Esptun(a, config(a, b, ike="aes256-sha256-modp2048, aes128-sha256-ecp256",
                            esp="aes256gcm16-ecp256, aes128-sha256-ecp256"))
    right.up()
    left.wait_established()
    carries(left, right)
    expect(left.child()["proposal"] == "aes128-sha256-ecp256", f"chosen: {left.child()['proposal']}")


def test_down_by_us_and_again(lab):
    left, right = ends(lab)
    for _ in range(2):
        left.up()
        right.wait_established()
        expect(left.gateway.host.ping(right.gateway.host_address, 2) == (2, 2), "lost")
        left.down()
        right.wait_gone()


def test_down_by_strongswan_and_again(lab):
    left, right = ends(lab)
    for _ in range(2):
        right.up()
        left.wait_established()
        expect(left.gateway.host.ping(right.gateway.host_address, 2) == (2, 2), "lost")
        right.down()
        left.wait_gone()


def test_strongswan_deletes_the_child_alone(lab):
    left, right = ends(lab)
    left.up()
    right.wait_established()
    right.down_child()
    wait_for("our child to go", lambda: not left.children(), 5)
    expect(left.gateway.host.ping(right.gateway.host_address, 2)[1] >= 1, "traffic does not wake a new child")
    left.wait_established()


def under_traffic(lab, act, least, nat=False, **more):
    """Nothing may be lost, in either direction, while act(left, right) renews."""
    left, right = ends(lab, nat=nat, **more)
    a, b = left.gateway, right.gateway
    left.up()
    right.wait_established()
    seen = set()
    pings = [a.host.start_ping(b.host_address, 1200, 0.01), b.host.start_ping(a.host_address, 1200, 0.01)]
    for _ in range(least):
        seen.add(left.children()[-1]["spi_in"])
        act(left, right)
        time.sleep(1)
    for ping in pings:
        ping.wait(60)
        expect(ping_counts(ping.log()) == (1200, 1200), f"packets were lost: {ping.log()}")
    seen.add(left.children()[-1]["spi_in"])
    expect(len(seen) >= least + 1, f"only {len(seen)} SPIs of ours: not renewed")
    wait_for("one child at each end", lambda: len(left.children()) == 1 and
             right.children().count("INSTALLED") == 1, 15)
    expect(a.host.ping(b.host_address, 3) == (3, 3), "lost after it all")
    return left, right


def test_rekey_by_us_under_traffic(lab):
    under_traffic(lab, lambda left, right: left.rekey(), 3)


def test_rekey_by_us_without_pfs_under_traffic(lab):
    under_traffic(lab, lambda left, right: left.rekey(), 2, esp="aes128-sha256")


def test_rekey_by_strongswan_under_traffic(lab):
    def act(left, right):
        before = left.children()[-1]["spi_in"]
        right.rekey_child()
        wait_for("a new SPI", lambda: left.children()[-1]["spi_in"] != before, 10)
    under_traffic(lab, act, 3)


def test_short_lifetimes_at_our_end(lab):
    left, right = ends(lab, ours={"lifetime": "7s", "ike_lifetime": "14s"})
    soak(left, right, 20)


def test_short_lifetimes_at_strongswans_end(lab):
    left, right = ends(lab, rekey="5s", life="10s", ike_rekey="12s")
    soak(left, right, 20)


def soak(left, right, seconds):
    a, b = left.gateway, right.gateway
    left.up()
    right.wait_established()
    first = left.child()["spi_in"]
    count = seconds * 100
    ping = a.host.start_ping(b.host_address, count, 0.01)
    ping.wait(seconds + 30)
    expect(ping_counts(ping.log()) == (count, count), f"packets were lost: {ping.log()}")
    expect(left.children()[-1]["spi_in"] != first, "never renewed")
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost after it all")


def test_initiator_behind_nat(lab):
    left, right = ends(lab, nat=True, ours={"encap": "auto"})
    wire = Capture(right.gateway, "wan0")
    right.expect_woken_by(left.gateway)
    right.wait_established()
    carries(left, right)
    expect(left.status()["ike_sas"][0]["nat"], "status does not tell of the NAT")
    right.down()
    left.wait_gone()
    no_leak(wire)


def test_rekeys_behind_nat(lab):
    def act(left, right):
        before = left.children()[-1]["spi_in"]
        right.rekey_child()
        wait_for("a new SPI", lambda: left.children()[-1]["spi_in"] != before, 10)
        left.rekey()
    under_traffic(lab, act, 1, nat=True)


def test_wrong_psk_as_initiator(lab):
    left, right = ends(lab, psk="not the same at all")
    done = left.verb("up", "peer", check=False, timeout=90)
    expect(done.returncode != 0, "up succeeded with a wrong key")
    expect(re.search(r"psk|pre-shared|AUTHENTICATION_FAILED|not responding", done.stdout + done.stderr, re.I),
           f"up says: {done.stdout}{done.stderr}")


def test_wrong_psk_as_responder(lab):
    left, right = ends(lab, psk="not the same at all")
    right.up(check=False)
    left.wait_log(r"psk|pre-shared")
    expect(not left.children(), "a child with a wrong key")


def mismatch(lab, our_ike, our_esp, their_ike, their_esp):
    a, b = lab.gateways()
    right = Strongswan(b, a, ike=their_ike, esp=their_esp)
    return Esptun(a, config(a, b, ike=our_ike, esp=our_esp)), right


def test_phase_1_mismatch_as_initiator(lab):
    left, _ = mismatch(lab, "aes128-sha256-ecp256", "aes256gcm16", "aes256-sha512-modp4096", "aes256gcm16")
    done = left.verb("up", "peer", check=False, timeout=60)
    expect(done.returncode != 0 and "NO_PROPOSAL_CHOSEN" in done.stdout + done.stderr,
           f"up says: {done.stdout}{done.stderr}")


def test_phase_1_mismatch_as_responder(lab):
    left, right = mismatch(lab, "aes128-sha256-ecp256", "aes256gcm16", "aes256-sha512-modp4096", "aes256gcm16")
    right.up(check=False)
    left.wait_log("NO_PROPOSAL_CHOSEN")
    right.wait_log("NO_PROPOSAL_CHOSEN|NO_PROP")
    expect("aes256-sha512-modp4096" in left.log(), "our log does not name the offer")


def test_phase_2_mismatch_as_initiator(lab):
    left, right = mismatch(lab, "aes128-sha256-ecp256", "aes256gcm16", "aes128-sha256-ecp256", "aes128-sha512")
    done = left.verb("up", "peer", check=False, timeout=60)
    expect(done.returncode != 0 and "NO_PROPOSAL_CHOSEN" in done.stdout + done.stderr,
           f"up says: {done.stdout}{done.stderr}")


def test_phase_2_mismatch_as_responder(lab):
    left, right = mismatch(lab, "aes128-sha256-ecp256", "aes256gcm16", "aes128-sha256-ecp256", "aes128-sha512")
    right.up(check=False)
    left.wait_log("NO_PROPOSAL_CHOSEN")
    right.wait_log("NO_PROPOSAL_CHOSEN|NO_PROP")
    expect(not left.children(), "a child came up all the same")


def test_names_as_identities(lab):
    left, right = ends(lab, ours={"local_id": "branch.example.org", "remote_id": "head@example.org"},
                       local_id="head@example.org", remote_id="branch.example.org")
    right.up()
    left.wait_established()
    carries(left, right)


def test_strongswan_restarted(lab):
    left, right = ends(lab)
    left.up()
    right.wait_established()
    right.process.popen.kill()
    right.process.wait()
    again = Strongswan(right.gateway, left.gateway, esp="aes256gcm16-modp2048")
    again.up()
    wait_for("traffic after the peer's reboot",
             lambda: left.gateway.host.ping(right.gateway.host_address)[1] == 1, 20)


# Every ESP suite that strongSwan 5.9 has in IKEv1 and libipsec, without PFS, and what it needs to be allowed. Its IKEv1 has
# no number for ChaCha20; its libipsec has neither GMAC, nor SHA-256 of 96 bits (but with AF_ALG), nor extended numbers.
ESP_SUITES = {
    "gcm": (["aes128gcm8", "aes192gcm12", "aes256gcm16", "aes256gcm8", "aes192gcm16", "aes128gcm12"], None),
    "ccm": (["aes128ccm8", "aes192ccm12", "aes256ccm16", "aes256ccm8", "aes192ccm16", "aes128ccm12"], None),
    "cbc": (["aes128-sha256", "aes192-sha384", "aes256-sha512", "aes256-sha1", "aes128-md5"], "sha1 md5"),
    "ctr": (["aes128ctr-sha256", "aes192ctr-sha384", "aes256ctr-sha512", "aes256ctr-sha1"], "sha1"),
    "3des": (["3des-sha1", "3des-sha256", "3des-md5"], "3des sha1 md5"),
    "null": (["null-sha256", "null-sha1", "null-sha512"], "null sha1"),
}


def suite_pair(lab, suites, allow):
    """We accept them all, strongSwan one at a time."""
    return ends(lab, esp=suites[0], allow=allow, ours={"esp": ", ".join(suites), "start": "none"})


def suite_carries(left, right, suite):
    a, b = left.gateway, right.gateway
    expect(left.child()["proposal"] == suite, f"chosen: {left.child()['proposal']}, not {suite}")
    for size in (0, 1, 13, 1300):
        expect(a.host.ping(b.host_address, size=size) == (1, 1), f"{suite}: ping with {size} bytes was lost")
    transfer(a.host, b.host, b.host_address, 200_000)
    expect(left.child()["in"]["auth_failed"] == 0, f"{suite}: authentication failures")


def suites_as_initiator(lab, suites, allow):
    left, right = suite_pair(lab, suites, allow)
    for suite in suites:
        right.change(esp=suite)
        left.up()
        right.wait_established()
        suite_carries(left, right, suite)
        left.down()
        right.wait_gone()


def suites_as_responder(lab, suites, allow):
    left, right = suite_pair(lab, suites, allow)
    for suite in suites:
        right.change(esp=suite)
        right.up()
        left.wait_established()
        suite_carries(left, right, suite)
        right.down()
        left.wait_gone()


def add_esp_suites(name, suites, allow):
    globals()[f"test_initiator_esp_{name}"] = lambda lab: suites_as_initiator(lab, suites, allow)
    globals()[f"test_responder_esp_{name}"] = lambda lab: suites_as_responder(lab, suites, allow)


for suites_name, (suites_words, suites_allow) in ESP_SUITES.items():
    add_esp_suites(suites_name, suites_words, suites_allow)


def test_gmac_has_the_number_that_strongswan_knows(lab):
    """It agrees, in both roles, and only then finds that its libipsec has no GMAC."""
    left, right = ends(lab, esp="aes192gmac")
    left.verb("up", "peer", check=False)
    right.wait_log("selected proposal: ESP:NULL_AES_GMAC_192/NO_EXT_SEQ")
    mark = right.mark()
    right.up(check=False)
    right.wait_log("selected proposal: ESP:NULL_AES_GMAC_192/NO_EXT_SEQ", start=mark)
    left.wait_log("selected proposal aes192gmac")


def test_sha256_96_is_sha256_in_the_negotiation(lab):
    """So does strongSwan mean it with its own switch; then its libipsec has no such MAC."""
    left, right = ends(lab, esp="aes256-sha256", ours={"esp": "aes256-sha256_96"}, allow="sha256_96")
    right.change(more="sha256_96 = yes")
    left.verb("up", "peer", check=False)
    right.wait_log("selected proposal: ESP:AES_CBC_256/HMAC_SHA2_256_128/NO_EXT_SEQ")
    right.wait_log("HMAC_SHA2_256_96")
    right.up(check=False)
    left.wait_log("selected proposal aes256-sha256_96")


def test_esn_is_offered_and_not_taken(lab):
    """libipsec has no extended numbers: of our two alternatives strongSwan takes the other."""
    left, right = ends(lab, esp="aes256gcm16-modp2048", ours={"esp": "aes256gcm16-modp2048-esn-noesn"})
    left.up()
    right.wait_established()
    expect(left.child()["proposal"] == "aes256gcm16-modp2048", f"chosen: {left.child()['proposal']}")
    expect(left.child()["esn"] is False, "status says esn")
    carries(left, right)
