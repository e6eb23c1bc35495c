# SPDX-License-Identifier: Apache-2.0
"""Least privilege: what a running gateway has given up, and that all of it works without."""
import os
import re

from esptun import Esptun, config, control_path, pair
from lab import Capture, clear_packets, expect, transfer
from test_access import FIRST, addresses, both_ways, client_config, server_config
from test_attach import AS_NOBODY, NOBODY
from test_leak import guard_counts

USER = "nobody"
NET = 1 << 12 | 1 << 13 | 1 << 10  # NET_ADMIN, NET_RAW, NET_BIND_SERVICE
DONE = r"privileges: user (\d+), capabilities NET_ADMIN, NET_RAW, NET_BIND_SERVICE; system calls filtered, "


def filtered(end):
    """Not in a build with sanitizers, which says so."""
    return "a test build" not in end.log()


def of_user(lab):
    """Settings that make an end this user; it may remove its socket, and so may a root without capabilities."""
    os.chmod(lab.folder, 0o777)
    return {"user": USER}


def tasks(end):
    """What the kernel says of every thread."""
    folder = f"/proc/{end.process.pid}/task"
    for task in os.listdir(folder):
        with open(f"{folder}/{task}/status", encoding="ascii") as file:
            yield dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def expect_least(end, uid, seccomp=2):
    count = 0
    for task in tasks(end):
        count += 1
        expect(set(task["Uid"].split()) == {str(uid)}, f"users {task['Uid']}")
        for caps, most in (("CapEff", NET), ("CapPrm", NET), ("CapBnd", NET), ("CapInh", 0), ("CapAmb", 0)):
            expect(int(task[caps], 16) == most, f"{caps} {task[caps]}, not {most:x}")
        expect(task["NoNewPrivs"] == "1", f"no_new_privs {task['NoNewPrivs']}")
        expect(int(task["Seccomp"]) == (seccomp if filtered(end) else 0), f"seccomp {task['Seccomp']}")
        if uid:
            expect(set(task["Groups"].split()) <= {str(NOBODY)}, f"groups {task['Groups']}")
    expect("threads ran already" not in end.log(), "threads were there before")
    return count


def lives(left, right):
    """Both ways, renewed, asked, down and up again."""
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "the first ping was lost")
    transfer(a.host, b.host, b.host_address, 1_000_000)
    left.rekey()
    right.rekey()
    expect(a.host.ping(b.host_address, 5) == (5, 5), "pings were lost after the keys were renewed")
    expect("protect" in left.verb("explain", a.host_address, b.host_address).stdout, "explain explains nothing")
    left.down()
    right.wait_gone()
    left.up()
    expect(b.host.ping(a.host_address, 5) == (5, 5), "pings were lost after down and up")


def test_every_thread_of_every_user(lab):
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings={**of_user(lab), "workers": 2}))
    right = Esptun(b, config(b, a, settings={"workers": 1, "user": None}))
    expect(expect_least(left, NOBODY) >= 3, "two workers have no threads of their own")
    expect_least(right, 0)
    for end, uid in ((left, NOBODY), (right, 0)):
        expect(not filtered(end) or end.wait_log(DONE).group(1) == str(uid), "the log says something else")
    left.wait_log(rf"the user '{USER}' cannot read {re.escape(left.file)}.*give that user this file")
    wire = Capture(b, "wan0")
    lives(left, right)
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    left.terminate()  # its routes are gone, and the socket
    right.wait_gone()
    right.terminate()


def test_nat_and_its_float(lab):
    left, right = pair(lab, nat=True, settings=of_user(lab), encap="auto")
    lives(left, right)
    expect(left.child()["encap"] == "udp", f"encapsulation {left.child()['encap']}")
    left.terminate()
    right.wait_gone()
    right.terminate()


def test_raw_esp_and_bypass(lab):
    """Raw sockets go on sending, also what is bypassed through them."""
    left, right = pair(lab, settings=of_user(lab), encap="no")
    lives(left, right)
    left.terminate()
    right.terminate()


