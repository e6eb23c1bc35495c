# SPDX-License-Identifier: Apache-2.0
"""Renewals of both phases every twenty seconds, with strongSwan, under traffic both ways; nothing may be lost.

    ESPTUN_MINUTES=10 test/netns/run long_rekeys

runs it for ten minutes in each role; without ESPTUN_MINUTES it takes forty seconds.
"""
import os
import re

from lab import Capture, Transfer, expect, tshark
from numbered import Numbered
from test_strongswan import ends

MINUTES = float(os.environ.get("ESPTUN_MINUTES", "0"))
SECONDS = int(MINUTES * 60) or 38
RATE = 500  # numbered datagrams a second, each way
STREAM = 100_000  # bytes a second of TCP, each way
ONLY_IKE = "udp port 500 or (udp port 4500 and udp[8:4] = 0)"
PERIOD_S = 20
# charon renews after 18 to 20 s. An initiator of ours renews after 75 to 80 %, a responder after 85 to 90 %: so either end
# is the first at times.
THEIRS = {"rekey": f"{PERIOD_S}s", "life": "26s", "ike_rekey": f"{PERIOD_S}s"}
OURS = {True: "24s", False: "22s"}


def renewals(path):
    """Of phase 1 and of phase 2, from a capture: (seen, seen)."""
    rows = tshark(path, "-Y", "isakmp", "-T", "fields", "-e", "isakmp.exchangetype", "-e", "isakmp.ispi", "-e",
                  "isakmp.messageid").split("\n")
    rows = [row.split("\t") for row in rows if row]
    return (len({row[1] for row in rows if row[0] in ("2", "4")}) - 1,
            len({(row[1], row[2]) for row in rows if row[0] == "32"}) - 1)


def renew_for_long(lab, we_call):
    life = OURS[we_call]
    left, right = ends(lab, ours={"lifetime": life, "ike_lifetime": life}, **THEIRS)
    a, b = left.gateway, right.gateway
    wire = Capture(b, "wan0", "ike", ONLY_IKE)
    (left if we_call else right).up()
    left.wait_established()
    right.wait_established()
    flows = [Numbered(a.host, b.host, b.host_address, 5301, SECONDS, RATE), Numbered(b.host, a.host, a.host_address, 5302, SECONDS, RATE)]
    streams = [Transfer(a.host, b.host, b.host_address, STREAM * SECONDS, STREAM, port=5201),
               Transfer(b.host, a.host, a.host_address, STREAM * SECONDS, STREAM, port=5202)]
    said = [flow.finish(SECONDS + 60) for flow in flows]
    for stream in streams:
        stream.finish(SECONDS + 60)
    phase1, phase2 = renewals(wire.stop())
    least = max(1, int(SECONDS / PERIOD_S * 0.8))
    expect(phase1 >= least and phase2 >= least,
           f"only {phase1} renewals of phase 1 and {phase2} of phase 2 in {SECONDS} s")
    expect(left.children()[-1]["in"]["auth_failed"] == 0, "authentication failures")
    ours = len(re.findall("rekeying phase 1", left.log()))
    print(f"covered: {'initiator' if we_call else 'responder'}, {SECONDS} s, phase 1 renewed {phase1} times ({ours} of them "
          f"by us), phase 2 {phase2} times; {'; '.join(said)}")


def test_as_initiator(lab):
    renew_for_long(lab, True)


def test_as_responder(lab):
    renew_for_long(lab, False)
