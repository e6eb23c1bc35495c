# SPDX-License-Identifier: Apache-2.0
"""tshark as the referee: what we send dissects without a complaint and, with the keys of a test build, decrypts."""
import os
import re
import socket

from esptun import Esptun, config, pair
from lab import Capture, Skip, expect, transfer, tshark
from many import Many, host
from packets import captured
from probing import Asker, start_echo
from referee import open_esp
from strongswan import Strongswan
from suites import SUITES
from test_fragments import LONG

# Wireshark's severities; notes and chats ("keepalive seen") are not complaints.
WARNING = 0x600000
PAYLOAD = 24
INNER_SIZE, PROTOCOL_DF = 101, 254  # of netns_probe


def no_complaints(path, source=None, config_home=None):
    ours = f" and ip.src == {source}" if source else ""
    wanted = f"_ws.expert.severity >= {WARNING} and (isakmp or esp or udpencap){ours}"
    text = tshark(path, "-Y", wanted, "-T", "fields", "-e", "frame.number", "-e", "_ws.col.Info", "-e",
                  "_ws.expert.message", config=config_home)
    expect(not text.strip(), f"tshark complains:\n{text}")
    malformed = tshark(path, "-Y", f"_ws.malformed{ours}", config=config_home)
    expect(not malformed.strip(), f"tshark says malformed:\n{malformed}")


def life(lab, **keys):
    """The whole life of a tunnel on a capture."""
    left, right = pair(lab, **keys)
    a, b = left.gateway, right.gateway
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 3) == (3, 3), "no tunnel")
    transfer(a.host, b.host, b.host_address, 200_000)
    left.rekey()
    right.rekey()
    expect(b.host.ping(a.host_address, 3) == (3, 3), "lost after rekeys")
    left.terminate()
    right.terminate()
    return wire.stop()


def test_no_complaint_udp(lab):
    path = life(lab)
    no_complaints(path)
    exchanges = set(tshark(path, "-Y", "isakmp", "-T", "fields", "-e", "isakmp.exchangetype").split())
    expect(exchanges >= {"2", "32", "5"}, f"exchanges seen: {exchanges}, not main, quick and informational")


def test_no_complaint_raw(lab):
    no_complaints(life(lab, encap="no", ike="aes128-sha256-ecp256", esp="aes128-sha256-ecp256"))


def test_no_complaint_x25519_several_proposals(lab):
    no_complaints(life(lab, ike="aes256-sha512-x25519, aes256-sha384-ecp384, aes128-sha256-modp2048",
                       esp="chacha20poly1305-x25519, aes256gcm16-x25519, aes192-sha384-x25519"))


def test_no_complaint_aggressive(lab):
    path = life(lab, mode="aggressive")
    no_complaints(path)
    exchanges = set(tshark(path, "-Y", "isakmp", "-T", "fields", "-e", "isakmp.exchangetype").split())
    expect("4" in exchanges and "2" not in exchanges, f"exchanges seen: {exchanges}, not aggressive mode")


def test_no_complaint_fragments(lab):
    path = life(lab, ike="aes256-sha256-modp4096", esp=LONG)
    no_complaints(path)
    seen = set(tshark(path, "-Y", "isakmp.frag.packetid", "-T", "fields", "-e", "isakmp.frag.last").split())
    expect(seen == {"0", "1"}, f"no fragments on the wire: {seen}")


def test_no_complaint_behind_nat(lab):
    left, right = pair(lab, nat=True, encap="auto")
    wire = Capture(right.gateway, "wan0")
    expect(left.gateway.host.ping(right.gateway.host_address, 3) == (3, 3), "no tunnel")
    left.terminate()
    no_complaints(wire.stop())


def test_no_complaint_refusals(lab):
    left, right = pair(lab, left={"ike": "aes128-sha256-modp2048"}, right={"ike": "aes256-sha384-ecp384"})
    wire = Capture(right.gateway, "wan0")
    left.verb("up", "peer", check=False)
    no_complaints(wire.stop())


def keylog_binary():
    path = os.environ.get("ESPTUN_KEYLOG_BINARY", "")
    if not os.access(path, os.X_OK):
        raise Skip("needs a build with -DESPTUN_KEYLOG=ON: set ESPTUN_KEYLOG_BINARY")
    return path


def logging(lab, gateway, text):
    folder = os.path.join(lab.folder, f"{gateway.label}-keys")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    end = Esptun(gateway, text, env={"ESPTUN_KEYLOG_DIR": folder}, binary=keylog_binary())
    end.keys = folder
    return end