def test_a_login_and_its_address(lab):
    """The password's thread is made late, and so is the address on the TUN."""
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a, settings=of_user(lab)))
    left = Esptun(a, client_config(a, b, settings=of_user(lab)))
    left.up()
    expect(f" {FIRST}/32 " in addresses(a), f"the address is not on the TUN: {addresses(a)}")
    both_ways(a, b)
    for end in (left, right):
        expect_least(end, NOBODY)
    left.down()
    expect(FIRST not in addresses(a), "the address stays on the TUN")
    left.terminate()
    right.terminate()


def test_the_guard_is_counted(lab):
    left, right = pair(lab, settings={**of_user(lab), "guard": "yes"})
    a, b = left.gateway, right.gateway
    lives(left, right)
    b.host.run("ip", "route", "replace", a.lan, "via", b.lan_address)
    before = guard_counts(a)
    expect(left.dropped("out_clear") == before["out_clear"], "status and nft disagree")
    left.terminate()


def test_the_mtu_follows(lab):
    left, right = pair(lab, settings=of_user(lab))
    a = left.gateway
    lives(left, right)
    a.ip("link", "set", "wan0", "mtu", 1300)
    left.wait_log(r"MTU of esp0: \d+, was \d+")
    left.terminate()
    right.terminate()


def test_the_reverse_path_check_is_relaxed(lab):
    a, b = lab.gateways()
    a.sysctl("net.ipv4.conf.default.rp_filter", 1)
    left = Esptun(a, config(a, b, settings=of_user(lab)))
    left.wait_log("is ready")
    value = a.run("cat", "/proc/sys/net/ipv4/conf/esp0/rp_filter").stdout.strip()
    expect(value == "2", f"rp_filter of esp0 is {value}, not 2")
    left.terminate()


def test_without_the_sandbox(lab):
    left, right = pair(lab, settings={**of_user(lab), "sandbox": "no"})
    expect_least(left, NOBODY, seccomp=0)
    left.wait_log(r"sandbox = no: system calls and files are not filtered")
    lives(left, right)


def test_a_socket_that_cannot_be_removed(lab):
    """In a folder of root it stays, nobody answers there, and the next start takes its place."""
    a, b = lab.gateways()
    text = config(a, b, settings={"user": USER})
    os.chown(lab.folder, 0, 0)
    left = Esptun(a, text)
    left.process.popen.terminate()
    expect(left.process.wait() == 0, "the exit code is not 0")
    expect(f"the control socket {control_path(a)} stays" in left.log(), "the log does not say that it stays")
    expect("no daemon listens there" in left.verb("status", check=False).stderr, "status does not say that it has ended")
    left.start()
    left.verb("status")


def test_users_that_cannot_be(lab):
    a, b = lab.gateways()
    for prefix, user, pattern in (((), "esptun-never", "no user 'esptun-never' in /etc/passwd: make it.*or change 'user'"),
                                  (AS_NOBODY, "daemon", "cannot become the user 'daemon'.*SETUID and SETGID")):
        settings = {"user": user}
        if prefix:
            settings["routes"] = "no"
            a.ip("tuntap", "add", "esp0", "mode", "tun", "user", NOBODY)
            a.ip("link", "set", "esp0", "mtu", 1380, "up")
        end = Esptun(a, config(a, b, settings=settings), prefix=prefix, owner=NOBODY if prefix else None, ready=False)
        expect(end.process.wait() == 1, f"{user}: exit {end.process.popen.returncode}")
        expect(re.search("cannot start: .*" + pattern, end.log()), f"{user}: {end.log()}")
        end.expect_clean()


def test_nobody_can_look_into_it(lab):
    """Neither its memory nor its descriptors, although it is the same user."""
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, settings=of_user(lab)))
    for name in ("mem", "environ", "maps", "fd"):
        done = a.run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "cat" if name != "fd" else "ls",
                     f"/proc/{left.process.pid}/{name}", check=False)
        expect(done.returncode != 0 and "ermission denied" in done.stderr, f"{name}: {done.stdout} {done.stderr}")
    left.terminate()
