# SPDX-License-Identifier: Apache-2.0
"""Handshakes as a responder: esptun and strongSwan's charon, under the same load of many initiators.

Usage: ./test/bench/ike [options]        as root on Debian 12 or 13; prints tables in markdown
  --rounds N       how often each suite is measured, both in turn (5)
  --seconds N      about how long a measurement lasts (1)
  --suites NAME,.. only these (patterns); --list shows them
  --memory N       how many SAs are held to see their memory (2000); 0: not measured
  --outstanding N  handshakes under way at once (32)
  --smoke          a few handshakes of two suites and a little memory: to see that it works, in seconds
  --output FILE    the tables into a file, too
  --json FILE      everything, with all raw samples
  --list           the suites
Environment: ESPTUN              another esptun than the one that is built
             BENCH_PREPARED=yes  install and build nothing
"""
import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True

import bench  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from place import ended, netns, tool  # noqa: E402
import esptun  # noqa: E402  test/netns/esptun.py
import strongswan  # noqa: E402  test/netns/strongswan.py

CIPHER, ESP_SUITE = "aes256-sha256", "aes256gcm16"
SOURCES = 1024  # addresses of initiators; with certificates each has its own
CERTIFIED_SOURCES = 400
WARM_UP = 300
MEMORY_GROUP = "x25519"
COST_AIM = 0.5  # of charon's CPU


class Suite:
    """What is negotiated. auth: psk, rsa2048, ec256."""

    def __init__(self, auth, group, pfs):
        self.auth, self.group, self.pfs = auth, group, pfs
        self.name = f"{'psk' if auth == 'psk' else 'rsa' if auth == 'rsa2048' else 'ecdsa'}-{group}" + (
            "-pfs" if pfs else "")

    def ike(self):
        return f"{CIPHER}-{self.group}"

    def esp(self):
        return ESP_SUITE + (f"-{self.group}" if self.pfs else "")

    def title(self):
        auth = {"psk": "PSK", "rsa2048": "RSA-2048", "ec256": "ECDSA P-256"}[self.auth]
        return f"{auth}, {self.group}{', PFS' if self.pfs else ''}"

    def floor_us(self, costs):
        """What the library alone needs: key agreements, our signature, the peer's, and the one of its certificate."""
        whole = costs[self.group] * (2 if self.pfs else 1)
        if self.auth != "psk":
            kind = "rsa" if self.auth == "rsa2048" else "ecdsa"
            whole += costs[f"{kind}_sign"] + 2 * costs[f"{kind}_verify"]
        return whole


SUITES = [Suite("psk", group, pfs) for group in ("modp2048", "ecp256", "x25519") for pfs in (False, True)] + [
    Suite("rsa2048", "modp2048", False), Suite("rsa2048", "modp2048", True), Suite("ec256", "ecp256", False),
    Suite("ec256", "ecp256", True)]


# --- the two responders ---

# No limit on half-open SAs, a table that suits thousands of SAs, and short exponents: nothing may hold it back. What it
# logs is what it logs by default.
CHARON_SETTINGS = """
charon {{
    load_modular = no
    load = {plugins}
    fragment_size = {fragment_size}
    dh_exponent_ansi_x9_42 = no
    install_routes = no
    dos_protection = no
    cookie_threshold = 0
    block_threshold = 0
    init_limit_half_open = 0
    init_limit_job_load = 0
    ikesa_table_size = 4096
    ikesa_table_segments = 16
    filelog {{
        log {{
            path = {log}
            default = 1
        }}
    }}
""" + strongswan.PLUGIN_SETTINGS + """\
}}
"""

CHARON_CONNECTIONS = """
connections {{
    any {{
        version = 1
        local_addrs = {local}
        remote_addrs = %any
        proposals = {ike}
        encap = {encap}
        fragmentation = yes
        dpd_delay = 0
        rekey_time = {ike_rekey}
        local {{
            auth = {auth}
            id = "{local_id}"
            {certs}
        }}
        remote {{
            auth = {auth}
        }}
        children {{
            net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = {esp}
                rekey_time = {rekey}
                life_time = {life}
                start_action = none
            }}
        }}
    }}
}}
secrets {{
    ike-any {{
        secret = "{psk}"
    }}
}}
"""