def inner_pings(path, home, source, to):
    """ICMP echo requests inside ESP, found by their inner addresses."""
    options = ["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"]
    text = tshark(path, *options, "-Y", f"esp and icmp.type == 8 and ip.src == {source} and ip.dst == {to}", config=home)
    return len(text.splitlines()), options


def deciphered(lab, encap="yes", **keys):
    a, b = lab.gateways()
    left = logging(lab, a, config(a, b, encap=encap, **keys))
    right = Esptun(b, config(b, a, encap=encap, **keys), binary=keylog_binary())
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 5, size=PAYLOAD) == (5, 5), "no tunnel")
    left.rekey()
    expect(a.host.ping(b.host_address, 5, size=PAYLOAD) == (5, 5), "lost after a rekey")
    left.terminate()
    right.terminate()
    path = wire.stop()
    home = lab.wireshark_config(left.keys)
    text = tshark(path, "-V", "-Y", "isakmp", config=home)
    # Message 5 and 6 show their identities, quick mode its SA, the delete its SPIs: only where decryption works.
    expect(len(re.findall(r"Payload: Identification \(5\)", text)) >= 2 + 2 * 2, "the identities stay encrypted")
    expect(re.search(r"Payload: Delete \(12\)", text), "the deletes stay encrypted")
    expect(re.search(r"Exchange type: Quick Mode \(32\)[\s\S]*?Payload: Security Association \(1\)", text),
           "quick mode stays encrypted")
    no_complaints(path, config_home=home)
    count, options = inner_pings(path, home, a.host_address, b.host_address)
    expect(count == 10, f"{count} of 10 pings were seen inside ESP")
    text = tshark(path, *options, "-V", "-Y", "esp", config=home)
    expect("[correct]" in text.lower() or "good: true" in text.lower() or re.search(r"ICV.*correct", text, re.I),
           "no ICV was verified")
    expect(not re.search(r"\[?(incorrect|bad: true)", text, re.I), "an ICV is wrong in tshark's eyes")


def test_decrypts_gcm(lab):
    deciphered(lab)


def test_decrypts_cbc_without_pfs(lab):
    deciphered(lab, esp="aes256-sha256", ike="aes256-sha512-modp2048")


def test_decrypts_cbc_raw_ecp(lab):
    deciphered(lab, encap="no", esp="aes128-sha384-ecp256", ike="aes128-sha256-ecp256")


def test_decrypts_gcm128_x25519(lab):
    deciphered(lab, esp="aes128gcm16-x25519", ike="aes256-sha384-x25519")


def test_decrypts_aggressive(lab):
    deciphered(lab, mode="aggressive")


def test_decrypts_ctr(lab):
    deciphered(lab, esp="aes256ctr-sha256", ike="aes256-sha256-modp2048")


def test_decrypts_sha256_96(lab):
    deciphered(lab, esp="aes128-sha256_96", ike="aes256-sha256-modp2048", allow="sha256_96")


def test_decrypts_gcm8(lab):
    deciphered(lab, esp="aes192gcm8", ike="aes256-sha256-modp2048")


def test_decrypts_what_strongswan_and_we_say(lab):
    a, b = lab.gateways()
    right = Strongswan(b, a, esp="aes256gcm16-modp2048")
    left = logging(lab, a, config(a, b))
    wire = Capture(b, "wan0")
    expect(a.host.ping(b.host_address, 3, size=PAYLOAD) == (3, 3), "no tunnel")
    right.down()
    left.wait_gone()
    path = wire.stop()
    home = lab.wireshark_config(left.keys)
    no_complaints(path, source=a.wan, config_home=home)
    count, _ = inner_pings(path, home, a.host_address, b.host_address)
    expect(count == 3, f"{count} of 3 pings were seen inside ESP")


