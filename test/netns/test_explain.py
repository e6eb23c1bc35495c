# SPDX-License-Identifier: Apache-2.0
"""`esptun explain`: what it says must be what the packets then do."""
import os
import re
import subprocess

from esptun import Esptun, config, control_path
from lab import esptun_path, expect

ACL_A = ["protect = 10.1.0.0/24 -> 10.2.0.0/25 via peer",
         "protect = tcp 10.1.0.0/24 -> 10.2.0.200 port 443 via peer",
         "bypass = 10.1.0.0/24 -> 10.2.0.200",
         "discard = udp 10.1.0.0/24 -> 10.2.0.201 port 53",
         "protect = 2001:db8:1::/64 -> 2001:db8:2::/64 via peer"]
ACL_B = ["protect = 10.2.0.0/25 -> 10.1.0.0/24 via peer",
         "protect = tcp 10.2.0.200 port 443 -> 10.1.0.0/24 via peer",
         "protect = 2001:db8:2::/64 -> 2001:db8:1::/64 via peer"]


def says(text, *words):
    for word in words:
        expect(word in text, f"explain does not say '{word}':\n{text}")


def two(lab, acl=None, **keys):
    a, b = lab.gateways()
    return Esptun(a, config(a, b, acl=acl or ACL_A, **keys)), Esptun(b, config(b, a, acl=ACL_B, **keys))


def explain(side, *packet):
    return side.verb("explain", *packet).stdout


def test_before_and_after_the_tunnel_is_up(lab):
    left, right = two(lab)
    host, far = left.gateway.host, right.gateway.host_address
    said = explain(left, "10.1.0.2", far)
    says(said, "rule 1 (line ", "decides: protect", "this rule has met 0 packets", "connection peer", "no IKE SA",
         "no SA of this rule", "the first packet wakes phase 1, then phase 2 (start = trap)", "queue of 64 packets")
    expect(not left.status()["ike_sas"], "explain itself woke the tunnel")
    expect(host.ping(far, 5) == (5, 5), "no tunnel")
    child = left.child()
    said = explain(left, "icmp", "10.1.0.2", far)
    says(said, "this rule has met 5 packets", "IKE SA: established, initiator, 192.0.2.1:4500 <-> 192.0.2.2:4500",
         f"SPIs {child['spi_in']} (in) {child['spi_out']} (out), established, {child['proposal']}, ESP in UDP",
         f"{child['local_ts']} -> {child['remote_ts']}", "would carry the packet",
         f"result: sealed with SPI {child['spi_out']}, leaves as ESP in UDP to 192.0.2.2:4500")
    # From the far side the same packet comes in, through the same SA.
    said = explain(right, "icmp", "10.1.0.2", far)
    says(said, "note: its source is behind the peer", f"SPIs {child['spi_out']} (in) {child['spi_in']} (out)",
         "would admit the packet", "in clear: esptun does not see it")
    # After a renewal the newest carries it.
    left.rekey()
    newest = left.wait_settled()
    expect(newest["spi_out"] != child["spi_out"], "no renewal")
    says(explain(left, "10.1.0.2", far), f"result: sealed with SPI {newest['spi_out']},")
    # The other rule has no SA yet, but an IKE SA is there.
    says(explain(left, "tcp", "10.1.0.2", "10.2.0.200:443"), "the first packet wakes phase 2 (start = trap)")
    left.down()
    says(explain(left, "10.1.0.2", far), "no IKE SA", "the first packet wakes phase 1")


