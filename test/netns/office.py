# SPDX-License-Identifier: Apache-2.0
"""Several clients behind one address.

   host1 10.1.1.2 ── c1 192.168.1.2 ──┐
   host2 10.1.2.2 ── c2 192.168.2.2 ──┤ nat 192.0.2.1 ──── 192.0.2.2 gwB ── hostB 10.2.0.2
   ...                                ┘
"""
import os

from esptun import Esptun, config
from lab import PSK, Skip, expect, wait_for
from numbered import Numbered
from strongswan import Strongswan
from test_access import PASSWORD, POOL, VPNC, VPNC_CONF, VPNC_SCRIPT, users_file

IKE, ESP = "aes256-sha256-modp2048", "aes256gcm16-modp2048"
LANS = "10.1.0.0/16"
MASQUERADE = """table ip nat {
chain post {
type nat hook postrouting priority srcnat;
meta l4proto udp oifname out0 masquerade to :20000-29999 random
oifname out0 masquerade
}
}
"""


def office(lab, count):
    """Returns (gwB, [clients], the router)."""
    b, router = lab.namespace("gwB"), lab.namespace("nat")
    lab.link(router, "out0", "192.0.2.1/24", b, "wan0", "192.0.2.2/24")
    router.nft(MASQUERADE)
    b.ip("route", "add", "default", "via", "192.0.2.1")
    b.wan, b.lan, b.host_address, b.host = "192.0.2.2", "10.2.0.0/24", "10.2.0.2", lab.namespace("hostB")
    lab.link(b, "lan0", "10.2.0.1/24", b.host, "eth0", "10.2.0.2/24")
    b.host.ip("route", "add", "default", "via", "10.2.0.1")
    clients = []
    for n in range(1, count + 1):
        c = lab.namespace(f"c{n}")
        c.number, c.wan, c.lan, c.host_address = n, f"192.168.{n}.2", f"10.1.{n}.0/24", f"10.1.{n}.2"
        c.identity = f"c{n}.example.org"
        c.host = lab.namespace(f"host{n}")
        lab.link(c, "wan0", f"192.168.{n}.2/24", router, f"in{n}", f"192.168.{n}.1/24")
        lab.link(c, "lan0", f"10.1.{n}.1/24", c.host, "eth0", f"10.1.{n}.2/24")
        c.ip("route", "add", "default", "via", f"192.168.{n}.1")
        c.host.ip("route", "add", "default", "via", f"10.1.{n}.1")
        clients.append(c)
    return b, clients, router


def server_text(b, access=False, **keys):
    """Whoever has the key; access: and beside it those of a group, who log in."""
    anybody = config(b, b, acl=[f"protect = {b.lan} -> {LANS} via peer"],
                     **{"remote": "%any", "start": "none", "ike": IKE, "esp": ESP, **keys})
    if not access:
        return anybody
    group = (f"[connection group]\nmode = aggressive\nremote = %any\nlocal = {b.wan}\nremote_id = keyid:road\nstart = none\n"
             f"auth = xauth-psk\npsk_file = {b.lab.file('group.psk', PSK + chr(10))}\npool = {POOL}\nsplit = {b.lan}\n"
             f"users = {users_file(b, **{f'user{n}': PASSWORD for n in range(1, 6)})}\n"
             f"allow = sha1\nike = aes256-sha1-modp2048\nesp = aes256-sha1\nencap = yes\n\n[acl]\n"
             f"protect = {b.lan} -> {POOL} via group\n")
    return anybody.replace("[acl]\n", group)


class Member:
    """One client with its tunnel: .space is where its traffic comes from, .address where it goes to."""
    kind = ""
    renews_ike = False  # by itself, soon
    may_lose = 0  # datagrams of one flow while phase 2 is renewed

    def __init__(self, client, b):
        self.client, self.b = client, b
        self.space, self.address = client.host, client.host_address

    def flows(self, seconds, rate=200):
        """Numbered datagrams both ways."""
        port = 5300 + 10 * self.client.number
        return [Numbered(self.space, self.b.host, self.b.host_address, port, seconds, rate),
                Numbered(self.b.host, self.space, self.address, port + 1, seconds, rate)]

    def works(self):
        expect(self.space.ping(self.b.host_address, 3) == (3, 3), f"{self.client.label}: pings were lost")
        expect(self.b.host.ping(self.address, 3) == (3, 3), f"{self.client.label}: pings back were lost")


class EsptunMember(Member):
    kind = "esptun"

    def __init__(self, client, b, **keys):
        super().__init__(client, b)
        self.renews_ike = "ike_lifetime" in keys
        self.end = Esptun(client, config(client, b, **{"local_id": client.identity, "remote_id": b.wan, "ike": IKE, "esp": ESP,
                                                       **keys}))
        self.end.up()

    def leave(self):
        expect(self.end.process.end(10) == 0, f"{self.client.label}: esptun did not end well")

    def crash(self):
        self.end.kill()

    def rekey(self):
        self.end.rekey()


class SwanMember(Member):
    kind = "strongSwan"

    def __init__(self, client, b, **keys):
        super().__init__(client, b)
        self.end = Strongswan(client, b, **{"ike": IKE, "esp": ESP, "local_id": client.identity, "remote_id": b.wan, **keys})
        self.end.up()
        self.end.wait_established()

    def leave(self):
        self.end.down()

    def crash(self):
        self.end.process.popen.kill()
        self.end.process.wait()

    def rekey(self):
        self.end.rekey_child()

    def rekey_ike(self):
        self.end.rekey_ike()


class VpncMember(Member):
    """It has one pair of SAs at a time: when the server renews it, what is under way on the old one is lost."""
    kind, may_lose = "vpnc", 400

    def __init__(self, client, b, address):
        super().__init__(client, b)
        if not os.path.exists(VPNC):
            raise Skip("vpnc is not installed")
        lab = client.lab
        script = lab.file(f"{client.label}-script", VPNC_SCRIPT.format(told=os.path.join(lab.folder, client.label)), 0o700)
        text = VPNC_CONF.format(gateway=b.wan, group="road", psk=PSK, user=f"user{client.number}", password=PASSWORD,
                                script=script)
        path = lab.file(f"{client.label}-vpnc.conf",
                        text + f"Pidfile {os.path.join(lab.folder, client.label + '.pid')}\n")
        self.space, self.address = client, address
        self.process = client.start("vpnc", VPNC, path)
        wait_for(f"the address at {client.label}", lambda: address in client.ip("-o", "-4", "addr").stdout, 15)

    def leave(self):
        self.process.popen.terminate()
        self.process.wait()
