# SPDX-License-Identifier: Apache-2.0
"""Reload by difference: what is the same goes on, with traffic flowing; a bad file changes nothing and says why."""
import os
import signal
import time

import test_access as access
from esptun import Esptun, config, pair
from lab import Capture, Transfer, clear_packets, expect, ping_counts, wait_for
from many import Many, batch, host, inner_range
from suites import SUITES

# Workers that others keep from the processors let the rings between them overflow, whatever a reload does.
ALONE = ("test_numbers_change_under_load",)
HANDED_MOST = 50000  # of some hundred thousand packets, where other work holds up the workers
COUNT = 6
PING_EVERY = 0.01


def rewrite(end, change):
    """Other text in the file of a running esptun. change: of the text."""
    with open(end.file, encoding="ascii") as file:
        before = file.read()
    after = change(before)
    with open(end.file, "w", encoding="ascii") as file:
        file.write(after)
    return before


def reload(end, change=None, check=True):
    before = rewrite(end, change) if change else None
    done = end.verb("reload", check=check)
    return done if before is None else (done, before)


def several(lab, workers=1, count=COUNT, **settings):
    suites = [s for s in SUITES if s.word == "aes256gcm16"] * count
    m = Many(lab, suites, settings={"workers": workers, **settings})
    m.expect_all_known()
    m.wait_up()
    for side, end in ((1, m.a), (2, m.b)):
        batch(end.host, [f"route add {inner_range(family, 3 - side, i)} via {router} src {host(family, side, i)}"
                         for i in range(1, count + 1) for family, router in ((4, f"10.{side}.0.1"),
                                                                             (6, f"fd00:{side}::1"))])
    return m


def section(text, name):
    """The lines of one [connection NAME]."""
    start = text.index(f"[connection {name}]")
    end = text.find("\n[", start)
    return text[start:end + 1]


def in_section(name, old, new):
    def change(text):
        part = section(text, name)
        expect(old in part, f"no {old} in {part}")
        return text.replace(part, part.replace(old, new))
    return change


def spis(end):
    return {(c["rule"], c["spi_in"], c["spi_out"]) for c in end.children()}


def sent_and_back(ping):
    return ping_counts(ping.log())


def pings(m, numbers, count=300):
    return {i: m.a.host.start_ping(host(4, 2, i), count, PING_EVERY) for i in numbers}


def expect_none_lost(running):
    for i, ping in running.items():
        ping.wait(60)
        sent, back = sent_and_back(ping)
        expect(sent == back and sent > 0, f"tunnel {i}: {sent - back} of {sent} packets were lost")


def add_workers(name, body):
    for workers in (1, 4):
        def test(lab, workers=workers):
            body(lab, workers)
        globals()[f"test_{name}_{workers}_workers"] = test


def nothing_changed(lab, workers):
    m = several(lab, workers)
    before = [spis(end) for end in (m.left, m.right)]
    running = pings(m, range(1, COUNT + 1))
    for end in (m.left, m.right):
        said = reload(end).stdout
        expect(f"0 changed, 0 added, 0 removed; {COUNT + 1} kept" in said, said)
    expect_none_lost(running)
    expect([spis(end) for end in (m.left, m.right)] == before, "SAs are not the same as before")
    m.left.terminate()
    m.right.terminate()


add_workers("nothing_changed", nothing_changed)


def one_changed(lab, workers):
    m = several(lab, workers)
    before = spis(m.left)
    others = [i for i in range(1, COUNT + 1) if i != 2]
    running = pings(m, others)
    wire = Capture(m.b, "wan0")
    said, _ = reload(m.left, in_section("s2", "encap = yes", "encap = yes\nlifetime = 30m"))
    expect("1 changed (s2), 0 added, 0 removed" in said.stdout, said.stdout)
    m.wait_up()  # s2 has start = start
    expect_none_lost(running)
    expect(len(spis(m.left) & before) == len(before) - 2, "others than those of s2 were touched")
    expect(m.a.host.ping(host(4, 2, 2), count=3)[1] == 3, "the changed tunnel does not carry")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    m.left.terminate()
    m.right.terminate()


add_workers("one_changed", one_changed)


