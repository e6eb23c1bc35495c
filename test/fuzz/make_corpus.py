#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the seed inputs of fuzz_encap, fuzz_esp_open and fuzz_flow into corpus/."""
import pathlib
import struct

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
ENCAPS = {
    "keepalive": b"\xff",
    "one": b"\x01",
    "three": b"\0\0\0",
    "marker": b"\0\0\0\0",
    "ike": b"\0\0\0\0" + b"\x11" * 28,
    "esp": b"\0\0\x10\0\0\0\0\x01" + b"\x22" * 40,
    "seven": b"\0\0\x10\0\0\0\0",
}


def text(body, next_header, block=16):
    """Body, padding and trailer, as an honest peer would send them."""
    pad = -(len(body) + 2) % block
    return body + bytes(range(1, pad + 1)) + bytes([pad, next_header])


def esp_inputs():
    sequence = struct.pack("!I", 71)
    for suite in range(8):
        for esn in (0, 8):
            name = "suite%d%s" % (suite, "_esn" if esn else "")
            yield name + "_v4", bytes([suite | esn | 16]) + sequence + text(FLOWS["v4_udp"], 4)
    yield "v6", bytes([16 | 32]) + sequence + text(FLOWS["v6_chain"], 41)
    yield "tfc", bytes([16]) + sequence + text(FLOWS["v4_tfc"], 4)
    yield "dummy", bytes([16]) + sequence + text(b"\0" * 20, 59)
    yield "bad_padding", bytes([16]) + sequence + FLOWS["v4_udp"] + b"\x09\x09\x02\x04" * 1
    yield "long_padding", bytes([16]) + sequence + b"\0\0\xff\x04"
    yield "replayed", bytes([16]) + struct.pack("!I", 70) + text(FLOWS["v4_udp"], 4)
    yield "old", bytes([16]) + struct.pack("!I", 6) + text(FLOWS["v4_udp"], 4)
    yield "wire", bytes([0]) + b"\0\0\x10\0\0\0\0\x48" + b"\x33" * 64
    yield "wire_short", bytes([4]) + b"\0\0\x10\0\0\0\0\x48" + b"\x33" * 30


for key, value in FLOWS.items():
    write("fuzz_flow", key, value)
for key, value in ENCAPS.items():
    write("fuzz_encap", key, value)
for key, value in esp_inputs():
    write("fuzz_esp_open", key, value)
