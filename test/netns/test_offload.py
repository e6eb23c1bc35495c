# SPDX-License-Identifier: Apache-2.0
"""Super-packets (tun_offload, udp_gso, udp_gro) on and off, at either end: what crosses the tunnel is the same.

The other tests run with esptun's own choice, which is on. ESPTUN_OFFLOAD=no,yes test/netns/run ... runs any of them with
another: of gwA, of gwB.
"""
import errno
import json
import re

from esptun import Esptun, config
from lab import Capture, Transfer, clear_packets, expect, transfer, tshark, wait_for
from probing import Asker, expand, ranges, start_echo, tool
from roads import SUITE, pair_over, two_routers
from suites import SUITES, inner_mtu
from test_matrix import Cell

WIRE_MTU = 1500
PORT = 5400
BULK = 4_000_000
# By segment; 0: each by itself.
DATAGRAMS = {0: [0, 1, 1000, *range(1350, 1480, 7), 1472, 1473, 4000, 20000, 65000],
             1200: [1, 1199, 1200, 1201, 2400, 12000, 12001, 36000], 100: [99, 100, 101, 5000, 5001]}
PACED_RATE, PACED_S = 1000, 3
LOAD_RATE = 3_000_000
EXPLAINED = {"out_no_rule", "out_too_big"}  # the kernel speaks IPv6 on each new device; what DF forbids is answered
ENDS = {"on_on": ("yes", "yes"), "off_off": ("no", "no"), "on_off": ("yes", "no"), "off_on": ("no", "yes")}
ROADS = {"udp": (4, True), "raw": (4, False), "outer_ipv6_udp": (6, True), "outer_ipv6_raw": (6, False)}

# UDP echo: whatever comes goes back. The questions are SEGMENT:SIZE,SIZE...: datagrams of these sizes one by one, or, where
# SEGMENT is not 0, as super-packets of so many bytes that are cut into segments.
UDP_ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
s.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    data, peer = s.recvfrom(65535)
    s.sendto(data, peer)
"""
UDP_ASK = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
s.connect((address, port))
for question in sys.argv[3:]:
    segment, sizes = question.split(":")
    segment = int(segment)
    s.setsockopt(socket.IPPROTO_UDP, 103, segment)  # UDP_SEGMENT
    for size in map(int, sizes.split(",")):
        data = bytes(i * 31 % 253 for i in range(size))
        s.send(data)
        pieces = [data[at:at + segment] for at in range(0, size, segment)] if segment else [data]
        got = [s.recv(65535) for _ in pieces]
        if sorted(got) != sorted(pieces):
            print("wrong:", size, "bytes in segments of", segment, "come back as", [len(piece) for piece in got])
print("done")
"""

# What TCP does besides moving bytes. Each line of the client's answer is one expectation.
TCP_SERVER = """
import hashlib, socket, struct, sys, threading
server = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
def serve(c):
    what = c.recv(1, socket.MSG_WAITALL)
    if what == b"h":                       # half closed: reads to the end, then answers
        total = 0
        while data := c.recv(65536):
            total += len(data)
        c.sendall(total.to_bytes(8, "big") + bytes(300_000))
    if what == b"s":                       # of which only the hash goes back
        total = hashlib.sha256()
        while data := c.recv(65536):
            total.update(data)
        c.sendall(total.digest())
    if what == b"r":                       # resets
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if what == b"u":                       # urgent data among others
        c.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        total = b""
        while data := c.recv(65536):
            total += data
        c.sendall(total)
    if what == b"t":                       # tiny segments, each at once
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(2000):
            c.sendall(bytes([i % 251]) * (i % 7 + 1))
    c.close()
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
TCP_CLIENT = """
import hashlib, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
def connect(what):
    c = socket.create_connection((address, port), timeout=10)
    c.sendall(what)
    return c
def rest(c):
    total = b""
    while data := c.recv(65536):
        total += data
    return total
for size in (0, 1, 1300, 1386, 1448, 2897, 65535, 65536, 131071):  # around a segment, a super-packet, a buffer
    data = bytes(i * 31 % 253 for i in range(size))
    c = connect(b"s")
    c.sendall(data)
    c.shutdown(socket.SHUT_WR)
    if rest(c) != hashlib.sha256(data).digest():
        print("hash of", size, "bytes")
c = connect(b"h")
c.sendall(bytes(500_000))
c.shutdown(socket.SHUT_WR)
answer = rest(c)
print("half closed", int.from_bytes(answer[:8], "big"), len(answer))
try:
    print("reset", connect(b"r").recv(1))
