#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves bytes over one TCP connection and prints their number and SHA-256 on both sides.

transfer.py sink PORT [FILE]              accepts one connection, reads to its end (into FILE)
transfer.py send ADDRESS PORT SIZE|FILE   connects and sends SIZE bytes that do not compress, or FILE
"""
import hashlib
import itertools
import os
import socket
import sys

CHUNK = 1 << 16
TIMEOUT_S = 30


def stream(what):
    if os.path.exists(what):
        with open(what, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
        return
    left = int(what)
    block = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(CHUNK // 32))
    for number in itertools.count():
        if left == 0:
            return
        # Each chunk differs: a chunk lost, repeated or out of place changes the hash.
        chunk = (number.to_bytes(8, "big") + block)[:min(left, CHUNK)]
        left -= len(chunk)
        yield chunk


def report(total, digest):
    print(f"{total} bytes, sha256 {digest.hexdigest()}", flush=True)


def sink(port, path):
    server = socket.create_server(("0.0.0.0", port))
    server.settimeout(TIMEOUT_S)
    print("ready", flush=True)
    connection, _ = server.accept()
    connection.settimeout(TIMEOUT_S)
    total, digest = 0, hashlib.sha256()
    with open(path or os.devnull, "wb") as out:
        while chunk := connection.recv(CHUNK):
            total += len(chunk)
            digest.update(chunk)
            out.write(chunk)
    connection.sendall(b"!")
    report(total, digest)


def send(address, port, what):
    connection = socket.create_connection((address, port), timeout=TIMEOUT_S)
    total, digest = 0, hashlib.sha256()
    for chunk in stream(what):
        connection.sendall(chunk)
        total += len(chunk)
        digest.update(chunk)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)  # all of it has arrived
    report(total, digest)


def main(argv):
    if len(argv) in (3, 4) and argv[1] == "sink":
        sink(int(argv[2]), argv[3] if len(argv) == 4 else None)
    elif len(argv) == 5 and argv[1] == "send":
        send(argv[2], int(argv[3]), argv[4])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
