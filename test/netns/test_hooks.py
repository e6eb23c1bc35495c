# SPDX-License-Identifier: Apache-2.0
"""Hooks: programs that are told, exactly once each, when a tunnel comes and goes."""
import os
import re
import signal
import time

from esptun import Esptun, config, pair
from lab import expect, wait_for
from test_access import FIRST, client_config, server_config
from test_attach import NOBODY
from test_privilege import of_user

TOLD = """#!/bin/sh
# What it is told, and who it is.
exec >> {0} 2>&1
echo "begin $PLUTO_VERB $PLUTO_CONNECTION"
{1}
cat /proc/$$/environ | tr '\\0' '\\n' | sed 's/^/env /'
grep -E '^(Uid|Groups|CapEff|CapPrm|CapBnd|CapInh|CapAmb|NoNewPrivs|SigBlk|SigIgn)' /proc/self/status | sed 's/^/is /'
ls -l /proc/self/fd | sed -n 's/.* \\([0-9]* -> .*\\)/fd \\1/p'
echo "args $#"
echo "end $PLUTO_VERB"
"""


class Hook:
    """A script of one end, and what it has written. do: shell lines in its middle."""

    def __init__(self, lab, name="hook", do=""):
        self.told = os.path.join(lab.folder, name + ".told")
        self.path = lab.file(name, TOLD.format(self.told, do))
        os.chmod(self.path, 0o755)
        with open(self.told, "w", encoding="utf-8"):
            os.chmod(self.told, 0o666)

    def lines(self):
        with open(self.told, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def verbs(self, word="begin"):
        return [line.split()[1] for line in self.lines() if line.startswith(word + " ")]

    def wait(self, *verbs, word="end", timeout=10.0):
        wait_for(f"hooks {verbs}, not {self.verbs(word)}", lambda: self.verbs(word) == list(verbs), timeout)

    def environment(self, which=0):
        """Of the hook that was told as the which-th one."""
        text = "\n".join(self.lines()).split("\nbegin ")[which]
        return dict(line[4:].split("=", 1) for line in text.splitlines() if line.startswith("env "))

    def facts(self):
        return dict(line[3:].split(":\t", 1) for line in self.lines() if line.startswith("is "))


def keys(hook, **more):
    return {"up": hook.path, "down": hook.path, **more}


def script(lab, name, text):
    path = lab.file(name, "#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def ping(left, right):
    return left.gateway.host.ping(right.gateway.host_address, 3)[1] >= 2


def still(hook, *verbs):
    """Nothing else comes, also when a successor would have been waited for."""
    time.sleep(1.5)
    expect(hook.verbs() == list(verbs), f"hooks {hook.verbs()}, not {verbs}")


def test_once_each_over_renewals(lab):
    """Five from both sides, two of which collide; phase 1 as well."""
    one, two = Hook(lab, "one"), Hook(lab, "two")
    left, right = pair(lab, left=keys(one), right=keys(two), settings=of_user(lab))
    left.up()
    one.wait("up-client")
    right.wait_established()
    for _ in range(5):
        left.rekey()
        right.rekey()
    for _ in range(3):  # both at once
        first = left.gateway.start("rekey", left.binary, "rekey", "peer", "-s", left.socket)
        right.verb("rekey", "peer", check=False)
        first.wait()
    left.wait_settled()
    expect(ping(left, right), "no tunnel after the renewals")
    for hook in (one, two):
        still(hook, "up-client")
    left.down()
    for hook in (one, two):
        hook.wait("up-client", "down-client")
    left.up()
    for hook in (one, two):
        hook.wait("up-client", "down-client", "up-client")
    left.terminate()
    right.wait_gone()
    right.terminate()
    for hook in (one, two):
        expect(hook.verbs("end") == ["up-client", "down-client"] * 2, f"in the end {hook.verbs('end')}")


def test_what_it_is_told_and_who_it_is(lab):
    hook = Hook(lab)
    left, right = pair(lab, left=keys(hook, local_id="gw@left", remote_id="right.example"),
                       right={"local_id": "right.example", "remote_id": "gw@left"}, settings=of_user(lab))
    a, b = left.gateway, right.gateway
    left.up()
    hook.wait("up-client")
    told = hook.environment()
    wanted = {"PLUTO_VERB": "up-client", "PLUTO_CONNECTION": "peer", "PLUTO_INTERFACE": "esp0", "PLUTO_ME": a.wan,
              "PLUTO_PEER": b.wan, "PLUTO_MY_ID": "gw@left", "PLUTO_PEER_ID": "right.example",
              "PLUTO_MY_CLIENT": a.lan, "PLUTO_PEER_CLIENT": b.lan, "PLUTO_MY_PROTOCOL": "0",
              "PLUTO_PEER_PROTOCOL": "0", "PLUTO_MY_PORT": "0", "PLUTO_PEER_PORT": "0"}
    told.pop("PWD", None)  # the shell's own
    told.pop("_", None)
    told.pop("OLDPWD", None)
    told.pop("SHLVL", None)
    expect(told.pop("PATH").startswith("/usr/local/sbin:"), "another PATH")
    expect(told == wanted, f"told {told}, not {wanted}")
    facts = hook.facts()
    expect(set(facts["Uid"].split()) == {str(NOBODY)} and set(facts["Groups"].split()) <= {str(NOBODY)}, str(facts))
    expect(facts["NoNewPrivs"] == "1", str(facts))
    for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb", "SigBlk", "SigIgn"):
        expect(int(facts[name], 16) == 0, f"{name} {facts[name]}")
    lines = hook.lines()
    expect("fd 0 -> /dev/null" in lines, f"stdin: {lines}")
    expect(not any(re.match(r"fd [3-9] -> (socket|anon|/dev/net|pipe)", line) for line in lines), f"more: {lines}")
    expect("args 0" in lines, "arguments")
    left.wait_log(rf"hooks run as user {NOBODY}, without capabilities")
    left.terminate()
    right.terminate()


def test_root_without_capabilities(lab):
    hook = Hook(lab)
    left, right = pair(lab, left=keys(hook), settings={"user": None})
    left.up()
    hook.wait("up-client")
    facts = hook.facts()
    expect(set(facts["Uid"].split()) == {"0"}, str(facts))
    for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        expect(int(facts[name], 16) == 0, f"{name} {facts[name]}")
    left.wait_log("hooks run as user 0, without capabilities: what belongs to root is theirs")
    left.terminate()
    right.terminate()


def test_names_of_a_malicious_peer(lab):
    """No byte of its identity is anything but text."""
    hook = Hook(lab)
    bad = "keyid:$(touch x);`touch x`|touch x&é[31m'\" %n\\n*?~"
    left, right = pair(lab, left=keys(hook, remote_id=bad), right={"local_id": bad}, settings=of_user(lab))
    left.up()
    hook.wait("up-client")
    name = hook.environment()["PLUTO_PEER_ID"]
    expect(re.fullmatch(r"[A-Za-z0-9._:@,=/+%-]+", name), f"PLUTO_PEER_ID is {name}")
    expect(name.startswith("%24%28touch%20x%29%3B%60touch%20x%60%7Ctouch%20x%26%C3%A9%5B31m%27%22"), name)
    left.terminate()
    right.terminate()


def test_bad_hooks_hold_nothing_up(lab):
    """One that hangs, with a child that does not listen; one that fails; one that floods; one that is not there."""
    folder = lab.folder
    hang = script(lab, "hang", f"trap '' TERM\n(trap '' TERM; sleep 1000) &\necho $$ $! > {folder}/pids\n"
                               "while :; do sleep 1000; done\n")
    flood = script(lab, "flood", "while :; do echo 'flood \x1b[31m \x01'; done\n")
    fail = script(lab, "fail", "echo to stdout; echo to stderr >&2; exit 3\n")
    gone = script(lab, "gone", "exit 0\n")
    a, b = lab.gateways()
    settings = of_user(lab)
    right = Esptun(b, config(b, a))
    for name, path, pattern in (
            ("hang", hang, r"peer: hook up failed: .*/hang took longer than 2 s \(hook_timeout\) and was killed"),
            ("flood", flood, r"peer: hook up failed: .*/flood took longer than 2 s"),
            ("fail", fail, r"peer: hook up failed: .*/fail ended with exit code 3"),
            ("gone", gone, r"peer: hook up: .*/gone cannot be executed: No such file")):
        left = Esptun(a, config(a, b, up=path, hook_timeout="2s", settings=settings))
        if name == "gone":
            os.unlink(path)
        left.up()
        expect(ping(left, right), f"{name}: no tunnel beside it")
        left.wait_log(pattern)
        log = left.log()
        if name == "hang":
            with open(f"{folder}/pids", encoding="ascii") as file:
                pids = file.read().split()
            wait_for("all of its processes to be gone", lambda: not any(os.path.exists(f"/proc/{p}") for p in pids))
        if name == "flood":
            lines = re.findall(r"hook up: flood .*", log)
            expect(5 <= len(lines) <= 30, f"{len(lines)} lines of a flood")
            expect(all(line.endswith(r"flood \x1B[31m \x01") or line.endswith(r"flood \x1b[31m \x01")
                       for line in lines), f"not escaped: {lines[0]!r}")
            expect(re.search(r"hook up wrote too much: \d+ more lines are not shown", log), "the rest is not counted")
        if name == "fail":
            expect("hook up: to stdout" in log and "hook up: to stderr" in log, "its output is not in the log")
        left.terminate()
        right.wait_gone()
    right.terminate()


def test_the_end_does_not_wait_for_ever(lab):
    """Down hooks run at SIGTERM; what hangs is killed."""
    hook = Hook(lab)
    hang = script(lab, "hang", f"echo $$ > {lab.folder}/pid\ntrap '' TERM\nwhile :; do sleep 1000; done\n")
    for down, pattern in ((hook.path, None), (hang, "peer: hook down has not ended in time and is killed")):
        left, right = pair(lab, left={"up": hook.path, "down": down}, settings=of_user(lab))
        left.up()
        hook.wait("up-client")
        begin = time.monotonic()
        left.terminate()
        expect(time.monotonic() - begin < 2.0, f"SIGTERM took {time.monotonic() - begin:.2f} s")
        if pattern:
            expect(pattern in left.log(), "the log does not say that it is killed")
            with open(f"{lab.folder}/pid", encoding="ascii") as file:
                pid = file.read().strip()
            wait_for("the hook to be gone", lambda p=pid: not os.path.exists(f"/proc/{p}"), 1.0)
        else:
            expect(hook.verbs("end") == ["up-client", "down-client"], f"hooks {hook.verbs('end')}")
            with open(hook.told, "w", encoding="utf-8"):
                pass
        right.terminate()


def test_up_and_down_never_at_once(lab):
    """A slow up is not overtaken; what did not begin does not run."""
    hook = Hook(lab, do="sleep 3")
    left, right = pair(lab, left=keys(hook), settings=of_user(lab))
    for _ in range(3):
        left.up()
        left.down()
    left.up()
    hook.wait("up-client", timeout=15.0)
    still(hook, "up-client")
    left.down()
    hook.wait("up-client", "down-client", timeout=15.0)
    words = [line.split()[0] for line in hook.lines() if line.split()[0] in ("begin", "end")]
    expect(words == ["begin", "end"] * 2, f"overlapping: {words}")
    left.terminate()
    right.terminate()


def test_the_virtual_address(lab):
    """Both ends of remote access tell it, and the user."""
    one, two = Hook(lab, "one"), Hook(lab, "two")
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a, settings=of_user(lab), **keys(two)))
    left = Esptun(a, client_config(a, b, settings=of_user(lab), **keys(one)))
    left.up()
    one.wait("up-client")
    two.wait("up-client")
    mine, theirs = one.environment(), two.environment()
    expect(mine["PLUTO_MY_SOURCEIP"] == FIRST and "PLUTO_PEER_SOURCEIP" not in mine, str(mine))
    expect(theirs["PLUTO_PEER_SOURCEIP"] == FIRST and "PLUTO_MY_SOURCEIP" not in theirs, str(theirs))
    expect(theirs["PLUTO_PEER_CLIENT"] == FIRST + "/32", str(theirs))
    expect(theirs["PLUTO_XAUTH_ID"], str(theirs))
    left.terminate()
    right.terminate()