def added_and_removed(lab, workers):
    """Connections and rules come and go at both ends; numbers of those that stay change, their counters do not."""
    m = several(lab, workers)
    rule = f"protect = {inner_range(4, 1, 2)} -> {inner_range(4, 2, 2)} via s2\n"
    gone = {}

    def without_s2(text):
        part = section(text, "s2")
        lines = [line for line in text.replace(part, "").splitlines(True) if not line.rstrip().endswith("via s2")]
        return "".join(lines)

    before = spis(m.left)
    m.a.host.ping(host(4, 2, 5), count=3)
    counted = {r["rule"]: r["packets"] for r in m.left.status()["rules"]}
    running = pings(m, [i for i in range(1, COUNT + 1) if i != 2])
    for end in (m.left, m.right):
        said, gone[end] = reload(end, without_s2)
        expect("0 changed, 0 added, 1 removed (s2)" in said.stdout and "2 removed" in said.stdout, said.stdout)
    wait_for("the children of s2 to end", lambda: len(m.left.every_child()) == 2 * COUNT - 2)
    expect(spis(m.left) < before, "others than those of s2 were touched")
    for r in m.left.status()["rules"]:
        expect(r["packets"] >= counted[r["rule"]], f"the counters of {r} went back from {counted}")
    for end in (m.right, m.left):
        said, _ = reload(end, lambda text, end=end: gone[end])
        expect("0 changed, 1 added (s2), 0 removed" in said.stdout, said.stdout)
    m.wait_up()
    expect_none_lost(running)
    expect(m.a.host.ping(host(4, 2, 2), count=3)[1] == 3, "the added tunnel does not carry")
    expect(rule.strip()[10:].split(" via")[0] in str(m.left.status()["rules"]), "the rule is not there again")
    m.left.terminate()
    m.right.terminate()


add_workers("added_and_removed", added_and_removed)



def sockets(end):
    return sorted(line.split()[3] for line in end.gateway.run("ss", "-lunH").stdout.splitlines())


def another_local_address(lab, workers):
    """A new address of ours opens sockets, for every worker; one that is gone closes them."""
    left, right = pair(lab, settings={"workers": workers})
    left.up()
    before, opened = spis(left), sockets(left)
    ping = left.gateway.host.start_ping(right.gateway.host_address, 400)
    for end, own, other, rule in ((right, "192.0.2.12", "192.0.2.11", "10.4.0.0/24 -> 10.1.0.0/24"),
                                  (left, "192.0.2.11", "192.0.2.12", "10.1.0.0/24 -> 10.4.0.0/24")):
        end.gateway.ip("addr", "add", f"{own}/24", "dev", "wan0")
        more = (f"[connection two]\nlocal = {own}\nremote = {other}\nencap = yes\npsk_file = "
                f"{lab.folder}/{end.gateway.label}.psk\n\n[acl]\nprotect = {rule} via two\n")
        reload(end, lambda text, more=more: text.replace("[acl]\n", more))
    left.verb("up", "two")
    right.gateway.host.ip("addr", "add", "10.4.0.2/32", "dev", "eth0")
    right.gateway.ip("route", "add", "10.4.0.0/24", "via", right.gateway.host_address)
    expect(left.gateway.host.ping("10.4.0.2", count=5) == (5, 5), "the tunnel of the new address does not carry")
    expect(len(sockets(left)) == 2 * len(opened), f"{sockets(left)}, before {opened}")
    reload(left, lambda text: text.replace(section(text, "two"), "").replace(
        "protect = 10.1.0.0/24 -> 10.4.0.0/24 via two\n", ""))
    expect(sockets(left) == opened, f"{sockets(left)} are open, before {opened}")
    expect_none_lost({"peer": ping})
    expect({c[1:] for c in spis(left)} == {c[1:] for c in before}, "the first tunnel was touched")
    right.gateway.ip("route", "del", "10.4.0.0/24")
    left.terminate()
    right.terminate()


add_workers("another_local_address", another_local_address)


