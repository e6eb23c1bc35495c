# SPDX-License-Identifier: Apache-2.0
"""Packets of all sizes through every suite: inner IPv4 and IPv6, outer IPv4 and IPv6, raw and in UDP, DF on and off.

DF off: every size up to 9000 bytes arrives, byte for byte, there and back. DF on: what fits arrives, the rest is
answered by "packet too big" with the largest size that fits. Three variants tell who has to act:

  kernel   mtu = auto: the TUN is as small as the smallest suite asks, so the gateway's kernel cuts and answers
  own      mtu = 9000 over a wire of 1500: whole packets reach esptun, which cuts before sealing, and answers itself
  jumbo    mtu = 9000 over a wire of 9000: nearly everything fits
"""
import concurrent.futures
import json
import os

from lab import Capture, expect, expect_no_leak
from many import Many, host
from probing import Asker, expand, ranges, start_echo
from suites import SUITES, inner_mtu

LARGEST = 9000
ASKERS = 3
WARM_MS = 100
HEADER = {4: 20, 6: 40}
# out_no_rule: the kernel speaks IPv6 on each new device. out_too_big: the answers are counted below.
EXPLAINED = {"out_no_rule", "out_too_big"}
# What a capture keeps: anything but IKE, ESP and the neighbour talk of the link.
NOT_ESP = ("not arp and not (udp port 500 or udp port 4500) and not ip proto 50 and not ip6 proto 50 and not ip6 "
           "multicast and not (ip6[6] == 58 and ip6[40] >= 133 and ip6[40] <= 137)")


def sizes(family, mtus):
    """The sizes worth trying: all small ones, around multiples of 16, around each MTU, then in steps."""
    least = HEADER[family] + 1
    chosen = set(range(least, least + 64))
    for middle in (128, 1024):
        chosen |= set(range(middle - 17, middle + 18))
    for mtu in mtus:
        chosen |= set(range(mtu - 20, mtu + 21))
    chosen |= set(range(2000, LARGEST + 1, 500)) | {LARGEST - 1, LARGEST}
    return sorted(size for size in chosen if least <= size <= LARGEST)


def in_words(said, *words):
    """The states that should be empty, where they are not."""
    return [f"{word}: {ranges(expand(said[word]))}" for word in words if said[word]]