except OSError as error:
    print("reset", type(error).__name__)
c = connect(b"u")
c.sendall(b"a" * 5000)
c.send(b"!", socket.MSG_OOB)
c.sendall(b"b" * 5000)
c.shutdown(socket.SHUT_WR)
answer = rest(c)
print("urgent", len(answer), answer.index(b"!"))
print("tiny", rest(connect(b"t")) == b"".join(bytes([i % 251]) * (i % 7 + 1) for i in range(2000)))
try:
    print("closed port", socket.create_connection((address, port + 1), timeout=10))
except OSError as error:
    print("closed port", type(error).__name__)
"""
TCP_EXPECTED = ["half closed 500000 300008", "reset ConnectionResetError", "urgent 10001 5000", "tiny True",
                "closed port ConnectionRefusedError"]


class Tunnel:
    def __init__(self, lab, ends, outer, udp, **keys):
        lab.offload = ends
        self.ends, self.outer, self.udp = ends, outer, udp
        self.a, self.b, self.r1, self.r2 = two_routers(lab)
        self.left, self.right = pair_over(self.a, self.b, outer, udp, **keys)
        # Neighbours are found before: else IKE repeats a message, and the answers to both are counted.
        wait_for("the way to the peer", lambda: self.a.ping(self.b.wans[outer], wait=1) == (1, 1))
        self.clear = Capture(self.r2, "end0", "clear", "not udp port 500 and not udp port 4500 and not ip proto 50 and not "
                             "ip6 proto 50 and not arp and not icmp6", single=False)
        self.left.up()
        wait_for("both children", lambda: len(self.left.children()) == len(self.right.children()) == 2)

    def ways(self):
        """(sending host, receiving host, its address): both families, both directions."""
        a, b = self.a, self.b
        return [(a.host, b.host, b.host_address), (a.host, b.host, b.host_address6), (b.host, a.host, a.host_address),
                (b.host, a.host, a.host_address6)]

    def end(self):
        for end in (self.left, self.right):
            expect(set(end.drops()) <= EXPLAINED, f"{end.gateway.label} has dropped something: {end.drops()}")
        leaked = clear_packets(self.clear.stop())
        expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked[:10]))
        self.left.terminate()
        self.right.terminate()


def bulk(tunnel):
    """All ways at once. Returns the longest frames that gwA and gwB sent meanwhile."""
    wires = [Capture(router, "end0", "frames", f"src host {one.wans[tunnel.outer]}", single=False)
             for router, one in ((tunnel.r1, tunnel.a), (tunnel.r2, tunnel.b))]
    moving = [Transfer(*way, BULK, port=PORT + number) for number, way in enumerate(tunnel.ways())]
    for one in moving:
        one.finish()
    return [max(map(int, tshark(wire.stop(), "-T", "fields", "-e", "frame.len").split())) for wire in wires]


def check_frames(tunnel, longest):
    """udp_gso is seen where the gateways' devices, which segment by themselves, hand over to the routers."""
    for word, frame, end in zip(tunnel.ends, longest, "AB"):
        limit = WIRE_MTU + 14
        expect((frame > limit) == (word == "yes" and tunnel.udp), f"gw{end} with udp_gso = {word}: its longest frame has "
               f"{frame} bytes")


def datagrams(tunnel):
    for host in (tunnel.a.host, tunnel.b.host):
        host.start("udp-echo", "/usr/bin/python3", "-c", UDP_ECHO, PORT).wait_log("ready")
    for sender, _, address in tunnel.ways():
        questions = [f"{segment}:{','.join(map(str, chosen))}" for segment, chosen in DATAGRAMS.items()]
        done = sender.run("/usr/bin/python3", "-c", UDP_ASK, address, PORT, *questions, check=False)
        expect(done.stdout.strip() == "done", f"UDP to {address}: {done.stdout}{done.stderr}")


