# SPDX-License-Identifier: Apache-2.0
"""Bad inputs of the data plane that need real kernels around the gateways. The numbers are those of the unit tests."""
import os
import random
import struct

from esptun import Esptun, config, pair
from lab import Capture, expect, expect_no_leak, ping_counts, wait_for
from packets import MORE, TCP, UDP, captured, esp, ip4, records, send, tcp, udp
from probing import Asker, expand, start_echo, tool
from roads import ESP as ESP_WORD
from roads import IKE, SUITE
from suites import inner_mtu
from test_flood import ENCR_AES_GCM_16, known_key, outer, text_of, two_connections

PORT, OTHER_PORT = 7000, 7001


def with_ports(lab, protocol):
    """Only one port of the far side is protected."""
    a, b = lab.gateways()
    rule = "protect = {} {} -> {} port {} via peer"
    left = Esptun(a, config(a, b, ike=IKE, esp=ESP_WORD, acl=[rule.format(protocol, a.lan, b.lan, PORT)]))
    right = Esptun(b, config(b, a, ike=IKE, esp=ESP_WORD, acl=[
        f"protect = {protocol} {b.lan} port {PORT} -> {a.lan} via peer"]))
    left.up()
    return left, right


def pieces(a, b, protocol, number, *parts):
    """Fragments of one packet: (offset in bytes, payload, is there more)."""
    return [ip4(a.host_address, b.host_address, protocol, payload, number=number,
                flags=offset // 8 | (MORE if more else 0)) for offset, payload, more in parts]


def seen_at(end, packets_from, sender):
    """What arrives at a host while `sender` sends: the identification and fragment field of each packet."""
    catch = Capture(end.host, "eth0", "arrived", f"ip and src host {packets_from}")
    sender()
    return [(struct.unpack(">H", p[4:6])[0], struct.unpack(">H", p[6:8])[0] & 0x1fff) for p in captured(catch.stop())]


def test_b38_fragments_that_evade_ports(lab):
    left, right = with_ports(lab, "udp")
    a, b = left.gateway, right.gateway
    data = bytes(range(64))
    good, other = udp(9, PORT, data), udp(9, OTHER_PORT, data)
    wire = Capture(b, "wan0", "clear", "ip and not udp port 500 and not udp port 4500")
    packets = (
        pieces(a, b, UDP, 1, (0, good[:32], True), (32, good[32:], False)) +          # as they should be
        pieces(a, b, UDP, 2, (0, other[:32], True), (32, other[32:], False)) +        # another port
        pieces(a, b, UDP, 3, (32, good[32:], False)) +                                # its first one never comes
        pieces(a, b, UDP, 4, (0, good[:32], True), (24, good[24:], False)) +          # overlaps
        pieces(a, b, UDP, 5, (0, good[:32], True), (0, other[:32], True)) +           # a second first one
        pieces(a, b, UDP, 6, (0, good[:32], True), (8, bytes(24), True)) +            # within the first
        pieces(a, b, UDP, 7, (0, good[:32], True), (65528, bytes(32), False)))        # beyond the longest packet
    seen = seen_at(b, a.host_address, lambda: send(a.host, packets, 2))
    whole, firsts = {(1, 0), (1, 4)}, {(number, 0) for number in (4, 5, 6, 7)}
    expect(set(seen) == whole | firsts and len(seen) == len(whole | firsts),
           f"arrived (identification, offset / 8): {seen}")
    expect((left.dropped("out_fragment"), left.dropped("out_malformed")) == (3, 1),
           f"three overlap, one is too long: {left.drops()}")
    path = wire.stop()
    expect_no_leak(os.path.getsize(path) <= 24, f"fragments in clear on the wire: {path}")


def test_identifications_come_again(lab):
    """RFC 4963: a fast sender comes back to an identification of IPv4 within a second. None of it is an overlap."""
    left, right = with_ports(lab, "udp")
    a, b = left.gateway, right.gateway
    good = udp(9, PORT, bytes(64))
    packets = pieces(a, b, UDP, 7, (0, good[:32], True), (32, good[32:], False)) * 20
    seen = seen_at(b, a.host_address, lambda: send(a.host, packets, 2))
    expect(seen == [(7, 0), (7, 4)] * 20, f"20 times (7, 0), (7, 4) were sent; arrived (identification, offset / 8): {seen}")
    expect(not left.dropped("out_fragment") and not right.dropped("in_fragment"),
           f"dropped: at the sender {left.drops()}, at the receiver {right.drops()}")
    seen = seen_at(b, a.host_address, lambda: send(a.host, packets[1:], 2))
    expect(seen == [(7, 0), (7, 4)] * 19, f"one first fragment was lost, 19 whole packets sent; arrived: {seen}")


def test_b38_tiny_first_fragments_of_tcp(lab):
    left, right = with_ports(lab, "tcp")
    a, b = left.gateway, right.gateway
    segment = tcp(9, PORT, bytes(64))
    wire = Capture(b, "wan0", "clear", "ip and not udp port 500 and not udp port 4500")
    packets = (pieces(a, b, TCP, 1, (0, segment[:24], True), (24, segment[24:], False)) +
               pieces(a, b, TCP, 2, (0, segment[:8], True), (8, segment[8:], False)) +   # flags in the second
               pieces(a, b, TCP, 3, (8, segment[8:32], True)) +
               pieces(a, b, TCP, 4, (0, tcp(9, OTHER_PORT, bytes(64))[:24], True)))
    seen = seen_at(b, a.host_address, lambda: send(a.host, packets, 2))
    expect(seen == [(1, 0), (1, 3)], f"arrived (identification, offset / 8): {seen}")
    expect((left.dropped("out_fragment"), left.dropped("out_no_rule") > 0) == (3, True),
           f"the tiny one, what follows it and the one that begins within the header are out_fragment: {left.drops()}")
    path = wire.stop()
    expect_no_leak(os.path.getsize(path) <= 24, f"fragments in clear on the wire: {path}")


def test_b38_authentic_fragments_that_overlap(lab):
    """The peer itself sends them: sealed with its key, they must not reach the host behind us."""
    left, right, keys = two_connections(lab, PORT)
    a, b = left.gateway, right.gateway
    spi, keymat = known_key(right, keys)
    good, evil = udp(9, PORT, bytes(64)), udp(9, OTHER_PORT, bytes(64))

    def piece(number, offset, payload, more):
        inner = ip4("10.11.0.5", "10.12.0.5", UDP, payload, number=number, flags=offset // 8 | (MORE if more else 0))
        return outer(text_of(inner, 4))
    path = records(lab, "overlap.flood", [piece(1, 0, good[:32], True), piece(1, 32, good[32:], False),
                                          piece(2, 0, good[:32], True), piece(2, 0, evil[:32], True),
                                          piece(2, 24, good[24:], False), piece(3, 0, evil[:32], True),
                                          piece(3, 32, evil[32:], False), piece(4, 32, good[32:], False)])
    b.host.ip("addr", "add", "10.12.0.5/32", "dev", "lo")
    b.ip("route", "add", "10.12.0.0/24", "via", b.host_address)
    seen = seen_at(b, "10.11.0.5", lambda: a.run(tool("netns_flood"), "seal", path, 100, 8, 20, ENCR_AES_GCM_16, 256, 0,
                                                 keymat, spi, 1000))
    expect(seen == [(1, 0), (1, 4), (2, 0)], f"arrived (identification, offset / 8): {seen}")
    expect((right.dropped("in_fragment"), right.dropped("in_selector")) == (3, 2),
           f"two overlap and one shows no port, two have another port: {right.drops()}")


def test_b39_the_largest_packets(lab):
    a, b = lab.gateways()
    for end in (a, b):
        end.ip("link", "set", "lan0", "mtu", 65535)
        end.host.ip("link", "set", "eth0", "mtu", 65535)
    keys = {"ike": IKE, "esp": ESP_WORD, "settings": {"mtu": 65535}}
    right, left = Esptun(b, config(b, a, **keys)), Esptun(a, config(a, b, **keys))
    left.up()
    start_echo(b.host)
    asker = Asker(a.host)
    chosen = {65535, 65534, 65528, 65000, 32768, 9000}
    said = asker.ask(a.host_address, b.host_address, False, chosen)
    expect(expand(said["echoed"]) == chosen and not said["resent"], f"DF off: {said}")
    limit = inner_mtu(SUITE, 1500, 4, True)
    said = asker.ask(a.host_address, b.host_address, True, chosen, 100)
    expect(expand(said["too_big"]) == chosen and {part[2] for part in said["too_big"]} == {limit}, f"DF on: {said}")
    for end in (left, right):
        expect(set(end.drops()) <= {"out_no_rule", "out_too_big"}, f"{end.gateway.label} dropped: {end.drops()}")


def test_b41_used_up_while_renewal_fails(lab):
    """The peer is gone and its SA is used up: traffic stops, and is never sent in clear."""
    left, right = pair(lab, ike=IKE, esp=ESP_WORD, lifetime_packets=1000, dpd_delay="0")
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    # The kernel of the peer says that nobody listens there any more.
    clear = Capture(b, "wan0", "clear", f"not arp and not ip6 and not udp port 500 and not udp port 4500 and not "
                    f"(icmp and src host {b.wan})")
    sealed = Capture(b, "wan0", "sealed", f"src host {a.wan} and udp port 4500 and udp[8:4] != 0")
    right.process.popen.kill()
    right.process.wait()
    path = records(lab, "used-up.flood", [ip4(a.host_address, b.host_address, 253, bytes(60))])
    a.host.run(tool("netns_flood"), "send", path, 500, 2500)
    wait_for("what is beyond the last packet to be counted", lambda: sum(
        left.dropped(name) for name in ("out_expired", "out_queue_full", "out_queue_expired")) >= 1400, 10)
    path = clear.stop()
    expect_no_leak(os.path.getsize(path) <= 24, f"packets in clear on the wire: {path}")
    count = len(captured(sealed.stop()))
    expect(0 < count <= 1000, f"{count} packets were sealed by an SA for 1000")
    said = a.host.run("ping", "-n", "-c", 2, "-i", "0.2", "-W", 1, b.host_address, check=False)
    expect(ping_counts(said.stdout)[1] == 0, "an answer from nowhere")


def test_b42_unauthenticated_packets_do_not_move_the_peer(lab):
    left, right = pair(lab, ike=IKE, esp=ESP_WORD)
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    a.ip("addr", "add", "192.0.2.66/24", "dev", "wan0")
    wire = Capture(a, "wan0", "genuine", f"src host {a.wan} and udp port 4500")
    expect(a.host.ping(b.host_address, 20, interval=0.01) == (20, 20), "pings were lost")
    genuine = [packet[28:] for packet in captured(wire.stop())]
    spi, chooser = int(right.child()["spi_in"], 16), random.Random(42)
    forged = [esp(spi, number, bytes(chooser.getrandbits(8) for _ in range(104))) for number in range(1000, 1050)]
    before = right.status()["ike_sas"][0]["remote"]
    for source, port in ((a.wan, 5555), ("192.0.2.66", 4500), ("192.0.2.66", 5555)):
        send(a, [ip4(source, b.wan, UDP, udp(port, 4500, payload)) for payload in genuine + forged])
        after = right.status()["ike_sas"][0]["remote"]
        expect(after == before, f"packets from {source}:{port} have moved the peer from {before} to {after}")
    expect(right.dropped("in_auth_failed") >= 150 and right.dropped("in_replay") >= 60, f"not counted: {right.drops()}")
    strays = Capture(b, "wan0", "strays", "udp and src host 192.0.2.2 and (dst port 5555 or dst host 192.0.2.66)")
    expect(b.host.ping(a.host_address, 20, interval=0.01) == (20, 20), "lost: the peer has moved")
    path = strays.stop()
    expect(os.path.getsize(path) <= 24, f"packets went to where nobody authentic is: {path}")


def test_b45_a_full_disk(lab):
    """Nobody can write a log line any more (ENOSPC for each): the tunnel comes up, is renewed and carries on."""
    full = ("/bin/sh", "-c", 'exec "$0" "$@" 2>/dev/full >/dev/full')
    a, b = lab.gateways()
    left = Esptun(a, config(a, b, ike=IKE, esp=ESP_WORD), prefix=full)
    right = Esptun(b, config(b, a, ike=IKE, esp=ESP_WORD), prefix=full)
    left.up()
    expect(a.host.ping(b.host_address, 3) == (3, 3), "no tunnel")
    left.rekey()
    right.rekey()
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost after the renewals")
    expect(left.process.alive() and right.process.alive(), "a gateway has ended")
