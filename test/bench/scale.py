# SPDX-License-Identifier: Apache-2.0
"""What grows with what: many tunnels and many rules against one, memory of idle tunnels, workers, and wires that lose
or reorder. Every comparison runs in turn, in rounds, like the others."""
import contextlib
import copy
import json
import re
import sys
import time

from contestants import Esptun, everyone
from measure import Cpu, read_client, small_cost, start_client, start_server, tcp
from place import INNER_MTU, gateways, netns
from report import BUSY, Samples, machine_text, markdown, spread, was_busy
import esptun  # test/netns/esptun.py

TUNNELS, RULES = 10_000, 100_000
MEMORY_TUNNELS = 1000
START_SECONDS = 180
BAD_WIRES = {  # loss and lateness per 10,000 frames, late by so many frames
    "clean": (0, 0, 0),
    "1 % lost": (100, 0, 0),
    "1 % late by 3": (0, 100, 3),
    "1 % late by 30": (0, 100, 30),
}
SEED = 42
SHOWN = ("gbps", "cpu_us_per_packet", "seconds")  # of a sample, while it runs


# --- many tunnels and rules ---

def idle_remote(number):
    """Ranges behind the idle tunnels: every second /28 of 100.64.0.0/10, so that neighbours do not melt together."""
    value = (100 << 24) + (64 << 16) + number * 32
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}/28"


def crowd(end, peer, text, tunnels, rules):
    """`text` (one connection, one rule) with idle connections and their rules before it. The one that is used comes
    last: whoever looks through a list pays for all of it."""
    extra = tunnels - 1
    psk = re.search(r"^psk_file = .*$", text, re.M).group(0)
    head, acl = text.split("[acl]\n")
    sections = [f"[connection t{i}]\nlocal = {end.wan}\nremote = 198.{18 + (i >> 16)}.{i >> 8 & 255}.{i & 255}\n{psk}\n"
                "start = none\n" for i in range(1, extra + 1)]
    names = [f"t{i}" for i in range(1, extra + 1)] or ["peer"]
    mine_first = end.label.endswith("A")
    lines = []
    for i in range(rules - 1):
        sides = (end.lan, idle_remote(i)) if mine_first else (idle_remote(i), peer.lan)
        lines.append(f"protect = {sides[0]} -> {sides[1]} via {names[i % len(names)]}\n")
    return head + "".join(sections) + "[acl]\n" + "".join(lines) + acl


class Crowd(Esptun):
    """The one tunnel in use, among idle ones."""

    def __init__(self, tunnels, rules):
        super().__init__("gcm256", "aes256gcm16", False)
        self.tunnels, self.rules = tunnels, rules
        self.name = f"{tunnels:,} tunnels, {rules:,} rules"
        self.ready_s = 0.0

    def config(self, end, peer, start):
        return crowd(end, peer, super().config(end, peer, start), self.tunnels, self.rules)

    def accepted(self, lab, end, peer):
        """What `esptun check` has against it, or None."""
        file = lab.file("check.ini", self.config(end, peer, "none"))
        done = end.run(self.binary(), "check", "-c", file, check=False, timeout=START_SECONDS)
        return None if done.returncode == 0 else (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]

    def join(self, lab):
        began = time.monotonic()
        ends = [esptun.Esptun(end, self.config(end, peer, start), binary=self.binary(), ready=False)
                for end, peer, start in ((self.b, self.a, "none"), (self.a, self.b, "trap"))]
        for end in ends:
            netns.wait_for(f"esptun with {self.name} to answer", end.answers, START_SECONDS, 0.2)
        # The first ping wakes the one rule in use; start = start would negotiate all of them.
        self.ends = [end.process for end in ends]
        self.ready_s = time.monotonic() - began