class Refereed:
    """One packet each way and inner family through every suite, captured, with the keys of all."""

    def __init__(self, lab, family, udp):
        def start(gateway, text):
            return logging(lab, gateway, text)
        self.lab, self.many = lab, Many(lab, SUITES, family, udp, start=start)
        many = self.many
        many.expect_all_known()
        self.wire = Capture(many.b, "wan0")
        start_echo(many.b.host)
        many.wait_up()
        self.suite_of = {suite.word: suite for _, suite in many.suites}
        self.by_spi = {}
        for child in many.left.children():
            suite = self.suite_of[child["proposal"]]
            expect(child["esn"] is suite.esn, f"{suite.word}: status shows esn {child['esn']}")
            for spi in (child["spi_in"], child["spi_out"]):
                self.by_spi[int(spi, 16)] = suite
        self.expected = self.send()
        self.path = self.wire.stop()

    def send(self):
        """What must be seen inside: {(suite, source of the inner packet)}."""
        asker, expected = Asker(self.many.a.host), set()
        for number, suite in self.many.suites:
            for inner in (4, 6):
                here, there = host(inner, 1, number), host(inner, 2, number)
                said = asker.ask(here, there, True, {INNER_SIZE})
                expect(said["echoed"] == [[INNER_SIZE, INNER_SIZE]], f"{suite.word}, inner IPv{inner}: {said}")
                expected |= {(suite.word, here), (suite.word, there)}
        asker.end()
        return expected

    def keys(self):
        """{spi: (suite, cipher key, HMAC key, the line of the table)}."""
        found = {}
        with open(os.path.join(self.many.left.keys, "esp_sa"), encoding="utf-8") as file:
            for line in file:
                spi, *keys = re.findall(r'"0x([0-9a-f]*)"', line)
                keys = [bytes.fromhex(key) for key in keys] + [b""]
                if int(spi, 16) in self.by_spi:
                    found[int(spi, 16)] = self.by_spi[int(spi, 16)], keys[0], keys[1], line
        return found

    def by_tshark(self):
        """{(suite, inner source)} that tshark decrypts and whose ICV it finds right."""
        home = self.lab.wireshark_config()
        with open(os.path.join(home, "wireshark", "esp_sa"), "w", encoding="utf-8") as table:
            table.writelines(line for suite, _, _, line in self.keys().values() if suite.tshark and not suite.esn)
        text = tshark(self.path, "-o", "esp.enable_encryption_decode:TRUE", "-o",
                      "esp.enable_authentication_check:TRUE", "-Y", f"esp and (ip.proto == {PROTOCOL_DF} or ipv6.nxt == {PROTOCOL_DF})", "-T", "fields", "-e",
                      "esp.spi", "-e", "esp.icv_good", "-e", "ip.src", "-e", "ipv6.src", config=home)
        seen = set()
        for spi, good, *sources in (line.split("\t") for line in text.splitlines()):
            suite = self.by_spi[int(spi, 16)]
            expect(good == "1", f"{suite.word}: tshark finds the ICV wrong")
            seen |= {(suite.word, address) for source in sources for address in source.split(",")}
        return seen & self.expected

    def by_primitives(self):
        """The same for the suites that tshark does not know."""
        keys, seen = self.keys(), set()
        for packet in captured(self.path):
            at = (20 if packet[0] >> 4 == 4 else 40) + (8 if self.many.udp else 0)
            suite, cipher_key, auth_key, _ = keys.get(int.from_bytes(packet[at:at + 4], "big"), (None,) * 4)
            if not suite or (suite.tshark and not suite.esn):
                continue
            inner = open_esp(suite, cipher_key, auth_key, packet[at:])
            source = inner[12:16] if inner[0] >> 4 == 4 else inner[8:24]
            seen.add((suite.word, socket.inet_ntop(socket.AF_INET if len(source) == 4 else socket.AF_INET6, source)))
        return seen & self.expected


def refereed(lab, family, udp):
    referee = Refereed(lab, family, udp)
    by_tshark, by_primitives = referee.by_tshark(), referee.by_primitives()
    missing = referee.expected - by_tshark - by_primitives
    expect(not missing, f"not decrypted by anybody else: {sorted(missing)}")
    no_complaints(referee.path)
    suites = [{word for word, _ in seen} for seen in (by_tshark, by_primitives)]
    print(f"covered: {len(suites[0])} suites decrypted and authenticated by tshark, {len(suites[1])} by "
          f"python3-cryptography ({', '.join(sorted(suites[1]))}), both directions, inner IPv4 and IPv6")


def test_every_suite_is_refereed_udp(lab):
    refereed(lab, 4, True)


def test_every_suite_is_refereed_outer_ipv6_raw(lab):
    refereed(lab, 6, False)


def test_release_builds_log_no_keys(lab):
    a, b = lab.gateways()
    folder = os.path.join(lab.folder, "keys")
    os.makedirs(folder)
    left = Esptun(a, config(a, b), env={"ESPTUN_KEYLOG_DIR": folder})
    Esptun(b, config(b, a))
    expect(a.host.ping(b.host_address) == (1, 1), "no tunnel")
    expect(not os.listdir(folder), f"a release build wrote {os.listdir(folder)}")
    with open(left.binary, "rb") as file:
        expect(b"ESPTUN_KEYLOG_DIR" not in file.read(), "a release build holds the key log")
