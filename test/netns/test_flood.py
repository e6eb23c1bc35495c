# SPDX-License-Identifier: Apache-2.0
"""Floods of each packet that is to be dropped, beside a transfer and a paced flow that must not notice.

50,000 packets a second for two seconds on one drop path; meanwhile 1,000 numbered datagrams a second of which none
may be lost, and a TCP transfer. Each drop path has its counter, which must have risen by what was sent. The machine is
theirs alone while they run: see ALONE in test/netns/run.
"""
import os
import random
import re
import struct

from esptun import DROP_TOO_BIG_REFUSED, Esptun, config, pair
from lab import PSK, Capture, Skip, Transfer, expect, expect_no_leak
from packets import DF, ESP, ICMP, MORE, RAW_IP, TCP, UDP, captured, esp, icmp4, ip4, ip6, records, tcp, udp
from probing import tool

ALONE = True
RATE, SECONDS = 50_000, 2
PACED_RATE = 1000
TRANSFER_RATE = 1_000_000
COUNTED_PERCENT = 90  # what a full socket buffer of the victim may swallow
BESIDES = 100  # the kernels of the namespaces speak now and then
SEED = 20240731
PRIORITY = -15  # nice
ATTEMPTS = 3
ESP_SUITE = "aes256gcm16"
ENCR_AES_GCM_16, GCM_IV, GCM_ICV = 20, 8, 16


class Beside:
    """What must not notice the flood: a transfer and a paced flow from one host to the other."""

    def __init__(self, sender, receiver, address):
        self.counter = receiver.start(f"count-{random.getrandbits(32):x}", tool("netns_flood"), "count", 5301)
        self.counter.wait_log("ready")
        count = PACED_RATE * (SECONDS + 1)
        self.paced = sender.start(f"pace-{random.getrandbits(32):x}", tool("netns_flood"), "pace", address, 5301,
                                  PACED_RATE, count)
        self.transfer = Transfer(sender, receiver, address, TRANSFER_RATE * SECONDS, TRANSFER_RATE)

    def finish(self):
        """What went wrong."""
        wrong = []
        self.transfer.finish(60)
        self.paced.wait(30)
        self.counter.wait(10)
        said = re.search(r"received.*", self.counter.log())
        if not said or "missing 0 " not in said.group(0) or "repeated 0" not in said.group(0):
            wrong.append(f"the paced flow: {said.group(0) if said else self.counter.log()}")
        return wrong


class Flood:
    """Floods on one pair of gateways. victim: the Esptun whose counters rise; ends: hosts of the flow that survives."""

    def __init__(self, victim, source, sender, receiver, address):
        self.victim, self.source, self.ends = victim, source, (sender, receiver, address)
        self.wrong, self.lines = [], []
        # What others run on this machine must not keep esptun from its queues: the flood alone is to try it.
        for process in victim.lab.processes:
            if process.name.endswith("-esptun"):
                os.setpriority(os.PRIO_PROCESS, process.pid, PRIORITY)

    def counted(self, names):
        return sum(self.victim.dropped(name) for name in names)

    def run(self, label, counters, packets, sealed=None, pieces=1):
        """counters: names of drops whose sum must rise by what was sent. sealed: gives arguments of `netns_flood seal`.
        pieces: so many packets are counted as one."""
        path = records(self.victim.lab, f"{label.replace(' ', '-')}.flood", packets)
        # A machine that withholds its processors for 20 ms lets queues overflow, whatever the victim does. What a drop
        # path costs shows each time.
        for attempt in range(1, ATTEMPTS + 1):
            wrong, line = self.attempt(counters, path, sealed, pieces)
            if not wrong:
                break
        self.wrong += [f"{label}: {text}" for text in wrong]
        self.lines.append(f"{label} {line}" + (f" (attempt {attempt})" if attempt > 1 else ""))

    def attempt(self, counters, path, sealed, pieces):
        """Returns what went wrong, and what was done."""
        before = self.counted(counters)
        beside = Beside(*self.ends)
        said = self.source.run(tool("netns_flood"), "seal" if sealed else "send", path, RATE, RATE * SECONDS,
                               *(sealed() if sealed else []))
        wrong = beside.finish()
        found = re.search(r"sent (\d+) in .*?(\d+) a second, (\d+) errors", said.stdout)
        sent, rate = int(found.group(1)), int(found.group(2))
        rose = self.counted(counters) - before
        if sent < RATE * SECONDS:
            wrong.append(f"only {sent} of {RATE * SECONDS} could be sent: {said.stderr}")
        if rose * pieces * 100 < sent * COUNTED_PERCENT or rose * pieces > sent + BESIDES:
            wrong.append(f"{sent} were sent, but {' or '.join(counters)} rose by {rose}")
        return wrong, f"{sent} at {rate}/s, {rose} counted"

    def report(self):
        print(f"covered: floods beside a transfer and {PACED_RATE} datagrams/s: " + "; ".join(self.lines))
        expect(self.victim.process.alive(), "esptun has ended")
        expect(not self.wrong, "\n".join(self.wrong))


