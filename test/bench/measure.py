# SPDX-License-Identifier: Apache-2.0
"""The measurements. Each takes a contestant that is up, and returns a flat dict of numbers: one raw sample."""
import json
import math
import os
import re
import time

from place import ended, finish, netns, tool

SMALL_PPS = 20000  # at this rate every contestant still keeps up
LOSS_MAX = 0.01
RATE_FIRST, RATE_LIMIT, RATE_STEP = 40000, 3_000_000, 1.05
CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Cpu:
    """Seconds of all cores since it was made, from /proc/stat: TUN writes run the kernel's TCP in the gateway's
    process, so only the whole machine tells the truth."""

    def __init__(self):
        self.start = self.read()

    @staticmethod
    def read():
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:1 + len(CPU_FIELDS)]]
        return dict(zip(CPU_FIELDS, ticks))

    def seconds(self):
        """(busy, stolen)"""
        now, hertz = self.read(), os.sysconf("SC_CLK_TCK")
        passed = {field: (now[field] - self.start[field]) / hertz for field in CPU_FIELDS}
        busy = sum(passed[field] for field in ("user", "nice", "system", "irq", "softirq"))
        return busy, passed["steal"]

    def shares(self):
        """(busy, stolen), as shares of all the time that the cores had."""
        now = self.read()
        total = sum(now[field] - self.start[field] for field in CPU_FIELDS) or 1
        stolen = now["steal"] - self.start["steal"]
        idle = sum(now[field] - self.start[field] for field in ("idle", "iowait"))
        return (total - idle - stolen) / total, stolen / total


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


# --- TCP ---

def start_server(contestant):
    server = contestant.b.start("iperf3-server", "iperf3", "-s", "-B", contestant.inner_b)
    netns.wait_for("iperf3 to listen", lambda: contestant.b.run("ss", "-Hltn", "sport", "=", ":5201").stdout.strip())
    return server


def start_client(contestant, seconds, *options):
    return contestant.a.start(f"iperf3-{time.monotonic_ns()}", "iperf3", "-c", contestant.inner_b, "-B",
                              contestant.inner_a, "-t", seconds, "-J", *options)


def read_client(process, seconds):
    output = ended(process, seconds + 30)
    try:
        report = json.loads(output)
    except ValueError as error:
        raise netns.Failure(f"iperf3 said no JSON ({error}): {output[-300:]}") from error
    if "error" in report:
        raise netns.Failure(f"iperf3: {report['error']}")
    sums = [part for name, part in report["end"].items() if name.startswith("sum_received")]
    sent = [part for name, part in report["end"].items() if name.startswith("sum_sent")]
    return {"gbps": sum(part["bits_per_second"] for part in sums) / 1e9,
            "bytes": sum(part["bytes"] for part in sums),
            "retransmits": sum(part.get("retransmits", 0) for part in sent)}


def tcp(contestant, seconds, *options):
    cpu = Cpu()
    sample = read_client(start_client(contestant, seconds, *options), seconds)
    busy, stolen = cpu.seconds()
    if sample["bytes"] == 0:
        raise netns.Failure("no byte arrived")
    return {**sample, "cpu_s": busy, "steal_s": stolen, "cpu_s_per_gb": busy / (sample["bytes"] / 1e9)}


# --- RTT ---

def ping(contestant, seconds):
    count = max(50, int(seconds * 100))
    output = finish(contestant.a, "ping", "ping", "-n", "-i", "0.01", "-c", count, "-W", 1, "-I", contestant.inner_a,
                    contestant.inner_b, timeout=seconds * 10 + 30)
    times = [float(text) * 1000 for text in re.findall(r"time=([\d.]+) ms", output)]
    if not times:
        raise netns.Failure("no ping came back")
    return {"p50_us": percentile(times, 0.5), "p99_us": percentile(times, 0.99), "lost": count - len(times)}


def rtt_loaded(contestant, seconds):
    client = start_client(contestant, seconds + 1)
    time.sleep(0.5)
    sample = ping(contestant, max(0.5, seconds - 0.5))
    return {**sample, "gbps": read_client(client, seconds + 1)["gbps"]}


# --- small packets ---

def small_trial(contestant, rate, seconds):
    """How much of `rate` packets of 64 bytes a second arrives."""
    cpu = Cpu()
    process = contestant.a.lab.start(f"pps-{time.monotonic_ns()}", [
        tool("bench_pps"), contestant.a.name, contestant.inner_a, contestant.b.name, contestant.inner_b, str(rate),
        str(seconds)])
    sample = json.loads(ended(process, seconds + 20))
    busy, stolen = cpu.seconds()
    sample["loss"] = 1 - sample["received"] / max(1, sample["sent"])
    return {**sample, "cpu_s": busy, "steal_s": stolen}


def small_cost(contestant, seconds):
    sample = small_trial(contestant, SMALL_PPS, seconds)
    if sample["received"] == 0:
        raise netns.Failure("no packet arrived")
    return {**sample, "cpu_us_per_packet": sample["cpu_s"] * 1e6 / sample["received"]}


def small_max(contestant, seconds, tries=2):
    """The highest rate with at most 1 % loss: doubling, then halving the gap on a logarithmic scale."""
    best, trials = 0.0, []

    def good(rate):
        nonlocal best
        for _ in range(tries):  # a hiccup of the machine is no limit of the contestant
            sample = small_trial(contestant, round(rate), seconds)
            trials.append([round(rate), sample["sent"], sample["received"]])
            if sample["loss"] <= LOSS_MAX:
                best = max(best, sample["received"] / sample["seconds"])
                return sample["sent"] >= 0.95 * sample["asked"] * seconds  # else the sender is at its end
        return False

    low, high = 0, RATE_FIRST
    while high < RATE_LIMIT and good(high):
        low, high = high, high * 2
    if low == 0:
        low = 500
    while high / low > RATE_STEP and (high - low) > 200:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if good(middle) else (low, middle)
    return {"kpps": best / 1000, "trials": trials}


def steps(seconds, quick):
    """[(name, what is printed, function of a contestant)]"""
    trial = 0.3 if quick else 1.0
    return [
        ("tcp1", "TCP x1", lambda c: tcp(c, seconds)),
        ("tcp4", "TCP x4", lambda c: tcp(c, seconds, "-P", "4")),
        ("both", "both directions", lambda c: tcp(c, seconds, "--bidir")),
        ("rtt_idle", "RTT idle", lambda c: ping(c, seconds)),
        ("rtt_loaded", "RTT loaded", lambda c: rtt_loaded(c, seconds)),
        ("small_cost", "64-byte cost", lambda c: small_cost(c, seconds)),
        ("small_max", "64-byte rate", lambda c: small_max(c, trial, 1 if quick else 2)),
    ]