def every_size(tunnel):
    """Of another protocol than TCP and UDP: each size that fits, and what does not, with DF and without."""
    start_echo(tunnel.b.host)
    asker = Asker(tunnel.a.host)
    limit = inner_mtu(SUITE, WIRE_MTU, tunnel.outer, tunnel.udp)
    for source, address, header in ((tunnel.a.host_address, tunnel.b.host_address, 20),
                                    (tunnel.a.host_address6, tunnel.b.host_address6, 40)):
        chosen = set(range(header + 1, limit + 1))
        said = asker.ask(source, address, True, chosen)
        expect(expand(said["echoed"]) == chosen and not said["resent"], f"{address}, DF on: not all of 1 to {limit} came "
               f"back at once, but {ranges(expand(said['echoed']))}, {said['resent']} on a later try")
        beyond = {limit + 1, limit + 2, 1500, 2000, 9000}
        said = asker.ask(source, address, True, beyond, 200)
        expect(expand(said["too_big"]) == beyond and {part[2] for part in said["too_big"]} == {limit},
               f"{address}, DF on, more than {limit}: {said}")
        said = asker.ask(source, address, False, beyond | {3000, 8999})
        expect(not said["lost"] and not said["corrupt"], f"{address}, DF off: {said}")
    asker.end()


def pings(tunnel):
    for sender, _, address in tunnel.ways():
        sender.ping(address, 3, size=8000, wait=0.2)  # what is too large at first only tells both hosts so
        for size in (0, 1, 1300, 1473, 8000):
            expect(sender.ping(address, size=size) == (1, 1), f"ping of {address} with {size} bytes was lost")


def connections(tunnel):
    for host in (tunnel.a.host, tunnel.b.host):
        host.start("tcp-server", "/usr/bin/python3", "-c", TCP_SERVER, PORT + 100).wait_log("ready")
    for sender, _, address in tunnel.ways():
        done = sender.run("/usr/bin/python3", "-c", TCP_CLIENT, address, PORT + 100, check=False)
        expect(done.stdout.splitlines() == TCP_EXPECTED, f"TCP to {address}: {done.stdout}{done.stderr}")


class Paced:
    """Numbered datagrams of which none may be lost or repeated, and TCP beside them."""

    def __init__(self, sender, receiver, address, port):
        self.counter = receiver.start(f"count-{port}", tool("netns_flood"), "count", port)
        self.counter.wait_log("ready")
        self.moving = Transfer(sender, receiver, address, LOAD_RATE * PACED_S, LOAD_RATE, port=port + 1)
        self.pace = sender.start(f"pace-{port}", tool("netns_flood"), "pace", address, port, PACED_RATE,
                                 PACED_RATE * PACED_S)

    def finish(self):
        self.moving.finish()
        expect(self.pace.wait(60) == 0, f"pace: {self.pace.log()}")
        self.counter.wait()
        said = re.search(r"received .*", self.counter.log())
        expect(said and "missing 0 " in said.group(0) and "repeated 0" in said.group(0), f"a paced flow: {self.counter.log()}")


def renewed_under_load(tunnel):
    for end in (tunnel.a, tunnel.b):  # a pause of the machine must not look like a loss
        end.ip("link", "set", "esp0", "txqueuelen", 10000)
    flows = [Paced(*way, PORT + 200 + 10 * number) for number, way in enumerate(tunnel.ways()[::3])]
    spis = set()
    for end in (tunnel.left, tunnel.right, tunnel.left):
        spis |= {child["spi_in"] for child in end.children()}
        end.rekey()
    for flow in flows:
        flow.finish()
    new = {child["spi_in"] for child in tunnel.left.wait_pairs(2)}
    expect(not new & spis, f"not renewed: {new} were there before")


def check_device(tunnel):
    """What the kernel may hand over: `on` must not mean off by mistake, nor the other way round."""
    for word, end in zip(tunnel.ends, (tunnel.a, tunnel.b)):
        features = json.loads(end.run("ethtool", "--json", "-k", "esp0").stdout)[0]
        for name in ("tx-tcp-segmentation", "tx-tcp6-segmentation"):
            expect(features[name]["active"] == (word == "yes"), f"{end.label}: tun_offload = {word}, but {name} is "
                   f"{features[name]}")
    for word, end in zip(tunnel.ends, (tunnel.left, tunnel.right)):
        check_offloads(end, [] if word == "yes" else ["tun", "udp_gso", "udp_gro"])


def add_road(ends, road):
    def test(lab):
        outer, udp = ROADS[road]
        tunnel = Tunnel(lab, ENDS[ends], outer, udp)
        check_device(tunnel)
        check_frames(tunnel, bulk(tunnel))
        pings(tunnel)
        datagrams(tunnel)
        connections(tunnel)
        every_size(tunnel)
        renewed_under_load(tunnel)
        tunnel.end()
    globals()[f"test_{ends}_{road}"] = test


# Each encapsulation and each outer family with each pair of ends; all four roads with one of them.
for ends_word in ENDS:
    for road_word in ROADS if ends_word == "on_on" else ("udp", "outer_ipv6_raw"):
        add_road(ends_word, road_word)