def fit(lab, tunnels, rules, notes):
    """The largest crowd not over this one that the configuration may hold."""
    a, b = gateways(lab)
    while tunnels > 1 or rules > 1:
        crowded = Crowd(tunnels, rules)
        why = crowded.accepted(lab, a, b)
        if why is None:
            return crowded
        notes.append(f"{crowded.name}: refused by esptun check: {why.replace(lab.folder, '')}")
        tunnels, rules = max(1, tunnels // 2), max(1, rules // 2)
    return None


def crowds(options, samples, notes, progress):
    sizes = [(1, 1)]
    for tunnels, rules in ((TUNNELS, TUNNELS), (1, RULES), (TUNNELS, RULES)):
        progress(f"scale: how much of {tunnels:,} tunnels and {rules:,} rules the configuration holds")
        with quiet_lab() as lab:
            fitting = fit(lab, tunnels, rules, notes)
        if fitting and (fitting.tunnels, fitting.rules) not in sizes:
            sizes.append((fitting.tunnels, fitting.rules))
    for number in range(1, options.rounds + 1):
        for tunnels, rules in sizes:
            one = Crowd(tunnels, rules)
            progress(f"scale, round {number}: {one.name}")
            measured(samples, "crowd", number, one, [("tcp1", lambda c: tcp(c, options.seconds)),
                                                     ("small_cost", lambda c: small_cost(c, options.seconds)),
                                                     ("ready", lambda c: {"seconds": c.ready_s})], progress)
    return [Crowd(*size).name for size in sizes]


# --- the same steps for everything here ---

@contextlib.contextmanager
def quiet_lab():
    with contextlib.redirect_stdout(sys.stderr), netns.Lab("scale") as lab:
        yield lab


def measured(samples, group, number, one, steps, progress):
    name = "start"
    try:
        with quiet_lab() as lab:
            one.up(lab, "super")
            start_server(one)
            for name, act in steps:
                sample = act(one)
                samples.add(group, number, one.name, name, sample)
                progress(f"    {name}: " + ", ".join(f"{field} {sample[field]:.3g}" for field in SHOWN if
                                                     field in sample))
            one.down()
    except netns.Skip as why:
        progress(f"    skipped: {why}")
    except (netns.Failure, OSError) as why:
        samples.add(group, number, one.name, name, {"error": " ".join(str(why).split())[:300]})
        progress(f"    failed: {why}")


# --- memory ---

def resident_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M).group(1))


def outer(side, number):
    return f"198.{17 + side}.{number // 250}.{number % 250 + 1}"


def memory_config(end, side, count):
    """Each tunnel has outer addresses of its own; sockets for all addresses serve them."""
    other = 3 - side
    psk = end.lab.file(f"{end.label}.psk", netns.PSK + "\n")
    common = f"psk_file = {psk}\nike = aes128-sha256-x25519\nesp = aes256gcm16\n"
    parts = [f"[gateway]\ntun = esp0\nmtu = {INNER_MTU}\nlog_level = warning\ncontrol = {esptun.control_path(end)}\n"]
    parts += [f"[connection t{i}]\nlocal = {outer(side, i)}\nremote = {outer(other, i)}\n{common}start = none\n"
              for i in range(count)]
    parts += [f"[connection any]\nlocal = %any\nremote = 203.0.113.9\n{common}start = none\n", "[acl]\n"]
    parts += [f"protect = 10.{side}.{i // 250}.{i % 250 + 1} -> 10.{other}.{i // 250}.{i % 250 + 1} via t{i}\n"
              for i in range(count)]
    return "".join(parts)


def memory_ends(lab, count):
    a, b = lab.namespace("gwA"), lab.namespace("gwB")
    lab.link(a, "wan0", "", b, "wan0", "")
    for side, end in ((1, a), (2, b)):
        lines = [f"addr add {outer(side, i)}/16 dev wan0" for i in range(count)]
        lines += [f"route add default via {outer(3 - side, 0)} onlink dev wan0"]
        end.ip("-batch", lab.file(f"{end.label}.ip", "\n".join(lines) + "\n"))
    return a, b


def memory(count, notes, progress):
    """KB per idle tunnel at each end: what tunnels add to a daemon that knows their configuration and has some already.
    The first ones are left out: they find memory that reading the configuration has left behind, and pay for what all
    share."""
    progress(f"scale: memory of {count:,} tunnels")
    try:
        with quiet_lab() as lab:
            a, b = memory_ends(lab, count)
            right = esptun.Esptun(b, memory_config(b, 2, count))
            left = esptun.Esptun(a, memory_config(a, 1, count))
            def resident():
                return [resident_kb(end.process) for end in (left, right)]
            config, first, began = resident(), count // 5, time.monotonic()
            for i in range(count):
                left.verb("up", f"t{i}")
                if i + 1 == first:
                    before = resident()
            took = time.monotonic() - began
            time.sleep(2)
            after = resident()
            netns.wait_for("all tunnels to be up",
                           lambda: len(left.children()) == len(right.children()) == count, 60, 1)
            asked = resident()  # the document about all of them is larger than they are
            each = [(after[i] - before[i]) / (count - first) for i in (0, 1)]
            return {"tunnels": count, "seconds": round(took, 1), "config_kb": config[0], "whole_kb": after[0],
                    "asked_kb": asked[0], "first": first, "initiator_kb": each[0], "responder_kb": each[1]}
    except netns.Failure as why:
        notes.append(f"memory of {count:,} tunnels: {' '.join(str(why).split())[:300]}")
        return None


