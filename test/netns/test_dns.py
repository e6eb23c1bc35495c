# SPDX-License-Identifier: Apache-2.0
"""Peers that the configuration knows by name."""
import re

from esptun import Esptun, config
from lab import Capture, clear_packets, expect, wait_for
from names import Names

NAME = "gw.example.org"


def named(lab, zone, started=True, left=None, right=None):
    """gwA knows gwB as NAME; gwB knows an address. Returns (gwA, gwB, the name server of gwA)."""
    a, b = lab.gateways()
    names = Names(a, zone, started)
    return (Esptun(a, config(a, b, **{"remote": NAME, "remote_id": "gwb", **(left or {})})),
            Esptun(b, config(b, a, **{"local_id": "gwb", **(right or {})})), names)


def refused(end, pattern, timeout=60.0):
    done = end.verb("up", "peer", check=False, timeout=timeout)
    text = done.stdout + done.stderr
    expect(done.returncode != 0, f"esptun up succeeded: {text}")
    expect(re.search(pattern, text, re.I | re.S), f"esptun up does not say /{pattern}/ but: {text}")
    return text


def entry(end):
    return end.status()["names"][0]


def test_name_leads_to_the_peer(lab):
    left, right, names = named(lab, {NAME: ["192.0.2.2"]})
    wire = Capture(right.gateway, "wan0")
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "the first ping was lost")
    left.wait_log(rf"peer: {NAME} is 192\.0\.2\.2$")
    status = left.status()
    expect(status["ike_sas"][0]["remote_name"] == NAME, "status does not tell the name")
    expect(status["names"] == [{"connection": "peer", "name": NAME, "addresses": ["192.0.2.2"], "problem": None}],
           f"names: {status['names']}")
    expect(right.status()["ike_sas"][0]["remote_name"] is None and not right.status()["names"], "a name from nowhere")
    expect(f"peer is {NAME}, at 192.0.2.2" in left.verb("status").stdout, "esptun status does not tell the name")
    before = names.asked()
    left.rekey()
    right.rekey()
    expect(left.gateway.host.ping(right.gateway.host_address, 5) == (5, 5), "pings lost after the keys were renewed")
    expect(names.asked() == before, "a renewal has asked the name server")
    left.down()
    left.up()
    expect(names.asked() > before, "a new start has not asked the name server")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


# The resolver sorts by RFC 6724, and this address is as near to 192.0.2.1 as the peer's: so it stays the first.
DEAD_FIRST = ["192.0.2.3", "192.0.2.2"]


def test_the_second_address_is_tried_when_the_first_is_dead(lab):
    left, right, names = named(lab, {NAME: DEAD_FIRST}, left={"start": "start"})
    wire = Capture(right.gateway, "wan0")
    left.wait_log(rf"trying the next address of {NAME}", 40)
    left.wait_established(30)
    expect("trying again in" not in left.log(), "it waited although another address was left")
    expect(names.asked() == 2, "the list was asked for again before its end")
    expect(right.gateway.host.ping(left.gateway.host_address) == (1, 1), "a ping was lost")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


def test_up_succeeds_by_the_second_address_and_fails_after_the_last(lab):
    left, right, names = named(lab, {NAME: DEAD_FIRST}, left={"start": "none"})
    left.up()
    left.down()
    right.terminate()
    names.say({NAME: ["192.0.2.3", "192.0.2.5"]})
    refused(left, r"peer not responding at 192\.0\.2\.5", 120)


def test_the_peer_moves(lab):
    """Dead-peer detection notices, and the name is looked up again."""
    left, right, names = named(lab, {NAME: ["192.0.2.2"]}, left={"dpd_delay": "2s"}, right={"start": "none"})
    left.up()
    wire = Capture(left.gateway, "wan0")
    right.kill()
    right.gateway.ip("addr", "del", "192.0.2.2/24", "dev", "wan0")
    right.gateway.ip("addr", "add", "192.0.2.9/24", "dev", "wan0")
    right.gateway.ip("route", "add", "default", "via", "192.0.2.1")
    names.say({NAME: ["192.0.2.9"]})
    with open(right.file, encoding="utf-8") as file:
        text = file.read()
    with open(right.file, "w", encoding="utf-8") as file:
        file.write(text.replace("local = 192.0.2.2", "local = 192.0.2.9"))
    right.start()
    left.wait_log(rf"{NAME} is 192\.0\.2\.9$", 100)
    wait_for("the tunnel at the new address",
             lambda: any(sa["remote"].startswith("192.0.2.9:") and sa["children"] for sa in left.status()["ike_sas"]), 30)
    expect(left.gateway.host.ping(right.gateway.host_address, 3) == (3, 3), "pings were lost")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