class Certificates:
    """Made once for a kind of key: an authority, the gateway's, and one for each initiator."""

    def __init__(self, lab, kind):
        self.lab, self.folder = lab, os.path.join(lab.folder, kind)
        os.makedirs(os.path.join(self.folder, "swanctl"), mode=0o700)
        lab.command(tool("bench_ike_load"), "certificates", self.folder, kind, CERTIFIED_SOURCES)

    def path(self, name):
        return os.path.join(self.folder, name)

    def for_strongswan(self, _label):
        folder = self.path("swanctl")
        for place, name in (("x509", "gw.pem"), ("x509ca", "ca.pem"), ("private", "gw.key")):
            os.makedirs(os.path.join(folder, place), exist_ok=True)
            with open(self.path(name), encoding="ascii") as file:
                self.lab.file(os.path.join(folder, place, name), file.read())
        return folder, "gw.pem"


class Charon(strongswan.Strongswan):
    name = "strongswan"
    SETTINGS, CONNECTIONS = CHARON_SETTINGS, CHARON_CONNECTIONS
    PLUGINS = "random nonce openssl sha1 sha2 hmac kdf kernel-libipsec kernel-netlink socket-default vici"
    WITH_CERTIFICATES = PLUGINS + " pem pkcs1 pkcs8 x509 pubkey constraints"

    def __init__(self, end, peer, suites, certificates):
        super().__init__(end, peer, ike=", ".join(unique(suite.ike() for suite in suites)),
                         esp=", ".join(unique(suite.esp() for suite in suites)),
                         local_id=None if certificates is None else "gw.example.org",
                         plugins=self.PLUGINS if certificates is None else self.WITH_CERTIFICATES,
                         credentials=certificates)

    @staticmethod
    def serves(_suite):
        return True

    def made(self):
        """How many pairs of SAs it says to have made; after its end, because its log is buffered."""
        return len(re.findall(r"CHILD_SA net\{\d+\} established", self.log()))


class CharonGmp(Charon):
    """MODP (and RSA) by its gmp plugin. With OpenSSL 3 charon validates the peer's value by a power as long as the
    prime, which takes longer than all the rest; so both take part, and the faster one counts."""
    name = "strongswan-gmp"
    PLUGINS = Charon.PLUGINS.replace("nonce openssl", "nonce gmp openssl")
    WITH_CERTIFICATES = Charon.WITH_CERTIFICATES.replace("nonce openssl", "nonce gmp openssl")

    @staticmethod
    def serves(suite):
        return suite.group.startswith("modp")


class Esptun(esptun.Esptun):
    name = "esptun"

    def __init__(self, end, peer, suites, certificates):
        keys = {} if certificates is None else {
            "auth": "pubkey", "psk_file": None, "key": certificates.path("gw.key"),
            "cert": certificates.path("gw.pem"), "ca": certificates.path("ca.pem"), "local_id": "gw.example.org"}
        super().__init__(end, esptun.config(
            end, peer, acl=[f"protect = {end.lan} -> {peer.lan} via any"], name="any", remote="%any", start="none",
            ike=", ".join(unique(suite.ike() for suite in suites)), dpd_delay=0,
            esp=", ".join(unique(suite.esp() for suite in suites)), **keys))

    @staticmethod
    def serves(_suite):
        return True

    def made(self):
        return len(re.findall(r": phase 2 established", self.process.log()))


RESPONDERS = (Esptun, Charon, CharonGmp)


def unique(items):
    return list(dict.fromkeys(items))


# --- one pair: a responder and its initiators ---

