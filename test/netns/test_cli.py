# SPDX-License-Identifier: Apache-2.0
"""The verbs, their exit codes, and the shape of status: the contract with other programs."""
import fcntl
import os
import re
import subprocess

from esptun import Esptun, config, pair
from lab import Skip, esptun_path, expect, wait_for

GATEWAY = "[gateway]\ncontrol = /tmp/unused.sock\n"
CONNECTION = "[connection c]\nlocal = 192.0.2.1\nremote = 192.0.2.2\npsk = 0123456789abcdef0123456789\n"
ACL = "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via c\n"

# name, text of the file, line, what the message must say
WRONG = [
    ("unknown key", GATEWAY + "colour = blue\n" + CONNECTION + ACL, 3, "colour"),
    ("bad address", GATEWAY + CONNECTION.replace("192.0.2.2", "192.0.2.256") + ACL, 5, "192.0.2.256"),
    ("two sections of one name", GATEWAY + CONNECTION + CONNECTION + ACL, 7, "c"),
    ("rule without connection", GATEWAY + CONNECTION + "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24 via d\n", 8, "d"),
    ("protect without via", GATEWAY + CONNECTION + "[acl]\nprotect = 10.1.0.0/24 -> 10.2.0.0/24\n", 8, "via"),
    ("host bits", GATEWAY + CONNECTION + "[acl]\nprotect = 10.1.0.7/24 -> 10.2.0.0/24 via c\n", 8, "10.1.0."),
    ("unknown algorithm", GATEWAY + CONNECTION + "ike = aes512-sha256-modp2048\n" + ACL, 7, "aes512"),
    ("legacy without allow", GATEWAY + CONNECTION + "ike = aes128-sha1-modp1024\n" + ACL, 7, "allow"),
    ("bad duration", GATEWAY + CONNECTION + "lifetime = soon\n" + ACL, 7, "soon"),
    ("two groups in aggressive mode", GATEWAY + CONNECTION + "mode = aggressive\nike = aes256-sha256-modp2048, "
     "aes128-sha256-ecp256\n" + ACL, 8, "one group"),
    ("version 2", GATEWAY + CONNECTION + "ike_version = 2\n" + ACL, 7, "2"),
    ("key outside a section", "tun = esp0\n" + GATEWAY + CONNECTION + ACL, 1, "section"),
    ("missing psk file", GATEWAY + CONNECTION.replace("psk = 0123456789abcdef0123456789", "psk_file = /nonexistent/k") +
     ACL, 6, "/nonexistent/k"),
]