def test_no_such_name_and_recovery(lab):
    left, right, names = named(lab, {})
    wire = Capture(left.gateway, "wan0")
    refused(left, rf"the name {NAME} cannot be resolved: there is no such name.*compare it")
    expect(left.gateway.host.ping(right.gateway.host_address, 3)[1] == 0, "a ping without a tunnel")
    refused(left, "there is no such name")
    said = re.findall(rf"^.*warning.*the name {NAME} cannot be resolved", left.log(), re.M | re.I)
    expect(len(said) == 1, f"said {len(said)} times: {left.log()}")
    expect("there is no such name" in entry(left)["problem"] and not entry(left)["addresses"], f"{entry(left)}")
    names.say({NAME: ["192.0.2.2"]})
    # Traffic asks once in five seconds, while packets wait as long.
    wait_for("the tunnel once the name is there", lambda: left.gateway.host.ping(right.gateway.host_address)[1], 15)
    expect(entry(left)["problem"] is None, f"{entry(left)}")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


def test_no_server_and_recovery(lab):
    left, right, names = named(lab, {NAME: ["192.0.2.2"]}, started=False, left={"start": "start"})
    wire = Capture(left.gateway, "wan0")
    left.wait_log("no name server has answered: check /etc/resolv.conf", 30)
    left.wait_log("trying again in 5 s", 30)
    expect(left.gateway.host.ping(right.gateway.host_address, 2)[1] == 0, "a ping without a tunnel")
    names.start()
    left.wait_established(40)
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "a ping was lost")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")


def test_a_silent_server_delays_nothing_else(lab):
    left, right, names = named(lab, {NAME: None}, left={"start": "start"})
    left.gateway.etc("resolv.conf", "nameserver 127.0.0.1\noptions timeout:20 attempts:3\n")
    left.terminate()
    left.start()
    wait_for("the question", lambda: names.asked() > 0)
    left.status()
    left.terminate()  # the resolver would wait for a minute
    right.terminate()


def test_hostile_answers(lab):
    bad = ["0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255", "::1", "::", "ff02::1", "fe80::1", "192.0.2.1"]
    left, _, names = named(lab, {NAME: bad}, left={"start": "none"})
    refused(left, f"the name {NAME} cannot be used")
    log = left.log()
    for address, why in (("0.0.0.0", "nobody's"), ("127.0.0.1", "this host"), ("224.0.0.5", "multicast"),
                         ("255.255.255.255", "broadcast"), ("::1", "this host"), ("ff02::1", "multicast"),
                         ("fe80::1", "link-local"), ("192.0.2.1", "this host")):
        expect(re.search(rf"left out:.*{re.escape(address)} \([^)]*{why}", log), f"{address} is not said to be {why}")
    names.say({NAME: bad + ["192.0.2.2"]})
    left.up()
    expect(entry(left)["addresses"] == ["192.0.2.2"] and "left out" in entry(left)["problem"], f"{entry(left)}")


def test_a_peer_that_calls_is_found_by_its_name(lab):
    """Neither end calls before; the one that knows a name has looked it up at its start."""
    left, right, names = named(lab, {NAME: ["192.0.2.2"]}, left={"start": "none", "remote_id": None},
                               right={"local_id": None})
    left.wait_log(rf"{NAME} is 192\.0\.2\.2$")
    expect(right.gateway.host.ping(left.gateway.host_address) == (1, 1), "the first ping was lost")
    right.down()
    left.wait_gone()
    # It moves, and calls from where nobody knows it: the name is looked up again, and what it repeats is answered.
    names.say({NAME: ["192.0.2.9"]})
    right.gateway.ip("addr", "add", "192.0.2.9/24", "dev", "wan0")
    with open(right.file, encoding="utf-8") as file:
        text = file.read()
    with open(right.file, "w", encoding="utf-8") as file:
        file.write(text.replace("local = 192.0.2.2", "local = 192.0.2.9"))
    right.verb("reload")
    right.up()
    expect(left.status()["ike_sas"][0]["remote"].startswith("192.0.2.9:"), "not at the new address")
    expect(right.gateway.host.ping(left.gateway.host_address) == (1, 1), "a ping was lost")


