#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed inputs of the targets that read packets into corpus/."""
import base64
import pathlib
import struct
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def write(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def ipv4(payload, protocol=17, fragment=0, options=b""):
    words = 5 + len(options) // 4
    return struct.pack("!BBHHHBBH4s4s", 0x40 | words, 0, words * 4 + len(payload), 1, fragment, 64, protocol, 0,
                       bytes([10, 1, 0, 2]), bytes([10, 2, 0, 3])) + options + payload


def ipv6(payload, next_header=17):
    return struct.pack("!IHBB16s16s", 0x60000000, len(payload), next_header, 64, b"\x20" * 16, b"\x21" * 16) + payload


UDP = struct.pack("!HHHH", 1000, 53, 12, 0) + b"test"
FLOWS = {
    "v4_udp": ipv4(UDP),
    "v4_options": ipv4(UDP, options=b"\x01" * 8),
    "v4_fragment": ipv4(UDP, fragment=0x2001),
    "v4_tfc": ipv4(UDP) + b"\0" * 32,
    "v6_udp": ipv6(UDP),
    "v6_chain": ipv6(b"\x2b\0\x01\x04\0\0\0\0" + b"\x2c\0\0\0\0\0\0\0" + b"\x11\0\0\x01\0\0\0\x07" + UDP, 0),
    "v6_ah": ipv6(b"\x11\x04" + b"\0" * 22 + UDP, 51),
    "v6_nine_headers": ipv6(b"\x3c\0\x01\x04\0\0\0\0" * 9 + UDP, 60),
}
ICMP = struct.pack("!BBHI", 3, 4, 0, 1400)
ICMP6 = struct.pack("!BBHI", 2, 0, 0, 1280)
FLOWS.update({
    "v4_first_fragment": ipv4(UDP + b"\0" * 4, fragment=0x2000),
    "v4_last_fragment": ipv4(UDP, fragment=0x1ff0),
    "v6_first_fragment": ipv6(b"\x11\0\0\x01\0\0\0\x07" + UDP + b"\0" * 4, 44),
    "v6_last_fragment": ipv6(b"\x3c\0\xff\xe0\0\0\0\x07" + UDP, 44),
    "v4_error": ipv4(ICMP + FLOWS["v4_udp"], 1),
    "v4_error_short": ipv4(ICMP + FLOWS["v4_udp"][:22], 1),
    "v4_error_options": ipv4(ICMP + FLOWS["v4_options"], 1),
    "v4_error_fragment": ipv4(ICMP + FLOWS["v4_udp"], 1, fragment=0x2000),
    "v6_error": ipv6(ICMP6 + FLOWS["v6_udp"], 58),
    "v6_error_chain": ipv6(ICMP6 + FLOWS["v6_chain"], 58),
    "v6_error_cut": ipv6(ICMP6 + FLOWS["v6_chain"][:50], 58),
    "v6_error_nine_headers": ipv6(ICMP6 + FLOWS["v6_nine_headers"], 58),
})
ENCAPS = {
    "keepalive": b"\xff",
    "one": b"\x01",
    "three": b"\0\0\0",
    "marker": b"\0\0\0\0",
    "ike": b"\0\0\0\0" + b"\x11" * 28,
    "esp": b"\0\0\x10\0\0\0\0\x01" + b"\x22" * 40,
    "seven": b"\0\0\x10\0\0\0\0",
}


def fragment(packet, offset, length, more, protocol=1, time=0, shown=255, port=443):
    """One step of fuzz_fragments. packet: which of eight; protocol: an index; time: in units of 256 ms."""
    return struct.pack("!BBHHBBH", packet | protocol << 3 | more << 7, time, offset, length, shown, 0, port)


def fragment_inputs():
    whole = [(0, 64, 1), (64, 64, 1), (128, 13, 0)]
    for family in (0, 1):
        name = "v6_" if family else "v4_"
        steps = [fragment(family, *piece) for piece in whole]
        yield name + "in_order", b"".join(steps)
        yield name + "backwards", b"".join(reversed(steps))
        yield name + "repeated", b"".join(steps * 2)
        yield name + "overlap", steps[0] + fragment(family, 56, 16, 1) + fragment(family, 0, 8, 1, port=22) + steps[1]
        yield name + "tiny_tcp", fragment(family, 0, 64, 1, 0, shown=8) + fragment(family, 8, 64, 0, 0)
        yield name + "hidden", fragment(family, 0, 64, 1) + fragment(family, 64, 64, 0, protocol=3)
        yield name + "expired", steps[0] + fragment(family, 64, 64, 1, time=59) + steps[0] + steps[2]
        yield name + "two_ends", steps[2] + fragment(family, 64, 8, 0) + fragment(family, 144, 8, 1) + steps[0]
    yield "largest", b"".join(fragment(0, at, min(8192, 65535 - at), at + 8192 < 65535) for at in range(0, 65535, 8192))
    yield "eight_packets", b"".join(fragment(n, *piece, port=n) for piece in whole for n in range(8))


def text(body, next_header, block=16):
    """Body, padding and trailer, as an honest peer would send them."""
    pad = -(len(body) + 2) % block
    return body + bytes(range(1, pad + 1)) + bytes([pad, next_header])


def esp_inputs():
    sequence = struct.pack("!I", 71)
    for suite in range(32):
        number = suite & 7 | suite >> 3 << 6
        for esn in (0, 8):
            name = "suite%d%s" % (suite, "_esn" if esn else "")
            yield name + "_v4", bytes([number | esn | 16]) + sequence + text(FLOWS["v4_udp"], 4)
        if suite % 5 == 0:
            yield "suite%d_lost" % suite, bytes([number | 8 | 16]) + b"\x80\0\0\x09" + text(FLOWS["v4_udp"], 4)
            yield "suite%d_wire" % suite, bytes([number | 8]) + b"\0\0\x10\0\x80\0\0\x48" + b"\x33" * 64
    yield "v6", bytes([16 | 32]) + sequence + text(FLOWS["v6_chain"], 41)
    yield "tfc", bytes([16]) + sequence + text(FLOWS["v4_tfc"], 4)
    yield "dummy", bytes([16]) + sequence + text(b"\0" * 20, 59)
    yield "bad_padding", bytes([16]) + sequence + FLOWS["v4_udp"] + b"\x09\x09\x02\x04" * 1
    yield "long_padding", bytes([16]) + sequence + b"\0\0\xff\x04"
    yield "replayed", bytes([16]) + struct.pack("!I", 70) + text(FLOWS["v4_udp"], 4)
    yield "old", bytes([16]) + struct.pack("!I", 6) + text(FLOWS["v4_udp"], 4)
    yield "wire", bytes([0]) + b"\0\0\x10\0\0\0\0\x48" + b"\x33" * 64
    yield "wire_short", bytes([4]) + b"\0\0\x10\0\0\0\0\x48" + b"\x33" * 30


def tcp(options, flags=2):
    return struct.pack("!HHIIBBHHH", 4711, 443, 1, 0, (20 + len(options)) // 4 << 4, flags, 65535, 0, 0) + options


LINUX_SYN = b"\x02\x04\x05\xb4\x04\x02\x08\x0a\1\2\3\4\0\0\0\0\x01\x03\x03\x07"
SYNS = {
    "v4": ipv4(tcp(LINUX_SYN), 6),
    "v4_syn_ack": ipv4(tcp(LINUX_SYN, 0x12), 6),
    "v4_ack": ipv4(tcp(LINUX_SYN, 0x10), 6),
    "v4_odd": ipv4(tcp(b"\1\2\4\5\xb4\1\1\1"), 6),
    "v4_broken": ipv4(tcp(b"\2\4\5\xb4\x08\0\1\1"), 6),
    "v4_first_fragment": ipv4(tcp(LINUX_SYN), 6, fragment=0x2000),
    "v6": ipv6(tcp(LINUX_SYN), 6),
    "v6_chain": ipv6(b"\x06\0\x01\x04\0\0\0\0" + tcp(LINUX_SYN), 60),
    "v6_ah": ipv6(b"\x06\x04" + b"\0" * 22 + tcp(LINUX_SYN), 51),
}
CUTS = {
    "plain": (68, ipv4(b"x" * 200)),
    "big": (1400, ipv4(b"")[:2] + struct.pack("!H", 65535) + ipv4(b"")[4:]),
    "options": (100, ipv4(b"x" * 200, options=b"\x94\4\0\0\x44\x08\5\0\1\2\3\4\x83\3\4\0")),
    "broken_option": (100, ipv4(b"x" * 200, options=b"\x94\4\0\0\x88\x09\1\1")),
    "middle": (68, ipv4(b"x" * 200, fragment=0x2010)),
    "last": (68, ipv4(b"x" * 199, fragment=0x0010)),
    "beyond": (68, ipv4(b"x" * 200, fragment=0x1fff)),
    "df": (68, ipv4(b"x" * 200, fragment=0x4000)),
    "fits": (1500, ipv4(b"x" * 200)),
    "small_mtu": (27, ipv4(b"x" * 200)),
    "v6": (68, ipv6(UDP)),
}
ESP = b"\xc0\xff\xee\x01\0\0\0\7"
UDP_ESP = struct.pack("!HHHH", 4500, 4500, 100, 0) + ESP


def claims():
    """First byte: 0 and 2 ICMP (2: the checksum is made right), 1 ICMPv6, 4 an inner packet behind an MTU."""
    four, six = b"\2\3\4\0\0\0\0\5\x78", b"\1\2\0\0\0\0\0\5\x78"
    yield "v4_esp", four + ipv4(ESP, 50)
    yield "v4_udp", four + ipv4(UDP_ESP)
    yield "v4_options", four + ipv4(ESP, 50, options=b"\1" * 8)
    yield "v4_fragment", four + ipv4(ESP, 50, fragment=0x0007)
    yield "v4_bad_checksum", b"\0" + four[1:] + ipv4(ESP, 50)
    yield "v4_unreachable", b"\2\3\1\0\0\0\0\0\0" + ipv4(ESP, 50)
    yield "v4_keepalive", four + ipv4(struct.pack("!HHHH", 4500, 4500, 9, 0) + b"\xff")
    yield "v4_ike", four + ipv4(struct.pack("!HHHH", 4500, 4500, 99, 0) + b"\0" * 8)
    yield "v4_short", four + ipv4(UDP_ESP)[:28]
    yield "v6_esp", six + ipv6(ESP, 50)
    yield "v6_udp", six + ipv6(UDP_ESP)
    yield "v6_fragment", six + ipv6(b"\x32\0\0\1\0\0\0\7" + ESP, 44)
    yield "say_v4", b"\4\5\x78" + ipv4(b"x" * 600, fragment=0x4000)
    yield "say_v4_echo", b"\4\5\x78" + ipv4(b"\x08\0" + b"x" * 60, 1, fragment=0x4000)
    yield "say_v4_error", b"\4\5\x78" + ipv4(b"\x03\4" + b"x" * 60, 1, fragment=0x4000)
    yield "say_v6", b"\4\5\x78" + ipv6(b"x" * 1400)
    yield "say_v6_echo", b"\4\5\x78" + ipv6(b"\x80\0" + b"x" * 60, 58)


def vnet(gso, size, start, offset, limit=0, flags=1):
    """What stands before the packet in fuzz_split: the header in this machine's byte order, then the limit."""
    return struct.pack("=BBHHHH", flags, gso, 0, size, start, offset) + struct.pack("!H", limit)


def long4(packet, total):
    return packet[:2] + struct.pack("!H", total) + packet[4:]


def long6(packet, total):
    return packet[:4] + struct.pack("!H", total - 40) + packet[6:]


TIMES = b"\1\1\x08\x0a\1\2\3\4\0\0\0\0"
DATA = tcp(TIMES, 0xb9)  # CWR, URG, ACK, PSH and FIN
SUPERS = {
    "v4_tcp": vnet(1, 1448, 20, 16) + long4(ipv4(DATA, 6, 0x4000), 65535),
    "v4_tcp_ecn_limit": vnet(0x81, 1448, 20, 16, 1200) + long4(ipv4(DATA, 6, 0x4000), 9000),
    "v4_tcp_options": vnet(1, 500, 28, 16) + long4(ipv4(DATA, 6, options=b"\x01" * 8), 4000),
    "v4_tcp_fragment": vnet(1, 500, 20, 16) + long4(ipv4(DATA, 6, 0x2000), 4000),
    "v4_tcp_small_limit": vnet(1, 500, 20, 16, 52) + long4(ipv4(DATA, 6), 4000),
    "v4_tcp_broken": vnet(1, 500, 20, 16) + long4(ipv4(tcp(b"", 0x12), 6), 4000),
    "v4_udp": vnet(5, 1200, 20, 6) + long4(ipv4(UDP), 12000),
    "v6_tcp": vnet(4, 1428, 40, 16) + long6(ipv6(DATA, 6), 65575),
    "v6_tcp_chain": vnet(4, 1428, 48, 16) + long6(ipv6(b"\x06\0\x01\x04\0\0\0\0" + DATA, 60), 9000),
    "v6_udp": vnet(5, 1200, 40, 6) + long6(ipv6(UDP), 5000),
    "whole": vnet(0, 0, 20, 6) + ipv4(UDP),
    "whole_outside": vnet(0, 0, 30, 6) + ipv4(UDP),
    "whole_right": vnet(0, 0, 0, 0, flags=0) + ipv4(UDP),
}


def step(stream, flags=16, skip=0, odd=0, payload=1000, place=0):
    """One segment of fuzz_coalesce."""
    return struct.pack("!BBBBHB", stream, flags, skip & 255, odd, payload, place)


def batches():
    for stream in range(8):
        yield f"stream_{stream}", b"\1" + step(stream) * 5 + step(stream, 24, payload=10) + step(stream) * 2
    yield "timestamps", b"\0" + step(16) * 3 + step(0) * 2
    yield "turns", b"\1" + (step(0) + step(1) + step(2) + step(4)) * 8
    yield "odd", b"\0" + step(0) * 2 + step(0, odd=0x81, place=60) + step(0) * 2 + step(0, odd=0x84, place=8)
    yield "first_odd", b"\0" + step(0, odd=0xc0, place=11) + step(0) * 2 + step(1, odd=0xc0, place=7) + step(1) * 2
    yield "gap", b"\0" + step(1) + step(1, skip=1) + step(1) + step(1, skip=-3) + step(1, payload=0) + step(1)
    yield "flags", b"\0" + step(0) + step(0, 17) + step(0) + step(0, 0x90) + step(0, 2)
    raw = ipv4(UDP, fragment=0x2001)
    yield "fragment", b"\1" + step(0) * 2 + struct.pack("!H", 0x8000 | len(raw)) + raw + step(0) * 2


def echo(six, reply=True, more=b""):
    """fuzz_echo: the answer that its mark wants."""
    body = struct.pack("!HH", 77, 5) + bytes(range(16)) + b"\0\0\0\3" + b"12345678" + more
    kind = (129 if reply else 128) if six else (0 if reply else 8)
    message = struct.pack("!BBH", kind, 0, 0) + body
    source, to = (SIX_A, SIX_B) if six else (b"\n\2\0\t", b"\n\1\0\1")
    pseudo = source + to + struct.pack("!II", len(message), 58) if six else b""
    words = pseudo + message
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    message = message[:2] + struct.pack("!H", total ^ 0xffff) + message[4:]
    if six:
        return struct.pack("!IHBB", 6 << 28, len(message), 58, 64) + source + to + message
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(message), 0, 0x4000, 64, 1, 0) + source + to + message


SIX_A, SIX_B = bytes.fromhex("fd000002" + "0" * 23 + "9"), bytes.fromhex("fd000001" + "0" * 23 + "1")
for key, value in {"v4": echo(False), "v6": echo(True), "v4_request": echo(False, False), "v6_longer": echo(True, more=b"xx"),
                   "v4_cut": echo(False)[:-1]}.items():
    write("fuzz_echo", key, value)
for key, value in SYNS.items():
    write("fuzz_mss", key, struct.pack("!H", 1300) + value)
for key, (mtu, value) in CUTS.items():
    write("fuzz_fragment", key, struct.pack("!H", mtu) + value)
for key, value in claims():
    write("fuzz_icmp_claim", key, value)


def offer(transform, *attributes):
    """Phase 2 (RFC 2407 4.5), one transform with attributes of the short form."""
    body = b"".join(struct.pack("!HH", 0x8000 | kind, value) for kind, value in attributes)
    body = struct.pack("!BBHBBH", 0, 0, 8 + len(body), 1, transform, 0) + body
    body = struct.pack("!BBHBBBB", 0, 0, 12 + len(body), 1, 3, 4, 1) + b"\x12\x34\x56\x78" + body
    return b"\x01" + struct.pack("!II", 1, 1) + body


def offers():
    tunnel, esn = (4, 1), (11, 1)
    for transform in (12, 13):  # with each hash
        for auth in (1, 2, 5, 6, 7):
            yield "esp%d_auth%d" % (transform, auth), offer(transform, (6, 256), (5, auth), tunnel)
    for transform in (14, 15, 16, 18, 19, 20, 23):
        yield "esp%d" % transform, offer(transform, (6, 128), tunnel)
        yield "esp%d_esn" % transform, offer(transform, (6, 192), tunnel, esn)
        yield "esp%d_no_key_length" % transform, offer(transform, tunnel)
    yield "esp28_esn", offer(28, tunnel, esn)
    yield "esp3_group", offer(3, (5, 2), tunnel, (3, 14), (1, 1), (2, 3600))
    yield "esp11_esn", offer(11, (5, 5), tunnel, esn)
    yield "esp12_esn2", offer(12, (5, 5), tunnel, (11, 2))


def ike_fragments():
    """Payload 132 behind an IKE header; and rows of (number, total, length, bytes)."""
    for name, number, flags, data in (("first", 1, 0, b"abcd"), ("last", 2, 1, b"\0" * 40), ("empty", 1, 0, b"")):
        body = struct.pack("!HBB", 1, number, flags) + data
        yield name, (struct.pack("!QQBBBBII", 1, 2, 132, 0x10, 32, 0, 7, 32 + len(body)) +
                     struct.pack("!BBH", 0, 0, 4 + len(body)) + body)
    rows = [(3, 3, b"ccc"), (1, 0, b"a"), (2, 0, b"bb")]
    yield "reversed", b"".join(bytes([n, t, len(d)]) + d for n, t, d in rows)
    yield "twice", b"".join(bytes([n, t, len(d)]) + d for n, t, d in rows + rows)
    yield "other_bytes", b"".join(bytes([n, t, len(d)]) + d for n, t, d in rows + [(1, 0, b"x"), (2, 3, b"bb")])
    yield "other_total", b"".join(bytes([n, t, len(d)]) + d for n, t, d in rows[1:] + [(1, 1, b"a"), (3, 0, b"c")])
    yield "many", b"".join(bytes([n, 64, 255]) + b"\x11" * 255 for n in range(1, 65))


def demux_inputs():
    """Kind of socket, size of the segments, bytes."""
    for key, value in ENCAPS.items():
        yield key, struct.pack("!BH", 1, 0) + value
    esp, ike = b"\0\0\x10\1" + b"\x22" * 8, b"\0\0\0\0" + b"\x11" * 8
    for kind, name in enumerate(["ike", "natt", "raw"]):
        yield "empty_" + name, struct.pack("!BH", kind, 0)
        yield "joined_" + name, struct.pack("!BH", kind, 12) + esp + ike + esp + b"\xff"
    yield "short_tail", struct.pack("!BH", 1, 12) + esp + esp[:3]
    yield "long_segment", struct.pack("!BH", 1, 1400) + esp
    yield "one_by_one", struct.pack("!BH", 1, 1) + b"\xff\xff\0"


NETNS_PKI = HERE.parent.parent / "build" / "test" / "netns_pki"


def certificates():
    """Chains of the tool that the end-to-end tests use; their keys are thrown away. Each time others."""
    yield "dn", b"\x02" + bytes.fromhex("301a310b3009060355040613024348310b300906035504030c026777")
    yield "dn_set_of_two", b"\x02" + bytes.fromhex("30163114300806035504030c01613008060355040b0c0162")
    if not NETNS_PKI.exists():
        return
    authority, end = "critical,CA:TRUE|critical,keyCertSign|-|-1|9000", "-|digitalSignature|serverAuth|-1|9000"
    with tempfile.TemporaryDirectory() as folder:
        lines = [f"root|ec256|-|C=CH, CN=Root|-|{authority}", f"middle|ec256|root|CN=Middle|-|{authority}",
                 f"end|ec256|middle|CN=gw|DNS:gw.example.org,IP:192.0.2.1,email:a@example.org|{end}",
                 f"rsa|rsa2048|-|CN=rsa|DNS:gw.example.org|{end}", f"p521|ec521|-|O=x, CN=p521|-|{end}"]
        subprocess.run([NETNS_PKI, folder], input="\n".join(lines) + "\n", text=True, check=True)
        der = {name: base64.b64decode("".join((pathlib.Path(folder) / f"{name}.pem").read_text().split("\n")[1:-2]))
               for name in ("root", "middle", "end", "rsa", "p521")}
    for name, value in der.items():
        yield "one_" + name, b"\x01" + value
    for chain in (("end", "middle", "root"), ("rsa", "rsa"), ("p521",), ("end", "root")):
        data = b"".join(struct.pack("!BBHB", 6 if i + 1 < len(chain) else 0, 0, 5 + len(der[name]), 4) + der[name]
                        for i, name in enumerate(chain))
        yield "chain_" + "_".join(chain), b"\x00" + data
    yield "chain_crl", b"\x00" + struct.pack("!BBHB", 0, 0, 8, 7) + b"CRL"


def attrs(kind, *items):
    """An attribute payload: numbers are of the short form."""
    body = b"".join(struct.pack("!HH", 0x8000 | name, value) if isinstance(value, int) else
                    struct.pack("!HH", name, len(value)) + value for name, value in items)
    return struct.pack("!BBH", kind, 0, 7) + body


SPLIT = bytes([10, 1, 0, 0, 255, 255, 0, 0]) + b"\0" * 6
ATTRS = {
    "login_question": attrs(1, (16520, 0), (16521, b""), (16522, b"")),
    "login_answer": attrs(2, (16521, b"alice"), (16522, b"open sesame")),
    "status": attrs(3, (16527, 1), (16524, b"welcome")),
    "status_long": attrs(3, (16527, b"\0\0\0\1")),
    "otp": attrs(1, (16520, 2), (16523, b""), (16525, b"12345")),
    "ask": attrs(1, *((name, b"") for name in (1, 2, 3, 4, 5, 7, 8, 10, 28672, 28673, 28674, 28675, 28676, 28679))),
    "give": attrs(2, (1, b"\x0a\x09\0\x07"), (2, b"\xff" * 4), (3, b"\x0a\2\0\x35" * 2), (28672, b"hi"),
                  (28674, b"example.org\0"), (28676, SPLIT * 3)),
    "give_v6": attrs(3, (8, b"\x20\1" + b"\0" * 13 + b"\x09\x40"), (10, b"\x20\1" + b"\0" * 14)),
    "bad_mask": attrs(2, (28676, SPLIT[:5] + b"\0\xff" + SPLIT[7:])),
    "loopback": attrs(2, (1, b"\x7f\0\0\1")),
    "full": attrs(1, *((n, 0) for n in range(64))),
    "too_many": attrs(1, *((n, 0) for n in range(65))),
    "cut": attrs(2, (16521, b"alice"))[:-2],
}
for key, value in ATTRS.items():
    write("fuzz_v1_attr", key, value)
for key, value in certificates():
    write("fuzz_certificates", key, value)
for key, value in ike_fragments():
    write("fuzz_ike_fragment", key, value)
for key, value in FLOWS.items():
    write("fuzz_flow", key, value)
for key, value in ENCAPS.items():
    write("fuzz_encap", key, value)
for key, value in esp_inputs():
    write("fuzz_esp_open", key, value)
for key, value in fragment_inputs():
    write("fuzz_fragments", key, value)
for key, value in offers():
    write("fuzz_v1_offer", key, value)
for key, value in SUPERS.items():
    write("fuzz_split", key, value)
for key, value in batches():
    write("fuzz_coalesce", key, value)
for key, value in demux_inputs():
    write("fuzz_demux", key, value)