def esptun(*args, env=None):
    if not os.access(esptun_path(), os.X_OK):
        raise Skip(f"there is no {esptun_path()}: build first, or set ESPTUN")
    return subprocess.run([esptun_path(), *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20, check=False, env=env)


def test_check_names_file_line_and_remedy(lab):
    for name, text, line, word in WRONG:
        path = lab.file("wrong.ini", text)
        done = esptun("check", "-c", path)
        said = done.stdout + done.stderr
        expect(done.returncode == 1, f"{name}: exit {done.returncode}, not 1: {said}")
        found = [m for m in said.splitlines() if m.startswith(f"{path}:{line}: ")]
        expect(found and any(word in m for m in found), f"{name}: expected {path}:{line}: ... {word} ..., got: {said}")
        run = esptun("run", "-c", path)
        expect(run.returncode == 1, f"{name}: run starts all the same (exit {run.returncode})")


def test_check_secret_that_others_can_read(lab):
    secret = lab.file("loose.psk", "0123456789abcdef0123456789\n", 0o644)
    path = lab.file("loose.ini", GATEWAY + CONNECTION.replace("psk = 0123456789abcdef0123456789", f"psk_file = {secret}")
                    + ACL)
    done = esptun("check", "-c", path)
    expect(done.returncode == 1 and f"{path}:6: " in done.stdout + done.stderr, f"accepted: {done.stdout}{done.stderr}")
    inline = lab.file("inline.ini", GATEWAY + CONNECTION + ACL, 0o644)
    done = esptun("check", "-c", inline)
    expect(done.returncode == 1, "a secret in a file that all can read was accepted")


def test_check_prints_the_policy_and_no_secret(lab):
    path = lab.file("good.ini", GATEWAY + CONNECTION.replace("0123456789abcdef0123456789", "${SOME_PSK}") + ACL)
    done = esptun("check", "-c", path, env=dict(os.environ, SOME_PSK="swordfish-swordfish-42"))
    said = done.stdout + done.stderr
    expect(done.returncode == 0, f"refused: {said}")
    for word in ("10.1.0.0/24", "10.2.0.0/24", "192.0.2.2", "aes256"):
        expect(word in said, f"check does not print {word}: {said}")
    expect("swordfish" not in said, "check prints the secret")
    told = esptun("check", "--explain", "-c", path, env=dict(os.environ, SOME_PSK="swordfish-swordfish-42"))
    expect(told.returncode == 0 and told.stderr == "", f"check --explain refused: {told.stdout}{told.stderr}")
    for word in ("What goes from 10.1.0.0/24 to 10.2.0.0/24 travels in the tunnel", "every other packet is dropped",
                 "for the administrator of the other end", "group 14", "Warnings"):
        expect(word in told.stdout, f"check --explain does not say '{word}': {told.stdout}")
    expect("swordfish" not in told.stdout, "check --explain prints the secret")


def test_help_version_genpsk(_lab):
    done = esptun("--help")
    expect(done.returncode == 0 and all(verb in done.stdout for verb in
           ("run", "check", "status", "up", "down", "rekey", "explain", "genpsk")), f"--help: {done.stdout}{done.stderr}")
    done = esptun("--version")
    expect(done.returncode == 0 and re.search(r"esptun \d+\.\d+\.\d+", done.stdout), f"--version: {done.stdout}")
    expect(re.search(r"^  \S+: .*aes-gcm", done.stdout, re.M), f"--version names no back end: {done.stdout}")
    expect(re.search("OpenSSL 3", done.stdout) and re.search("libsodium", done.stdout), f"--version: {done.stdout}")
    keys = [esptun("genpsk").stdout.strip() for _ in range(2)]
    expect(keys[0] != keys[1] and all(len(key) >= 43 for key in keys), f"genpsk: {[len(key) for key in keys]}")
    for args in ((), ("frobnicate",), ("up",), ("status", "--yaml")):
        done = esptun(*args)
        expect(done.returncode not in (0, -11, -6) and done.stderr, f"esptun {args}: {done.returncode}, {done.stderr}")


def test_no_daemon(lab):
    for verb in (["status"], ["up", "c"], ["down", "c"], ["rekey", "c"]):
        done = esptun(*verb, "-s", os.path.join(lab.folder, "nobody.sock"))
        expect(done.returncode != 0 and "nobody.sock" in done.stderr, f"{verb}: {done.returncode}, {done.stderr}")


def test_verbs(lab):
    left, right = pair(lab)
    expect(left.verb("rekey", "peer", check=False).returncode != 0, "rekey of nothing succeeded")
    for _ in range(2):
        left.up()
        expect(left.child()["state"] == "established", "up has returned 0, but there is no child")
        wait_for("the peer's child", right.children)
        left.up()  # again: fine
        expect(len(left.children()) == 1, "a second up has made a second child")
        left.down()
        expect(not left.status()["ike_sas"], "down has returned 0, but SAs are left")
    for verb in ("up", "down", "rekey"):
        done = left.verb(verb, "nosuch", check=False)
        expect(done.returncode != 0 and "nosuch" in done.stderr + done.stdout, f"{verb} nosuch: {done.stderr}")
    human = left.verb("status").stdout
    left.up()
    busy = left.verb("status").stdout
    expect("peer" in busy and "established" in busy, f"status: {busy}")
    expect(human != busy, "status for people never changes")


def of_type(status, shape, where="status"):
    for key, kind in shape.items():
        expect(key in status, f"{where} lacks {key}: {status}")
        expect(isinstance(status[key], kind), f"{where}.{key} is {status[key]!r}, not {kind}")


NUMBER_OR_NONE = (int, type(None))


def test_status_json(lab):
    left, right = pair(lab)
    empty = left.status()
    of_type(empty, {"version": str, "uptime_s": int, "ike_sas": list, "rules": list, "drops": dict, "crypto": dict})
    of_type(empty["crypto"], {"library": str, "ciphers": dict})
    expect(empty["crypto"]["ciphers"]["aes-gcm"] in ("ipsec-mb", "OpenSSL"), f"crypto: {empty['crypto']}")
    expect(empty["ike_sas"] == [], "SAs before there was traffic")
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address, 5, size=100) == (5, 5), "no tunnel")
    status = left.status()
    sa = status["ike_sas"][0]
    of_type(sa, {"connection": str, "ike_version": int, "state": str, "initiator": bool, "local": str, "remote": str,
                 "local_id": str, "remote_id": str, "proposal": str, "established_s": int,
                 "rekey_in_s": NUMBER_OR_NONE, "children": list}, "ike_sa")
    expect("nat" in sa, "ike_sa lacks nat")
    expect(sa["connection"] == "peer" and sa["ike_version"] == 1 and sa["state"] == "established", f"ike_sa: {sa}")
    expect("192.0.2.1" in sa["local"] and "192.0.2.2" in sa["remote"], f"ends: {sa['local']}, {sa['remote']}")
    expect(sa["proposal"] == "aes256-sha256-modp2048", f"proposal: {sa['proposal']}")
    child = sa["children"][0]
    of_type(child, {"rule": (str, int), "state": str, "spi_in": str, "spi_out": str, "proposal": str,
                    "local_ts": (str, list), "remote_ts": (str, list), "esn": bool, "in": dict, "out": dict,
                    "established_s": int, "rekey_in_s": NUMBER_OR_NONE}, "child")
    for spi in ("spi_in", "spi_out"):
        expect(re.fullmatch("[0-9a-f]{8}", child[spi]), f"{spi}: {child[spi]}")
    of_type(child["in"], {"packets": int, "bytes": int, "replay": int, "auth_failed": int}, "child.in")
    of_type(child["out"], {"packets": int, "bytes": int}, "child.out")
    for way in ("in", "out"):
        expect((child[way]["packets"], child[way]["bytes"]) == (5, 5 * 128), f"{way}: {child[way]}, not 5 pings of 128")
    other = right.child()
    expect(child["spi_in"] == other["spi_out"] and child["spi_out"] == other["spi_in"], "SPIs are not each other's")
    rule = status["rules"][0]
    of_type(rule, {"rule": (str, int), "action": str, "packets": int, "bytes": int}, "rule")
    expect(rule["action"] == "protect" and rule["packets"] >= 5, f"rule: {rule}")
    expect(all(isinstance(n, int) for n in status["drops"].values()), f"drops: {status['drops']}")


