#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scapy's ESP opens what esptun seals, and the other way round.

Usage: scapy_esp.py ESP_TOOL. Exit 77: scapy or its cryptography is absent. scapy authenticates the high half of
extended sequence numbers only in AEADs, so that ESN with an HMAC is not compared here.
"""
import os
import random
import struct
import subprocess
import sys

try:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import CRYPT_ALGOS, ESP, SecurityAssociation
    from scapy.packet import Raw, raw
except ImportError as reason:
    print("skipped: %s (python3-scapy)" % reason)
    sys.exit(77)
if "AES-GCM" not in CRYPT_ALGOS:
    print("skipped: scapy has no ciphers (python3-cryptography)")
    sys.exit(77)

CBC, GCM16, CHACHA = 12, 20, 28
HMACS = {2: ("HMAC-SHA1-96", 20), 12: ("SHA2-256-128", 32), 13: ("SHA2-384-192", 48), 14: ("SHA2-512-256", 64)}
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 64, 100, 512, 1000, 1399, 1400, 1401]


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, verb, suite, keymat, spi, sequence, esn, family, packet):
        encr, bits, integ = suite
        line = [verb, encr, bits, integ, keymat.hex(), spi, sequence, int(esn), family, packet.hex()]
        self.process.stdin.write(" ".join(map(str, line)) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def suites():
    for bits in (128, 192, 256):
        for integ in HMACS:
            yield (CBC, bits, integ)
        yield (GCM16, bits, 0)
    yield (CHACHA, 256, 0)


def keymat_len(suite):
    encr, bits, integ = suite
    return bits // 8 + (HMACS[integ][1] if encr == CBC else 4)


def association(suite, keymat, spi, sequence, esn, family):
    encr, bits, integ = suite
    outer = IP(src="192.0.2.1", dst="192.0.2.2") if family == 4 else IPv6(src="2001:db8::1", dst="2001:db8::2")
    names = {CBC: "AES-CBC", GCM16: "AES-GCM", CHACHA: "CHACHA20-POLY1305"}
    auth = {}
    crypt_key = keymat
    if encr == CBC:
        crypt_key = keymat[:bits // 8]
        auth = {"auth_algo": HMACS[integ][0], "auth_key": keymat[bits // 8:]}
    return SecurityAssociation(ESP, spi=spi, seq_num=sequence & 0xffffffff, crypt_algo=names[encr],
                               crypt_key=crypt_key, tunnel_header=outer, esn_en=esn, esn=sequence >> 32, **auth)


def inner_packet(family, size, rng):
    header = IP(src="10.1.0.2", dst="10.2.0.3") if family == 4 else IPv6(src="fd00::1", dst="fd00::2")
    data = bytes(rng.randrange(256) for _ in range(size))
    return header.__class__(raw(header / UDP(sport=4711, dport=53) / Raw(data)))


def outer_of(esp, family):
    if family == 4:
        return IP(raw(IP(src="192.0.2.1", dst="192.0.2.2", proto=50) / Raw(esp)))
    return IPv6(raw(IPv6(src="2001:db8::1", dst="2001:db8::2", nh=50) / Raw(esp)))


def check(tool, suite, sequence, esn, family, size, rng):
    keymat = bytes(rng.randrange(256) for _ in range(keymat_len(suite)))
    spi = rng.randrange(256, 1 << 32)
    inner = inner_packet(family, size, rng)
    want = raw(inner)
    sa = association(suite, keymat, spi, sequence, esn, family)

    sealed = tool.ask("seal", suite, keymat, spi, sequence, esn, family, want)
    esp = bytes.fromhex(sealed)
    assert struct.unpack("!II", esp[:8]) == (spi, sequence & 0xffffffff), "header"
    got = raw(sa.decrypt(outer_of(esp, family)))
    assert got == want, "scapy opened %s, not %s" % (got.hex(), want.hex())

    theirs = raw(sa.encrypt(inner)[ESP])
    opened = tool.ask("open", suite, keymat, spi, sequence, esn, family, theirs)
    assert opened == want.hex(), "we opened %s of %s" % (opened, theirs.hex())

    at = rng.randrange(len(theirs))
    forged = theirs[:at] + bytes([theirs[at] ^ 1]) + theirs[at + 1:]
    answer = tool.ask("open", suite, keymat, spi, sequence, esn, family, forged)
    assert answer in ("drop in_auth_failed", "drop in_replay"), "byte %d forged: %s" % (at, answer)


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: scapy_esp.py ESP_TOOL (the executable that the build makes of test/vectors/esp_tool.c)")
    tool = Tool(sys.argv[1])
    rng = random.Random(4303)
    count = 0
    for suite in suites():
        for esn in (False, True):
            if esn and suite[0] == CBC:
                continue
            for family in (4, 6):
                for size in SIZES:
                    sequence = rng.randrange(2, 1 << (40 if esn else 32))
                    try:
                        check(tool, suite, sequence, esn, family, size, rng)
                    except Exception as reason:
                        sys.exit("suite %s, esn %s, inner IPv%d, %d bytes, number %d: %r"
                                 % (suite, esn, family, size, sequence, reason))
                    count += 1
    print("%d packets each way, %d suites" % (count, len(list(suites()))))


main()
