# SPDX-License-Identifier: Apache-2.0
"""Numbered datagrams from one namespace to another: the receiver says which are missing."""
import itertools
import re

from lab import expect
from probing import tool


_numbers = itertools.count(1)


class Numbered:
    def __init__(self, sender, receiver, address, port, seconds, rate):
        self.label = f"{sender.label} to {receiver.label}"
        number = next(_numbers)
        self.counter = receiver.start(f"count-{number}-{port}", tool("netns_flood"), "count", port)
        self.counter.wait_log("ready")
        self.pace = sender.start(f"pace-{number}-{port}", tool("netns_flood"), "pace", address, port, rate, int(rate * seconds))

    def alive(self):
        return self.pace.alive()

    def missing(self, timeout=60):
        """Waits for the end. Returns (how many did not arrive, what the receiver says)."""
        self.pace.wait(timeout)
        self.counter.wait(20)
        said = re.search(r"received (\d+) of (\d+), missing (\d+) .*repeated (\d+)", self.counter.log())
        expect(said, f"{self.label}: the receiver says {self.counter.log()}; the sender {self.pace.log()}")
        expect(said.group(4) == "0", f"{self.label}: {said.group(0)}")
        return int(said.group(3)), said.group(0)

    def finish(self, timeout=60):
        """Nothing may be lost. Returns what the receiver says."""
        missing, said = self.missing(timeout)
        expect(missing == 0, f"{self.label}: {said}")
        return said
