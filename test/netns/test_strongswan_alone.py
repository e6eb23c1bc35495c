# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself: strongSwan talks to strongSwan, so that a failure elsewhere is not the harness's."""
import strongswan
from lab import Capture, clear_packets, expect, transfer


def test_strongswan_to_strongswan(lab):
    a, b = lab.gateways()
    left = strongswan.Strongswan(a, b, esp="aes256gcm16-modp2048")
    right = strongswan.Strongswan(b, a, esp="aes256gcm16-modp2048")
    wire = Capture(b, "wan0")
    left.up()
    right.wait_established()
    expect(a.host.ping(b.host_address, 5) == (5, 5), "pings were lost")
    transfer(a.host, b.host, b.host_address, 2_000_000)
    left.down()
    right.wait_gone()
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked))


def test_a_leak_would_be_seen(lab):
    a, b = lab.gateways()
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 2) == (2, 2), "the plain network does not forward")
    expect(len(clear_packets(wire.stop())) == 4, "the capture does not show clear packets")


def test_nat_translates(lab):
    a, b = lab.gateways(nat=True)
    wire = Capture(b, "wan0")
    expect(a.ping(b.wan, 2) == (2, 2), "no way through the NAT")
    seen = clear_packets(wire.stop())
    expect(seen and all("192.168.7.2" not in line for line in seen), "the NAT shows the inside address:\n" +
           "\n".join(seen))
