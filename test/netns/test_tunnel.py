# SPDX-License-Identifier: Apache-2.0
"""esptun to esptun: a tunnel's whole life."""
import re
import signal

from esptun import Esptun, config, pair
from lab import Capture, clear_packets, expect, ping_counts, transfer, tshark, wait_for

SUITES = [
    # ike, esp (with a group: PFS), allow
    ("aes256-sha256-modp2048", "aes256-sha256-modp2048", None),
    ("aes256-sha256-modp2048", "aes256-sha256", None),
    ("aes256-sha256-modp2048", "aes256gcm16", None),
    ("aes128-sha256-ecp256", "aes128gcm16-ecp256", None),
    ("aes192-sha384-ecp384", "aes192-sha384-ecp384", None),
    ("aes256-sha512-ecp521", "aes256-sha512-ecp521", None),
    ("aes256-sha512-x25519", "chacha20poly1305-x25519", None),
    ("aes128-sha256-modp3072", "chacha20poly1305", None),
    ("aes256-sha256-modp4096", "aes128-sha512", None),
    ("aes128-sha1-modp2048", "aes128-sha1", "sha1"),
]
# The suites of ESP, one after the other between the same gateways: esp, allow
FAMILIES = {
    "gcm": (["aes128gcm8", "aes192gcm12", "aes256gcm16-esn", "aes256gcm8-esn"], None),
    "ccm": (["aes128ccm8", "aes192ccm12-esn", "aes256ccm16", "aes256ccm8-esn"], None),
    "chacha": (["chacha20poly1305-esn", "chacha20poly1305"], None),
    "gmac": (["aes128gmac", "aes192gmac-esn", "aes256gmac"], None),
    "cbc": (["aes128-sha256-esn", "aes192-sha384", "aes256-sha512-esn", "aes256-md5"], "md5"),
    "ctr": (["aes128ctr-sha256", "aes192ctr-sha384-esn", "aes256ctr-sha512", "aes256ctr-sha1"], "sha1"),
    "3des": (["3des-sha256", "3des-sha1-esn", "3des-md5"], "3des sha1 md5"),
    "null": (["null-sha256", "null-sha512-esn", "null-sha1"], "null sha1"),
    "sha256_96": (["aes256-sha256_96", "aes128ctr-sha256_96-esn", "null-sha256_96"], "null sha256_96"),
}


def carries(left, right, size=1_000_000):
    """Data in all sizes, both ways."""
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "the first ping, which wakes the tunnel, was lost")
    for payload in (0, 1, 7, 8, 15, 16, 17, 1000, 1300):
        expect(a.host.ping(b.host_address, size=payload) == (1, 1), f"ping with {payload} bytes was lost")
        expect(b.host.ping(a.host_address, size=payload) == (1, 1), f"ping back with {payload} bytes was lost")
    if size:
        transfer(a.host, b.host, b.host_address, size)
        transfer(b.host, a.host, a.host_address, size)


def no_leak(capture):
    path = capture.stop()
    leaked = clear_packets(path)
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:20]))
    return path


def test_a_whole_life(lab):
    left, right = pair(lab)
    wire = Capture(right.gateway, "wan0")
    carries(left, right)
    for end, initiator in ((left, True), (right, False)):
        child = end.child()
        expect(child["state"] == "established", f"state {child['state']}")
        expect(child["encap"] not in (False, "no", "none"), "encap = yes, but the child is not in UDP")
        expect(end.status()["ike_sas"][0]["initiator"] is initiator, "both ends have the same role")
        for word in ("interesting traffic",) * initiator + ("phase 1", "phase 2", "established"):
            expect(re.search(word, end.log(), re.I), f"the log of {end.gateway.label} does not say '{word}'")
    left.terminate()
    right.wait_gone()
    expect(right.process.alive(), "the peer ended too")
    right.terminate()
    for end in (left, right):
        expect(re.search("terminat|delet|clos|ended|stop", end.log(), re.I), "the log does not tell of the end")
    path = no_leak(wire)
    expect(not tshark(path, "-Y", "ip.proto == 50"), "raw ESP, although encap = yes")
    inbound = tshark(path, "-Y", "udpencap.nat_keepalive or (udp.port == 4500 and esp)", "-T", "fields", "-e", "esp.spi")
    expect(len(set(inbound.split())) == 2, f"one pair of SAs was expected, seen: {set(inbound.split())}")


