# SPDX-License-Identifier: Apache-2.0
"""From raw samples to the tables: medians with their spread, and ratios between contestants of the same round."""
import statistics

# (title, step, field, format). Low or high is better: the reader knows.
COLUMNS = [
    ("TCP x1 Gb/s", "tcp1", "gbps", "{:.2f}"),
    ("TCP x4 Gb/s", "tcp4", "gbps", "{:.2f}"),
    ("both ways Gb/s", "both", "gbps", "{:.2f}"),
    ("CPU-s per GB", "tcp1", "cpu_s_per_gb", "{:.2f}"),
    ("RTT idle p50 us", "rtt_idle", "p50_us", "{:.0f}"),
    ("RTT idle p99 us", "rtt_idle", "p99_us", "{:.0f}"),
    ("RTT loaded p50 us", "rtt_loaded", "p50_us", "{:.0f}"),
    ("RTT loaded p99 us", "rtt_loaded", "p99_us", "{:.0f}"),
    ("CPU us per 64 B packet at 20 kpps", "small_cost", "cpu_us_per_packet", "{:.1f}"),
    ("of it the tunnel's", "small_cost", "tunnel_us_per_packet", "{:.1f}"),
    ("max kpps at 64 B, loss <= 1 %", "small_max", "kpps", "{:.0f}"),
]


class Samples:
    """Raw samples: dicts with wire, round, contestant, step and the numbers of the step."""

    def __init__(self):
        self.rows = []

    def add(self, wire, round_number, contestant, step, numbers):
        self.rows.append({"wire": wire, "round": round_number, "contestant": contestant, "step": step, **numbers})

    def by_round(self, wire, contestant, step, field):
        return {row["round"]: row[field] for row in self.rows if field in row and
                (row["wire"], row["contestant"], row["step"]) == (wire, contestant, step)}

    def values(self, wire, contestant, step, field):
        return list(self.by_round(wire, contestant, step, field).values())

    def ratio(self, wire, one, other, step, field):
        """Median of the ratios within each round: both met the same minutes of the machine. None: unknown."""
        ones, others = (self.by_round(wire, name, step, field) for name in (one, other))
        # Below 0: a difference that drowns in the noise; there is nothing to compare.
        ratios = [ones[r] / others[r] for r in ones if ones[r] > 0 and others.get(r, 0) > 0]
        return statistics.median(ratios) if ratios else None

    def errors(self, wire):
        return [row for row in self.rows if row["wire"] == wire and "error" in row]


