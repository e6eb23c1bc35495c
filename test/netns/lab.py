# SPDX-License-Identifier: Apache-2.0
"""A laboratory of network namespaces: real processes, real TUN devices, one wire that we can look at.

      hostA                gwA                             gwB                hostB
   10.1.0.2/24 ──── 10.1.0.1  192.0.2.1 ──── wire ──── 192.0.2.2  10.2.0.1 ──── 10.2.0.2/24
                    lan0      wan0                      wan0       lan0

   and with a NAT router between:

      gwA 192.168.7.2 ──── 192.168.7.1 nat 192.0.2.1 ──── 192.0.2.2 gwB

Each gateway's default route points to the other side, so that whatever leaks in clear really crosses the wire, where a
capture sees it. The far host answers in the same way.

A Lab owns its namespaces, processes and files; leaving its `with` block, a signal or the end of the program ends them.
It kills only processes that it started, and deletes only namespaces that it made. Logs of a failed test are kept.
"""
import atexit
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PSK = "correct horse battery staple 42"
TAIL_LINES = 40
# All limits of time are patience, not measures: a slow machine, or a build with sanitizers, may want more of it.
PATIENCE = float(os.environ.get("ESPTUN_PATIENCE", "1"))

_numbers = itertools.count(1)
_labs = []
_grave = []  # what no busy machine explains
CRASHES = (signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)


class _Signals:
    """What ends this program waits while something is made that nobody has written down yet."""
    making, came = 0, None


@contextlib.contextmanager
def unbroken():
    _Signals.making += 1
    try:
        yield
    finally:
        _Signals.making -= 1
        if _Signals.came is not None and _Signals.making == 0:
            _on_signal(_Signals.came, None)


class Failure(Exception):
    """The test has found something wrong."""