def test_a_bad_file_changes_nothing(lab):
    left, right = pair(lab)
    left.up()
    before = spis(left), left.gateway.routes()
    good = rewrite(left, lambda text: text)
    for bad, words in ((lambda text: text.replace("encap = yes", "encap = maybe"), (":", "encap", "maybe")),
                       (lambda text: text.replace("via peer", "via nobody"), ("nobody",)),
                       (lambda text: text.replace("tun = esp0", "tun = esp7"), ("restart", "tun")),
                       (lambda text: text.replace("psk_file = ", "psk_file = /nowhere"), ("psk_file",)),
                       (lambda text: text.replace("local = 192.0.2.1", "local = 192.0.2.77"), ("192.0.2.77",))):
        rewrite(left, lambda _: good)
        done, _ = reload(left, bad, check=False)
        expect(done.returncode == 1 and "nothing has changed" in done.stderr, f"{done.returncode}: {done.stderr}")
        for word in words:
            expect(word in done.stderr, f"no {word} in: {done.stderr}")
        expect((spis(left), left.gateway.routes()) == before, "something has changed")
    os.rename(left.file, left.file + ".away")
    done = reload(left, check=False)
    expect(done.returncode == 1 and "cannot read" in done.stderr, done.stderr)
    os.rename(left.file + ".away", left.file)
    rewrite(left, lambda _: good)
    expect("1 kept" in reload(left).stdout, "the good file is not taken")
    expect(left.gateway.host.ping(right.gateway.host_address, count=3) == (3, 3), "the tunnel does not carry")
    left.terminate()
    right.terminate()


def test_a_fifo_is_not_read_again(lab):
    """Whoever opens it waits for its writer: the gateway would, with all its tunnels."""
    left, right = pair(lab)
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "no tunnel")
    os.unlink(left.file)
    os.mkfifo(left.file)
    said = left.verb("reload", check=False, timeout=5)
    expect(said.returncode == 1 and "is no regular file, so it cannot be read again" in said.stderr, f"reload said {said}")
    start = left.mark()
    left.process.popen.send_signal(signal.SIGHUP)
    left.wait_log("is no regular file", start=start)
    expect(left.gateway.host.ping(right.gateway.host_address) == (1, 1), "the tunnel is gone")
    left.terminate()


def test_sighup(lab):
    left, right = pair(lab)
    left.up()
    before = spis(left)
    mark = left.mark()
    left.process.popen.send_signal(signal.SIGHUP)
    left.wait_log("configuration reloaded: 1 connection: 0 changed, 0 added, 0 removed; 1 kept", start=mark)
    rewrite(left, lambda text: text.replace("log_level = info", "log_level = debug"))
    left.process.popen.send_signal(signal.SIGHUP)
    wait_for("debug lines", lambda: reload(left).returncode == 0 and spis(left) == before)
    mark = left.mark()
    rewrite(left, lambda text: text.replace("encap = yes", "encap = maybe"))
    left.process.popen.send_signal(signal.SIGHUP)
    left.wait_log(r"\.ini:\d+: .*encap", start=mark)
    expect(spis(left) == before, "a bad file has changed something")
    time.sleep(1.1)
    expect(left.status()["configured_s"] > 0, "a bad file counts as read")
    reload(left, lambda text: text.replace("encap = maybe", "encap = yes"))
    expect(left.status()["configured_s"] == 0, "status does not say that the file was read")
    left.terminate()
    right.terminate()


def test_another_psk(lab):
    """The file of the key is read again: another key is another tunnel."""
    left, right = pair(lab)
    left.up()
    for end in (left, right):
        lab.file(f"{end.gateway.label}.psk", "another key of some length\n")
        said = reload(end).stdout
        expect("1 changed (peer)" in said, said)
    left.up()
    expect(left.gateway.host.ping(right.gateway.host_address, count=3) == (3, 3), "the tunnel does not carry")
    lab.file(f"{left.gateway.label}.psk", "one that the peer has not\n")
    reload(left)
    expect(left.verb("up", "peer", check=False).returncode == 1, "it is up with the wrong key")
    left.terminate()
    right.terminate()



def test_users_count_from_the_next_login(lab):
    """Who is logged in stays; who was added can, and who was removed cannot log in."""
    a, b = lab.gateways()
    right = Esptun(b, access.server_config(b, a))
    left = Esptun(a, access.client_config(a, b))
    left.up()
    before = spis(right)
    access.users_file(b, bob="another password 3")
    expect("1 kept" in reload(right).stdout, "a user more or less is another connection")
    expect(spis(right) == before and a.ping(b.host_address, 3) == (3, 3), "the session was touched")
    left.down()
    expect(left.verb("up", "peer", check=False).returncode == 1, "a user who is gone has logged in")
    rewrite(left, lambda text: text.replace("xauth_user = alice", "xauth_user = bob"))
    lab.file("gwA.password", "another password 3\n")
    expect("1 changed" in reload(left).stdout, "another user is the same connection")
    left.up()
    expect(a.ping(b.host_address, 3) == (3, 3), "the new user's tunnel does not carry")
    left.terminate()
    right.terminate()