def congested(lab, ends):
    """Marks of a router reach TCP through segments put together: marked data arrive, and the sender hears of it."""
    tunnel = Tunnel(lab, ENDS[ends], 4, True)
    for host in (tunnel.a.host, tunnel.b.host):
        host.sysctl("net.ipv4.tcp_ecn", 1)
    tunnel.r1.nft("table ip congestion {\nchain forward {\ntype filter hook forward priority 0;\noifname mid0 udp dport 4500 "
                  "ip ecn { ect0, ect1 } numgen random mod 100 < 20 ip ecn set ce\n}\n}\n")
    heard = Capture(tunnel.b.host, "eth0", "heard", "tcp", single=False)
    Transfer(tunnel.a.host, tunnel.b.host, tunnel.b.host_address, BULK).finish()
    path = heard.stop()
    for what, wanted in (("CE", "ip.dsfield.ecn == 3"), ("ECE", "tcp.flags.ece == 1 and tcp.flags.syn == 0"),
                         ("CWR", "tcp.flags.cwr == 1 and tcp.flags.syn == 0")):
        expect(tshark(path, "-Y", wanted), f"no packet with {what} was seen")
    tunnel.end()


# One of each construction; all of them with the default are in test_matrix.
CHOSEN = ("aes256gcm16", "chacha20poly1305-esn", "aes256-sha256", "aes128ctr-sha256-esn", "aes256gmac", "null-sha256")


def matrix(lab, ends):
    lab.offload = ENDS[ends]
    suites = [suite for suite in SUITES if suite.word in CHOSEN]
    expect(len(suites) == len(CHOSEN), "a suite of CHOSEN is not in SUITES")
    Cell(lab, 4, True, {"mtu": 9000}, WIRE_MTU, suites).all_suites()


def add_ends(name, checked, ends):
    globals()[f"test_{name}_{ends}"] = lambda lab: checked(lab, ends)


for ends_word in ENDS:
    add_ends("congested", congested, ends_word)
    if ends_word != "on_on":
        add_ends("matrix", matrix, ends_word)


# --- kernels that fail at what they promise ---

OPTION_UDP_SEGMENT = 103
PIECES_OF_PROBE = 4  # that the test at the start writes to the TUN in one call


def refusing(lab, call, third, error):
    """esptun at gwA under a kernel that refuses `call`, another at gwB; both carry all the same."""
    a, b = lab.gateways()
    left = Esptun(a, config(a, b), prefix=(tool("netns_refuse"), call, third, error))
    right = Esptun(b, config(b, a))
    expect(a.host.ping(b.host_address) == (1, 1), "the first ping was lost")
    transfer(b.host, a.host, a.host_address, BULK)
    transfer(a.host, b.host, b.host_address, BULK)
    expect(set(left.drops()) <= EXPLAINED, f"dropped: {left.drops()}")
    return left, right


def check_offloads(end, off):
    """Those alone are off, and the table says so."""
    status, table = end.status(), end.verb("status").stdout
    expect(status["offloads"] == {name: name not in off for name in ("tun", "udp_gso", "udp_gro")},
           f"offloads: {status['offloads']}")
    said = re.search(r"^offloads off: (.*)$", table, re.M)
    expect((said.group(1).split(", ") if said else []) == off, f"esptun status says: {table}")


def warnings(end):
    return [line for line in end.process.log().splitlines() if "warning" in line and "super-packet" in line]


def test_refused_at_the_start(lab):
    left, right = refusing(lab, "writev", 3, errno.EINVAL)
    expect(len(warnings(left)) == 1 and "promises to take super-packets of TCP" in warnings(left)[0],
           f"the log says: {warnings(left)}")
    check_offloads(left, ["tun"])
    check_offloads(right, [])
    left.terminate()
    right.terminate()


def test_refused_under_load(lab):
    left, right = refusing(lab, "writev", PIECES_OF_PROBE + 1, errno.EINVAL)
    expect(len(warnings(left)) == 1 and "has refused a super-packet of TCP" in warnings(left)[0],
           f"the log says: {warnings(left)}")
    check_offloads(left, ["tun"])
    left.terminate()
    right.terminate()


def test_without_segmentation_of_udp(lab):
    left, right = refusing(lab, "setsockopt", OPTION_UDP_SEGMENT, errno.ENOPROTOOPT)
    expect(not warnings(left), f"the log says: {warnings(left)}")
    check_offloads(left, ["udp_gso", "udp_gro"])
    check_offloads(right, [])
    left.terminate()
    right.terminate()