def lively(chooser, count, size):
    return [bytes(chooser.getrandbits(8) for _ in range(size)) for _ in range(count)]


def inbound(lab, **keys):
    """A tunnel, a flood that comes from gwA, and a maker of packets to gwB's port 4500."""
    left, right = pair(lab, esp=ESP_SUITE, ike="aes128-sha256-x25519", **keys)
    a, b = left.gateway, right.gateway
    wire = Capture(a, "wan0", "genuine", f"src host {a.wan} and udp port 4500")
    expect(a.host.ping(b.host_address, 50, interval=0.01) == (50, 50), "no tunnel")
    genuine = [packet for packet in captured(wire.stop()) if packet[28:32] != bytes(4)]
    flood = Flood(right, a, a.host, b.host, b.host_address)

    def to_4500(payloads):
        return [ip4(a.wan, b.wan, UDP, udp(4500, 4500, payload)) for payload in payloads]
    return flood, right, genuine, to_4500


def test_floods_of_esp_that_needs_no_key(lab):
    flood, right, genuine, to_4500 = inbound(lab)
    chooser = random.Random(SEED)
    spi = int(right.child()["spi_in"], 16)
    strangers = [number for number in (chooser.randrange(1 << 16, 1 << 32) for _ in range(200)) if number != spi]
    flood.run("b46 neither IKE nor ESP", ["encap_malformed"], to_4500(b"\1" * n for n in (2, 3, 5, 6, 7)))
    flood.run("b31 too short", ["in_short"],
              to_4500([esp(spi, 1 << 30, bytes(n)) for n in range(GCM_IV + GCM_ICV + 2)] +
                      [esp(spi, 1 << 30, bytes(GCM_IV + GCM_ICV + n)) for n in (5, 6, 7, 1001)]))
    flood.run("unknown SPI", ["in_no_sa"], to_4500(esp(number, 1, bytes(100)) for number in strangers))
    flood.run("b32 replayed", ["in_replay"], genuine)
    flood.run("b33 forged", ["in_auth_failed"],
              to_4500(esp(spi, 0xf0000000 + i, blob) for i, blob in enumerate(lively(chooser, 200, 104))))
    flood.report()