def test_in_the_middle_of_rekeys(lab):
    """Renewals go on, and reloads with them; nothing is lost."""
    m = several(lab, 4)
    running = pings(m, range(1, COUNT + 1), 600)
    for round_ in range(6):
        asked = [end.gateway.start(f"rekey-{round_}-{i}", end.binary, "rekey", f"s{i}", "-s", end.socket)
                 for i in range(1, COUNT + 1) for end in (m.left,)]
        for _ in range(4):
            for end in (m.left, m.right):
                reload(end)
        for process in asked:
            expect(process.wait(60) == 0, f"a renewal failed: {process.log()}")
    expect_none_lost(running)
    m.left.terminate()
    m.right.terminate()


def resident(end):
    with open(f"/proc/{end.process.pid}/status", encoding="ascii") as file:
        return int(next(line.split()[1] for line in file if line.startswith("VmRSS")))


def descriptors(end):
    return len(os.listdir(f"/proc/{end.process.pid}/fd"))


def hundred_reloads(lab, workers):
    m = several(lab, workers)
    running = pings(m, range(1, COUNT + 1), 800)
    there = in_section("s3", "encap = yes", "encap = yes\nreplay_window = 2048")
    back = in_section("s3", "encap = yes\nreplay_window = 2048", "encap = yes")
    del running[3]  # it changes, and back again
    for i in range(10):
        reload(m.left, back if i % 2 else there)
    files, memory = descriptors(m.left), resident(m.left)
    for i in range(90):
        reload(m.left, back if i % 2 else there)
    expect_none_lost(running)
    expect(descriptors(m.left) == files, f"{descriptors(m.left)} descriptors, {files} before")
    if "ESPTUN_PATIENCE" not in os.environ:  # sanitizers keep what was freed
        expect(resident(m.left) < memory + 4096, f"{resident(m.left)} KiB resident, {memory} before")
    m.wait_up()
    m.left.terminate()
    m.right.terminate()


add_workers("hundred_reloads", hundred_reloads)


def test_numbers_change_under_load(lab):
    """Rules and connections get other numbers while workers hand packets to each other at full speed: none is lost by that.
    Rings may be full where twelve senders and eight workers share a few processors."""
    m = several(lab, 4)
    running = [Transfer(sender, receiver, host(4, side, i), 40_000_000, port=6000 + 2 * i + side)
               for i in range(1, COUNT + 1)
               for sender, receiver, side in ((m.a.host, m.b.host, 2), (m.b.host, m.a.host, 1))]
    # Nothing comes back, so that the kernel never learns whose queue a flow belongs to: most packets are handed over.
    one_way = m.a.host.start("one-way", "/usr/bin/python3", "-c", f"""
import socket, time
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range({COUNT * 4})]
end = time.monotonic() + 4
while time.monotonic() < end:
    for i in range(len(s)):
        try:
            s[i].sendto(b"x" * 100, ("10.2.%d.2" % (i % {COUNT} + 1), 7000))
        except OSError:  # an answer that the port is closed
            pass
""")
    before = spis(m.left)
    wire = Capture(m.b, "wan0", only="not udp port 4500")

    def shift(text):
        front = "[connection front]\nremote = 203.0.113.7\npsk = one-of-nobody\nstart = none\n\n"
        if front in text:
            return text.replace(front, "").replace("[acl]\nbypass = any -> 10.99.0.0/16\n", "[acl]\n")
        text = text.replace("[connection s1]", front + "[connection s1]")
        return text.replace("[acl]\n", "[acl]\nbypass = any -> 10.99.0.0/16\n")

    os.chmod(m.left.file, 0o600)
    os.chmod(m.right.file, 0o600)
    while one_way.alive():
        for end in (m.left, m.right):
            reload(end, shift)
    for transfer in running:
        transfer.finish()
    for end in (m.left, m.right):
        handed = {k: v for k, v in end.drops().items() if k in ("out_handover", "in_handover")}
        bad = {k: v for k, v in end.drops().items() if k not in ("out_no_rule", "out_discard_rule", *handed)}
        expect(not bad, f"{end.gateway.label} has dropped {bad}")
        expect(sum(handed.values()) < HANDED_MOST, f"{end.gateway.label} has dropped {handed}")
    expect(not clear_packets(wire.stop()), "clear packets on the wire")
    expect({c[1:] for c in spis(m.left)} == {c[1:] for c in before}, "a tunnel was touched")
    m.left.terminate()
    m.right.terminate()


