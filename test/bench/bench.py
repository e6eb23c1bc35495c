# SPDX-License-Identifier: Apache-2.0
"""Measures esptun and its peers side by side, in network namespaces on this machine.

Usage: ./test/bench/run [options]        as root on Debian 12 or 13; prints a table in markdown
  --quick          one round, one second a step, wire "super": to see that it works
  --only NAME,...  these contestants (patterns like esptun-*); names are those of the table
  --rounds N       how often everyone is measured (3)
  --seconds N      length of a step (4)
  --wire W         super: the veth carries super-packets; mtu: packets of the MTU; both (the default)
  --steps NAME,... only these: tcp1 tcp4 both rtt_idle rtt_loaded small_cost small_max
  --json FILE      everything, with all raw samples
  --svg FILE       a chart
  --scale          instead: many tunnels and rules, memory, workers, a wire that loses or reorders
  --list           the contestants
Environment: ESPTUN        another esptun than the one that is built
             WIREGUARD_GO  another wireguard-go than Debian 13's
             BENCH_PREPARED=yes  install and build nothing
"""
import argparse
import contextlib
import fnmatch
import json
import os
import platform
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import chart  # noqa: E402
import contestants  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from place import netns  # noqa: E402

WIRES = ("super", "mtu")
DEBIAN = ("strongswan-charon", "openvpn", "iperf3", "wireguard-tools", "libssl3", "libssl3t64")


def progress(text):
    print(text, file=sys.stderr, flush=True)


class Usage(argparse.ArgumentParser):
    def format_help(self):
        return __doc__.strip() + "\n"

    def error(self, message):
        self.exit(2, f"test/bench/run: {message}; --help lists the options\n")


def positive(kind):
    def read(text):
        value = kind(text)
        if not value > 0:
            raise ValueError
        return value
    read.__name__ = f"number above 0 ({kind.__name__})"
    return read


def read_options(argv):
    usage = Usage(prog="test/bench/run", add_help=True)
    usage.add_argument("--quick", action="store_true")
    usage.add_argument("--only", default="*")
    usage.add_argument("--rounds", type=positive(int))
    usage.add_argument("--seconds", type=positive(float))
    usage.add_argument("--wire", choices=[*WIRES, "both"])
    usage.add_argument("--steps", default="*")
    usage.add_argument("--json")
    usage.add_argument("--svg")
    usage.add_argument("--scale", action="store_true")
    usage.add_argument("--list", action="store_true")
    options = usage.parse_args(argv)
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (1.0 if options.quick else 4.0)
    options.wire = options.wire or ("super" if options.quick else "both")
    options.wires = list(WIRES) if options.wire == "both" else [options.wire]
    for path in (options.json, options.svg):
        if path and not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            usage.error(f"cannot write {path}: there is no such folder, or it is not ours")
    return options, usage


def chosen(patterns, names, usage, what):
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    for pattern in wanted:
        if not fnmatch.filter(names, pattern):
            usage.error(f"no {what} is called {pattern}; there are {', '.join(names)}")
    return [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in wanted)]


# --- the machine ---

def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.lower().startswith(("model name", "cpu model", "hardware")):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def os_name():
    with contextlib.suppress(OSError):
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.split("=", 1)[1].strip().strip('"')
    return platform.system()


