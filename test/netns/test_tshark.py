# SPDX-License-Identifier: Apache-2.0
"""tshark as the referee: what we send dissects without a complaint and, with the keys of a test build, decrypts."""
import os
import re

from esptun import Esptun, config, pair
from lab import Capture, Skip, expect, transfer, tshark
from strongswan import Strongswan

# Wireshark's severities; notes and chats ("keepalive seen") are not complaints.
WARNING = 0x600000
PAYLOAD = 24


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
