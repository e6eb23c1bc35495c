# SPDX-License-Identifier: Apache-2.0
"""A name server for one namespace, and what a test makes it say.

As a program it answers on UDP 53 of an address, by a file of JSON that it reads again for each question: {name: [addresses]};
an unknown name is NXDOMAIN, and null is no answer at all."""
import ipaddress
import json
import os
import socket
import struct
import sys

A, AAAA, NXDOMAIN = 1, 28, 3


def question(message):
    """(name, type, what the question is as bytes)."""
    at, labels = 12, []
    while message[at]:
        labels.append(message[at + 1:at + 1 + message[at]].decode("ascii"))
        at += 1 + message[at]
    return ".".join(labels).lower(), struct.unpack_from("!H", message, at + 1)[0], message[12:at + 5]


def answer(message, zone):
    """The reply, or None."""
    name, kind, asked = question(message)
    found = zone.get(name, [])
    if found is None:
        return None
    wanted = [a for a in map(ipaddress.ip_address, found) if (a.version == 4) == (kind == A) and kind in (A, AAAA)]
    rcode = 0 if name in zone else NXDOMAIN
    head = struct.pack("!HHHHHH", struct.unpack_from("!H", message)[0], 0x8180 | rcode, 1, len(wanted), 0, 0)
    records = b"".join(struct.pack("!HHHIH", 0xc00c, kind, 1, 1, len(a.packed)) + a.packed for a in wanted)
    return head + asked + records


def serve(address, path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        print("ready", flush=True)
        while True:
            message, peer = server.recvfrom(2048)
            with open(path, encoding="utf-8") as file:
                reply = answer(message, json.load(file))
            print(*question(message)[:2], "silence" if reply is None else reply[3] & 15, flush=True)
            if reply is not None:
                server.sendto(reply, peer)


class Names:
    """The name server that a namespace asks, in it or, with an address, in another one (`at`). started: False: there is
    a resolv.conf that names it, and nobody there."""

    def __init__(self, namespace, zone=None, started=True, at=None, address="127.0.0.1"):
        self.server, self.address = at or namespace, address
        self.path = os.path.join(namespace.lab.folder, f"{namespace.label}-zone.json")
        self.say(zone or {})
        namespace.etc("resolv.conf", f"nameserver {address}\noptions timeout:1 attempts:1\n")
        namespace.etc("nsswitch.conf", "hosts: files dns\n")
        self.process = None
        if started:
            self.start()

    def say(self, zone):
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(zone, file)
        os.rename(self.path + ".new", self.path)

    def start(self):
        self.process = self.server.start("names", "/usr/bin/python3", os.path.abspath(__file__), self.address,
                                         self.path)
        self.process.wait_log("ready")

    def stop(self):
        self.process.end()

    def asked(self):
        """How many questions have come."""
        return len(self.process.log().splitlines()) - 1


if __name__ == "__main__":
    serve(*sys.argv[1:])