class Pair:
    """Initiators in one namespace, 198.18.0.1 and up, and a responder in the other."""

    def __init__(self, lab, responder, suites, certificates):
        self.lab, self.suites, self.certificates, self.done = lab, suites, certificates, 0
        self.load, self.gateway = lab.namespace(f"load-{responder.name}"), lab.namespace(f"gw-{responder.name}")
        lab.link(self.load, "wan0", "192.0.2.1/24", self.gateway, "wan0", "192.0.2.2/24")
        self.load.ip("route", "add", "local", "198.18.0.0/16", "dev", "lo")
        self.gateway.ip("route", "add", "default", "via", "192.0.2.1")
        self.gateway.ip("addr", "add", "10.2.0.1/16", "dev", "lo")  # kernel-libipsec wants one in what it protects
        self.load.wan, self.gateway.wan = "192.0.2.1", "192.0.2.2"
        self.load.lan, self.gateway.lan = "10.64.0.0/16", "10.2.0.0/16"
        self.responder = responder(self.gateway, self.load, suites, certificates)
        self.name = responder.name

    def command(self, verb, suite, count, outstanding, sources):
        proof = f"psk:{netns.PSK}" if self.certificates is None else self.certificates.folder
        return [tool("bench_ike_load"), verb, f"{suite.ike()} {suite.esp()}", self.gateway.wan, proof, sources,
                min(outstanding, sources), count]

    def handshakes(self, suite, count, outstanding):
        """`count` of them, to the end. Returns what the load says, and the CPU that the responder took."""
        sources = CERTIFIED_SOURCES if self.certificates else SOURCES
        before = measure.process_seconds(self.responder.process.pid)
        process = self.load.start(f"load-{time.monotonic_ns()}", *self.command("run", suite, count, outstanding,
                                                                               sources))
        output = ended(process, 120)
        sample = last_line(output)
        self.done += sample["done"]
        cpu = measure.process_seconds(self.responder.process.pid) - before
        return {**sample, "cpu_us": cpu * 1e6 / sample["done"], "per_second": sample["done"] / sample["seconds"]}

    def memory(self, suite, count, outstanding):
        """KiB for each SA with its child: from a fifth of them to all, so that what all share does not count."""
        process = self.load.start("hold", *self.command("hold", suite, count, outstanding, count),
                                  stdin=subprocess.PIPE)
        found = []
        for stop in (1, 2):
            netns.wait_for(f"{count} SAs at {self.name}", lambda stop=stop: self.stopped(process, stop), 180, 0.2)
            time.sleep(1)
            found.append(measure.memory_kb(self.responder.process.pid))
            if stop == 1:
                process.popen.stdin.write(b"\n")
                process.popen.stdin.flush()
        first, last = (json.loads(line) for line in process.log().splitlines())
        process.popen.stdin.write(b"\n")
        process.popen.stdin.close()
        process.wait()
        more, self.done = last["done"] - first["done"], self.done + last["done"]
        return {"sas": last["done"], **{f"{kind}_kb": (found[1][kind] - found[0][kind]) / more for kind in found[0]}}

    def check(self):
        """Ends the responder, and compares what it has made with what the load has seen."""
        self.responder.process.end()
        made = self.responder.made()
        if made < self.done:  # a repeated message can make more
            raise netns.Failure(f"the load saw {self.done} handshakes, {self.name} logged {made}")
        return {"made": made}

    @staticmethod
    def stopped(process, stop):
        if not process.alive():
            raise netns.Failure(f"{process.name} ended: {process.log().strip()[-600:]}")
        return process.log().count("\n") >= stop


def last_line(output):
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise netns.Failure(f"the load said nothing: {output.strip()[-600:]}")
    sample = json.loads(lines[-1])
    if sample["failed"] or not sample["done"]:
        raise netns.Failure(f"{sample['failed']} handshakes failed: {sample['why']}")
    return sample


# --- the run ---