# --- many tunnels, one of them changed ---

# By hand: ESPTUN_RELOAD_TUNNELS=1000.
TUNNELS = int(os.environ.get("ESPTUN_RELOAD_TUNNELS", "200"))
CHANGED = 7
PER_SECOND = 4  # packets in each tunnel

ECHO = """
import selectors, socket
s = selectors.DefaultSelector()
for to in open({path!r}).read().split():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((to, 7000))
    one.setblocking(False)
    s.register(one, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in s.select():
        data, who = key.fileobj.recvfrom(100)
        key.fileobj.sendto(data, who)
"""

# Every tunnel gets its packets in turn, evenly; what comes back is counted by tunnel.
TALK = """
import select, socket, time
to = open({path!r}).read().split()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
sent, back = [0] * len(to), [0] * len(to)
def hear(until):
    while select.select([s], [], [], max(0, until - time.monotonic()))[0]:
        back[int(s.recv(100))] += 1
begin = time.monotonic()
for n in range({rounds} * len(to)):
    i = n % len(to)
    s.sendto(b"%d" % i, (to[i], 7000))
    sent[i] += 1
    hear(begin + (n + 1) / ({rate} * len(to)))
    if n == len(to):
        print("talking", flush=True)
hear(time.monotonic() + 2)
lost = [i for i in range(len(to)) if sent[i] != back[i]]
print("lost in", lost, "lost", sum(sent) - sum(back), "sent", sum(sent), flush=True)
"""


def far_host(i):
    return f"10.{32 + i // 250}.{i % 250}.2"


def far_outer(side, i):
    return f"198.{17 + side}.{i // 250}.{i % 250 + 1}"


def crowd_text(end, side, workers):
    psk = end.lab.file(f"{end.label}.psk", "correct horse battery staple 42\n")
    lines = ["[gateway]", "tun = esp0", f"control = {end.lab.folder}/{end.label}.sock", f"workers = {workers}"]
    rules = []
    for i in range(TUNNELS):
        lines += ["", f"[connection c{i}]", f"local = {far_outer(side, i)}", f"remote = {far_outer(3 - side, i)}",
                  f"psk_file = {psk}", "ike = aes128-sha256-x25519", "esp = aes256gcm16",
                  f"start = {'start' if side == 1 else 'none'}"]
        sides = ("10.1.0.0/16", f"10.{32 + i // 250}.{i % 250}.0/24")
        rules.append(f"protect = {sides[side - 1]} -> {sides[2 - side]} via c{i}")
    # Its sockets serve all addresses.
    lines += ["", "[connection any]", "local = %any", "remote = 203.0.113.1", f"psk_file = {psk}", "start = none"]
    return "\n".join([*lines, "", "[acl]", *rules]) + "\n"


def crowd(lab, workers):
    a, b = lab.namespace("gwA"), lab.namespace("gwB")
    lab.link(a, "wan0", "", b, "wan0", "")
    for side, end in ((1, a), (2, b)):
        end.host = lab.namespace("host" + end.label[-1])
        lab.link(end, "lan0", "", end.host, "eth0", "")
        batch(end, [f"addr add 192.0.2.{side}/24 dev wan0", f"addr add 10.{side}.0.1/16 dev lan0"] +
              [f"addr add {far_outer(side, i)}/32 dev wan0" for i in range(TUNNELS)] +
              [f"route add 198.{20 - side}.0.0/16 via 192.0.2.{3 - side}"])  # one neighbour: the kernel's table is small
        batch(end.host, [f"addr add 10.{side}.0.2/16 dev eth0", f"route add default via 10.{side}.0.1"])
    batch(b, ["route add 10.32.0.0/11 via 10.2.0.2"])
    batch(b.host, [f"addr add {far_host(i)}/32 dev eth0" for i in range(TUNNELS)])
    right = Esptun(b, crowd_text(b, 2, workers))
    left = Esptun(a, crowd_text(a, 1, workers))
    wait_for(f"{TUNNELS} tunnels", lambda: len(left.children()) == TUNNELS, 90, 0.5)
    return left, right


