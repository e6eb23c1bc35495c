# SPDX-License-Identifier: Apache-2.0
"""A hostile network between two gateways: replays, garbage, loss."""
from esptun import pair
from lab import Capture, expect, ping_counts, transfer, wait_for

SEND_AGAIN = """
import socket, struct, sys
data = open(sys.argv[1], 'rb').read()
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[2], 0))
at, sent = 24, 0
while at + 16 <= len(data):
    length = struct.unpack('<I', data[at + 8:at + 12])[0]
    frame = data[at + 16:at + 16 + length]
    at += 16 + length
    frame = frame[:40] + b'\\0\\0' + frame[42:]  # no UDP checksum: the captured one was left to the device
    if sys.argv[3] == 'corrupt':
        frame = frame[:-1] + bytes([frame[-1] ^ 1])
    if sys.argv[3] == 'future':  # sequence number far ahead: behind Ethernet, IPv4, UDP and SPI
        frame = frame[:46] + b'\\xf0\\0\\0\\0' + frame[50:]
    s.send(frame)
    sent += 1
print(sent)
"""

GARBAGE = """
import os, random, socket, sys
random.seed(7)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
cookie = os.urandom(8)
for i in range(3000):
    port = random.choice((500, 4500))
    size = random.choice((0, 1, 2, 3, 4, 7, 8, 27, 28, 29, 60, 300, 1200))
    blob = os.urandom(size)
    kind = i % 6
    if kind == 1: blob = b'\\xff'
    if kind == 2: blob = b'\\0\\0\\0\\0' + blob
    if kind == 3: blob = cookie + b'\\0' * 8 + b'\\x01\\x10\\x02\\0' + b'\\0' * 4 + (28 + len(blob)).to_bytes(4, 'big') + blob
    if kind == 4: blob = os.urandom(16) + b'\\x08\\x10\\x05\\x01' + os.urandom(4) + (28 + len(blob)).to_bytes(4, 'big') + blob
    if kind == 5: blob = os.urandom(16) + b'\\x01\\x10\\x02\\0' + b'\\0' * 4 + b'\\xff\\xff\\xff\\xff'
    s.sendto(blob, (sys.argv[1], port))
"""


def again(right, path, how):
    """Sends captured frames once more from gwA's side, so that gwB receives them."""
    gateway = right.gateway.lab.namespaces[0]
    return int(gateway.run("/usr/bin/python3", "-c", SEND_AGAIN, path, "wan0", how).stdout)


def captured_one_way(left, right, count):
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    wire = Capture(a, "wan0", "one-way", f"src host {a.wan} and udp port 4500")
    expect(a.host.ping(b.host_address, count, interval=0.01) == (count, count), "pings were lost")
    return wire.stop()


def test_b32_replayed_packets_are_dropped_and_counted(lab):
    left, right = pair(lab)
    path = captured_one_way(left, right, 30)
    before = right.child()["in"]
    sent = again(right, path, "same")
    expect(sent >= 30, f"only {sent} frames captured")
    wait_for("the replays to be counted", lambda: right.dropped("in_replay") >= 30, 5)
    expect(right.child()["in"]["packets"] == before["packets"], "a replayed packet was accepted")
    expect(left.gateway.host.ping(right.gateway.host_address, 5) == (5, 5), "lost after the replay")


def test_b33_corrupt_packets_and_forged_numbers_do_not_move_the_window(lab):
    left, right = pair(lab)
    path = captured_one_way(left, right, 30)
    again(right, path, "corrupt")
    again(right, path, "future")
    wait_for("the forgeries to be counted", lambda: right.dropped("in_auth_failed") >= 30, 5)
    expect(left.gateway.host.ping(right.gateway.host_address, 20, interval=0.01) == (20, 20),
           "lost after forged sequence numbers: the window has moved")


def test_garbage_beside_traffic(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    ping = a.host.start_ping(b.host_address, 300, 0.01)
    a.run("/usr/bin/python3", "-c", GARBAGE, b.wan)
    ping.wait(30)
    expect(ping_counts(ping.log()) == (300, 300), f"garbage has cost packets: {ping.log()}")
    expect(right.dropped("ike_malformed") > 100 and right.dropped("in_no_sa") > 100, f"not counted: {right.drops()}")
    expect(len(right.log().splitlines()) < 600, f"{len(right.log().splitlines())} log lines: not rate limited")
    right.rekey()
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost after garbage and a rekey")


def test_comes_up_over_a_lossy_wire(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    for gateway in (a, b):
        gateway.nft("table inet lossy {\nchain pre {\ntype filter hook input priority 0\n"
                    "udp dport { 500, 4500 } numgen random mod 100 < 25 drop\n}\n}\n")
    wait_for("the tunnel over 25 % loss", lambda: a.host.ping(b.host_address, 1, wait=1)[1] == 1, 60)
    for gateway in (a, b):
        gateway.run("nft", "delete", "table", "inet", "lossy")
    expect(a.host.ping(b.host_address, 10) == (10, 10), "lost after the loss had ended")


def test_transfer_over_a_lossy_wire(lab):
    left, right = pair(lab)
    a, b = left.gateway, right.gateway
    left.up()
    b.nft("table inet lossy {\nchain pre {\ntype filter hook input priority 0\n"
          "udp dport 4500 numgen random mod 100 < 2 drop\n}\n}\n")
    transfer(a.host, b.host, b.host_address, 3_000_000)
