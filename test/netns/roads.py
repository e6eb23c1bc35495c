# SPDX-License-Identifier: Apache-2.0
"""Two gateways with two routers between them, whose link can be made narrow, and both families on every link.

  hostA ── gwA 198.18.1.1 ── .254 r1 198.18.0.1 ──── 198.18.0.2 r2 .254 ── 198.18.2.1 gwB ── hostB
  10.1.0.2     2001:db8:1::1      2001:db8::1          2001:db8::2        2001:db8:2::1      10.2.0.2
  fd00:1::2    wan0                    mid0          mid0                    wan0            fd00:2::2
"""
from esptun import Esptun, config
from suites import SUITES

IKE, ESP = "aes128-sha256-x25519", "aes256gcm16"
SUITE, = (suite for suite in SUITES if suite.word == ESP)
LAN_MTU = 9500  # whole packets of all sizes reach the gateways


def two_routers(lab):
    """Returns (gwA, gwB, r1, r2). A gateway's .wan is IPv4, .wans has both."""
    a, b, r1, r2 = (lab.namespace(label) for label in ("gwA", "gwB", "r1", "r2"))
    lab.link(r1, "mid0", "198.18.0.1/24 2001:db8::1/64", r2, "mid0", "198.18.0.2/24 2001:db8::2/64")
    for side, end, router in ((1, a, r1), (2, b, r2)):
        other = 3 - side
        lab.link(end, "wan0", f"198.18.{side}.1/24 2001:db8:{side}::1/64", router, "end0",
                 f"198.18.{side}.254/24 2001:db8:{side}::fe/64")
        end.host = lab.namespace("host" + end.label[-1])
        lab.link(end, "lan0", f"10.{side}.0.1/24 fd00:{side}::1/64", end.host, "eth0",
                 f"10.{side}.0.2/24 fd00:{side}::2/64")
        for one, device in ((end, "lan0"), (end.host, "eth0")):
            one.ip("link", "set", device, "mtu", LAN_MTU)
        for one, via4, via6 in ((end, f"198.18.{side}.254", f"2001:db8:{side}::fe"),
                                (end.host, f"10.{side}.0.1", f"fd00:{side}::1"),
                                (router, f"198.18.0.{other}", f"2001:db8::{other}")):
            one.ip("route", "add", "default", "via", via4)
            one.ip("route", "add", "default", "via", via6)
        end.wan, end.wans = f"198.18.{side}.1", {4: f"198.18.{side}.1", 6: f"2001:db8:{side}::1"}
        end.lan, end.lan6 = f"10.{side}.0.0/24", f"fd00:{side}::/64"
        end.host_address, end.host_address6 = f"10.{side}.0.2", f"fd00:{side}::2"
    return a, b, r1, r2


def narrow(r1, r2, mtu):
    for router in (r1, r2):
        router.ip("link", "set", "mid0", "mtu", mtu)


def pair_over(a, b, family=4, udp=True, left=None, right=None, **both):
    """esptun at both ends, both inner families protected, the outer addresses of one family."""
    keys = {"ike": IKE, "esp": ESP, "encap": "yes" if udp else "no", **both}

    def text(one, other, more):
        acl = [f"protect = {one.lan} -> {other.lan} via peer", f"protect = {one.lan6} -> {other.lan6} via peer"]
        return config(one, other, **{"acl": acl, "local": one.wans[family], "remote": other.wans[family], **keys,
                                     **(more or {})})
    ends = Esptun(b, text(b, a, right)), Esptun(a, text(a, b, left))
    return ends[1], ends[0]