class Skip(Exception):
    """The test cannot run here; the text says why."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def expect_no_leak(condition, text):
    """As expect, for what no busy machine excuses."""
    if not condition:
        _grave.append(text)
    expect(condition, text)


def wait_for(what, check, timeout=10.0, every=0.05):
    """Polls check() until it returns something true, and returns that."""
    timeout *= PATIENCE
    end = time.monotonic() + timeout
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure(f"waited {timeout:g} s in vain for {what}")
        time.sleep(every)


def esptun_path():
    return os.path.abspath(os.environ.get("ESPTUN", os.path.join(ROOT, "build", "esptun")))


class Process:
    """A process that a Lab started, with its output in a file."""

    def __init__(self, name, argv, log_path, env=None, stdin=subprocess.DEVNULL):
        self.name = name
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self.popen = subprocess.Popen(argv, stdin=stdin, stdout=log, stderr=log, env=env, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def log(self, start=0):
        with open(self.log_path, "rb") as file:
            file.seek(start)
            return file.read().decode("utf-8", "replace")

    def mark(self):
        """A place in the log, to look only at what comes after."""
        return os.path.getsize(self.log_path)

    def wait_log(self, pattern, timeout=10.0, start=0):
        def look():
            found = re.search(pattern, self.log(start), re.M | re.I)
            if not found and self.popen.poll() is not None:
                raise Failure(f"{self.name} ended with {self.popen.returncode} before its log said /{pattern}/")
            return found
        return wait_for(f"/{pattern}/ in the log of {self.name}", look, timeout)

    def alive(self):
        return self.popen.poll() is None

    def wait(self, timeout=10.0):
        timeout *= PATIENCE
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.name} did not end within {timeout:g} s") from late

    def end(self, timeout=3.0):
        """SIGTERM, then SIGKILL. Returns the exit code."""
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        return self.popen.returncode


class Namespace:
    def __init__(self, lab, label):
        self.lab, self.label = lab, label
        self.name = f"esptun-{os.getpid()}-{next(_numbers)}-{label}"
        with unbroken():
            self.lab.ip("netns", "add", self.name)
            self.lab.namespaces.append(self)
        self.links, self.single = set(), set()  # veth devices, and those that send packets one by one
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv4.conf.all.rp_filter", 0)
        self.sysctl("net.ipv4.conf.default.rp_filter", 0)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        # Redirects would be clear packets of protected flows that nobody asked for.
        self.sysctl("net.ipv4.conf.all.send_redirects", 0)
        self.sysctl("net.ipv4.conf.default.send_redirects", 0)

    def argv(self, *args):
        return ["ip", "netns", "exec", self.name, *map(str, args)]

    def run(self, *args, check=True, timeout=30.0, **more):
        """Runs a command to its end; returns its CompletedProcess, with text output."""
        timeout *= PATIENCE
        try:
            done = subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout, **more)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.label}: {' '.join(map(str, args))}: no end within {timeout:g} s") from late
        if check and done.returncode != 0:
            raise Failure(f"{self.label}: {' '.join(map(str, args))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def start(self, name, *args, env=None, stdin=subprocess.DEVNULL):
        return self.lab.start(f"{self.label}-{name}", self.argv(*args), env=env, stdin=stdin)

    def ip(self, *args):
        return self.lab.ip("-n", self.name, *args)

    def sysctl(self, key, value):
        self.lab.command("ip", "netns", "exec", self.name, "sysctl", "-qw", f"{key}={value}")

    def etc(self, name, text):
        """What its processes, started from now on, find as /etc/NAME."""
        folder = os.path.join("/etc/netns", self.name)
        with unbroken():
            os.makedirs(folder, exist_ok=True)
            self.lab.folders.add(folder)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def nft(self, text):
        path = self.lab.file(f"{self.label}.nft", text)
        return self.run("nft", "-f", path)

    def devices(self):
        return [link["ifname"] for link in json.loads(self.ip("-j", "link", "show").stdout)]

    def routes(self):
        """Routes of every table and every policy rule, as text: to compare before and after."""
        parts = [["route", "show", "table", "all"], ["rule", "show"], ["-6", "route", "show", "table", "all"],
                 ["-6", "rule", "show"], ["nexthop", "show"]]
        lines = "".join(self.ip(*part).stdout for part in parts).splitlines()
        # Link-local addresses come and go in their own time; so do the kernel's own entries about our addresses, which
        # may follow an address after a while, and what it notes about the carrier of a TUN.
        own = re.compile(r"fe80:|ff00::/8|table local proto kernel")
        return "\n".join(line.replace(" linkdown", "").rstrip() for line in lines if not own.search(line))

    def ping(self, to, count=1, interval=0.05, wait=2, size=56):
        """Returns (sent, received)."""
        done = self.run(*fping(to, count, interval, wait, size), check=False, timeout=count * interval + wait * 3 + 20)
        sent, received = ping_counts(done.stderr)
        if received < sent:
            self.lab.last_loss = f"{self.label}: {done.stderr.strip()}"
        return sent, received

    def start_ping(self, to, count, interval=0.01, wait=2, size=56):
        return self.start(f"ping-{next(_numbers)}", *fping(to, count, interval, wait, size))


def fping(to, count, interval, wait, size):
    """ping(8) waits for the last answer no longer than the others took twice, and on a busy machine calls it lost; fping
    waits for each as long as it is told."""
    return ["fping", "-q", "-c", count, "-p", round(interval * 1000), "-t", round(wait * 1000), "-b", size, to]


def ping_counts(text):
    """Of fping, or of ping where a test needs an option that fping has not."""
    found = re.search(r"xmt/rcv/%loss = (\d+)/(\d+)/|(\d+) packets transmitted, (\d+) received", text)
    if not found:
        raise Failure(f"ping said: {text.strip()}")
    sent, received = (number for number in found.groups() if number is not None)
    return int(sent), int(received)


class Capture:
    """tcpdump on one device, to a file; packets are looked at with tshark after the end. single: packets are seen one by
    one, as on a real wire; else a device may show a row of datagrams as one large one."""

    def __init__(self, namespace, device, name="wire", only="", single=True):
        self.namespace = namespace
        if single:
            namespace.lab.send_singly()
        self.path = os.path.join(namespace.lab.folder, f"{namespace.label}-{device}-{name}-{next(_numbers)}.pcap")
        self.process = namespace.start(f"tcpdump-{device}-{next(_numbers)}", "tcpdump", "-Z", "root", "-i", device,
                                       "-U", "--immediate-mode", "-B", 65536, "-s", 1600, "-w", self.path, *only.split())
        self.process.wait_log("listening on")

    def stop(self):
        time.sleep(0.1)  # what is on its way to the file
        self.process.popen.send_signal(signal.SIGINT)
        self.process.wait()
        found = re.search(r"(\d+) packets? dropped by kernel", self.process.log())
        expect(found and found.group(1) == "0", f"the capture itself lost packets:\n{self.process.log()}")
        return self.path


def tshark(path, *args, config=None, timeout=120.0):
    """What tshark prints about a capture. config: a folder with its tables (see Lab.wireshark_config)."""
    env = dict(os.environ)
    env["HOME"] = config or "/nonexistent"
    env["XDG_CONFIG_HOME"] = config or "/nonexistent"
    argv = ["tshark", "-n", "-r", path, *args]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=timeout, env=env)
    expect(done.returncode == 0, f"{' '.join(argv)}: {done.stderr}")
    return done.stdout


# On the wire between gateways, nothing but these is expected. ARP and IPv6's neighbour talk belong to the link.
WIRE_FILTER = "not arp and not icmpv6.type in {130..137, 143}"
WIRE_EXPECTED = "udp.port == 500 or udp.port == 4500 or esp"


def clear_packets(path, more=""):
    """One line for each packet on the wire that is neither IKE nor ESP."""
    wanted = f"({WIRE_FILTER}) and not ({WIRE_EXPECTED}){more}"
    found = tshark(path, "-Y", wanted).splitlines()
    _grave.extend(found[:1])
    return found


def is_grave():
    """Whether there was what a failure on a busy machine does not explain: clear packets, a crash, a sanitizer's words."""
    return bool(_grave)


