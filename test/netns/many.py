# SPDX-License-Identifier: Apache-2.0
"""One pair of gateways with a connection for each suite, all in one pair of processes.

Connection i runs between the outer addresses 198.18.1.i and 198.18.2.i (2001:db8:1:i::1 and 2001:db8:2:i::1: sites of
their own, because half-open SAs are limited per /64), and protects 10.1.i.0/24 <-> 10.2.i.0/24 and
fd00:1:0:i::/64 <-> fd00:2:0:i::/64: two rules, two children. The hosts have one address in each range.
"""
import re

from esptun import Esptun, control_path, gateway_keys
from lab import PSK, esptun_path, expect, wait_for

IKE = "aes128-sha256-x25519"
LAN_MTU = 9500  # whole packets of all sizes reach the gateways


def outer(family, side, number):
    return f"198.18.{side}.{number}" if family == 4 else f"2001:db8:{side}:{number:x}::1"


def host(family, side, number):
    return f"10.{side}.{number}.2" if family == 4 else f"fd00:{side}:0:{number:x}::2"


def inner_range(family, side, number):
    return f"10.{side}.{number}.0/24" if family == 4 else f"fd00:{side}:0:{number:x}::/64"


def batch(namespace, lines):
    """Many ip commands at once."""
    path = namespace.lab.file(f"{namespace.label}.ip", "\n".join(lines) + "\n")
    namespace.ip("-batch", path)


def topology(lab, count, wire_mtu=1500):
    """Two gateways and their hosts, with `count` addresses on each. Each has one neighbour, behind whose first address
    all others are: the kernel's table of neighbours is small, and all namespaces share it."""
    a, b = lab.namespace("gwA"), lab.namespace("gwB")
    lab.link(a, "wan0", "", b, "wan0", "")
    numbers = range(1, count + 1)
    for side, end in ((1, a), (2, b)):
        other = 3 - side
        first = outer(4, side, 1), outer(6, side, 1)
        end.host = lab.namespace("host" + end.label[-1])
        lab.link(end, "lan0", "", end.host, "eth0", "")
        batch(end, [f"link set wan0 mtu {wire_mtu}", f"link set lan0 mtu {LAN_MTU}",
                    f"addr add 10.{side}.0.1/24 dev lan0", f"addr add fd00:{side}::1/64 dev lan0 nodad",
                    f"route add 10.{side}.0.0/16 via 10.{side}.0.2",
                    f"route add fd00:{side}::/48 via fd00:{side}::2",
                    f"addr add {first[0]}/16 dev wan0", f"addr add {first[1]}/32 dev wan0 nodad"] +
              [f"addr add {outer(4, side, i)}/32 dev wan0" for i in numbers[1:]] +
              [f"addr add {outer(6, side, i)}/128 dev wan0 nodad" for i in numbers[1:]] +
              [f"route add {to} via {outer(family, other, 1)}" for family, to in
               ((4, "default"), (4, f"198.18.{other}.0/24"), (6, "default"), (6, f"2001:db8:{other}::/48"))])
        batch(end.host, [f"link set eth0 mtu {LAN_MTU}", f"addr add 10.{side}.0.2/24 dev eth0",
                         f"addr add fd00:{side}::2/64 dev eth0 nodad"] +
              [f"addr add {host(4, side, i)}/32 dev eth0" for i in numbers] +
              [f"addr add {host(6, side, i)}/128 dev eth0 nodad" for i in numbers] +
              [f"route add default via 10.{side}.0.1", f"route add default via fd00:{side}::1"])
    return a, b


class Text:
    """The INI of one side. Lines of each connection are known, to tell which suites a binary refuses."""

    def __init__(self, gateway, side, suites, family, udp, settings, keys):
        self.gateway, self.first_line = gateway, {}
        other = 3 - side
        lines = ["[gateway]", "tun = esp0", f"control = {control_path(gateway)}"]
        lines += [f"{key} = {value}" for key, value in {**gateway_keys(gateway), **settings}.items()]
        psk = gateway.lab.file(f"{gateway.label}.psk", PSK + "\n")
        rules = []
        for i, suite in suites:
            self.first_line[suite] = len(lines) + 1
            lines += ["", f"[connection s{i}]", f"local = {outer(family, side, i)}",
                      f"remote = {outer(family, other, i)}", f"psk_file = {psk}", f"ike = {IKE}",
                      f"esp = {suite.word}", f"encap = {'yes' if udp else 'no'}",
                      f"start = {'start' if side == 1 else 'none'}"]
            lines += [f"allow = {suite.allow}"] if suite.allow else []
            lines += [f"{key} = {value}" for key, value in keys.items()]
            rules += [f"protect = {inner_range(f, side, i)} -> {inner_range(f, other, i)} via s{i}" for f in (4, 6)]
        # Its sockets serve all addresses: 64 is the limit, and each address would want its own.
        lines += ["", "[connection any]", "local = %any", f"remote = {outer(family, other, 254)}", f"psk_file = {psk}",
                  f"esp = {suites[0][1].word}", f"encap = {'yes' if udp else 'no'}", "start = none", "", "[acl]",
                  *rules]
        self.text = "\n".join(lines) + "\n"

    def refused(self, binary):
        """Suites that this binary does not know, with its words."""
        file = self.gateway.lab.file(f"{self.gateway.label}-check.ini", self.text)
        said = self.gateway.run(binary, "check", "-c", file, check=False)
        errors = {}
        for line, text in re.findall(r"\.ini:(\d+): (?!warning)(.*)", said.stdout + said.stderr):
            suite = max((s for s in self.first_line if self.first_line[s] <= int(line)), key=self.first_line.get)
            errors.setdefault(suite, text)
        return errors


class Many:
    """esptun at both ends. suites: [(number, suite)] that run; refused: {suite: why} that the binary does not know."""

    def __init__(self, lab, suites, family=4, udp=True, settings=None, wire_mtu=1500, start=None, **keys):
        numbered = list(enumerate(suites, 1))
        a, b = topology(lab, len(numbered), wire_mtu)
        self.lab, self.family, self.udp, self.wire_mtu = lab, family, udp, wire_mtu
        texts = [Text(end, side, numbered, family, udp, settings or {}, keys) for side, end in ((1, a), (2, b))]
        self.refused = texts[0].refused(esptun_path())
        self.suites = [(i, suite) for i, suite in numbered if suite not in self.refused]
        texts = [Text(end, side, self.suites, family, udp, settings or {}, keys).text for side, end in ((1, a), (2, b))]
        start = start or Esptun
        self.right = start(b, texts[1])  # the one that answers first, so that nothing is asked twice
        self.left = start(a, texts[0])
        self.a, self.b = a, b

    def wait_up(self, timeout=40.0):
        wait_for("both children of each connection", lambda: all(
            len(end.children()) == 2 * len(self.suites) for end in (self.left, self.right)), timeout, 0.1)

    def expect_all_known(self):
        expect(not self.refused, f"{len(self.refused)} suites are not known to {esptun_path()}: "
               f"{', '.join(suite.word for suite in self.refused)}")