def commit():
    done = subprocess.run(["git", "-C", netns.ROOT, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip()


def describe_machine(everyone):
    idle = measure.Cpu()
    time.sleep(2)
    busy, stolen = idle.shares()
    versions = {"esptun, commit": commit(), "iperf3": contestants.packages("iperf3").get("iperf3", "")}
    for one in everyone:
        if one.name in ("esptun-gcm256", "strongswan-gcm256", "wireguard-go", "openvpn"):
            with contextlib.suppress(netns.Skip, netns.Failure, OSError):
                versions[one.name.split("-gcm")[0]] = one.version()
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "memory_gib": memory_gib(), "os": os_name(),
            "kernel": platform.release(), "busy_before": busy, "steal_before": stolen, "versions": versions,
            "packages": contestants.packages(*DEBIAN)}


# --- the run ---

class Run:
    def __init__(self, options, names, steps):
        self.options, self.names, self.steps = options, names, steps
        self.samples, self.skipped, self.idle = report.Samples(), {}, []
        self.began = time.monotonic()
        self.done, self.all = 0, len(names) * options.rounds * len(options.wires)

    def measure_one(self, wire, number, one):
        """Up, every step, down. What fails is noted, and the others go on."""
        step = "start"
        try:
            with contextlib.redirect_stdout(sys.stderr), netns.Lab("bench") as lab:
                one.up(lab, wire)
                measure.start_server(one)
                self.idle.append({"wire": wire, "round": number, "contestant": one.name, "busy": measure.idle_share()})
                for step, title, act in self.steps:
                    try:
                        sample = act(one)
                    except netns.Failure as why:
                        sample = {"error": " ".join(str(why).split())[:300]}
                    self.samples.add(wire, number, one.name, step, sample)
                    progress(f"    {shown(step, title, sample)}")
                one.down()
        except netns.Skip as why:
            self.skipped[one.name] = str(why)
            progress(f"    skipped: {why}")
        except (netns.Failure, OSError, subprocess.SubprocessError) as why:
            self.samples.add(wire, number, one.name, step, {"error": " ".join(str(why).split())[:300]})
            progress(f"    failed: {why}")

    def rounds(self):
        for number in range(1, self.options.rounds + 1):
            for wire in self.options.wires:
                turn = (number - 1) % len(self.names)  # nobody is always the first
                for name in self.names[turn:] + self.names[:turn]:
                    self.done += 1
                    if name in self.skipped:
                        continue
                    progress(f"[{self.done}/{self.all}, {time.monotonic() - self.began:.0f} s] round {number}, wire "
                             f"{wire}: {name}")
                    self.measure_one(wire, number, next(c for c in contestants.everyone() if c.name == name))


def shown(step, title, sample):
    if "error" in sample:
        return f"{title} failed: {sample['error']}"
    return ", ".join(f"{column} {form.format(sample[field])}" for column, where, field, form in report.COLUMNS if
                     where == step)


def write(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    progress(f"written: {path}")


def compare(options, usage):
    everyone = contestants.everyone()
    names = chosen(options.only, [one.name for one in everyone], usage, "contestant")
    all_steps = measure.steps(options.seconds, options.quick)
    step_names = chosen(options.steps, [step[0] for step in all_steps], usage, "step")
    run = Run(options, names, [step for step in all_steps if step[0] in step_names])
    machine = describe_machine(everyone)
    progress(report.machine_text(machine))
    whole = measure.Cpu()
    run.rounds()
    _, machine["steal_run"] = whole.shares()
    machine["busy_between"] = [sample["busy"] for sample in run.idle]
    result = {"machine": machine, "options": {"rounds": options.rounds, "seconds": options.seconds,
                                              "wires": options.wires, "quick": options.quick},
              "skipped": run.skipped, "idle": run.idle, "samples": run.samples.rows}
    print(report.text(result, run.samples, names, {one.name: one.what for one in everyone}))
    if options.json:
        write(options.json, json.dumps(result, indent=1) + "\n")
    if options.svg:
        lines = [f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; rounds: {options.rounds}",
                 *([report.BUSY] if report.was_busy(machine) else [])]
        write(options.svg, chart.svg(run.samples, options.wires, names, lines))
    return 0 if any("error" not in row for row in run.samples.rows) else 1


def main(argv):
    options, usage = read_options(argv)
    if options.list:
        print("\n".join(f"{one.name:20} {one.what}" for one in contestants.everyone()))
        return 0
    if os.geteuid() != 0:
        usage.error("network namespaces and TUN devices need root")
    netns.guard()
    if options.scale:
        import scale
        return scale.main(options, describe_machine(contestants.everyone()), progress, write)
    return compare(options, usage)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