class Cell:
    """One outer family, encapsulation and variant: all suites, both inner families, DF on and off."""

    def __init__(self, lab, family, udp, settings, wire_mtu, suites=None):
        self.many = Many(lab, suites or SUITES, family, udp, settings, wire_mtu)
        self.kernel = "mtu" not in (settings or {})
        self.packets = 0
        self.too_big = 0

    def limit(self, suite):
        """The largest inner packet."""
        many = self.many
        counted = [s for _, s in many.suites] if self.kernel else [suite]
        return min(inner_mtu(s, many.wire_mtu, many.family, many.udp) for s in counted)

    def one(self, asker, number, suite, inner, df, chosen=None):
        """Asks about one suite; returns what is wrong."""
        limit = self.limit(suite)
        ends = host(inner, 1, number), host(inner, 2, number)
        chosen = set(chosen or sizes(inner, {limit, 1500}))
        if inner == 6 and not df:
            # A router never cuts IPv6: both hosts must have heard of the MTU first.
            asker.ask(*ends, df, {LARGEST}, WARM_MS)
        fits = {size for size in chosen if size <= limit} if df else chosen
        wrong = self.arriving(asker.ask(*ends, df, fits))
        if df:
            wrong += self.refused(asker.ask(*ends, df, self.thinned(chosen - fits, limit), WARM_MS), limit)
        return [f"{suite.word}, inner IPv{inner}, DF {'on' if df else 'off'}: {'; '.join(wrong)}"] if wrong else []

    def arriving(self, said):
        """Each arrives, at once."""
        self.packets += said["sent"]
        wrong = in_words(said, "too_big", "corrupt", "lost", "refused", "unasked")
        return wrong or ([f"{said['resent']} packets were lost at first"] if said["resent"] else [])

    def thinned(self, chosen, limit):
        """esptun answers at most so often in a second; the kernel always."""
        if self.kernel:
            return chosen
        return {size for size in chosen if size <= limit + 8 or size % 10 == 0 or size == LARGEST}

    def refused(self, said, limit):
        """Each is answered, with the size that fits."""
        self.packets += said["sent"]
        self.too_big += sum(part[1] - part[0] + 1 for part in said["too_big"])
        wrong = in_words(said, "echoed", "corrupt", "lost", "refused", "unasked")
        told = {part[2] for part in said["too_big"]}
        if told - {limit}:
            wrong.append(f"'packet too big' names {sorted(told)}, the largest that fits is {limit}")
        if self.kernel and said["resent"]:
            wrong.append(f"{said['resent']} packets had no answer at first")
        return wrong

    def questions(self):
        return [(number, suite, inner, df) for number, suite in self.many.suites for inner in (4, 6)
                for df in (False, True)]

    def share(self, which):
        """What one of several askers finds wrong."""
        asker, wrong = Asker(self.many.a.host), []
        for question in self.questions()[which::ASKERS]:
            wrong += self.one(asker, *question)
        asker.end()
        return wrong

    def run(self, work):
        many = self.many
        wire = Capture(many.b, "wan0", "clear", NOT_ESP, single=False)
        start_echo(many.b.host)
        many.wait_up()
        self.check_device()
        wrong = work()
        wrong += self.check_status()
        clear = wire.stop()
        expect(not wrong, f"{len(wrong)} of {len(self.questions())} combinations are wrong:\n" + "\n".join(wrong[:10]))
        expect_no_leak(is_empty(clear), f"packets in clear on the wire: {clear}")

    def check_device(self):
        if self.kernel:
            limit = self.limit(None)
            for end in (self.many.a, self.many.b):
                shown = json.loads(end.ip("-j", "link", "show", "esp0").stdout)[0]["mtu"]
                expect(shown == limit, f"mtu = auto has chosen {shown}, the smallest suite carries {limit}")

    def check_status(self):
        wrong = []
        for end in (self.many.left, self.many.right):
            drops = end.drops()
            if set(drops) - EXPLAINED:
                wrong.append(f"{end.gateway.label} has dropped: {drops}")
            idle = [c["proposal"] for c in end.children() if not c["in"]["packets"] or not c["out"]["packets"]]
            if idle:
                wrong.append(f"{end.gateway.label}: nothing went through {idle}")
        if not self.kernel and self.many.left.dropped("out_too_big") < self.too_big:
            wrong.append(f"{self.too_big} packets were answered, but out_too_big is {self.many.left.drops()}")
        return wrong

    def all_suites(self):
        with concurrent.futures.ThreadPoolExecutor(ASKERS) as pool:
            self.run(lambda: [line for share in pool.map(self.share, range(ASKERS)) for line in share])
        chosen = sizes(4, {self.limit(self.many.suites[0][1]), 1500})
        print(f"covered: {len(self.many.suites)} suites x inner IPv4, IPv6 x DF on, off, {len(chosen)} sizes such as "
              f"{ranges(chosen)}: {self.packets} packets there and back, {self.too_big} answered by 'packet too big'")
        self.many.expect_all_known()


def is_empty(path):
    return os.path.getsize(path) <= 24  # the header of the file alone


VARIANTS = {"kernel": (None, 1500), "own": ({"mtu": 9000}, 1500), "jumbo": ({"mtu": 9000}, 9000)}


def add_cell(variant, family, udp):
    def test(lab):
        settings, wire_mtu = VARIANTS[variant]
        Cell(lab, family, udp, settings, wire_mtu).all_suites()
    globals()[f"test_all_suites_{variant}_outer_ipv{family}_{'udp' if udp else 'raw'}"] = test


for each in ("kernel", "own"):
    for outer_family in (4, 6):
        for in_udp in (True, False):
            add_cell(each, outer_family, in_udp)
add_cell("jumbo", 4, True)
add_cell("jumbo", 6, False)


def every_size(lab, settings):
    chosen = [suite for suite in SUITES if suite.word == "aes256gcm16"]
    cell = Cell(lab, 4, True, settings, 1500, chosen)

    def work():
        asker, wrong = Asker(cell.many.a.host), []
        for inner in (4, 6):
            for df in (False, True):
                wrong += cell.one(asker, *cell.many.suites[0], inner, df, range(HEADER[inner] + 1, LARGEST + 1))
        asker.end()
        return wrong
    cell.run(work)
    print(f"covered: aes256gcm16, inner IPv4, IPv6 x DF on, off, each size up to {LARGEST} bytes with an IP header: "
          f"{cell.packets} packets there and back, {cell.too_big} answered by 'packet too big'")


def test_every_size_kernel(lab):
    every_size(lab, None)


def test_every_size_own(lab):
    every_size(lab, {"mtu": 9000})
