#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""scapy's ESP opens what esptun seals, and the other way round: every suite, with 32-bit and with 64-bit numbers.

Usage: scapy_esp.py ESP_TOOL. Exit 77: scapy or its cryptography is absent.

Where scapy (2.5) differs from the RFCs, and what is compared instead:
- HMACs: it does not authenticate the high half of extended numbers. Esn, below, is its algorithm with those 4 bytes
  behind the packet (RFC 4303 3.3.2.1).
- HMAC-SHA-256-96: it has none; Esn cuts its SHA-256 to 12 bytes.
- AES-GCM with ICVs of 8 and 12 bytes: it always writes 16 and reads 16. AES-GMAC: it has none. For these the packet is
  built here, from the primitives of python3-cryptography (Direct).
"""
import hashlib
import hmac
import os
import random
import struct
import subprocess
import sys

try:
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import CRYPT_ALGOS, ESP, IPSecIntegrityError, SecurityAssociation
    from scapy.packet import Raw, raw
except ImportError as reason:
    print("skipped: %s (python3-scapy)" % reason)
    sys.exit(77)
if "AES-GCM" not in CRYPT_ALGOS:
    print("skipped: scapy has no ciphers (python3-cryptography)")
    sys.exit(77)
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TDES, NULL, CBC, CTR, CHACHA, GMAC = 3, 11, 12, 13, 28, 21
CCM = {14: 8, 15: 12, 16: 16}
GCM = {18: 8, 19: 12, 20: 16}
# scapy's name, bytes of salt
NAMES = {TDES: ("3DES", 0), NULL: ("NULL", 0), CBC: ("AES-CBC", 0), CTR: ("AES-CTR", 4),
         CHACHA: ("CHACHA20-POLY1305", 4), 14: ("AES-CCM", 3), 15: ("AES-CCM", 3), 16: ("AES-CCM", 3), 18: ("AES-GCM", 4), 19: ("AES-GCM", 4),
         20: ("AES-GCM", 4), GMAC: ("AES-GMAC", 4)}
# hash, key, ICV; the last is the number that only esptun knows: SHA-256 cut to 96 bits
HMACS = {1: ("md5", 16, 12), 2: ("sha1", 20, 12), 12: ("sha256", 32, 16), 13: ("sha384", 48, 24),
         14: ("sha512", 64, 32), 0xff0c: ("sha256", 32, 12)}
SIZES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 31, 64, 100, 512, 1399, 1400, 1401]
FEWER = SIZES[::3]


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
    for integ in HMACS:
        for bits in (128, 192, 256):
            yield (CBC, bits, integ)
            yield (CTR, bits, integ)
        yield (TDES, 192, integ)
        yield (NULL, 0, integ)
    for bits in (128, 192, 256):
        for encr in [*CCM, *GCM, GMAC]:
            yield (encr, bits, 0)
    yield (CHACHA, 256, 0)


def keymat_len(suite):
    encr, bits, integ = suite
    return bits // 8 + NAMES[encr][1] + (HMACS[integ][1] if integ else 0)


class Esn:
    """An integrity algorithm as scapy's SecurityAssociation wants it, over what RFC 4303 says."""

    def __init__(self, integ, esn):
        self.hash, _, self.icv_size = HMACS[integ]
        self.tail = b"" if esn is None else struct.pack("!I", esn)

    def icv(self, data, key):
        return hmac.new(key, data + self.tail, getattr(hashlib, self.hash)).digest()[:self.icv_size]

    def sign(self, packet, key, **_):
        packet[ESP].data += self.icv(raw(packet[ESP]), key)
        return packet

    def verify(self, packet, key, **_):
        data = raw(packet)
        if data[-self.icv_size:] != self.icv(data[:-self.icv_size], key):
            raise IPSecIntegrityError("ICV")


class Scapy:
    def __init__(self, suite, keymat, spi, sequence, esn, family):
        encr, bits, integ = suite
        outer = IP(src="192.0.2.1", dst="192.0.2.2") if family == 4 else IPv6(src="2001:db8::1", dst="2001:db8::2")
        name, salt = NAMES[encr]
        cut = bits // 8 + salt
        self.family = family
        self.sa = SecurityAssociation(
            ESP, spi=spi, seq_num=sequence & 0xffffffff, crypt_algo=name, crypt_key=keymat[:cut] or None,
            crypt_icv_size=CCM.get(encr), tunnel_header=outer, esn_en=esn, esn=sequence >> 32)
        if integ:
            self.sa.auth_algo, self.sa.auth_key = Esn(integ, sequence >> 32 if esn else None), keymat[cut:]

    def open(self, esp):
        return raw(self.sa.decrypt(outer_of(esp, self.family)))

    def seal(self, inner):
        return raw(self.sa.encrypt(inner)[ESP])


