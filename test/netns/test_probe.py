# SPDX-License-Identifier: Apache-2.0
"""A probe through the tunnel: what it says of the data path, in status, metrics, /readyz, the log and `monitor`."""
import json
import re

from esptun import Esptun, config, pair
from lab import Capture, clear_packets, esptun_path, expect, wait_for
from strongswan import Strongswan
from test_metrics import AT, get, value

FAST = {"probe": "10.2.0.2", "probe_interval": "1s", "probe_failures": "2", "required": "yes", "start": "start"}


def probed(lab, settings=None, right=None, **keys):
    return pair(lab, left={**FAST, "settings": {"metrics": AT, **(settings or {})}, **keys}, right=right)


def probe(end):
    return end.status()["probes"][0]


def wait_state(end, state, timeout=20):
    return wait_for(f"the probe to be {state}", lambda: (lambda p: p["state"] == state and p)(probe(end)), timeout, 0.1)


def lose(gateway):
    """ESP to this gateway no longer arrives; IKE does."""
    gateway.run("nft", "add table ip lost; add chain ip lost in { type filter hook prerouting priority -300; }; "
                       "add rule ip lost in udp sport 4500 @th,64,32 != 0 drop; add rule ip lost in ip protocol esp drop")


def found(gateway):
    gateway.run("nft", "delete", "table", "ip", "lost")


def silence(host):
    host.run("nft", "add table inet deaf; add chain inet deaf in { type filter hook input priority 0; }; "
                    "add rule inet deaf in icmp type echo-request drop; "
                    "add rule inet deaf in icmpv6 type echo-request drop")


def lives_and_dies(left, right):
    """Up; the host behind the peer stops answering, and answers again."""
    wire = Capture(left.gateway, "wan0")
    seen = wait_state(left, "up")
    expect(seen["rtt_ms"] > 0 and seen["answered"] >= 1 and seen["lost"] == 0, f"{seen}")
    expect(get(left, "/readyz") == (200, "peer: ready\n"), "not ready")
    page = get(left, "/metrics")[1]
    expect(value(page, "ipsec_probe_up", connection="peer") == 1, "the metric is not up")
    expect(value(page, "ipsec_probe_rtt_seconds", connection="peer") > 0, "no round trip")
    monitor = left.gateway.start("monitor", left.binary, "monitor", "--json", "-s", left.socket)
    wait_for("the next answer", lambda: probe(left)["answered"] > seen["answered"])
    mark = left.mark()
    silence(right.gateway.host)
    left.wait_log(r"peer: probe down: \S+ has not answered 2 pings in a row", 20, mark)
    seen = probe(left)
    expect(seen["state"] == "down" and seen["lost"] >= 2, f"{seen}")
    code, text = get(left, "/readyz")
    expect(code == 503 and re.search(r"peer: not ready: its probe is not answered, \d+ times in a row", text), text)
    page = get(left, "/metrics")[1]
    expect(value(page, "ipsec_probe_up", connection="peer") == 0, "the metric is up")
    expect(value(page, "ipsec_probe_lost", connection="peer") >= 2, "nothing is lost")
    expect(value(page, "ipsec_probe_sent_total", connection="peer") >
           value(page, "ipsec_probe_answered_total", connection="peer") >= 1, "sent and answered")
    right.gateway.host.run("nft", "delete", "table", "inet", "deaf")
    left.wait_log(r"peer: probe up: \S+ answers through the tunnel", 20, mark)
    expect(get(left, "/readyz")[0] == 200, "not ready again")
    wait_for("both events", lambda: "probe_down" in monitor.log() and "probe_up" in monitor.log())
    events = [json.loads(line) for line in monitor.log().splitlines()]
    expect([e["event"] for e in events if "probe" in e["event"]] == ["probe_down", "probe_up"], f"{events}")
    monitor.end()
    shown = left.verb("status").stdout
    expect(re.search(r"probe peer: \S+ from \S+, up, \d+\.\d ms, \d+ of \d+ answered", shown), shown)
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:20]))


def test_up_down_up(lab):
    lives_and_dies(*probed(lab))


def test_two_workers(lab):
    left, right = probed(lab, {"workers": 2})
    lives_and_dies(left, right)


def test_with_strongswan(lab):
    a, b = lab.gateways()
    right = Strongswan(b, a, esp="aes256gcm16-modp2048")
    left = Esptun(a, config(a, b, settings={"metrics": AT}, **FAST))
    lives_and_dies(left, right)


def six(lab):
    a, b = lab.gateways()
    for number, gateway in ((1, a), (2, b)):
        gateway.ip("addr", "add", f"fd00:{number}::1/64", "dev", "lan0")
        gateway.host.ip("addr", "add", f"fd00:{number}::2/64", "dev", "eth0")
        gateway.host.ip("-6", "route", "add", "default", "via", f"fd00:{number}::1")
    return a, b