def test_control_socket_is_not_for_all(lab):
    left, _ = pair(lab)
    mode = os.stat(left.socket).st_mode & 0o777
    expect(mode & 0o007 == 0, f"others may talk to the control socket: {mode:o}")


def test_a_second_daemon_does_not_steal_the_socket(lab):
    left, _ = pair(lab)
    gateway = left.gateway
    second = gateway.start("second", left.binary, "run", "-c", left.file)
    expect(second.wait(10) != 0, "a second daemon with the same socket and TUN has ended with 0")
    expect(left.verb("status", check=False).returncode == 0, "the first one does not answer any more")
    left.terminate()


def test_bad_control_requests(lab):
    left, _ = pair(lab)
    script = ("import socket,sys,os\n"
              "for blob in (b'', b'\\n', b'\\0' * 9, b'x' * 100000, b'status\\xff\\n', b'up\\n', b'up ' + b'y' * 5000 + b'\\n',"
              " b'{\"verb\": [[[[\\n', os.urandom(4000)):\n"
              "  s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.settimeout(3)\n"
              "  try:\n    s.sendall(blob); s.shutdown(1); s.recv(4096)\n  except OSError: pass\n"
              "  s.close()\n")
    left.gateway.run("/usr/bin/python3", "-c", script, left.socket)
    expect(left.process.alive() and left.status()["ike_sas"] == [], "garbage on the control socket harmed the daemon")