# --- workers ---

class Workers(Esptun):
    """Two tunnels between the same two hosts, each with outer and inner addresses of its own: a connection belongs to
    one worker, so one alone gives only one of them work."""

    def __init__(self, count):
        super().__init__("gcm256", "aes256gcm16", False)
        self.count, self.name = count, f"workers = {count}"

    @staticmethod
    def sides(end):
        number = 1 if end.label.endswith("A") else 2
        return f"192.0.2.{10 + number}", f"10.{10 + number}.0.1"

    def config(self, end, peer, start):
        text = super().config(end, peer, start).replace("[gateway]\n", f"[gateway]\nworkers = {self.count}\n")
        (local, inner), (remote, far) = self.sides(end), self.sides(peer)
        connection, acl = re.search(r"(\[connection peer\]\n.*)\[acl\]\n(.*)", text, re.S).groups()
        second = re.sub(r"^(remote = ).*$", rf"\g<1>{remote}", re.sub(r"^(local = ).*$", rf"\g<1>{local}", connection,
                                                                    flags=re.M), flags=re.M)
        return text.replace("[acl]\n", second.replace("[connection peer]", "[connection second]") + "[acl]\n" +
                            f"protect = {inner}/32 -> {far}/32 via second\n")

    def join(self, lab):
        for end in (self.a, self.b):
            local, inner = self.sides(end)
            end.ip("addr", "add", f"{local}/24", "dev", "wan0")
            end.ip("addr", "add", f"{inner}/32", "dev", "lan0")
        right = esptun.Esptun(self.b, self.config(self.b, self.a, "none"), binary=self.binary())
        left = esptun.Esptun(self.a, self.config(self.a, self.b, "start"), binary=self.binary())
        self.ends = [left.process, right.process]
        netns.wait_for("both tunnels", lambda: len(left.children()) == len(right.children()) == 2, 30)
        self.second = copy.copy(self)
        self.second.inner_a, self.second.inner_b = self.sides(self.a)[1], self.sides(self.b)[1]
        netns.wait_for("a ping through the second tunnel", self.second.pings, 20)
        start_server(self.second)


def both_tunnels(one, seconds, *options):
    """TCP in each of the two tunnels at once, and what both carry together."""
    cpu = Cpu()
    clients = [start_client(each, seconds, *options) for each in (one, one.second)]
    samples = [read_client(client, seconds) for client in clients]
    busy, stolen = cpu.seconds()
    if any(sample["bytes"] == 0 for sample in samples):
        raise netns.Failure("no byte arrived in one of the tunnels")
    whole = sum(sample["bytes"] for sample in samples)
    return {"gbps": sum(sample["gbps"] for sample in samples), "each_gbps": [sample["gbps"] for sample in samples],
            "cpu_s": busy, "steal_s": stolen, "cpu_s_per_gb": busy / (whole / 1e9)}


WORKER_STEPS = [("tcp1", "TCP x1 in one tunnel", lambda c, s: tcp(c, s)),
                ("tcp4", "TCP x4 in one", lambda c, s: tcp(c, s, "-P", "4")),
                ("two1", "TCP x1 in each of two", lambda c, s: both_tunnels(c, s)),
                ("two4", "TCP x4 in each of two", lambda c, s: both_tunnels(c, s, "-P", "4"))]


def workers(options, samples, notes, progress):
    with quiet_lab() as lab:
        a, b = gateways(lab)
        file = lab.file("check.ini", Workers(2).config(a, b, "none"))
        done = a.run(netns.esptun_path(), "check", "-c", file, check=False)
    if done.returncode != 0:
        notes.append(f"workers = 2 against 1: skipped, this version does not take it: "
                     f"{done.stderr.strip().splitlines()[0].replace(lab.folder, '')}")
        return []
    names = []
    for number in range(1, options.rounds + 1):
        for one in (Workers(1), Workers(2))[::1 if number % 2 else -1]:  # nobody is always the first
            progress(f"scale, round {number}: {one.name}")
            measured(samples, "workers", number, one, [(step, lambda c, act=act: act(c, options.seconds))
                                                       for step, _, act in WORKER_STEPS], progress)
    return [Workers(count).name for count in (1, 2)]