def test_ipv6(lab):
    a, b = six(lab)
    keys = {**FAST, "probe": "fd00:2::2"}
    right = Esptun(b, config(b, a, acl=["protect = fd00:2::/64 -> fd00:1::/64 via peer"]))
    left = Esptun(a, config(a, b, acl=["protect = fd00:1::/64 -> fd00:2::/64 via peer"], settings={"metrics": AT}, **keys))
    lives_and_dies(left, right)
    expect(probe(left)["source"] == "fd00:1::1", f"{probe(left)}")


def test_a_black_hole_is_left_by_a_restart(lab):
    left, right = probed(lab, probe_action="restart")
    wait_state(left, "up")
    spi, mark = left.child()["spi_in"], left.mark()
    lose(left.gateway)
    left.wait_log("peer: probe down", 20, mark)
    left.wait_log("the tunnel is made anew: its probe is not answered", 20, mark)
    wait_for("another child", lambda: any(c["spi_in"] != spi for c in left.children()), 20)
    expect(left.log().count("the tunnel is made anew") == 1, "more than one restart")
    code, text = get(left, "/readyz")
    expect(code == 503 and "probe is not answered" in text, text)
    found(left.gateway)
    wait_state(left, "up")
    right.wait_settled()
    expect(get(left, "/readyz")[0] == 200, "not ready")


def test_hosts_get_the_answers_to_their_own_pings(lab):
    """The probe says it comes from a host that pings the same target, all the while."""
    left, right = probed(lab, probe_source="10.1.0.2")
    wait_state(left, "up")
    before = probe(left)["answered"]
    expect(left.gateway.host.ping("10.2.0.2", count=60, interval=0.05) == (60, 60), "the host has lost answers")
    wait_for("more answers", lambda: probe(left)["answered"] >= before + 2)
    expect(probe(left)["state"] == "up", "down")
    # and the host never sees ours
    counts = left.gateway.host.run("nstat", "-asz", "IcmpInEchoReps").stdout
    expect(int(re.search(r"IcmpInEchoReps\s+(\d+)", counts).group(1)) == 60, f"not 60 answers: {counts}")


def test_no_address_of_this_host(lab):
    a, b = lab.gateways()
    acl = ["protect = 10.1.0.128/25 -> 10.2.0.0/24 via peer"]
    text = config(a, b, acl=acl, settings={"metrics": AT}, **FAST)
    file = lab.file("lacks.ini", text)
    done = a.run(esptun_path(), "check", "-c", file)
    expect("no address of this host is in the local network of the rule that leads to 10.2.0.2" in
           done.stdout + done.stderr, done.stdout + done.stderr)
    right = Esptun(b, config(b, a, acl=["protect = 10.2.0.0/24 -> 10.1.0.128/25 via peer"]))
    left = Esptun(a, text)
    left.wait_log("no address of this host is in the local network of the rule that leads to 10.2.0.2")
    left.wait_established()
    expect(probe(left)["source"] is None and probe(left)["sent"] == 0, f"{probe(left)}")
    expect("no address of this host" in left.verb("status").stdout, "status does not say why")
    code, body = get(left, "/readyz")
    expect(code == 503 and "probe_source is missing" in body, body)
    # One that nobody has will do: no host but the peer's needs to know it.
    with open(left.file, "w", encoding="ascii") as out:
        out.write(config(a, b, acl=acl, settings={"metrics": AT}, probe_source="10.1.0.200", **FAST))
    spi = left.child()["spi_in"]
    left.verb("reload")
    wait_state(left, "up")
    expect(left.child()["spi_in"] == spi, "the reload has touched the tunnel")
    del right


def test_a_reload_changes_the_probe_alone(lab):
    left, right = probed(lab)
    wait_state(left, "up")
    spi, a, b = left.child()["spi_in"], left.gateway, right.gateway
    for keys, wanted in (({"probe": "10.2.0.1"}, ["10.2.0.1"]), ({"probe": None, "probe_interval": None,
                         "probe_failures": None}, []), ({}, ["10.2.0.2"])):
        with open(left.file, "w", encoding="ascii") as out:
            out.write(config(a, b, settings={"metrics": AT}, **{**FAST, **keys}))
        left.verb("reload")
        expect([p["address"] for p in left.status()["probes"]] == wanted, f"{left.status()['probes']}")
        if wanted:
            expect(wait_state(left, "up")["address"] == wanted[0], "another one is up")
        else:
            expect(get(left, "/readyz") == (200, "peer: ready\n"), "not ready without a probe")
        expect(left.child()["spi_in"] == spi, "the reload has touched the tunnel")


def test_without_a_tunnel_nothing_leaves(lab):
    left, right = probed(lab, start="none")
    wire = Capture(left.gateway, "wan0")
    wait_for("the probe to be tried", lambda: left.status()["uptime_s"] >= 3)
    expect(probe(left)["sent"] == 0 and probe(left)["state"] == "unknown", f"{probe(left)}")
    expect(not left.status()["ike_sas"], "start = none, and it calls")
    right.up()
    wait_state(left, "up")
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:20]))


def test_start_trap_is_woken(lab):
    left, _ = probed(lab, start="trap")
    wait_state(left, "up")
