#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What handshakes.py computes, without a network: suites, floors, who counts as the rival, tables, options."""
import contextlib
import io
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import handshakes  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402
from place import netns  # noqa: E402

COSTS = {"modp2048": 400.0, "ecp256": 50.0, "x25519": 60.0, "rsa_sign": 200.0, "rsa_verify": 10.0, "ecdsa_sign": 20.0,
         "ecdsa_verify": 30.0}


def suite(name):
    return next(one for one in handshakes.SUITES if one.name == name)


def samples(**found):
    """{"esptun": {"psk-x25519": [cpu_us of each round]}}"""
    made = report.Samples()
    for who, suites in found.items():
        for name, values in suites.items():
            for number, value in enumerate(values, 1):
                made.add("handshakes", number, who.replace("_", "-"), name, {"cpu_us": value,
                                                                              "per_second": 1e6 / value})
    return made


class Suites(unittest.TestCase):
    def test_names_are_unique_and_those_of_smoke_exist(self):
        names = [one.name for one in handshakes.SUITES]
        self.assertEqual(len(names), len(set(names)))
        for name in handshakes.read_options(["--smoke"])[0].suites.split(","):
            self.assertIn(name, names)

    def test_proposals(self):
        self.assertEqual(suite("psk-x25519").ike(), "aes256-sha256-x25519")
        self.assertEqual(suite("psk-x25519").esp(), "aes256gcm16")
        self.assertEqual(suite("psk-x25519-pfs").esp(), "aes256gcm16-x25519")

    def test_floor_counts_each_agreement_and_signature(self):
        self.assertEqual(suite("psk-modp2048").floor_us(COSTS), 400)
        self.assertEqual(suite("psk-modp2048-pfs").floor_us(COSTS), 800)
        self.assertEqual(suite("rsa-modp2048").floor_us(COSTS), 400 + 200 + 2 * 10)
        self.assertEqual(suite("ecdsa-ecp256-pfs").floor_us(COSTS), 100 + 20 + 2 * 30)

    def test_gmp_takes_part_with_modp_alone(self):
        served = [one.name for one in handshakes.SUITES if handshakes.CharonGmp.serves(one)]
        self.assertEqual(served, [one.name for one in handshakes.SUITES if "modp" in one.name])
        self.assertNotEqual(handshakes.CharonGmp.PLUGINS, handshakes.Charon.PLUGINS)
        self.assertNotEqual(handshakes.CharonGmp.WITH_CERTIFICATES, handshakes.Charon.WITH_CERTIFICATES)


class Tables(unittest.TestCase):
    def test_the_faster_charon_is_the_rival(self):
        name = "psk-modp2048"
        found = samples(strongswan={name: [900, 1000, 5000]}, strongswan_gmp={name: [950, 1050, 1100]})
        self.assertEqual(handshakes.rival(found, suite(name)), "strongswan")  # medians, not means
        found = samples(strongswan={name: [2000]}, strongswan_gmp={name: [1000]})
        self.assertEqual(handshakes.rival(found, suite(name)), "strongswan-gmp")
        self.assertEqual(handshakes.rival(samples(), suite(name)), "strongswan")

    def test_ratios_are_of_each_round(self):
        name = "psk-x25519"
        found = samples(esptun={name: [100, 300, 200]}, strongswan={name: [400, 600, 1000]})
        row = handshakes.handshake_table(found, [suite(name)], COSTS).splitlines()[-1]
        self.assertEqual([cell.strip() for cell in row.strip("|").split("|")],
                         ["PSK, x25519", "200 (100-300)", "600 (400-1000)", "-", "0.25", "60", "5000 (3333-10000)",
                          "1667 (1000-2500)"])

    def test_what_was_not_measured_is_a_dash(self):
        row = handshakes.handshake_table(samples(), [suite("psk-modp2048")], COSTS).splitlines()[-1]
        self.assertEqual(row.count(" - "), 6)

    def test_failures_are_named(self):
        found = report.Samples()
        found.add("handshakes", 2, "strongswan", "psk-x25519", {"error": "gone"})
        self.assertEqual(handshakes.failures(found), ["- strongswan, psk-x25519, round 2: gone"])


class Load(unittest.TestCase):
    def test_the_last_line_counts(self):
        said = 'noise\n{"done": 7, "failed": 0, "seconds": 1.0, "why": ""}\n'
        self.assertEqual(handshakes.last_line(said)["done"], 7)
        for wrong in ("", "noise", '{"done": 7, "failed": 1, "why": "no"}', '{"done": 0, "failed": 0, "why": ""}'):
            with self.assertRaises(netns.Failure):
                handshakes.last_line(wrong)

    def test_cpu_and_memory_of_a_process(self):
        before = measure.process_seconds(os.getpid())
        sum(range(2_000_000))
        self.assertGreater(measure.process_seconds(os.getpid()), before)
        found = measure.memory_kb(os.getpid())
        self.assertEqual(sorted(found), ["pss", "rss"])
        self.assertGreaterEqual(found["rss"], found["pss"])


class Options(unittest.TestCase):
    def test_defaults(self):
        options, _ = handshakes.read_options([])
        self.assertEqual((options.rounds, options.memory, options.suites), (5, 2000, "*"))

    def test_what_makes_no_sense_is_refused_with_a_word(self):
        for wrong in (["--rounds", "0"], ["--memory", "-1"], ["--seconds", "x"], ["--what"],
                      ["--output", "/nonexistent/x.md"]):
            said = io.StringIO()
            with contextlib.redirect_stderr(said), self.assertRaises(SystemExit) as end:
                handshakes.read_options(wrong)
            self.assertEqual(end.exception.code, 2)
            self.assertIn("test/bench/ike: ", said.getvalue())


if __name__ == "__main__":
    unittest.main()