class Direct:
    """AES-GCM with any ICV (RFC 4106) and AES-GMAC (RFC 4543) from the block up."""

    def __init__(self, suite, keymat, spi, sequence, esn, family):
        self.mac_only = suite[0] == GMAC
        self.icv = GCM.get(suite[0], 16)
        self.key, self.salt = keymat[:-4], keymat[-4:]
        self.header = struct.pack("!II", spi, sequence & 0xffffffff)
        self.aad = struct.pack("!IQ", spi, sequence) if esn else self.header
        self.next_header = 4 if family == 4 else 41

    def start(self, iv, tag=None):
        mode = modes.GCM(self.salt + iv, tag, min_tag_length=8)
        return Cipher(algorithms.AES(self.key), mode)

    def parts(self, iv, text):
        return (self.aad + iv + text, b"") if self.mac_only else (self.aad, text)

    def seal(self, inner):
        body, iv = raw(inner), os.urandom(8)
        pad = -(len(body) + 2) % 4
        text = body + bytes(range(1, pad + 1)) + bytes([pad, self.next_header])
        aad, secret = self.parts(iv, text)
        run = self.start(iv).encryptor()
        run.authenticate_additional_data(aad)
        sealed = run.update(secret) + run.finalize()
        return self.header + iv + (text if self.mac_only else sealed) + run.tag[:self.icv]

    def open(self, esp):
        iv, text, tag = esp[8:16], esp[16:-self.icv], esp[-self.icv:]
        aad, secret = self.parts(iv, text)
        run = self.start(iv, tag).decryptor()
        run.authenticate_additional_data(aad)
        opened = run.update(secret) + run.finalize()
        text = text if self.mac_only else opened
        assert text[-1] == self.next_header, "next header"
        pad = text[-2]
        assert text[-2 - pad:-2] == bytes(range(1, pad + 1)), "padding"
        return text[:-2 - pad]


def referee(suite):
    return Direct if suite[0] in (18, 19, GMAC) else Scapy


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
    other = referee(suite)(suite, keymat, spi, sequence, esn, family)

    sealed = tool.ask("seal", suite, keymat, spi, sequence, esn, family, want)
    esp = bytes.fromhex(sealed)
    assert struct.unpack("!II", esp[:8]) == (spi, sequence & 0xffffffff), "header"
    got = other.open(esp)
    assert got == want, "the referee opened %s, not %s" % (got.hex(), want.hex())

    theirs = other.seal(inner)
    opened = tool.ask("open", suite, keymat, spi, sequence, esn, family, theirs)
    assert opened == want.hex(), "we opened %s of %s" % (opened, theirs.hex())

    at = rng.randrange(len(theirs))
    forged = theirs[:at] + bytes([theirs[at] ^ 1]) + theirs[at + 1:]
    answer = tool.ask("open", suite, keymat, spi, sequence, esn, family, forged)
    assert answer in ("drop in_auth_failed", "drop in_replay"), "byte %d forged: %s" % (at, answer)


def check_high_half(tool, suite, rng):
    """The referee too must see another high half, or the comparison above would have shown nothing of it."""
    keymat, spi = bytes(range(keymat_len(suite))), rng.randrange(256, 1 << 32)
    inner = inner_packet(4, 64, rng)
    sealed = bytes.fromhex(tool.ask("seal", suite, keymat, spi, 5 << 32 | 9, True, 4, raw(inner)))
    wrong = referee(suite)(suite, keymat, spi, 6 << 32 | 9, True, 4)
    try:
        wrong.open(sealed)
    except (IPSecIntegrityError, InvalidTag):
        return
    raise AssertionError("the referee does not look at the high half")


def main():
    if len(sys.argv) != 2 or not os.access(sys.argv[1], os.X_OK):
        sys.exit("usage: scapy_esp.py ESP_TOOL (the executable that the build makes of test/vectors/esp_tool.c)")
    tool = Tool(sys.argv[1])
    rng = random.Random(4303)
    count = 0
    for suite in suites():
        check_high_half(tool, suite, rng)
        for esn in (False, True):
            for family in (4, 6):
                for size in SIZES if family == 4 else FEWER:
                    sequence = rng.randrange(2, 1 << (40 if esn else 32))
                    try:
                        check(tool, suite, sequence, esn, family, size, rng)
                    except Exception as reason:
                        sys.exit("suite %s, esn %s, inner IPv%d, %d bytes, number %d: %r"
                                 % (suite, esn, family, size, sequence, reason))
                    count += 1
    print("%d packets each way, %d suites" % (count, len(list(suites()))))


main()
