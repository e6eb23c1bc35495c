# SPDX-License-Identifier: Apache-2.0
"""IP packets by hand, right and wrong, and sending them as they are."""
import os
import socket
import struct

UDP, TCP, ICMP, ICMP6, ESP, RAW_IP = 17, 6, 1, 58, 50, 4
DF, MORE = 0x4000, 0x2000

# Sends each packet of a file of records (see flood.c), with its headers as they are; gaps in milliseconds.
SEND = """
import socket, sys, time
data, at = open(sys.argv[1], 'rb').read(), 0
while at < len(data):
    size = int.from_bytes(data[at:at + 2], 'big')
    packet = data[at + 2:at + 2 + size]
    at += 2 + size
    six = packet[0] >> 4 == 6
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    to = socket.inet_ntop(socket.AF_INET6, packet[24:40]) if six else socket.inet_ntop(socket.AF_INET, packet[16:20])
    s.sendto(packet, (to, 0))
    time.sleep(float(sys.argv[2]) / 1000)
"""


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip4(source, destination, protocol, payload, tos=0, flags=0, number=0, ttl=64, length=None):
    """flags: DF, or more fragments and an offset."""
    length = 20 + len(payload) if length is None else length
    header = struct.pack(">BBHHHBBH4s4s", 0x45, tos, length, number, flags, ttl, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ip6(source, destination, protocol, payload, traffic_class=0):
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination)
    return struct.pack(">IHBB", 6 << 28 | traffic_class << 20, len(payload), protocol, 64) + ends + payload


def ip(source, destination, protocol, payload, tos=0):
    return (ip6 if ":" in source else ip4)(source, destination, protocol, payload, tos)


def udp(source_port, destination_port, payload):
    """Without a checksum."""
    return struct.pack(">HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def tcp(source_port, destination_port, payload):
    """A segment with a header of 20 bytes, without a checksum."""
    return struct.pack(">HHIIHHHH", source_port, destination_port, 1, 1, 5 << 12 | 0x18, 1000, 0, 0) + payload


def icmp4(kind, code, rest, payload):
    text = struct.pack(">BBHI", kind, code, 0, rest) + payload
    return text[:2] + struct.pack(">H", checksum(text)) + text[4:]


def icmp6(source, destination, kind, code, rest, payload):
    text = struct.pack(">BBHI", kind, code, 0, rest) + payload
    pseudo = (socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, destination) +
              struct.pack(">II", len(text), ICMP6))
    return text[:2] + struct.pack(">H", checksum(pseudo + text)) + text[4:]


def esp(spi, sequence, body):
    return struct.pack(">II", spi, sequence) + body


def captured(path):
    """The IP packets of a capture on Ethernet. Checksums of UDP were left to the device: taken out."""
    with open(path, "rb") as file:
        data = file.read()
    packets, at = [], 24
    while at + 16 <= len(data):
        length, = struct.unpack("<I", data[at + 8:at + 12])
        packet = data[at + 30:at + 16 + length]
        at += 16 + length
        if packet[0] >> 4 == 4 and packet[9] == UDP:
            packet = packet[:26] + b"\0\0" + packet[28:]
        packets.append(packet)
    return packets


def records(lab, name, packets):
    """A file of packets, as flood.c and SEND read it."""
    path = os.path.join(lab.folder, name)
    with open(path, "wb") as file:
        for packet in packets:
            file.write(struct.pack(">H", len(packet)) + packet)
    return path


def send(namespace, packets, gap_ms=0):
    """Each packet once, from a namespace."""
    path = records(namespace.lab, f"{namespace.label}-packets", packets)
    namespace.run("/usr/bin/python3", "-c", SEND, path, gap_ms)