def test_what_is_said_is_what_is_counted(lab):
    left, _ = two(lab)
    host = left.gateway.host

    def count(reason):
        return left.status()["drops"][reason]

    said = explain(left, "udp", "10.1.0.2", "10.2.0.201:53")
    says(said, "rule 4 (line ", "decides: discard", "counted as out_discard_rule", "destination port")
    said = explain(left, "udp", "10.1.0.2", "10.2.0.201:54")
    says(said, "destination port 54 is not 53", "no rule matches", "counted as out_no_rule")
    left.gateway.ip("route", "add", "10.2.0.201", "dev", "esp0", "table", "main")
    left.gateway.ip("rule", "add", "to", "10.2.0.201", "lookup", "main", "pref", "1")
    for port, reason in ((53, "out_discard_rule"), (54, "out_no_rule")):
        before = count(reason)
        host.run("/usr/bin/python3", "-c", "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                 f"for _ in range(3): s.sendto(b'x', ('10.2.0.201', {port}))")
        expect(count(reason) >= before + 3, f"{reason}: {before} before, {count(reason)} after 3 packets")
    said = explain(left, "10.1.0.2", "10.2.0.200")
    says(said, "would match only tcp with destination port 443", "if it is tcp with destination port 443, rule 2",
         "protect via peer", "more: esptun explain tcp 10.1.0.2 10.2.0.200:443", "else rule 3", "decides: bypass",
         "leaves in clear, by the host's other routes")
    more = re.search("more: esptun explain (.*)", said).group(1)
    says(explain(left, *more.split()), "rule 2 (line ", "decides: protect")
    says(explain(left, "tcp", "10.1.0.2", "->", "10.2.0.200", "port", "80"), "destination port 80 is not 443",
         "decides: bypass")


def test_ipv6_and_start_none(lab):
    left, _ = two(lab, start="none")
    said = explain(left, "tcp", "[2001:db8:1::5]:4000", "[2001:db8:2::9]:443")
    says(said, "packet: tcp [2001:db8:1::5]:4000 -> [2001:db8:2::9]:443", "it is for IPv4, the packet is IPv6",
         "rule 5 (line ", "decides: protect", "start = none: only the peer can bring it up")
    says(explain(left, "2001:db8:1::5", "2001:db8:3::9"), "destination 2001:db8:3::9 is not in 2001:db8:2::/64",
         "out_no_rule")


def esptun(*args):
    return subprocess.run([esptun_path(), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False)


def test_without_a_daemon(lab):
    a, b = lab.gateways()
    path = lab.file("alone.ini", config(a, b, acl=ACL_A, settings={"guard": "yes"}))
    done = esptun("explain", "-c", path, "10.1.0.2", "10.2.0.5")
    expect(done.returncode == 0 and not done.stderr, f"explain: {done.returncode}, {done.stderr}")
    expect(done.stdout.startswith("esptun is not running, so SAs are unknown"), f"explain: {done.stdout}")
    says(done.stdout, path, "decides: protect", "connection peer", "SAs are unknown", "start = trap")
    done = esptun("explain", "-c", path, "10.2.0.5", "10.1.0.2")
    says(done.stdout, "admitted only when it arrives as ESP", "in clear: the guard drops it")
    # A socket that nobody serves any more is the same as none.
    left = Esptun(a, config(a, b, acl=ACL_A))
    left.process.popen.kill()
    left.process.wait()
    expect(os.path.exists(control_path(a)), "kill has removed the socket")
    says(esptun("explain", "-c", left.file, "10.1.0.2", "10.2.0.5").stdout, "esptun is not running", "decides: protect")
    wrong = lab.file("wrong.ini", "[gateway]\ncolour = blue\n")
    done = esptun("explain", "-c", wrong, "-s", os.path.join(lab.folder, "nobody.sock"), "10.1.0.2", "10.2.0.5")
    expect(done.returncode == 1 and f"{wrong}:2: " in done.stderr and "nobody.sock" in done.stderr and not done.stdout,
           f"{done.returncode}, {done.stdout}{done.stderr}")


# what is asked, and what the refusal must name
WRONG = [((), "SRC"), (("10.1.0.2",), "destination"), (("tcp", "10.1.0.2"), "destination"),
         (("10.1.0.0/24", "10.2.0.5"), "one address"), (("any", "any", "10.2.0.5"), "one address"),
         (("tpc", "10.1.0.2", "10.2.0.5"), "tpc"), (("icmp", "10.1.0.2", "10.2.0.5:8"), "no ports"),
         (("tcp", "10.1.0.2", "10.2.0.5:0"), "1 to 65535"), (("tcp", "10.1.0.2", "10.2.0.5:66000"), "66000"),
         (("10.1.0.2", "2001:db8::1"), "IPv6"), (("10.1.0.2", "10.2.0.5", "10.2.0.6"), "one word too many"),
         (("x" * 300, "10.2.0.5"), "too long"), (("10.1.0.2", "gw.example.org"), "gw.example.org"),
         (("--json", "10.1.0.2", "10.2.0.5"), "--json"), (("10.1.0.2", "10.2.0.5\n"), "ASCII")]


def test_wrong_arguments(_lab):
    for args, word in WRONG:
        done = esptun("explain", *args)
        expect(done.returncode == 2 and word in done.stderr and not done.stdout,
               f"explain {args}: {done.returncode}, {done.stdout}{done.stderr}")


def test_garbage_through_the_socket(lab):
    left, _ = two(lab)
    script = ("import socket, sys\n"
              "for line in (b'explain', b'explain ', b'explain \\xff', b'explain ' + b'1' * 500, b'explain a b',\n"
              "             b'explain 10.1.0.1 10.2.0.1 %n%s%s', b'explain [[[[ ]]]]', b'explain ::: :::'):\n"
              "  s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(3)\n"
              "  s.sendall(line + b'\\n')\n"
              "  answer = s.recv(4096)\n"
              "  print(line[:40], answer)\n"
              "  assert answer.startswith(b'error '), answer\n")
    done = left.gateway.run("/usr/bin/python3", "-c", script, left.socket, check=False)
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    expect(left.process.alive() and left.status()["ike_sas"] == [], "garbage on the control socket harmed the daemon")