def runner_of(end):
    pid = end.process.pid
    found = end.gateway.run("pgrep", "-P", pid, "-f", "hook-runner", check=False).stdout.split()
    expect(len(found) == 1, f"runners {found}")
    return int(found[0])


def test_the_runner_and_the_gateway_die(lab):
    hook = Hook(lab)
    left, right = pair(lab, left=keys(hook), settings=of_user(lab))
    os.kill(runner_of(left), signal.SIGTERM)  # as a service manager does that means all of a group
    left.up()
    hook.wait("up-client")
    os.kill(runner_of(left), signal.SIGKILL)
    left.wait_log("the process that runs hooks has ended: no hook runs any more; restart esptun")
    expect(ping(left, right), "no tunnel without hooks")
    left.rekey()
    left.terminate()
    right.wait_gone()
    hang = script(lab, "hang", f"echo $$ > {lab.folder}/pid\nwhile :; do sleep 1000; done\n")
    left = Esptun(left.gateway, config(left.gateway, right.gateway, up=hang, settings=of_user(lab)))
    left.up()
    pid = wait_for("the hook", lambda: os.path.exists(f"{lab.folder}/pid") and
                   open(f"{lab.folder}/pid", encoding="ascii").read().strip())
    runner = runner_of(left)
    left.kill()
    wait_for("the runner and its hook to be gone",
             lambda: not os.path.exists(f"/proc/{runner}") and not os.path.exists(f"/proc/{pid}"))


def test_without_hooks_there_is_no_runner(lab):
    left, right = pair(lab, settings=of_user(lab))
    found = left.gateway.run("pgrep", "-P", left.process.pid, check=False).stdout.split()
    expect(not found, f"children {found}")
    left.terminate()
    right.terminate()