def test_reload_with_the_same_name_loses_no_packet(lab):
    left, right, names = named(lab, {NAME: ["192.0.2.2"]})
    left.up()
    before, asked = left.child()["spi_in"], names.asked()
    pings = left.gateway.host.start_ping(right.gateway.host_address, 200)
    with open(left.file, encoding="utf-8") as file:
        text = file.read()
    for new in (text.replace(NAME, NAME.upper()), text.replace("[acl]\n", "[acl]\ndiscard = any -> 10.9.0.0/16\n")):
        with open(left.file, "w", encoding="utf-8") as file:
            file.write(new)
        said = left.verb("reload").stdout
        expect("0 changed" in said, f"reload says {said}")
    pings.wait(30)
    expect("200/200/0%" in pings.log(), f"pings were lost: {pings.log()}")
    expect(left.child()["spi_in"] == before and names.asked() == asked, "the tunnel is another one")
    expect(entry(left)["addresses"] == ["192.0.2.2"], f"{entry(left)}")
    with open(left.file, "w", encoding="utf-8") as file:
        file.write(text.replace(NAME, "other.example.org"))
    names.say({"other.example.org": ["192.0.2.2"]})
    expect("1 changed" in left.verb("reload").stdout, "another name is no change")
    left.up()
    expect(entry(left)["name"] == "other.example.org", f"{entry(left)}")


def test_two_names_of_one_address_with_two_keys(lab):
    a, b = lab.gateways()
    Names(a, {NAME: [b.wan], "other.example.org": [b.wan], "third.example.org": ["192.0.2.7"]})
    text = config(a, b, remote=NAME)
    for name in ("other", "third"):
        more = f"[connection {name}]\nlocal = {a.wan}\nremote = {name}.example.org\npsk = another key of its own\n\n[acl]\n"
        text = text.replace("[acl]\n", more)
    left = Esptun(a, text)
    left.wait_log(r"192\.0\.2\.2 is also the address of \[connection (other|peer)\], which has another psk")
    left.wait_log(r"third.example.org is 192\.0\.2\.7")
    expect(left.log().count("is also the address of") == 1, "said of more than these two, or twice")


def test_name_server_inside_a_full_tunnel(lab):
    """It cannot be asked before the tunnel is there, unless a rule lets the question pass."""
    a, b = lab.gateways()
    names = Names(a, {NAME: [b.wan]}, at=b, address=b.wan)
    protect, bypass = f"protect = {a.lan} -> 0.0.0.0/0 via peer", f"bypass = any -> {b.wan}"
    left = Esptun(a, config(a, b, remote=NAME, remote_id=b.wan, acl=[protect]))
    Esptun(b, config(b, a, acl=[f"protect = 0.0.0.0/0 -> {a.lan} via peer"]))
    wire = Capture(a, "wan0")
    refused(left, "no name server has answered.*write a bypass rule")
    expect(not names.asked(), "a question has passed by the rules")
    with open(left.file, encoding="utf-8") as file:
        text = file.read()
    with open(left.file, "w", encoding="utf-8") as file:
        file.write(text.replace(protect, f"{bypass}\n{protect}"))
    left.verb("reload")
    left.up()
    expect(a.host.ping(b.host_address, 3) == (3, 3), "pings were lost")
    expect(not clear_packets(wire.stop(), " and not (udp.port == 53)"), "clear packets on the wire")


def test_ipv6(lab):
    """local is left open; a dot at the end; one address of the name has no route."""
    a, b = lab.gateways()
    for gateway, address in ((a, "2001:db8::1/64"), (b, "2001:db8::2/64")):
        gateway.ip("addr", "add", address, "dev", "wan0", "nodad")
    names = Names(a, {NAME: ["2001:db8:1::2", "2001:db8::2"]})
    left = Esptun(a, config(a, b, remote=NAME + ".", local="%any", remote_id="gwb", local_id="gwa"))
    Esptun(b, config(b, a, local="2001:db8::2", remote="2001:db8::1", local_id="gwb", remote_id="gwa"))
    expect(a.host.ping(b.host_address) == (1, 1), "the first ping was lost")
    sa = left.status()["ike_sas"][0]
    expect(sa["remote"] == "[2001:db8::2]:4500" and sa["local"] == "[2001:db8::1]:4500", f"{sa}")
    expect(names.asked() > 0, "nobody asked")
    expect(entry(left)["addresses"] == ["2001:db8::2"], f"{entry(left)}")
    expect("2001:db8:1::2 (no route leads there)" in entry(left)["problem"], f"{entry(left)}")


def test_without_privileges(lab):
    """As another user, behind the filters of calls and files, on threads of their own."""
    import test_privilege
    left, right, names = named(lab, {NAME: ["192.0.2.2"]},
                               left={"settings": {**test_privilege.of_user(lab), "workers": 2}})
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "the first ping was lost")
    test_privilege.expect_least(left, test_privilege.NOBODY)
    names.say({NAME: ["192.0.2.77"]})
    left.down()
    names.say({NAME: ["192.0.2.2"]})
    left.up()
    expect(right.gateway.host.ping(left.gateway.host_address, 3) == (3, 3), "pings were lost")
    left.terminate()
    right.terminate()