class Lab:
    def __init__(self, name):
        self.name = name
        self.folder = tempfile.mkdtemp(prefix=f"esptun-netns-{name[:40]}-")  # a socket path has 107 bytes at most
        os.chmod(self.folder, 0o755)
        self.namespaces, self.processes = [], []
        self.folders = set()  # below /etc/netns
        self.offload = None  # see offload_of() in esptun.py
        self.bad_end = None
        self.last_loss = None  # what the last ping said that was not answered
        self.looks = []  # functions that tell, of a test that failed, what a daemon says of itself before it is ended
        self.last_looks = []
        self.keep = False
        self.failed = False
        self.closed = False

    def __enter__(self):
        _labs.append(self)
        return self

    def __exit__(self, kind, error, trace):
        self.failed = kind is not None and not issubclass(kind, Skip)
        self.close()
        if self.bad_end and kind is None:
            raise Failure(self.bad_end)
        return False

    def close(self):
        if self.closed:
            return
        self.closed = True
        if self in _labs:
            _labs.remove(self)
        for look in self.looks if self.failed else []:
            with contextlib.suppress(Exception):
                self.last_looks.append(look())
        for process in reversed(self.processes):
            with contextlib.suppress(Exception):
                process.end()
        for namespace in reversed(self.namespaces):
            subprocess.run(["ip", "netns", "del", namespace.name], stderr=subprocess.DEVNULL, check=False)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)
        self.look_for_sanitizers()
        self.look_for_crashes()
        if self.failed:
            self.print_tails()
        elif not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def look_for_sanitizers(self):
        """A process of a sanitized build may have ended long ago, or at the end of the test."""
        for process in self.processes:
            found = re.search(r"^.*(?:AddressSanitizer|LeakSanitizer|runtime error:).*", process.log(), re.M)
            if found:
                self.bad_end, self.failed = f"{process.name}: {found.group(0)}", True
                _grave.append(self.bad_end)
                return

    def look_for_crashes(self):
        for process in self.processes:
            number = -(process.popen.returncode or 0)
            if number in CRASHES and not self.bad_end:
                self.bad_end, self.failed = f"{process.name} ended by signal {number}", True
                _grave.append(self.bad_end)

    def print_tails(self):
        print(f"--- {self.name} failed; the logs are in {self.folder}")
        for process in self.processes:
            if "tcpdump" in process.name:
                continue
            lines = process.log().splitlines()
            print(f"--- {process.name} (exit {process.popen.returncode}), last {TAIL_LINES} of {len(lines)} lines")
            for line in lines[-TAIL_LINES:]:
                print(f"    {line}")
        for look in self.last_looks:
            print(look)
        if self.last_loss:
            print(f"--- the last ping without an answer\n{self.last_loss}")
        sys.stdout.flush()

    def command(self, *args):
        done = subprocess.run(list(map(str, args)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        expect(done.returncode == 0, f"{' '.join(map(str, args))}: {done.stderr.strip()}")
        return done

    def ip(self, *args):
        return self.command("ip", *args)

    def file(self, name, text, mode=0o600):
        path = os.path.join(self.folder, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # of another user in a folder for all: fs.protected_regular lets nobody write over it
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def start(self, name, argv, env=None, stdin=subprocess.DEVNULL):
        with unbroken():
            process = Process(name, argv, os.path.join(self.folder, f"{name}.log"), env, stdin)
            self.processes.append(process)
        return process

    def namespace(self, label):
        return Namespace(self, label)

    def link(self, one, device_one, address_one, two, device_two, address_two):
        """A veth pair between two namespaces, with an address (or several) on each end, up."""
        self.ip("link", "add", device_one, "netns", one.name, "type", "veth", "peer", "name", device_two, "netns",
                two.name)
        for end, device, addresses in ((one, device_one, address_one), (two, device_two, address_two)):
            for address in addresses.split():
                end.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))
            end.ip("link", "set", device, "up")
            end.links.add(device)

    def send_singly(self):
        """No link between gateways carries segmentation offload from now on."""
        for namespace in self.namespaces:
            for device in namespace.links - namespace.single:
                if not device.startswith(("lan", "eth")):
                    namespace.ip("link", "set", device, "gso_max_segs", 1)
                    namespace.single.add(device)

    def gateways(self, nat=False):
        """The topology at the top of this file. Returns (gwA, gwB); each has .host, .wan, .lan, .host_address."""
        a, b = self.namespace("gwA"), self.namespace("gwB")
        if nat:
            router = self.namespace("nat")
            self.link(a, "wan0", "192.168.7.2/24", router, "in0", "192.168.7.1/24")
            self.link(router, "out0", "192.0.2.1/24", b, "wan0", "192.0.2.2/24")
            router.nft("table ip nat {\nchain post {\ntype nat hook postrouting priority srcnat;\n"
                       " meta l4proto udp oifname out0 masquerade to :20000-29999 random\noifname out0 masquerade\n}\n}\n")
            a.wan, a.router, a.via = "192.168.7.2", router, "192.168.7.1"
            b.via = "192.0.2.1"
        else:
            self.link(a, "wan0", "192.0.2.1/24", b, "wan0", "192.0.2.2/24")
            a.wan, a.via, b.via = "192.0.2.1", "192.0.2.2", "192.0.2.1"
        b.wan = "192.0.2.2"
        for number, gateway in ((1, a), (2, b)):
            gateway.host = self.namespace("host" + gateway.label[-1])
            self.link(gateway, "lan0", f"10.{number}.0.1/24", gateway.host, "eth0", f"10.{number}.0.2/24")
            gateway.host.ip("route", "add", "default", "via", f"10.{number}.0.1")
            gateway.ip("route", "add", "default", "via", gateway.via)
            gateway.lan, gateway.host_address = f"10.{number}.0.0/24", f"10.{number}.0.2"
            gateway.lan_address = f"10.{number}.0.1"
        return a, b

    def wireshark_config(self, *keylogs):
        """A folder for tshark(config=) with the keys that esptun wrote into the folders given."""
        home = os.path.join(self.folder, "wireshark-home")
        target = os.path.join(home, "wireshark")
        os.makedirs(target, exist_ok=True)
        for table in ("ikev1_decryption_table", "esp_sa"):
            with open(os.path.join(target, table), "w", encoding="utf-8") as out:
                for keylog in keylogs:
                    source = os.path.join(keylog, table)
                    if os.path.exists(source):
                        with open(source, encoding="utf-8") as file:
                            out.write(file.read())
        return home


class Transfer:
    """Moves `size` bytes over TCP from one namespace to another, at most `rate` bytes a second, beside what else goes
    on. watched: the receiver notes when bytes arrive."""

    def __init__(self, sender, receiver, address, size, rate=None, port=5201, watched=False):
        self.size, program = size, ["/usr/bin/python3", os.path.join(HERE, "transfer.py")]
        number = next(_numbers)
        self.sink = receiver.start(f"sink-{number}", *program, "watch" if watched else "sink", port)
        self.sink.wait_log("ready")
        self.began = time.monotonic()
        self.source = sender.start(f"source-{number}", *program, "send", address, port, size, *([rate] if rate else []))

    def progress(self):
        """[(seconds of the monotonic clock, bytes)] that the receiver noted."""
        return [(float(at), int(total)) for at, total in re.findall(r"^at (\S+) (\d+)$", self.sink.log(), re.M)]

    def finish(self, timeout=60.0):
        """Waits for the end, compares SHA-256. Returns seconds."""
        code = self.source.wait(timeout)
        said = self.source.log()
        expect(code == 0, f"the transfer of {self.size} bytes failed: {said}{self.sink.log()[-2000:]}")
        self.sink.wait(10)
        took = time.monotonic() - self.began
        hashes = [re.search(r"(\d+) bytes, sha256 (\w+)", text) for text in (said, self.sink.log())]
        expect(all(hashes), f"no hash: {said}{self.sink.log()[-2000:]}")
        expect(hashes[0].groups() == hashes[1].groups(),
               f"sent {hashes[0].group(0)}, but received {hashes[1].group(0)}")
        expect(int(hashes[0].group(1)) == self.size, f"only {hashes[0].group(1)} of {self.size} bytes were sent")
        return took


def transfer(sender, receiver, address, size, port=5201, timeout=60.0):
    """Moves `size` bytes and waits for the end. Returns seconds."""
    return Transfer(sender, receiver, address, size, port=port).finish(timeout)


def close_all():
    for lab in list(_labs):
        with contextlib.suppress(Exception):
            lab.close()


def _on_signal(number, _frame):
    if _Signals.making:
        _Signals.came = number
        return
    close_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def guard():
    """Whatever ends this program, the labs are cleared away."""
    atexit.register(close_all)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _on_signal)