def add_suite(ike, esp, allow):
    def test(lab):
        left, right = pair(lab, ike=ike, esp=esp, allow=allow)
        carries(left, right)
        for end in (left, right):
            expect(end.child()["proposal"] == esp, f"phase 2 says {end.child()['proposal']}, not {esp}")
            expect(end.status()["ike_sas"][0]["proposal"] == ike, "phase 1 shows another proposal")
            expect(set(end.drops()) <= {"out_no_rule"}, f"{end.gateway.label} dropped something: {end.drops()}")
    globals()["test_suite_" + f"{ike}_{esp}".replace("-", "_")] = test


for suite in SUITES:
    add_suite(*suite)


def add_family(name, suites, allow):
    def test(lab):
        a, b = lab.gateways()
        for suite in suites:
            left = Esptun(a, config(a, b, esp=suite, allow=allow))
            right = Esptun(b, config(b, a, esp=suite, allow=allow))
            carries(left, right, 300_000)
            for end in (left, right):
                expect(end.child()["proposal"] == suite, f"phase 2 says {end.child()['proposal']}, not {suite}")
                expect(end.child()["esn"] is suite.endswith("-esn"), f"status says esn {end.child()['esn']}")
                expect(set(end.drops()) <= {"out_no_rule"}, f"{end.gateway.label} dropped something: {end.drops()}")
            for end in (left, right):
                end.terminate()
    globals()["test_esp_" + name] = test


for family_name, (family_suites, family_allow) in FAMILIES.items():
    add_family(family_name, family_suites, family_allow)


def test_several_proposals_one_in_common(lab):
    left, right = pair(lab, left={"ike": "aes128-sha256-ecp256, aes256-sha256-modp2048", "esp": "chacha20poly1305-ecp256, "
                                  "aes256gcm16-ecp256"},
                       right={"ike": "aes256-sha384-ecp384, aes256-sha256-modp2048", "esp": "aes256gcm16-ecp256"})
    carries(left, right, 0)
    expect(left.status()["ike_sas"][0]["proposal"] == "aes256-sha256-modp2048", "not the common proposal")
    expect(left.child()["proposal"] == "aes256gcm16-ecp256", "not the common phase-2 proposal")


def test_raw_esp(lab):
    left, right = pair(lab, encap="no")
    wire = Capture(right.gateway, "wan0")
    carries(left, right, 3_000_000)
    path = no_leak(wire)
    expect(tshark(path, "-Y", "ip.proto == 50"), "no raw ESP on the wire")
    expect(not tshark(path, "-Y", "udp.port == 4500 and esp"), "ESP in UDP, although encap = no")


def test_encap_auto_without_nat_is_raw(lab):
    left, right = pair(lab, encap="auto")
    wire = Capture(right.gateway, "wan0")
    carries(left, right, 300_000)
    path = no_leak(wire)
    expect(not tshark(path, "-Y", "udp.port == 4500 and esp"), "ESP in UDP, although there is no NAT")


def behind_nat(lab, encap):
    left, right = pair(lab, nat=True, encap=encap)
    wire = Capture(right.gateway, "wan0")
    carries(left, right)
    path = no_leak(wire)
    expect(not tshark(path, "-Y", "ip.proto == 50"), "raw ESP through a NAT")
    expect(left.status()["ike_sas"][0]["nat"], "status does not tell of the NAT")
    right.rekey()
    expect(right.gateway.host.ping(left.gateway.host_address, 3) == (3, 3), "lost after a rekey from outside the NAT")
    left.terminate()
    right.wait_gone()


def test_behind_nat_auto(lab):
    behind_nat(lab, "auto")


def test_behind_nat_yes(lab):
    behind_nat(lab, "yes")