def test_floods_of_ike_and_icmp(lab):
    flood, right, _, to_4500 = inbound(lab)
    a, b = flood.source, right.gateway
    chooser = random.Random(SEED)
    garbage = lively(chooser, 100, 28) + lively(chooser, 100, 300) + lively(chooser, 50, 5)
    first = [blob[:8] + bytes(8) + b"\1\x10\2\0" + bytes(4) + struct.pack(">I", 28 + 60) + blob[8:68]
             for blob in lively(chooser, 200, 68)]
    flood.run("garbage on 500", ["ike_malformed"], [ip4(a.wan, b.wan, UDP, udp(500, 500, blob)) for blob in garbage])
    flood.run("garbage behind the marker on 4500", ["ike_malformed"], to_4500(bytes(4) + blob for blob in garbage))
    flood.run("broken first messages", ["ike_malformed"], [ip4(a.wan, b.wan, UDP, udp(500, 500, blob)) for blob in first])
    path_mtu = right.child()["path_mtu"]
    living, spi_in = (int(right.child()[name], 16) for name in ("spi_out", "spi_in"))
    claims = [(living, mtu) for mtu in (0, 68, 575, 9000)]  # what lies between would be believed
    claims += [(number, 1000) for number in (spi_in, 0x12345678, 0xdeadbeef)]
    flood.run("b40 too big", [DROP_TOO_BIG_REFUSED], [
        ip4(a.wan, b.wan, ICMP, icmp4(3, 4, mtu, ip4(b.wan, a.wan, UDP, udp(4500, 4500, esp(number, 1, bytes(8))), flags=DF)))
        for number, mtu in claims])
    expect(right.child()["path_mtu"] == path_mtu, f"path_mtu is {right.child()['path_mtu']}, and was {path_mtu}")
    flood.report()