def spread(values, form):
    """median (least-most)"""
    if not values:
        return "-"
    middle = form.format(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({form.format(min(values))}-{form.format(max(values))})"


def markdown(header, rows):
    return "\n".join(["| " + " | ".join(header) + " |", "| " + " | ".join(["---"] * len(header)) + " |"] +
                     ["| " + " | ".join(row) + " |" for row in rows])


def main_table(samples, wire, names):
    rows = [[name] + [spread(samples.values(wire, name, step, field), form) for _, step, field, form in COLUMNS]
            for name in names]
    return markdown(["contestant"] + [title for title, *_ in COLUMNS], [row for row in rows if set(row[1:]) != {"-"}])


def own(name, suite):
    """The esptun with the same encapsulation and another suite."""
    return f"esptun-{suite}{'-raw' if name.endswith('-raw') else ''}"


def same_suite(name):
    return "strongswan-cbc256" if "cbc" in name else "strongswan-gcm256"


RATIOS = [
    ("TCP x1 / bare", "tcp1", "gbps", lambda name: "bare"),
    ("TCP x1 / strongSwan, GCM or CBC alike", "tcp1", "gbps", same_suite),
    ("TCP x1 / wireguard-go", "tcp1", "gbps", lambda name: "wireguard-go"),
    ("TCP x1 / OpenVPN", "tcp1", "gbps", lambda name: "openvpn"),
    ("TCP x1 / own null cipher", "tcp1", "gbps", lambda name: own(name, "null")),
    ("TCP x1 / own GCM-256", "tcp1", "gbps", lambda name: own(name, "gcm256")),
    ("CPU per GB / bare", "tcp1", "cpu_s_per_gb", lambda name: "bare"),
    ("RTT idle p50 / bare", "rtt_idle", "p50_us", lambda name: "bare"),
    ("RTT idle p50 / wireguard-go", "rtt_idle", "p50_us", lambda name: "wireguard-go"),
    ("RTT loaded p99 / wireguard-go", "rtt_loaded", "p99_us", lambda name: "wireguard-go"),
    ("64 B cost of the tunnel / strongSwan", "small_cost", "tunnel_us_per_packet", same_suite),
    ("64 B cost of the tunnel / wireguard-go", "small_cost", "tunnel_us_per_packet", lambda name: "wireguard-go"),
    ("64 B cost of the tunnel / OpenVPN", "small_cost", "tunnel_us_per_packet", lambda name: "openvpn"),
    ("64 B rate / bare", "small_max", "kpps", lambda name: "bare"),
    ("64 B rate / strongSwan", "small_max", "kpps", same_suite),
    ("64 B rate / wireguard-go", "small_max", "kpps", lambda name: "wireguard-go"),
    ("64 B rate / OpenVPN", "small_max", "kpps", lambda name: "openvpn"),
]


def ratio_table(samples, wire, names):
    """A column for each esptun, a row for each ratio; None when nothing can be compared."""
    mine = [name for name in names if name.startswith("esptun-") and
            any(row["contestant"] == name and row["wire"] == wire and "error" not in row for row in samples.rows)]
    rows = []
    for title, step, field, other in RATIOS:
        ratios = [samples.ratio(wire, name, other(name), step, field) if other(name) != name else None for name in mine]
        if any(ratio is not None for ratio in ratios):
            rows.append([title] + ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios])
    return markdown(["ratio"] + mine, rows) if rows else None


WIRES = {"super": "the veth carries super-packets", "mtu": "packets of the MTU (tso, gso and UDP segmentation off)"}


BUSY = "The machine was busy with something else: these figures mean little."


def was_busy(machine):
    between = machine.get("busy_between")
    return max(machine["busy_before"], statistics.median(between) if between else 0) > 0.05


def machine_text(machine):
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:.0f} GiB, {machine['os']}, "
             f"Linux {machine['kernel']}",
             f"before the start: {machine['busy_before']:.1%} busy, {machine['steal_before']:.1%} stolen; "
             f"stolen over the whole run: {machine.get('steal_run', 0):.1%}"]
    between = machine.get("busy_between")
    if between:
        lines += [f"with a tunnel that idles: {statistics.median(between):.1%} busy, at most {max(between):.1%}"]
    lines += [f"{name}: {version}" for name, version in machine["versions"].items() if version]
    return "\n".join(f"- {line}" for line in lines)


def text(result, samples, names, whats):
    """The whole report in markdown."""
    machine, options = result["machine"], result["options"]
    parts = ["## Machine", "", machine_text(machine), "",
             f"Rounds: {options['rounds']}, {options['seconds']:g} s a step; median (least-most). Contestants in turn, "
             "each in fresh namespaces; both gateways and the load share the cores, so ratios mean more than absolute "
             "figures.", ""]
    parts += [f"**{BUSY}**", ""] if was_busy(machine) else []
    for wire in options["wires"]:
        parts += [f"## Wire \"{wire}\": {WIRES[wire]}", "", main_table(samples, wire, names), ""]
        ratios = ratio_table(samples, wire, names)
        if ratios:
            parts += ["Ratios, within each round, median:", "", ratios, ""]
        ended = [name for name in names if any(samples.values(wire, name, "small_max", "sender_limited"))]
        if ended:
            parts += [f"- max kpps: the sender, not the contestant, was at its end with {', '.join(ended)}", ""]
        failed = samples.errors(wire)
        parts += [f"- {row['contestant']}, round {row['round']}, {row['step']}: {row['error']}" for row in failed]
        parts += [""] if failed else []
    skipped = result.get("skipped", {})
    parts += [f"- {name} was skipped: {why}" for name, why in skipped.items()] + ([""] if skipped else [])
    parts += ["Contestants:", ""] + [f"- {name}: {whats[name]}" for name in names]
    return "\n".join(parts) + "\n"
