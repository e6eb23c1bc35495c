# SPDX-License-Identifier: Apache-2.0
"""Each profile against strongSwan set up as such a peer would be: only what the vendor documents, nothing of ours."""
from esptun import Esptun, config
from lab import Capture, clear_packets, expect, transfer
from strongswan import Strongswan

# profile: what the peer offers and accepts in phase 1 and phase 2, more of strongSwan, more of ours
PEERS = {
    "aws": [("aes256-sha256-modp2048", "aes256-sha256-modp2048"), ("aes128-sha256-modp2048", "aes256gcm16-modp2048")],
    "azure-policy": [("aes256-sha1-modp1024", "aes256-sha1"), ("3des-sha1-modp1024", "3des-sha1"),
                     ("aes256-sha256-modp1024", "aes256-sha256")],
    "gcp-v1": [("aes128-sha1-modp1024", "aes128-sha1-modp1024")],
    "cisco": [("aes256-sha1-modp1536", "aes256-sha1"), ("aes128-sha1-modp1024", "aes128-sha1"),
              ("aes256-sha256-modp2048", "aes256-sha256")],
    "fortigate": [("aes128-sha256-modp2048", "aes128-sha256-modp2048"), ("aes128-sha1-modp1536", "aes128-sha1-modp2048")],
    "mikrotik": [("aes128-sha1-modp1024", "aes256-sha1-modp1024"), ("3des-sha1-modp1024", "aes128-sha1-modp1024")],
    "juniper": [("aes256-sha256-modp2048", "aes256gcm16-modp2048"), ("aes128-sha256-modp2048", "aes128-sha256-modp2048")],
    "fritzbox": [("aes256-sha512-modp1024", "aes256-sha512"), ("aes256-sha1-modp1024", "aes256-sha1")],
}
AGGRESSIVE = ("fritzbox",)


def add(profile, number, ike, esp):
    def test(lab):
        a, b = lab.gateways()
        names = {"local_id": "a.example.org", "remote_id": "b.example.org"} if profile in AGGRESSIVE else {}
        theirs = {"local_id": "b.example.org", "remote_id": "a.example.org"} if names else {}
        right = Strongswan(b, a, ike=ike, esp=esp, aggressive="yes" if profile in AGGRESSIVE else "no", **theirs)
        # trap in place of AWS's start: so that both ends can be the first to call
        left = Esptun(a, config(a, b, ike=None, esp=None, mode=None, profile=profile, **names))
        wire = Capture(b, "wan0")
        right.expect_woken_by(a)
        right.wait_established()
        transfer(a.host, b.host, b.host_address, 500_000)
        left.down()
        right.wait_gone()
        right.up()  # now it calls
        left.wait_established()
        transfer(b.host, a.host, a.host_address, 500_000)
        expect(left.child()["proposal"] == esp, f"phase 2 has {left.child()['proposal']}")
        expect(left.status()["ike_sas"][0]["proposal"] == ike, f"phase 1 has {left.status()['ike_sas'][0]['proposal']}")
        left.terminate()
        expect(not clear_packets(wire.stop()), "clear packets on the wire")
    globals()[f"test_{profile.replace('-', '_')}_{number}"] = test


for peer, suites in PEERS.items():
    for index, (phase1, phase2) in enumerate(suites, 1):
        add(peer, index, phase1, phase2)
