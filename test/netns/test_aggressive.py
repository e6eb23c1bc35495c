# SPDX-License-Identifier: Apache-2.0
"""Aggressive mode with strongSwan at the other end, in both roles, and between two of us."""
import re

from esptun import Esptun, config, pair
from lab import expect, ping_counts, wait_for
from strongswan import Strongswan
from test_strongswan import carries, ends, under_traffic

IKE = "aes256-sha256-modp2048"
NAMES = {"ours": {"mode": "aggressive", "local_id": "branch.example.org", "remote_id": "head@example.org"},
         "local_id": "head@example.org", "remote_id": "branch.example.org", "aggressive": "yes"}


def aggressive(lab, ours=None, **more):
    return ends(lab, ike=IKE, ours={**NAMES["ours"], **(ours or {})},
                **{k: v for k, v in NAMES.items() if k != "ours"}, **more)


def test_we_initiate(lab):
    left, right = aggressive(lab)
    left.wait_log("warning.*aggressive mode with a pre-shared key")
    left.up()
    right.wait_established()
    carries(left, right)
    expect(right.log().count("parsed AGGRESSIVE request") == 2, "strongSwan saw other messages than 1 and 3")
    left.down()
    right.wait_gone()


def test_strongswan_initiates(lab):
    left, right = aggressive(lab)
    right.up()
    left.wait_established()
    carries(left, right)
    expect(left.status()["ike_sas"][0]["remote_id"] == "head@example.org", "another name in status")
    right.down()
    left.wait_gone()


def both_ways_with(lab, ike):
    left, right = ends(lab, ike=ike, ours=NAMES["ours"], **{k: v for k, v in NAMES.items() if k != "ours"})
    left.up()
    right.wait_established()
    left.down()
    right.wait_gone()
    right.up()
    left.wait_established()


for suite in ("aes128-sha256-ecp256", "aes256-sha384-ecp384", "aes256-sha512-x25519", "aes256-sha256-modp4096"):
    globals()["test_with_" + suite.replace("-", "_")] = lambda lab, ike=suite: both_ways_with(lab, ike)


def test_initiator_behind_nat(lab):
    left, right = aggressive(lab, nat=True, ours={"encap": "auto"})
    left.up()
    right.wait_established()
    carries(left, right)
    expect(left.status()["ike_sas"][0]["nat"], "status does not tell of the NAT")
    expect(re.search("local host is behind NAT|remote host is behind NAT", right.log()), "strongSwan saw no NAT")


def test_dynamic_peer_behind_nat_is_known_by_its_name(lab):
    """The responder has remote = %any, two connections that differ in remote_id and psk."""
    a, b = lab.gateways(nat=True)
    text = config(b, a, mode="aggressive", ike=IKE, remote="%any", start="none", remote_id="other.example.org",
                  local_id="head@example.org", psk="another key", name="other")
    own = config(b, a, mode="aggressive", ike=IKE, remote="%any", start="none", remote_id="branch.example.org",
                 local_id="head@example.org", psk_file=lab.file("own.psk", "the key of the branch\n"))
    section = own[own.index("[connection peer]"):own.index("[acl]")]
    text = text.replace("[acl]", section + "[acl]").replace("via other", "via peer")
    right = Esptun(b, text)
    left = Strongswan(a, b, psk="the key of the branch", aggressive="yes", ike=IKE, esp="aes256gcm16-modp2048",
                      local_id="branch.example.org", remote_id="head@example.org")
    left.up()
    right.wait_established()
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost")
    expect(right.status()["ike_sas"][0]["connection"] == "peer", "the wrong connection")


def test_two_of_us_behind_nat(lab):
    a, b = lab.gateways(nat=True)
    right = Esptun(b, config(b, a, mode="aggressive", ike=IKE, remote="%any", start="none", encap="auto",
                             remote_id="branch.example.org", local_id="head.example.org"))
    left = Esptun(a, config(a, b, mode="aggressive", ike=IKE, encap="auto", remote_id="head.example.org",
                            local_id="branch.example.org"))
    left.up()
    right.wait_established()
    expect(a.host.ping(b.host_address, 3) == (3, 3), "lost")
    expect(left.status()["ike_sas"][0]["nat"], "status does not tell of the NAT")


def test_rekeys_under_traffic(lab):
    def act(left, right):
        before = left.children()[-1]["spi_in"]
        right.rekey_child()
        wait_for("a new SPI", lambda: left.children()[-1]["spi_in"] != before, 10)
        left.rekey()
    under_traffic(lab, act, 1, ours=NAMES["ours"], **{k: v for k, v in NAMES.items() if k != "ours"})


def test_phase_1_renewed_by_either(lab):
    left, right = aggressive(lab, ours={"ike_lifetime": "12s"}, ike_rekey="9s")
    left.up()
    right.wait_established()
    ping = left.gateway.host.start_ping(right.gateway.host_address, 2000, 0.01)
    ping.wait(40)
    expect(ping_counts(ping.log()) == (2000, 2000), f"packets were lost: {ping.log()}")
    left.wait_log("rekeying phase 1|asked for by")


def test_local_any_needs_only_a_name(lab):
    left, right = aggressive(lab, ours={"local": None})
    left.up()
    right.wait_established()
    carries(left, right)


def test_a_peer_that_wants_main_mode_is_refused(lab):
    left, right = aggressive(lab)
    right.change(aggressive="no")
    right.up(check=False)
    left.wait_log("asks for main mode, but this connection has mode = aggressive")
    expect(not left.children(), "a child came up all the same")


def test_a_peer_that_wants_aggressive_mode_is_refused(lab):
    left, right = aggressive(lab, ours={"mode": "main"})
    right.up(check=False)
    left.wait_log("asks for aggressive mode, but this connection does main mode")
    expect(not left.children(), "a child came up all the same")


def test_strongswan_restarted(lab):
    left, right = aggressive(lab)
    left.up()
    right.wait_established()
    right.process.popen.kill()
    right.process.wait()
    again = Strongswan(right.gateway, left.gateway, ike=IKE, esp="aes256gcm16-modp2048", aggressive="yes",
                       local_id=NAMES["local_id"], remote_id=NAMES["remote_id"])
    again.up()
    wait_for("traffic after the peer's reboot",
             lambda: left.gateway.host.ping(right.gateway.host_address)[1] == 1, 20)


def test_wrong_psk(lab):
    left, right = aggressive(lab, psk="not the same at all")
    done = left.verb("up", "peer", check=False, timeout=90)
    expect(done.returncode != 0 and "AUTHENTICATION_FAILED" in done.stdout + done.stderr,
           f"up says: {done.stdout}{done.stderr}")
    right.up(check=False)
    expect(not left.children(), "a child with a wrong key")


def test_an_unknown_name_is_told(lab):
    left, right = aggressive(lab, ours={"remote_id": "somebody.else"})
    right.up(check=False)
    left.wait_log("the peer calls itself head@example.org.*write remote_id = head@example.org")


def test_mode_differs_between_two_of_us(lab):
    left, right = pair(lab, ike=IKE, left={"mode": "aggressive"}, right={"mode": "main"})
    done = left.verb("up", "peer", check=False, timeout=90)
    expect("does not do this mode of phase 1: compare `mode`" in done.stdout + done.stderr, done.stdout + done.stderr)
    right.wait_log("asks for aggressive mode")