# --- bad wires ---

def bad_wires(options, samples, progress):
    names = ["bare", "esptun-gcm256", "esptun-gcm256-raw", "strongswan-gcm256", "wireguard-go"]
    for number in range(1, options.rounds + 1):
        for wire, plan in BAD_WIRES.items():
            for one in everyone():
                if one.name not in names:
                    continue
                progress(f"scale, round {number}, wire {wire}: {one.name}")
                one.relay = (*plan, SEED + number)
                measured(samples, wire, number, one, [("tcp1", lambda c: tcp(c, options.seconds))], progress)
    return names


# --- the report ---

def ratio(samples, group, name, other, step="tcp1", field="gbps"):
    value = samples.ratio(group, name, other, step, field)
    return "-" if value is None else f"{value:.2f}"


def crowd_table(samples, names):
    rows = [[name, spread(samples.values("crowd", name, "tcp1", "gbps"), "{:.2f}"),
             ratio(samples, "crowd", name, names[0]),
             spread(samples.values("crowd", name, "small_cost", "cpu_us_per_packet"), "{:.1f}"),
             ratio(samples, "crowd", name, names[0], "small_cost", "cpu_us_per_packet"),
             spread(samples.values("crowd", name, "ready", "seconds"), "{:.1f}")] for name in names]
    return markdown(["one tunnel in use of", "TCP x1 Gb/s", "against one", "CPU us per 64 B packet", "against one",
                     "s until up"], rows)


def wire_table(samples, names):
    rows = [[wire, name, spread(samples.values(wire, name, "tcp1", "gbps"), "{:.3f}"),
             ratio(samples, wire, name, "bare")] for wire in BAD_WIRES for name in names]
    return markdown(["wire", "contestant", "TCP x1 Gb/s", "against bare on this wire"], rows)


def worker_table(samples, names):
    """A row for each load, Gb/s with one worker and with two, and what the second one is worth."""
    rows = [[title] + [spread(samples.values("workers", name, step, "gbps"), "{:.2f}") for name in names] +
            [ratio(samples, "workers", names[1], names[0], step),
             ratio(samples, "workers", names[1], names[0], step, "cpu_s_per_gb")] for step, title, _ in WORKER_STEPS]
    return markdown(["Gb/s"] + names + ["two against one", "CPU per GB, two against one"], rows)


def memory_text(found):
    if not found:
        return "Not measured."
    config, whole, asked = (found[key] / 1024 for key in ("config_kb", "whole_kb", "asked_kb"))
    return (f"{found['tunnels']:,} tunnels established in {found['seconds']} s, one command each; a daemon with their "
            f"configuration has {config:.1f} MB, with the tunnels {whole:.1f} MB. From number {found['first'] + 1} on "
            f"each established, idle tunnel adds {found['initiator_kb']:.1f} KiB at the initiator, "
            f"{found['responder_kb']:.1f} KiB at the responder. After a `status --json` about all of them the daemon "
            f"keeps {asked:.1f} MB.")


def main(options, machine, progress, write):
    samples, notes, whole = Samples(), [], Cpu()
    crowd_names = crowds(options, samples, notes, progress)
    found = memory(100 if options.quick else MEMORY_TUNNELS, notes, progress)
    worker_names = workers(options, samples, notes, progress)
    wire_names = bad_wires(options, samples, progress)
    _, machine["steal_run"] = whole.shares()
    notes += [f"{row['contestant']}, {row['wire']}, {row['step']}: {row['error']}" for row in samples.rows if
              "error" in row]
    parts = ["## Machine", "", machine_text(machine), ""] + ([f"**{BUSY}**", ""] if was_busy(machine) else [])
    parts += ["## Many tunnels and rules", "", crowd_table(samples, crowd_names), ""]
    parts += ["## Memory", "", memory_text(found), ""]
    parts += ["## Workers", "", worker_table(samples, worker_names), ""] if worker_names else []
    parts += ["## Wires that lose or reorder", "", "A relay carries frames of the MTU between two TAP devices: slower "
              "than a veth pair, the same for everyone.", "", wire_table(samples, wire_names), ""]
    parts += [f"- {note}" for note in notes]
    print("\n".join(parts))
    if options.json:
        write(options.json, json.dumps({"machine": machine, "memory": found, "notes": notes, "samples": samples.rows},
                                       indent=1) + "\n")
    return 0
