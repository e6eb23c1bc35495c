# SPDX-License-Identifier: Apache-2.0
"""Every ESP suite of esptun: the one list that the tests of the data plane share, with the sizes that a suite adds.

The sizes are those of the RFCs, written down here once more, so that esptun's own arithmetic has somebody to disagree
with: IV, block (payload, padding and trailer fill a multiple of it) and ICV.
"""
import functools
from collections import namedtuple

Suite = namedtuple("Suite", "word allow iv block icv esn tshark")

ESP_HEADER, TRAILER, UDP_HEADER = 8, 2, 8
IP_HEADER = {4: 20, 6: 40}

# HMAC: word, ICV, word of `allow` (RFC 2403, 2404, 4868; sha256_96 is the draft that old peers have)
HASHES = [("sha256", 16, None), ("sha384", 24, None), ("sha512", 32, None), ("sha1", 12, "sha1"), ("md5", 12, "md5"),
          ("sha256_96", 12, "sha256_96")]


def _aead():
    for bits in (128, 192, 256):
        for icv in (16, 12, 8):
            yield Suite(f"aes{bits}gcm{icv}", None, 8, 4, icv, False, True)  # RFC 4106
    for bits in (128, 192, 256):
        for icv in (16, 12, 8):
            yield Suite(f"aes{bits}ccm{icv}", None, 8, 4, icv, False, False)  # RFC 4309
    yield Suite("chacha20poly1305", None, 8, 4, 16, False, False)  # RFC 7634
    for bits in (128, 192, 256):
        yield Suite(f"aes{bits}gmac", None, 8, 4, 16, False, False)  # RFC 4543


def _with_hmac():
    for bits in (128, 192, 256):
        yield from ((f"aes{bits}", 16, 16, None, name) for name in ("sha256", "sha384", "sha512"))  # RFC 3602
        yield from ((f"aes{bits}ctr", 8, 4, None, name) for name in ("sha256", "sha512"))  # RFC 3686
    for name, _, _ in HASHES[3:]:
        yield "aes256", 16, 16, None, name
    yield "3des", 8, 8, "3des", "sha256"
    yield "3des", 8, 8, "3des", "sha1"
    for name in ("sha256", "sha512", "sha1", "sha256_96"):
        yield "null", 0, 4, "null", name


def _all():
    yield from _aead()
    icvs = {name: (icv, allow) for name, icv, allow in HASHES}
    for cipher, iv, block, allow, name in _with_hmac():
        icv, more = icvs[name]
        words = " ".join(word for word in (allow, more) if word) or None
        yield Suite(f"{cipher}-{name}", words, iv, block, icv, False, True)


_PLAIN = list(_all())
# One of each construction with extended sequence numbers: what is authenticated differs with each.
_ESN = ["aes256gcm16", "aes128ccm16", "chacha20poly1305", "aes128gmac", "aes256-sha256", "aes128ctr-sha256",
        "null-sha256"]
SUITES = _PLAIN + [suite._replace(word=f"{suite.word}-esn", esn=True) for suite in _PLAIN if suite.word in _ESN]


def outer_len(suite, inner, family, udp):
    """The length of the outer IP packet that carries an inner one."""
    text = -(-(inner + TRAILER) // suite.block) * suite.block
    return IP_HEADER[family] + (UDP_HEADER if udp else 0) + ESP_HEADER + suite.iv + text + suite.icv


@functools.lru_cache(None)
def inner_mtu(suite, path_mtu, family, udp):
    """The largest inner packet whose outer one has at most path_mtu bytes."""
    return next(inner for inner in range(path_mtu, 0, -1) if outer_len(suite, inner, family, udp) <= path_mtu)