def one_of_many_changed(lab, workers):
    left, right = crowd(lab, workers)
    path = lab.file("hosts", "\n".join(map(far_host, range(TUNNELS))) + "\n")
    echo = right.gateway.host.start("echo", "/usr/bin/python3", "-c", ECHO.format(path=path))
    echo.wait_log("ready", 30)
    talk = left.gateway.host.start("talk", "/usr/bin/python3", "-c", TALK.format(path=path, rounds=16, rate=PER_SECOND))
    talk.wait_log("talking", 60)
    before = spis(left)
    took = time.monotonic()
    said, _ = reload(left, in_section(f"c{CHANGED}", "start = start", "start = start\nlifetime = 30m"))
    took = time.monotonic() - took
    expect(f"1 changed (c{CHANGED}), 0 added, 0 removed; {TUNNELS} kept" in said.stdout, said.stdout)
    found = talk.wait_log(r"lost in \[(.*)\] lost (\d+) sent (\d+)", 120)
    print(f"covered: {TUNNELS} tunnels, {workers} workers: reload took {took:.3f} s, lost {found.group(2)} of "
          f"{found.group(3)} packets, in the tunnels [{found.group(1)}]")
    expect(found.group(1) in ("", str(CHANGED)), f"others have lost packets: {found.group(0)}")
    expect(len(spis(left) & before) == TUNNELS - 1, "others than the changed tunnel were touched")
    wait_for("the changed tunnel to be back", lambda: len(left.children()) == TUNNELS)
    left.terminate()
    right.terminate()


add_workers("one_of_many_changed", one_of_many_changed)


# --- routes, guard, nothing in clear ---

RULES = [
    ["protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer"],
    ["protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer", "protect = 10.1.0.0/24 -> 10.3.0.0/16 via peer",
     "protect = fd00:1::/64 -> fd00:3::/64 via peer"],
    ["bypass = any -> 10.3.9.0/24", "protect = 10.1.0.0/24 -> 10.3.0.0/16 via peer",
     "protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer", "protect = 10.77.0.1/32 -> 10.78.0.0/24 via peer"],
    ["protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer", "protect = 10.1.0.0/24 -> 0.0.0.0/0 via peer"],
    ["protect = 10.1.0.0/24 -> 10.2.0.0/24 via peer", "discard = any -> 10.4.0.0/16",
     "protect = 10.77.0.1/32 -> 10.78.0.0/24 via peer"],
]


def with_rules(rules):
    return lambda text: text[:text.index("[acl]")] + "[acl]\n" + "\n".join(rules) + "\n"


def in_the_kernel(end):
    addresses = end.gateway.ip("-brief", "address", "show", "esp0").stdout.split()[2:]
    table = end.gateway.run("nft", "list", "table", "inet", "esptun_esp0").stdout
    hidden = [line for line in table.splitlines() if "packets" not in line]
    return end.gateway.routes(), sorted(a for a in addresses if not a.startswith("fe80")), hidden


def test_routes_are_those_of_a_fresh_start(lab):
    """From every set of rules to every other: routes, ip rules, addresses and guard as after a start with it; the tunnel
    that is in all of them loses nothing, and nothing of it is in clear."""
    a, b = lab.gateways()
    fresh = []
    for rules in RULES:
        end = Esptun(a, config(a, b, acl=rules, settings={"guard": "yes"}))
        fresh.append(in_the_kernel(end))
        end.terminate()
    right = Esptun(b, config(b, a))
    left = Esptun(a, config(a, b, acl=RULES[0], settings={"guard": "yes"}))
    left.up()
    before = spis(left)
    wire = Capture(b, "wan0")
    ping = a.host.start_ping(b.host_address, 1000)
    order = [to for one in range(len(RULES)) for to in (one, *range(one))] + [0]
    for to in order:
        reload(left, with_rules(RULES[to]))
        got = in_the_kernel(left)
        for what, is_, should in zip(("routes", "addresses", "guard"), got, fresh[to]):
            # An address too many: with the last one the kernel would take the routes.
            expect(is_ == should or (what == "addresses" and set(should) < set(is_) and len(is_) < 3), f"{what} after a reload to {RULES[to]}:\n{is_}\nafter a start:\n{should}")
    expect_none_lost({"peer": ping})
    expect({c[1:] for c in spis(left)} == {c[1:] for c in before}, "the tunnel was touched")
    clear = [p for p in clear_packets(wire.stop()) if "10.2.0" in str(p)]
    expect(not clear, f"clear packets on the wire: {clear[:5]}")
    left.terminate()
    right.terminate()
