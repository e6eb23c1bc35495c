#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""UDP in super-packets (UDP_SEGMENT), and what of it arrives.

datagrams.py sink PORT COUNT                        receives COUNT datagrams; prints their sizes in order, and SHA-256
datagrams.py send ADDRESS PORT SIZE TOTAL ROUNDS    sends TOTAL bytes at once, in datagrams of SIZE, ROUNDS times
"""
import hashlib
import itertools
import socket
import sys
import time

UDP_SEGMENT = 103
SO_RCVBUFFORCE = 33
RECEIVE_BUFFER = 8 << 20  # all of a test: a slow machine loses nothing
TIMEOUT_S = 10
PAUSE_S = 0.002  # a socket's buffer is finite, and nothing here repeats what is lost


def report(sizes, digest):
    runs = [f"{len(list(group))}x{size}" for size, group in itertools.groupby(sizes)]
    print(f"{len(sizes)} datagrams, sha256 {digest.hexdigest()}, {' '.join(runs)}", flush=True)


def sink(port, count):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    server.bind(("", port))
    server.settimeout(TIMEOUT_S)
    print("ready", flush=True)
    sizes, digest = [], hashlib.sha256()
    while len(sizes) < count:
        data = server.recv(65536)
        sizes.append(len(data))
        digest.update(data)
    report(sizes, digest)


def send(address, port, size, total, rounds):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_UDP, UDP_SEGMENT, size)
    client.connect((address, port))
    sizes, digest = [], hashlib.sha256()
    for number in range(rounds):
        data = b"".join((number * 65536 + i).to_bytes(4, "big") for i in range(total // 4))
        client.send(data)
        digest.update(data)
        sizes += [len(data[at:at + size]) for at in range(0, len(data), size)]
        time.sleep(PAUSE_S)
    report(sizes, digest)


def main(argv):
    if len(argv) == 4 and argv[1] == "sink":
        sink(int(argv[2]), int(argv[3]))
    elif len(argv) == 7 and argv[1] == "send":
        send(argv[2], *map(int, argv[3:]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv)
