# SPDX-License-Identifier: Apache-2.0
"""The measurements. Each takes a contestant that is up, and returns a flat dict of numbers: one raw sample."""
import json
import math
import os
import re
import statistics
import time

from place import ended, finish, netns, tool

SMALL_PPS = 20000  # at this rate every contestant still keeps up
COST_PAIRS = 3
COST_SECONDS = 2.0  # at least: /proc/stat counts in hundredths
LOSS_MAX = 0.01
RATE_FIRST, RATE_LEAST, RATE_LIMIT, RATE_STEP = 40000, 500, 3_000_000, 1.05
SENDER_KEEPS_UP = 0.95
CONFIRM_STEP, CONFIRM_TRIES = 0.93, 6
IDLE_SECONDS = 0.5
CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Cpu:
    """Seconds of all cores since it was made, from /proc/stat: TUN writes run the kernel's TCP in the gateway's
    process, so only the whole machine tells the truth.

    Busy is what is not idle. Idle time is measured by the clock; the parts of busy time are counted by a tick, every
    4 ms in most kernels, which sees a load that sleeps and wakes by timers, like that of bench_pps, far too often or
    too seldom."""

    def __init__(self):
        self.start, self.began = self.read(), time.monotonic()

    @staticmethod
    def read():
        with open("/proc/stat", encoding="ascii") as file:
            ticks = [int(word) for word in file.readline().split()[1:1 + len(CPU_FIELDS)]]
        return dict(zip(CPU_FIELDS, ticks))

    def seconds(self):
        """(busy, stolen)"""
        now, hertz = self.read(), os.sysconf("SC_CLK_TCK")
        passed = {field: (now[field] - self.start[field]) / hertz for field in CPU_FIELDS}
        whole = (time.monotonic() - self.began) * os.cpu_count()
        busy = whole - sum(passed[field] for field in ("idle", "iowait", "steal"))
        return max(0.0, busy), passed["steal"]

    def shares(self):
        """(busy, stolen), as shares of all the time that the cores had."""
        now = self.read()
        total = sum(now[field] - self.start[field] for field in CPU_FIELDS) or 1
        stolen = now["steal"] - self.start["steal"]
        idle = sum(now[field] - self.start[field] for field in ("idle", "iowait"))
        return (total - idle - stolen) / total, stolen / total


def process_seconds(pid):
    """CPU seconds of all threads of a process, user and kernel, by the scheduler's own clock."""
    whole = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            whole += int(file.read().split()[0])
    return whole / 1e9


def memory_kb(pid):
    """{"rss": ..., "pss": ...} of a process, in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return {kind.lower(): int(size) for kind, size in re.findall(r"^(Rss|Pss):\s+(\d+) kB", file.read(), re.M)}


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


# --- TCP ---

def start_server(contestant):
    here = f"{contestant.inner_b}:5201"
    server = contestant.b.start(f"iperf3-server-{contestant.inner_b}", "iperf3", "-s", "-B", contestant.inner_b)
    netns.wait_for("iperf3 to listen", lambda: contestant.b.run("ss", "-Hltn", "src", here).stdout.strip())
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

def small_trial(contestant, rate, seconds, wire=False):
    """How much of `rate` packets of 64 bytes a second arrives; wire: past the tunnel, to the gateway itself."""
    ends = (contestant.a.wan, contestant.b.wan) if wire else (contestant.inner_a, contestant.inner_b)
    cpu = Cpu()
    process = contestant.a.lab.start(f"pps-{time.monotonic_ns()}", [
        tool("bench_pps"), contestant.a.name, ends[0], contestant.b.name, ends[1], str(rate), str(seconds)])
    sample = json.loads(ended(process, seconds + 20))
    busy, stolen = cpu.seconds()
    sample["loss"] = 1 - sample["received"] / max(1, sample["sent"])
    return {**sample, "cpu_s": busy, "steal_s": stolen}


def small_cost(contestant, seconds):
    """CPU per packet at a steady rate: of all, of the load itself (the same packets over the wire, without the tunnel),
    and of the tunnel, which is the difference. Both in turn, medians."""
    length = max(COST_SECONDS, seconds / 2)
    pairs = []
    for _ in range(COST_PAIRS):
        load, both = (small_trial(contestant, SMALL_PPS, length, wire) for wire in (True, False))
        if 0 in (load["received"], both["received"]):
            raise netns.Failure("no packet arrived")
        pairs.append([sample["cpu_s"] * 1e6 / sample["received"] for sample in (load, both)])
    return {"cpu_us_per_packet": statistics.median(both for _, both in pairs),
            "load_us_per_packet": statistics.median(load for load, _ in pairs),
            "tunnel_us_per_packet": statistics.median(both - load for load, both in pairs),
            "pairs": pairs, "loss": both["loss"]}


class RateSearch:
    """The highest rate with at most 1 % loss."""

    def __init__(self, contestant, seconds, tries):
        self.contestant, self.seconds, self.tries = contestant, seconds, tries
        self.trials, self.sender_limited = [], False

    def hold(self, rate, seconds):
        """What arrived a second, when at most 1 % was lost; else None. Tried again before it counts: a hiccup of the
        machine is no limit of the contestant. Where the sender cannot keep pace, what it sent is what was tried."""
        best = None
        for _ in range(self.tries):
            sample = small_trial(self.contestant, round(rate), seconds)
            self.trials.append([round(rate), seconds, sample["sent"], sample["received"]])
            if sample["loss"] > LOSS_MAX:
                continue
            best = max(best or 0.0, sample["received"] / sample["seconds"])
            if sample["sent"] >= SENDER_KEEPS_UP * rate * sample["seconds"]:
                break
        return best

    def at_its_end(self, got, rate):
        """The sender did not come near the rate, so no higher one means anything."""
        short = got is not None and got < SENDER_KEEPS_UP * (1 - LOSS_MAX) * rate
        self.sender_limited = self.sender_limited or short
        return short

    def bracket(self):
        """(a rate that held, one that did not): by doubling, or by halving. The second is None where the sender gave
        up first."""
        rate, held, failed = RATE_FIRST, 0.0, None
        while RATE_LEAST <= rate <= RATE_LIMIT and not (held and failed):
            got = self.hold(rate, self.seconds)
            if got is None:
                failed, rate = rate, rate / 2
            elif self.at_its_end(got, rate):
                return got, failed
            else:
                held, rate = got, rate * 2
                if failed:
                    break
        return held, failed

    def narrow(self, held, failed):
        while failed and held and failed / held > RATE_STEP and failed - held > 200:
            middle = math.sqrt(held * failed)
            got = self.hold(middle, self.seconds)
            held, failed = (held, middle) if got is None else (max(held, min(got, middle)), failed)
            if self.at_its_end(got, middle):
                break
        return held

    def confirm(self, rate):
        """The best of many tries is luck: the rate has to hold once more, for longer, else a little less has to."""
        for _ in range(CONFIRM_TRIES):
            got = self.hold(rate, 2 * self.seconds)
            if got is not None:
                return got
            rate *= CONFIRM_STEP
        return 0.0

    def run(self):
        held = self.narrow(*self.bracket())
        return {"kpps": self.confirm(held) / 1000 if held else 0.0, "sender_limited": self.sender_limited,
                "trials": self.trials}


def small_max(contestant, seconds, tries=2):
    return RateSearch(contestant, seconds, tries).run()


# --- how quiet the machine is ---

def idle_share():
    """The tunnel is up and nothing is sent: what is busy now is somebody else, or a tunnel that does not rest."""
    cpu = Cpu()
    time.sleep(IDLE_SECONDS)
    return cpu.shares()[0]


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
