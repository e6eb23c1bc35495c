# SPDX-License-Identifier: Apache-2.0
"""Opens ESP with the primitives of python3-cryptography: for the suites that tshark does not know (AES-CCM, AES-GMAC,
ChaCha20-Poly1305, and whatever has extended sequence numbers)."""
import hashlib
import hmac
import re
import struct

from lab import Failure, Skip

ESP_HEADER = 8


def _library():
    try:
        from cryptography.hazmat.primitives import ciphers
        from cryptography.hazmat.primitives.ciphers import aead
    except ImportError as reason:
        raise Skip(f"needs python3-cryptography: {reason}") from reason
    return ciphers, aead


def _aead(suite, key, salt_len, iv, sealed, aad):
    from cryptography.exceptions import InvalidTag
    _, aead = _library()
    key, nonce = key[:-salt_len], key[-salt_len:] + iv
    try:
        if "gmac" in suite.word:  # RFC 4543: all is associated data, in clear
            aead.AESGCM(key).decrypt(nonce, sealed[-suite.icv:], aad + iv + sealed[:-suite.icv])
            return sealed[:-suite.icv]
        if "ccm" in suite.word:
            return aead.AESCCM(key, suite.icv).decrypt(nonce, sealed, aad)
        return (aead.ChaCha20Poly1305 if "chacha" in suite.word else aead.AESGCM)(key).decrypt(nonce, sealed, aad)
    except InvalidTag as reason:
        raise Failure(f"{suite.word}: the ICV is wrong in another implementation's eyes") from reason


def _with_hmac(suite, cipher_key, auth_key, packet, high):
    ciphers, _ = _library()
    covered, icv = packet[:-suite.icv], packet[-suite.icv:]
    name = re.search(r"-(md5|sha\d+)", suite.word).group(1)
    tail = struct.pack(">I", high) if suite.esn else b""
    if hmac.new(auth_key, covered + tail, getattr(hashlib, name)).digest()[:suite.icv] != icv:
        raise Failure(f"{suite.word}: the ICV is wrong in another implementation's eyes")
    iv, text = covered[ESP_HEADER:ESP_HEADER + suite.iv], covered[ESP_HEADER + suite.iv:]
    if suite.word.startswith("null"):
        return text
    if "ctr" in suite.word:  # RFC 3686: nonce, IV, a counter from 1
        cipher = ciphers.Cipher(ciphers.algorithms.AES(cipher_key[:-4]),
                                ciphers.modes.CTR(cipher_key[-4:] + iv + b"\0\0\0\1"))
    else:
        cipher = ciphers.Cipher(ciphers.algorithms.AES(cipher_key), ciphers.modes.CBC(iv))
    opened = cipher.decryptor()
    return opened.update(text) + opened.finalize()


def open_esp(suite, cipher_key, auth_key, packet, high=0):
    """The inner packet. packet: from SPI to ICV; high: the upper half of an extended number."""
    spi, number = struct.unpack(">II", packet[:ESP_HEADER])
    if auth_key:
        text = _with_hmac(suite, cipher_key, auth_key, packet, high)
    else:
        aad = struct.pack(">III", spi, high, number) if suite.esn else packet[:ESP_HEADER]
        text = _aead(suite, cipher_key, 3 if "ccm" in suite.word else 4, packet[ESP_HEADER:ESP_HEADER + suite.iv],
                     packet[ESP_HEADER + suite.iv:], aad)
    pad, next_header = text[-2], text[-1]
    if text[-2 - pad:-2] != bytes(range(1, pad + 1)) or next_header != (4 if text[0] >> 4 == 4 else 41):
        raise Failure(f"{suite.word}: padding or next header is wrong: {text[-2 - pad:].hex()}")
    return text[:-2 - pad]
