# SPDX-License-Identifier: Apache-2.0
"""Metrics and health over HTTP: what monitoring reads, and what a bad client gets."""
import os
import re
import shutil
import socket
import subprocess

from esptun import Esptun, config, pair
from lab import Skip, expect, wait_for

AT = "127.0.0.1:9903"
GET = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen("http://%s" + sys.argv[1], timeout=10)
except urllib.error.HTTPError as error:
    answer = error
sys.stdout.write("%%d\\n" %% answer.status + answer.read().decode())
""" % AT
ASLEEP = """
import socket, sys, time
socks = []
for i in range(100):
    s = socket.create_connection(("127.0.0.1", 9903), 5)
    s.setblocking(False)
    try:
        s.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 20)
    except (BlockingIOError, ConnectionError):
        pass
    socks.append(s)
print("asleep", flush=True)
time.sleep(60)
"""


def get(end, path):
    """The code and the body."""
    code, body = end.gateway.run("python3", "-c", GET, path).stdout.split("\n", 1)
    return int(code), body


def value(page, name, **labels):
    """The sum over all series of that name with those labels; None: there is none."""
    found = [float(line.rsplit(" ", 1)[1]) for line in page.splitlines()
             if re.match(re.escape(name) + r"[{ ]", line)
             and all(f'{label}="{text}"' in line for label, text in labels.items())]
    return sum(found) if found else None


def watched(lab, **keys):
    return pair(lab, left={"required": "yes", **keys}, settings={"metrics": AT})


def test_a_tunnel_comes_up_and_goes(lab):
    left, right = watched(lab)
    code, page = get(left, "/metrics")
    expect(code == 200 and value(page, "ipsec_up") == 1, f"{code}: {page[:200]}")
    expect(value(page, "ipsec_connection_up", connection="peer") == 0, "up before it is")
    expect(get(left, "/healthz") == (200, "ok\n"), "not alive, though only the tunnel is down")
    code, text = get(left, "/readyz")
    expect(code == 503 and "peer: not ready: 0 of 1 rules have an SA" in text, f"{code}: {text}")
    expect(get(right, "/readyz")[0] == 200, "nothing is required there, and still it is not ready")

    expect(left.gateway.host.ping(right.gateway.host_address, count=4)[1] >= 3, "no tunnel")
    code, page = get(left, "/metrics")
    child = left.children()[0]
    expect(value(page, "ipsec_connection_up", connection="peer") == 1, "not up")
    expect(value(page, "ipsec_connection_healthy", connection="peer") == 1, "not healthy")
    expect(value(page, "ipsec_ike_sas", connection="peer") == 1, "no phase 1")
    expect(value(page, "ipsec_child_sa_state", spi_in=child["spi_in"]) == 1, "no child")
    for way in ("in", "out"):
        for what in ("packets", "bytes"):
            seen, said = value(page, f"ipsec_child_sa_{what}_{way}", spi_in=child["spi_in"]), child[way][what]
            expect(seen == said > 0, f"{what} {way}: {seen}, status says {said}")
    expect(value(page, "ipsec_rule_packets_total", number="1") >= 3, "the rule is not counted")
    expect(get(left, "/readyz") == (200, "peer: ready\n"), "not ready")

    left.verb("down", "peer")
    wait_for("/readyz to say that it is down", lambda: get(left, "/readyz")[0] == 503)  # a page is good for 200 ms
    wait_for("the series of the child to go", lambda: value(get(left, "/metrics")[1], "ipsec_child_sa_state") is None)


def test_up_but_nothing_comes_back(lab):
    left, right = watched(lab)
    expect(left.gateway.host.ping(right.gateway.host_address, count=2)[1] >= 1, "no tunnel")
    expect(get(left, "/readyz")[0] == 200, "not ready")
    # ESP from the peer no longer arrives; IKE does, so that nothing else tells.
    left.gateway.run("nft", "add table ip lost; add chain ip lost in { type filter hook prerouting priority -300; }; "
                            "add rule ip lost in udp sport 4500 @th,64,32 != 0 drop; "
                            "add rule ip lost in ip protocol esp drop")
    pings = left.gateway.host.start("ping", "ping", "-i", "0.5", right.gateway.host_address)
    wait_for("readiness to go", lambda: get(left, "/readyz")[0] == 503, 60)
    code, text = get(left, "/readyz")
    expect(re.search(r"peer: not ready: \d+ packets left in the last \d+ s, and none came back", text), text)
    expect(value(get(left, "/metrics")[1], "ipsec_connection_healthy", connection="peer") == 0, "healthy")
    left.gateway.run("nft", "delete", "table", "ip", "lost")
    wait_for("readiness to come back", lambda: get(left, "/readyz")[0] == 200, 20)
    pings.end()


def test_the_page_is_what_prometheus_wants(lab):
    promtool = os.environ.get("ESPTUN_PROMTOOL") or shutil.which("promtool")
    if not promtool:
        raise Skip("there is no promtool (Debian package prometheus), nor ESPTUN_PROMTOOL")
    left, right = watched(lab, probe="10.2.0.2", start="start")
    wait_for("an answer to the probe", lambda: value(get(left, "/metrics")[1], "ipsec_probe_rtt_seconds"))
    expect(left.gateway.host.ping(right.gateway.host_address, count=4)[1] >= 3, "no tunnel")
    done = subprocess.run([promtool, "check", "metrics"], input=get(left, "/metrics")[1], text=True, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    expect(done.returncode == 0 and not done.stdout.strip(), f"promtool: {done.stdout}")


def test_clients_that_never_read_hold_up_nobody(lab):
    left, right = watched(lab)
    expect(left.gateway.host.ping(right.gateway.host_address, count=2)[1] >= 1, "no tunnel")
    sleeper = left.gateway.start("sleeper", "python3", "-c", ASLEEP)
    wait_for("the clients", lambda: "asleep" in sleeper.log())
    expect(left.gateway.host.ping(right.gateway.host_address, count=10, interval=0.05) == (10, 10), "packets were lost")
    expect(left.verb("rekey", "peer").returncode == 0, "the control socket waits")
    sleeper.end()
    wait_for("a page", lambda: get(left, "/healthz")[0] == 200, 20)


def test_an_address_that_another_has(lab):
    a, b = lab.gateways()
    first = Esptun(a, config(a, b, settings={"metrics": AT}))
    text = config(a, b, settings={"metrics": AT, "tun": "esp7", "control": os.path.join(lab.folder, "second.sock")})
    path = lab.file("second.ini", text)
    done = a.run(first.binary, "run", "-c", path, check=False, timeout=20)
    expect(done.returncode == 1 and f"cannot listen on {AT}" in done.stderr, f"{done.returncode}: {done.stderr}")
    expect(get(first, "/healthz")[0] == 200, "the first has suffered")