def test_what_waits_for_the_tunnel_leaves_in_order(lab):
    left, right = pair(lab)
    catcher = right.gateway.host.start(
        "catcher", "/usr/bin/python3", "-uc", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.bind(('', 9))\nprint('ready')\nwhile True: print(s.recv(99).decode())")
    catcher.wait_log("ready")
    left.gateway.host.run("/usr/bin/python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
                          "\nfor i in range(8): s.sendto(b'number-%d' % i, ('10.2.0.2', 9))")
    numbers = wait_for("all that waited", lambda: re.findall(r"number-(\d)", catcher.log())[7:] and catcher.log(), 10)
    expect("".join(re.findall(r"number-(\d)", numbers)) == "01234567", f"out of order: {numbers}")


def test_no_clear_text_while_the_peer_is_away(lab):
    a, b = lab.gateways()
    wire = Capture(b, "wan0")
    left = Esptun(a, config(a, b))
    sent, received = a.host.ping(b.host_address, 40, interval=0.1)
    expect(received == 0, f"{received} of {sent} came back without a peer")
    right = Esptun(b, config(b, a))
    wait_for("the tunnel, now that the peer is there", lambda: a.host.ping(b.host_address, 1)[1] == 1, 40)
    right.terminate()
    left.wait_gone()
    left.down()
    a.host.ping(b.host_address, 10, interval=0.1, wait=1)
    path = no_leak(wire)
    expect(tshark(path, "-Y", "isakmp"), "not even IKE was seen")


def test_down_from_each_side(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    for one, other in ((left, right), (right, left)):
        expect(a.host.ping(b.host_address) == (1, 1), "traffic does not wake the tunnel")
        one.wait_established()
        other.wait_established()
        wire = Capture(b, "wan0")
        one.down()
        expect(not one.status()["ike_sas"], "down has returned, but SAs are left")
        other.wait_gone()
        no_leak(wire)
    expect(b.host.ping(a.host_address) == (1, 1), "traffic from the other side does not wake the tunnel")


def test_sigterm_under_traffic(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    left.up()
    wire = Capture(b, "wan0")
    ping = a.host.start_ping(b.host_address, 300, interval=0.01)
    transfer(a.host, b.host, b.host_address, 1_000_000)
    right.terminate()
    wait_for("the peer to take note", lambda: not left.children(), 5)  # and traffic wakes it again, in vain
    ping.end()
    path = wire.stop()
    informational = tshark(path, "-Y", f"isakmp.exchangetype == 5 and ip.src == {b.wan}")
    expect(informational, "no delete was sent")
    left.terminate()


def test_sigint_ends_it_too(lab):
    left, _ = pair(lab)
    left.process.popen.send_signal(signal.SIGINT)
    expect(left.process.wait(3) == 0, "SIGINT: exit code is not 0")
    left.expect_clean()


def test_killed_and_started_again(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    left.kill()
    left.start()  # over the old socket, and whatever else was left
    expect(a.host.ping(b.host_address, 1)[1] == 1, "the restarted end does not come up")
    wait_for("answers for the peer's host", lambda: b.host.ping(a.host_address, 1)[1] == 1, 10)
    left.terminate()


def test_start_start_needs_no_traffic(lab):
    left, right = pair(lab, left={"start": "start"}, right={"start": "none"})
    left.wait_established()
    right.wait_established()


def test_start_none_does_not_initiate(lab):
    left, right = pair(lab, left={"start": "none"})
    wire = Capture(right.gateway, "wan0")
    expect(left.gateway.host.ping(right.gateway.host_address, 3, interval=0.2)[1] == 0, "a tunnel from nowhere")
    path = no_leak(wire)
    expect(not tshark(path, "-Y", "isakmp"), "start = none, but IKE was sent")
    expect(right.gateway.host.ping(left.gateway.host_address) == (1, 1), "it does not answer")


def test_any_peer_may_call(lab):
    left, right = pair(lab, right={"remote": "%any", "remote_id": "192.0.2.1", "start": "none"})
    carries(left, right, 0)


def test_names_as_identities(lab):
    left, right = pair(lab, left={"local_id": "branch.example.org", "remote_id": "head@example.org"},
                       right={"local_id": "head@example.org", "remote_id": "branch.example.org"})
    carries(left, right, 0)
    sa = right.status()["ike_sas"][0]
    expect(sa["remote_id"] == "branch.example.org" and sa["local_id"] == "head@example.org", f"identities: {sa}")


def test_both_ends_wake_it_at_once(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    one = a.host.start_ping(b.host_address, 50, interval=0.05)
    other = b.host.start_ping(a.host_address, 50, interval=0.05)
    for ping in (one, other):
        ping.wait(30)
        expect(ping_counts(ping.log()) == (50, 50), f"lost: {ping.log()}")


def test_the_second_rule_gets_its_own_child(lab):
    a, b = lab.gateways()
    for gateway, number in ((a, 1), (b, 2)):
        gateway.host.ip("addr", "add", f"10.{number}.1.2/32", "dev", "lo")
        gateway.ip("route", "add", f"10.{number}.1.2/32", "via", gateway.host_address)
    rules = "protect = 10.{0}.0.0/24 -> 10.{1}.0.0/24 via peer", "protect = 10.{0}.1.0/24 -> 10.{1}.1.0/24 via peer"
    left = Esptun(a, config(a, b, acl=[rule.format(1, 2) for rule in rules]))
    right = Esptun(b, config(b, a, acl=[rule.format(2, 1) for rule in rules]))
    expect(a.host.ping("10.2.0.2") == (1, 1), "the first rule")
    done = a.host.run("ping", "-n", "-c", 2, "-W", 2, "-I", "10.1.1.2", "10.2.1.2", check=False)
    expect(ping_counts(done.stdout) == (2, 2), f"the second rule: {done.stdout}")
    for end in (left, right):
        status = end.status()
        expect(len(status["ike_sas"]) == 1, "one phase 1 serves both rules")
        expect(len(end.children(status)) == 2, f"two children were expected: {end.children(status)}")


def test_acl_first_match_wins(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, acl=["discard = tcp any -> 10.2.0.0/24 port 23", "deny = 10.1.0.0/24 -> 10.2.0.9/32",
                                       "permit = 10.1.0.0/24 -> 10.2.0.0/24 via peer"]))
    Esptun(b, config(b, a))
    expect(a.host.ping(b.host_address, 3) == (3, 3), "the permit rule")
    probe = ("import socket,sys\ns=socket.socket()\ns.settimeout(1)\nsys.exit(s.connect_ex(('10.2.0.2',%d)) "
             "in (0,111) and 7 or 3)")
    expect(a.host.run("/usr/bin/python3", "-c", probe % 24, check=False).returncode == 7, "port 24 should reach the host")
    expect(a.host.run("/usr/bin/python3", "-c", probe % 23, check=False).returncode == 3, "port 23 should be discarded")
    expect(left.dropped("out_discard_rule") >= 1, f"the discard was not counted: {left.drops()}")
    counted = {rule["action"]: rule["packets"] for rule in left.status()["rules"]}
    expect(counted.get("discard", 0) >= 1 and counted.get("protect", 0) >= 3, f"rule counters: {counted}")


def test_an_authentic_packet_outside_the_selectors_is_dropped(lab):
    a, b = lab.gateways()
    # The right side may send anything into the tunnel's SA; the left side accepts only what was negotiated.
    left = Esptun(a, config(a, b))
    right = Esptun(b, config(b, a))
    left.up()
    b.host.ip("addr", "add", "10.9.0.2/32", "dev", "lo")
    done = b.host.run("ping", "-n", "-c", 3, "-i", 0.05, "-W", 1, "-I", "10.9.0.2", a.host_address, check=False)
    expect(ping_counts(done.stdout)[1] == 0, "a packet from outside the selectors got an answer")
    expect(right.dropped("out_no_rule") >= 3, f"not counted as without a rule: {right.drops()}")
    expect(left.child()["in"]["packets"] == 0, "it was sealed all the same")