def test_attaches_to_a_tun_that_exists(lab):
    a, b = lab.gateways()
    a.ip("tuntap", "add", "dev", "mytun", "mode", "tun")
    left = Esptun(a, config(a, b, settings={"tun": "mytun"}))
    Esptun(b, config(b, a))
    expect(a.host.ping(b.host_address, 2) == (2, 2), "no tunnel over a TUN that existed")
    left.terminate()
    expect("mytun" in a.devices(), "a TUN that is not ours was removed")


def test_routes_no_leaves_routing_to_the_user(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings={"routes": "no"}))
    Esptun(b, config(b, a))
    expect("esp0" not in a.ip("route", "show", "table", "all", "type", "unicast").stdout, "routes = no, but a route came")
    a.ip("link", "set", "esp0", "up")
    a.ip("route", "add", b.lan, "dev", "esp0")
    expect(a.host.ping(b.host_address, 2) == (2, 2), "no tunnel over the user's own route")
    left.terminate()


def test_crypto_chooses_the_back_end(lab):
    """One end portable, one with what it has: they understand each other. Without ipsec-mb, asking for it is refused."""
    a, b = lab.gateways()
    esp = "aes256-sha512, aes256gcm16"
    left = Esptun(a, config(a, b, esp=esp, settings={"crypto": "openssl"}))
    right = Esptun(b, config(b, a, esp=esp))
    mine, theirs = left.status()["crypto"], right.status()["crypto"]
    expect("ipsec-mb" not in mine["ciphers"].values() and "turned off" in mine["library"], f"openssl: {mine}")
    expect(a.host.ping(b.host_address, 200, interval=0.01) == (200, 200), "no tunnel between two back ends")
    expect("ipsec-mb" in theirs["ciphers"].values() or "not used" in theirs["library"], f"auto: {theirs}")
    right.terminate()
    strict = Esptun(b, config(b, a, esp=esp, settings={"crypto": "ipsec-mb"}), ready=False)
    if "ipsec-mb" in theirs["ciphers"].values():
        wait_for("esptun with ipsec-mb alone", strict.answers)
        expect(strict.status()["crypto"] == theirs, f"ipsec-mb: {strict.status()['crypto']}")
    else:
        strict.wait_log("crypto = ipsec-mb, but .*write crypto = auto")


def test_a_log_that_nobody_reads(lab):
    """A pipe that is full: the gateway goes on without its lines, says how many were lost, and ends when it shall."""
    a, b = lab.gateways()
    fifo = os.path.join(lab.folder, "log")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 16384)
    end = Esptun(a, config(a, b), prefix=("sh", "-c", f'exec "$@" 2>{fifo}', "sh"))
    for _ in range(200):
        end.verb("reload")  # a line each
    expect(end.status()["uptime_s"] >= 0, "no status")
    kept = os.read(reader, 65536).decode()
    expect(kept.endswith("\n") and "is ready" in kept, f"the log is torn: {kept[-200:]}")
    end.terminate()
    said = os.read(reader, 65536).decode()
    os.close(reader)
    expect("log lines were lost" in said.splitlines()[0] and "stopped" in said, f"the end of the log: {said}")