class Run:
    def __init__(self, options, suites):
        self.options, self.suites, self.samples = options, suites, report.Samples()
        self.counts = {}  # of handshakes, so that each measurement lasts about as long

    def count_of(self, pair, suite):
        key = (pair.name, suite.name)
        if key not in self.counts:
            sample = pair.handshakes(suite, WARM_UP, self.options.outstanding)
            self.counts[key] = max(WARM_UP, int(sample["per_second"] * self.options.seconds))
        return self.counts[key]

    def act(self, group, number, pair, step, doing):
        """Notes what it measures; what fails is noted, and the others go on."""
        try:
            sample = doing()
        except netns.Failure as why:
            sample = {"error": " ".join(str(why).split())[:300]}
        self.samples.add(group, number, pair.name, step, sample)
        bench.progress(f"  round {number}, {step}, {pair.name}: " + (sample.get("error") or ", ".join(
            f"{field} {sample[field]:.1f}" for field in ("cpu_us", "per_second", "rss_kb", "pss_kb", "made") if
            field in sample)))

    @contextlib.contextmanager
    def pairs(self, suites):
        with contextlib.redirect_stdout(sys.stderr), netns.Lab("ike") as lab:
            auth = suites[0].auth
            certificates = None if auth == "psk" else Certificates(lab, auth)
            pairs = []
            for responder in RESPONDERS:
                served = [suite for suite in suites if responder.serves(suite)]
                pairs += [Pair(lab, responder, served, certificates)] if served else []
            yield pairs
            for pair in pairs:
                self.act("check", 0, pair, f"{auth}, the responder's own count", pair.check)

    def round(self, number):
        for auth in unique(suite.auth for suite in self.suites):
            suites = [suite for suite in self.suites if suite.auth == auth]
            with self.pairs(suites) as pairs:
                for suite in suites:
                    for pair in pairs[::1 if number % 2 else -1]:  # nobody is always the first
                        if suite not in pair.suites:
                            continue
                        self.act("handshakes", number, pair, suite.name, lambda pair=pair, suite=suite: pair.handshakes(
                            suite, self.count_of(pair, suite), self.options.outstanding))

    def memory(self):
        suite = Suite("psk", MEMORY_GROUP, False)
        with self.pairs([suite]) as pairs:
            for pair in pairs:
                self.act("memory", 1, pair, "memory", lambda pair=pair: pair.memory(suite, self.options.memory,
                                                                                    self.options.outstanding))


