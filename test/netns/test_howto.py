# SPDX-License-Identifier: Apache-2.0
"""Each page of doc/howto/, followed to the letter (howto.py). Where the page is about an appliance, strongSwan plays it,
with what its vendor documents and nothing of ours."""
import os
import re

from howto import Block, Followed, blocks, fits
from lab import ROOT, expect, wait_for
from strongswan import CHARON, CERTIFICATES, STRONGSWAN_CONF, Strongswan, need

US, PEER = "192.0.2.1", "198.51.100.9"
PSK = "Vq3xN8.tZ0_wR5yK7mB2cD4f"  # as the pages have it


def gateway(lab, label, router, wan, lan):
    """A gateway behind the router of "the internet", and a host behind the gateway."""
    one = lab.namespace(label)
    one.wan, one.lan = wan, lan + ".0/24"
    one.sysctl("net.ipv6.conf.default.disable_ipv6", 1)  # its chatter would stand among the drops, in no certain number
    via = wan.rsplit(".", 1)[0] + ".254"
    lab.link(one, "wan0", wan + "/24", router, "to-" + label, via + "/24")
    one.ip("route", "add", "default", "via", via)
    one.host = lab.namespace(label + "-host")
    lab.link(one, "lan0", lan + ".1/24", one.host, "eth0", lan + ".2/24")
    one.host.ip("route", "add", "default", "via", lan + ".1")
    return one


def internet(lab):
    router = lab.namespace("internet")
    return gateway(lab, "gw", router, US, "10.1.0"), gateway(lab, "peer", router, PEER, "10.2.0"), router


def places(gw, peer):
    return {"gw": gw, "host": gw.host, "peer": peer, "peerhost": peer.host}


def against(page, ike, esp, **keys):
    """strongSwan as such a peer."""
    def test(lab):
        gw, peer, _ = internet(lab)
        Strongswan(peer, gw, psk=PSK, ike=ike, esp=esp, **keys)
        Followed(lab, page, places(gw, peer)).follow()
    return test


test_azure = against("azure.md", "aes256-sha1-modp1024", "aes256-sha1")
test_cisco = against("cisco.md", "aes256-sha256-modp2048", "aes256-sha256")
test_fortigate = against("fortigate.md", "aes256-sha256-modp2048", "aes256-sha256-modp2048")
test_mikrotik = against("mikrotik.md", "aes128-sha1-modp2048", "aes256-sha1-modp1024")


def test_aws(lab):
    """Two ends of Amazon's, of which one has the network in this laboratory."""
    gw, peer, router = internet(lab)
    second = gateway(lab, "second", router, "203.0.113.9", "10.2.0")
    for number, end in enumerate((peer, second), 1):
        Strongswan(end, gw, psk=PSK if number == 1 else PSK[::-1], ike="aes256-sha256-modp2048",
                   esp="aes256gcm16-modp2048")
    Followed(lab, "aws.md", places(gw, peer)).follow()


def test_strongswan(lab):
    need()
    gw, peer, _ = internet(lab)
    page = Followed(lab, "strongswan.md", places(gw, peer))
    settings = lab.file("strongswan.conf", STRONGSWAN_CONF.format(
        plugins=CERTIFICATES, log=os.path.join(lab.folder, "charon.log"), vici="unix:///run/charon.vici",
        fragment_size=1280))
    lab.start("charon", page.argv("peer", f"STRONGSWAN_CONF={settings} exec {CHARON}"))
    wait_for("charon", lambda: os.path.exists(f"/proc/{page.shells['peer'].pid}/root/run/charon.vici"))
    page.follow()


def test_certificates(lab):
    gw, peer, _ = internet(lab)
    Followed(lab, "certificates.md", {**places(gw, peer), "ca": lab.namespace("ca")}).follow()


def test_full_tunnel(lab):
    gw, peer, _ = internet(lab)
    gw.ip("addr", "add", "10.1.7.1/24", "dev", "lo")  # another network of ours, which stays ours
    peer.ip("addr", "add", "203.0.113.80/32", "dev", "lo")  # somewhere in the internet, behind the peer
    Followed(lab, "full-tunnel.md", places(gw, peer)).follow()


COMPOSE = "docker compose -f deploy/compose.yaml exec branch "
POD = "kubectl exec deploy/application -c esptun -- "


def test_sidecar(lab):
    """The files of deploy/, in namespaces that stand for the containers."""
    gw, peer, _ = internet(lab)
    gw.ip("addr", "add", "10.90.0.1/32", "dev", "lo")  # what the init container does
    Strongswan(peer, gw, psk=PSK, ike="aes256-sha256-modp2048", esp="aes256gcm16-modp2048", local_ts="10.2.0.0/24",
               remote_ts="10.90.0.1/32", remote_id="pod.example.org")
    page = Followed(lab, "sidecar.md", places(gw, peer), (COMPOSE, POD))
    with open(os.path.join(ROOT, "deploy", "kubernetes", "sidecar.yaml"), encoding="utf-8") as file:
        manifest = [line.strip() for line in file.read().split("esptun.ini: |\n")[1].split("---")[0].splitlines()]
    shown = [line.strip() for line in next(b for b in blocks(page.lines) if b.path == "/etc/esptun/esptun.ini").lines]
    theirs = [line.replace("remote   = " + PEER, "remote   = 192.0.2.1").replace("/etc/esptun/psk", "/etc/esptun-secret/psk")
              for line in shown]
    expect(theirs == manifest, f"the page and deploy/kubernetes/sidecar.yaml differ:\n{theirs}\n{manifest}")
    page.follow()


def test_the_comparison(_lab):
    """What the others rely on: a page that shows something else is found out."""
    expect(fits(["a 1", "..."], ["a 1", "b", "c"]) and fits(["...", "c"], ["a", "c"]) and fits(["..."], []), "dots")
    expect(not fits(["a", "..."], ["b", "c"]) and not fits(["a"], ["a", "b"]) and not fits(["a", "b"], ["a"]), "lines")
    expect(fits(["up 3s, in 00c0ffee  7 packets"], ["up 1h 2m, in deadbeef    12 packets"]), "what is masked")
    expect(not fits(["state established"], ["state connecting"]) and not fits(["10.2.0.2"], ["10.2.0.3"]), "what is not")


BASE = {"local": US, "remote": PEER, "psk": PSK, "ike": "aes256-sha256-modp2048", "esp": "aes256gcm16-modp2048",
        "protect": "10.1.0.0/24 -> 10.2.0.0/24 via branch"}


def broken(followed, block):
    """Before a block with a line `<!-- with KEY = VALUE -->` above it: esptun starts with that."""
    found = re.fullmatch(r"<!-- with (\w+) = (.*) -->", block.before)
    if found:
        keys = {**BASE, found.group(1): found.group(2)}
        rule = keys.pop("protect")
        lines = ["[connection branch]"] + [f"{k} = {v}" for k, v in keys.items()] + ["[acl]", "protect = " + rule]
        followed.write(Block("ini", "gw", "/etc/esptun/esptun.ini", 0, lines, ""))
        followed.start("gw", "esptun run")


def test_troubleshooting(lab):
    gw, peer, _ = internet(lab)
    Strongswan(peer, gw, psk=PSK, ike=BASE["ike"], esp=BASE["esp"])
    Followed(lab, "troubleshooting.md", places(gw, peer), prepare=broken).follow()
