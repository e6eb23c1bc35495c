#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves bytes over one TCP connection and prints their number and SHA-256 on both sides.

transfer.py sink PORT [FILE]                     accepts one connection, reads to its end (into FILE)
transfer.py watch PORT                           the same, and says "at SECONDS BYTES" (monotonic clock) as bytes arrive
transfer.py send ADDRESS PORT SIZE|FILE [RATE]   connects and sends SIZE bytes that do not compress, or FILE, at most
                                                 RATE bytes a second
"""
import hashlib
import itertools
import os
import socket
import sys
import time

CHUNK = 1 << 16
PACED_CHUNK = 1 << 13
WATCH_EVERY_S = 0.01
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


def sink(port, path, watched=False):
    both = socket.has_dualstack_ipv6()
    server = socket.create_server(("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both)
    server.settimeout(TIMEOUT_S)
    print("ready", flush=True)
    connection, _ = server.accept()
    connection.settimeout(TIMEOUT_S)
    total, digest, said = 0, hashlib.sha256(), 0.0
    with open(path or os.devnull, "wb") as out:
        while chunk := connection.recv(CHUNK):
            total += len(chunk)
            digest.update(chunk)
            out.write(chunk)
            now = time.monotonic()
            if watched and now - said >= WATCH_EVERY_S:
                print(f"at {now:.3f} {total}", flush=True)
                said = now
    connection.sendall(b"!")
    report(total, digest)


def send(address, port, what, rate):
    connection = socket.create_connection((address, port), timeout=TIMEOUT_S)
    total, digest, began = 0, hashlib.sha256(), time.monotonic()
    for chunk in stream(what):
        digest.update(chunk)
        step = PACED_CHUNK if rate else CHUNK
        for at in range(0, len(chunk), step):
            connection.sendall(chunk[at:at + step])
            total += len(chunk[at:at + step])
            if rate:
                time.sleep(max(0.0, began + total / rate - time.monotonic()))
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)  # all of it has arrived
    report(total, digest)


def main(argv):
    if len(argv) in (3, 4) and argv[1] == "sink":
        sink(int(argv[2]), argv[3] if len(argv) == 4 else None)
    elif len(argv) == 3 and argv[1] == "watch":
        sink(int(argv[2]), None, True)
    elif len(argv) in (5, 6) and argv[1] == "send":
        send(argv[2], int(argv[3]), argv[4], float(argv[5]) if len(argv) == 6 else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