def floor():
    done = subprocess.run([tool("bench_ike_load"), "floor"], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


# --- the report ---

def times(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def rival(samples, suite):
    """Whichever charon takes less CPU for the suite; ratios are against that one."""
    found = {one.name: samples.values("handshakes", one.name, suite.name, "cpu_us") for one in (Charon, CharonGmp)}
    measured = [name for name, values in found.items() if values]
    return min(measured, key=lambda name: statistics.median(found[name]), default=Charon.name)


def handshake_table(samples, suites, costs):
    rows = []
    for suite in suites:
        def cell(who, field, suite=suite):
            return report.spread(samples.values("handshakes", who, suite.name, field), "{:.0f}")
        other = rival(samples, suite)
        rows.append([suite.title(), cell("esptun", "cpu_us"), cell("strongswan", "cpu_us"),
                     cell("strongswan-gmp", "cpu_us"),
                     times(samples.ratio("handshakes", "esptun", other, suite.name, "cpu_us")),
                     f"{suite.floor_us(costs):.0f}", cell("esptun", "per_second"), cell(other, "per_second")])
    return report.markdown(["suite", "esptun, CPU us", "strongSwan, CPU us", "strongSwan with gmp, CPU us",
                            f"esptun against the faster (aim: {COST_AIM})", "floor, CPU us", "esptun, a second",
                            "the faster strongSwan, a second"], rows)


def memory_table(samples):
    rows = []
    for who in ("esptun", "strongswan"):
        one = {field: samples.values("memory", who, "memory", field) for field in ("sas", "rss_kb", "pss_kb")}
        rows.append([who, report.spread(one["sas"], "{:.0f}"), report.spread(one["rss_kb"], "{:.1f}"),
                     report.spread(one["pss_kb"], "{:.1f}")])
    return report.markdown(["responder", "SAs held", "RSS, KiB each", "PSS, KiB each"], rows)


def failures(samples):
    return [f"- {row['contestant']}, {row['step']}, round {row['round']}: {row['error']}" for row in samples.rows if
            "error" in row]


HOW = ("{rounds} rounds, both in turn, median (least-most); the ratio is the median of those within each round. A "
       "handshake is main mode, quick mode, and the deletes of both once 256 newer ones are up; {outstanding} are "
       "under way at once. CPU is that of all threads of the responder, user and kernel. The load and the responder "
       "share the cores, so handshakes a second are those of the machine. The floor is what the same OpenSSL needs for "
       "the key agreements and signatures alone, one thread, the least of several tries.")


def text(machine, options, samples, suites, costs):
    parts = ["## Handshakes", "", report.machine_text(machine), ""]
    parts += [f"**{report.BUSY}**", ""] if report.was_busy(machine) else []
    parts += [HOW.format(rounds=options.rounds, outstanding=options.outstanding), "",
              handshake_table(samples, suites, costs), ""]
    if options.memory:
        parts += ["Memory that an established IKE SA with its pair of IPsec SAs adds at the responder:", "",
                  memory_table(samples), ""]
    return "\n".join(parts + failures(samples))


class Usage(bench.Usage):
    def format_help(self):
        return __doc__.strip() + "\n"

    def error(self, message):
        self.exit(2, f"test/bench/ike: {message}; --help lists the options\n")


def whole(text_):
    value = int(text_)
    if value < 0:
        raise ValueError
    return value


def read_options(argv):
    usage = Usage(prog="test/bench/ike", add_help=True)
    usage.add_argument("--rounds", type=bench.positive(int))
    usage.add_argument("--seconds", type=bench.positive(float))
    usage.add_argument("--suites")
    usage.add_argument("--memory", type=whole)
    usage.add_argument("--outstanding", type=bench.positive(int), default=32)
    usage.add_argument("--smoke", action="store_true")
    usage.add_argument("--output")
    usage.add_argument("--json")
    usage.add_argument("--list", action="store_true")
    options = usage.parse_args(argv)
    options.rounds = options.rounds or (1 if options.smoke else 5)
    options.seconds = options.seconds or (0.1 if options.smoke else 1.0)
    options.suites = options.suites or ("psk-x25519,ecdsa-ecp256" if options.smoke else "*")
    if options.memory is None:
        options.memory = 100 if options.smoke else 2000
    for path in (options.json, options.output):
        if path and not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
            usage.error(f"cannot write {path}: there is no such folder, or it is not ours")
    return options, usage


def describe_machine():
    machine = bench.describe_machine([])
    machine["versions"] = {"esptun": esptun_version(), "strongSwan": charon_version()}
    return machine


def esptun_version():
    done = subprocess.run([netns.esptun_path(), "--version"], stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.splitlines()
    libraries = [line for line in lines if line.startswith("libraries:")]
    return f"{'; '.join(lines[:1] + libraries)} ({bench.commit()})"


def charon_version():
    strongswan.need()
    done = subprocess.run([strongswan.CHARON, "--version"], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip()


def main(argv):
    options, usage = read_options(argv)
    names = bench.chosen(options.suites, [suite.name for suite in SUITES], usage, "suite")
    suites = [suite for suite in SUITES if suite.name in names]
    if options.list:
        print("\n".join(f"{suite.name:20} {suite.title()}" for suite in SUITES))
        return 0
    if os.geteuid() != 0:
        usage.error("network namespaces and TUN devices need root")
    netns.guard()
    machine, run, cpu = describe_machine(), Run(options, suites), measure.Cpu()
    costs = floor()
    for number in range(1, options.rounds + 1):
        run.round(number)
    if options.memory:
        run.memory()
    machine["steal_run"] = cpu.shares()[1]
    result = text(machine, options, run.samples, suites, costs)
    print(result)
    if options.output:
        bench.write(options.output, result + "\n")
    if options.json:
        bench.write(options.json, json.dumps({"machine": machine, "floor": costs, "samples": run.samples.rows},
                                             indent=1) + "\n")
    return 1 if failures(run.samples) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