def test_floods_of_outer_fragments(lab):
    """Each datagram in two fragments, to a connection that refuses them."""
    flood, right, _, to_4500 = inbound(lab, right={"outer_fragments": "refuse"})
    spi = int(right.child()["spi_in"], 16)
    halves = []
    for number in range(1, 101):
        payload = to_4500([esp(spi, number, bytes(104))])[0][20:]
        halves += [ip4(flood.source.wan, right.gateway.wan, UDP, part, number=number, flags=place)
                   for part, place in ((payload[:64], MORE), (payload[64:], 64 // 8))]
    flood.run("outer fragments", ["in_outer_fragment"], halves, pieces=2)
    flood.report()


def keylog_binary():
    path = os.environ.get("ESPTUN_KEYLOG_BINARY", "")
    if not os.access(path, os.X_OK):
        raise Skip("needs a build with -DESPTUN_KEYLOG=ON: set ESPTUN_KEYLOG_BINARY")
    return path


def two_connections(lab, port=None):
    """The tunnel that must not notice, and a second one, raw ESP, whose keys we know. port: the only UDP port of gwB's
    side that the second one protects."""
    a, b = lab.gateways()
    a.ip("addr", "add", "192.0.2.11/24", "dev", "wan0")
    b.ip("addr", "add", "192.0.2.12/24", "dev", "wan0")
    keys = os.path.join(lab.folder, "keys")
    os.mkdir(keys, 0o700)
    texts = []
    protects = ("10.11.0.0/24 -> 10.12.0.0/24", "10.12.0.0/24 -> 10.11.0.0/24")
    if port:
        protects = (f"udp {protects[0]} port {port}", f"udp 10.12.0.0/24 port {port} -> 10.11.0.0/24")
    for one, other, inner, here, there in ((a, b, protects[0], 11, 12), (b, a, protects[1], 12, 11)):
        psk = lab.file(f"{one.label}-known.psk", PSK + "\n")
        rules = [f"protect = {one.lan} -> {other.lan} via peer",
                 f"protect = {inner} via known"]
        text = config(one, other, acl=rules, esp=ESP_SUITE, ike="aes128-sha256-x25519")
        known = (f"[connection known]\nlocal = 192.0.2.{here}\nremote = 192.0.2.{there}\npsk_file = {psk}\n"
                 f"ike = aes128-sha256-x25519\nesp = {ESP_SUITE}\nencap = no\n\n[acl]")
        texts.append(text.replace("[acl]", known))
    right = Esptun(b, texts[1])
    left = Esptun(a, texts[0], env={"ESPTUN_KEYLOG_DIR": keys}, binary=keylog_binary())
    left.up()
    left.verb("up", "known")
    return left, right, keys


def known_key(right, keys):
    """SPI and KEYMAT of the known connection's SA towards gwB."""
    sa, = (sa for sa in right.status()["ike_sas"] if sa["connection"] == "known")
    spi = sa["children"][0]["spi_in"]
    with open(os.path.join(keys, "esp_sa"), encoding="utf-8") as file:
        line, = (line for line in file if f'"0x{spi}"' in line)
    return spi, re.findall(r'"0x([0-9a-f]+)"', line)[1]


def text_of(inner, next_header, block=4):
    """Inner packet, right padding, trailer."""
    pad = -(len(inner) + 2) % block
    return inner + bytes(range(1, pad + 1)) + bytes([pad, next_header])


def outer(text, tos=0):
    """In front of a text: the IP header of the ESP packet that it will be."""
    return ip4("192.0.2.11", "192.0.2.12", ESP, text, tos, length=20 + 8 + GCM_IV + len(text) + GCM_ICV)


class Authentic:
    """Floods that are sealed with the key of a second connection. port: see two_connections()."""

    def __init__(self, lab, port=None):
        self.left, self.right, keys = two_connections(lab, port)
        a, b = self.left.gateway, self.right.gateway
        self.spi, self.keymat = known_key(self.right, keys)
        self.flood = Flood(self.right, a, a.host, b.host, b.host_address)
        self.next_sequence = 1000

    def arguments(self):
        """Of one flood: each has sequence numbers of its own."""
        self.next_sequence += RATE * SECONDS
        return 20, ENCR_AES_GCM_16, 256, 0, self.keymat, self.spi, self.next_sequence

    def run(self, label, counters, texts, tos=0):
        self.flood.run(label, counters, [outer(text, tos) for text in texts], self.arguments)

    def report(self):
        expect(len(self.right.status()["ike_sas"]) == 2, "the tunnels are gone")
        self.flood.report()


def test_floods_of_authentic_packets(lab):
    floods = Authentic(lab)
    run, chooser = floods.run, random.Random(SEED)
    inner = ip4("10.11.0.5", "10.12.0.5", 253, bytes(40))
    run("b35 wrong padding", ["in_padding"],
        [inner + bytes(trailer + [RAW_IP]) for trailer in ([0, 0, 2], [1, 1, 2], [1, 2, 255], [1, 2, 63],
                                                           [1, 2, 3, 4, 5, 7, 6])])
    run("b36 next header 59", ["in_dummy"], [text_of(blob, 59) for blob in lively(chooser, 20, 60)])
    run("b36 no inner packet", ["in_inner_malformed"],
        [text_of(inner, 41), text_of(inner, 6), text_of(b"", RAW_IP), text_of(b"\x45" + inner[1:19], RAW_IP),
         text_of(b"\x44" + inner[1:], RAW_IP), text_of(ip4("10.11.0.5", "10.12.0.5", 253, b"", length=61), RAW_IP),
         text_of(ip6("fd00::1", "fd00::2", 253, bytes(8))[:41], 41), text_of(b"\x75" + inner[1:], RAW_IP)])
    run("b37 outside the selectors", ["in_selector"],
        [text_of(ip4(source, destination, 253, bytes(40)), RAW_IP) for source, destination in
         (("10.11.1.5", "10.12.0.5"), ("10.11.0.5", "10.12.1.5"), ("10.1.0.2", "10.2.0.2"),
          ("10.12.0.5", "10.11.0.5"))])
    run("CE over not-ECT", ["in_ecn"], [text_of(inner, RAW_IP)], 3)
    floods.report()


def test_floods_of_authentic_fragments(lab):
    """To an SA for one port: fragments without their first, and first ones that hide the port or repeat."""
    floods = Authentic(lab, port=7000)

    def piece(number, place, payload, protocol=UDP):
        return text_of(ip4("10.11.0.5", "10.12.0.5", protocol, payload, number=number, flags=place), RAW_IP)
    first = udp(9, 7000, bytes(24))
    floods.run("b38 fragments", ["in_fragment"],
               [piece(number, 64 // 8 | MORE, bytes(32)) for number in range(1, 101)] +
               [piece(200, MORE, first), piece(200, MORE, first), piece(201, MORE, first[:8] + bytes(8), TCP)])
    floods.report()


def outbound(lab):
    """gwA's TUN takes packets up to 9000, so that all sizes reach esptun."""
    a, b = lab.gateways()
    for end in (a, b):
        end.ip("link", "set", "lan0", "mtu", 9500)
        end.host.ip("link", "set", "eth0", "mtu", 9500)
    b.host.ip("addr", "add", "10.4.0.2/25", "dev", "lo")
    b.ip("route", "add", "10.4.0.0/24", "via", b.host_address)
    psk = lab.file("away.psk", PSK + "\n")
    away = (f"[connection away]\nlocal = {a.wan}\nremote = 192.0.2.99\npsk_file = {psk}\nike = aes128-sha256-x25519\n"
            f"esp = {ESP_SUITE}\n\n[acl]")
    keys = {"esp": ESP_SUITE, "ike": "aes128-sha256-x25519", "settings": {"mtu": 9000}}
    right = Esptun(b, config(b, a, acl=[f"protect = {b.lan} -> {a.lan} via peer",
                                        "protect = 10.4.0.0/25 -> 10.1.0.0/24 via peer"], **keys))
    left = Esptun(a, config(a, b, acl=["discard = 10.1.0.0/24 -> 10.2.0.77/32",
                                       f"protect = {a.lan} -> {b.lan} via peer",
                                       "protect = 10.1.0.0/24 -> 10.3.0.0/24 via away",
                                       "protect = 10.1.0.0/24 -> 10.4.0.0/24 via peer"], **keys).replace("[acl]", away))
    # The flood and what is to survive it share the queue of the TUN, which holds 10 ms of it: a pause of the machine must not
    # look like a loss, and an esptun that is too slow still does.
    a.ip("link", "set", "esp0", "txqueuelen", RATE // 2)
    right.up()  # narrower than gwA's rule asks, so that a part of the rule has no SA
    left.wait_established()
    return left, right


def test_floods_from_inside(lab):
    left, right = outbound(lab)
    a, b = left.gateway, right.gateway
    wire = Capture(b, "wan0", "clear", "not arp and not udp port 500 and not udp port 4500 and not ip6")
    flood = Flood(left, a.host, a.host, b.host, b.host_address)

    def packets(destination, source="10.1.0.2", size=80, flags=0):
        return [ip4(source, destination, 253, bytes(size - 20), flags=flags)]
    flood.run("discard rule", ["out_discard_rule"], packets("10.2.0.77"))
    flood.run("no rule", ["out_no_rule"], packets("10.2.0.2", "10.9.0.2"))
    flood.run("no peer", ["out_queue_full", "out_queue_expired"], packets("10.3.0.2"))
    flood.run("rule without a fitting SA", ["out_selector"], packets("10.4.0.200"))
    flood.run("too big", ["out_too_big"], packets("10.2.0.2", size=2000, flags=DF))
    # A fragment that is not the last has a multiple of eight bytes.
    flood.run("b38 odd fragments", ["out_malformed"], packets("10.2.0.2", size=81, flags=MORE))
    tiny = [ip4("10.1.0.2", "10.2.0.2", TCP, tcp(9, 10, b"")[:8], number=number, flags=MORE) for number in range(1, 101)]
    flood.run("b38 tiny fragments", ["out_fragment"], tiny)
    clear = wire.stop()
    flood.report()
    expect_no_leak(os.path.getsize(clear) <= 24, f"packets in clear on the wire: {clear}")
