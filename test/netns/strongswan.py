# SPDX-License-Identifier: Apache-2.0
"""strongSwan's charon with the kernel-libipsec plugin as the other end: userspace ESP, always in UDP (in 5.9)."""
import os
import re

from lab import PSK, Failure, Skip, expect, wait_for

CHARON = "/usr/lib/ipsec/charon"
PLUGINS = ("random nonce aes sha1 sha2 md5 hmac kdf ctr ccm gcm chapoly openssl curve25519 kernel-libipsec "
           "kernel-netlink socket-default vici")
CERTIFICATES = PLUGINS + " pem pkcs1 pkcs8 x509 pubkey constraints revocation"

# Userspace ESP past its own TUN device, and a control socket of its own.
PLUGIN_SETTINGS = """\
    plugins {{
        kernel-libipsec {{
            allow_peer_ts = yes
        }}
        kernel-netlink {{
            fwmark = !0x42
        }}
        socket-default {{
            fwmark = 0x42
        }}
        vici {{
            socket = {vici}
        }}
    }}
"""

STRONGSWAN_CONF = """
charon {{
    load_modular = no
    i_dont_care_about_security_and_use_aggressive_mode_psk = yes
    fragment_size = {fragment_size}
    load = {plugins}
    install_routes = yes
    retransmit_timeout = 1.0
    retransmit_base = 1.5
    retransmit_tries = 5
    filelog {{
        log {{
            path = {log}
            default = 1
            ike = 2
            cfg = 2
            esp = 1
            flush_line = yes
        }}
    }}
""" + PLUGIN_SETTINGS + """\
}}
"""

SWANCTL_CONF = """
connections {{
    peer {{
        version = 1
        aggressive = {aggressive}
        local_addrs = {local}
        remote_addrs = {remote}
        proposals = {ike}
        encap = {encap}
        fragmentation = {fragmentation}
        rekey_time = {ike_rekey}
        dpd_delay = 0
        unique = {unique}
        local {{
            auth = {auth}
            id = "{local_id}"
            {certs}
        }}
        remote {{
            auth = {auth}
            id = "{remote_id}"
        }}
        children {{
            net {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = {esp}
                rekey_time = {rekey}
                life_time = {life}
                start_action = {start}
                close_action = none
                {more}
            }}
        }}
    }}
}}
secrets {{
    ike-peer {{
        id-1 = "{local_id}"
        id-2 = "{remote_id}"
        secret = "{psk}"
    }}
}}
"""


def need():
    for path in (CHARON, "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so", "/usr/sbin/swanctl"):
        if not os.path.exists(path):
            raise Skip(f"strongSwan with kernel-libipsec is not installed ({path})")


class Strongswan:
    """One charon in a gateway's namespace. Its /run is its own, so that several can live on one machine."""
    SETTINGS, CONNECTIONS = STRONGSWAN_CONF, SWANCTL_CONF

    def __init__(self, gateway, peer, psk=PSK, ike="aes256-sha256-modp2048", esp="aes256-sha256", encap="yes",
                 start="none", rekey="1h", life=None, ike_rekey="4h", local_id=None, remote_id=None, local_ts=None,
                 remote_ts=None, aggressive="no", remote=None, plugins=PLUGINS, fragmentation="no", fragment_size=1280,
                 credentials=None, unique="no"):
        need()
        self.gateway, self.lab = gateway, gateway.lab
        label = gateway.label
        self.vici = "unix://" + os.path.join(self.lab.folder, f"{label}.vici")
        self.log_path = os.path.join(self.lab.folder, f"{label}-charon-file.log")
        settings = self.lab.file(f"{label}-strongswan.conf", self.SETTINGS.format(
            plugins=plugins, log=self.log_path, vici=self.vici, fragment_size=fragment_size))
        self.values = {
            "aggressive": aggressive, "local": gateway.wan, "remote": remote or peer.wan, "ike": ike, "esp": esp,
            "encap": encap, "local_id": local_id or gateway.wan, "remote_id": remote_id or peer.wan,
            "local_ts": local_ts or gateway.lan, "remote_ts": remote_ts or peer.lan, "psk": psk, "start": start,
            "rekey": rekey, "life": life or "2h", "ike_rekey": ike_rekey, "more": "",
            "fragmentation": fragmentation, "auth": "psk", "certs": "", "unique": unique}
        self.conf_name = f"{label}-swanctl.conf"
        if credentials is not None:
            folder, certs = credentials.for_strongswan(label)
            self.values.update({"auth": "pubkey", "certs": "certs = " + certs})
            self.conf_name = os.path.join(folder, "swanctl.conf")  # swanctl looks for credentials beside it
        self.conf = self.lab.file(self.conf_name, self.CONNECTIONS.format(**self.values))
        if os.path.exists(self.vici[len("unix://"):]):  # of one that was killed: not a sign that this one is there
            os.unlink(self.vici[len("unix://"):])
        self.process = gateway.start(
            "charon", "sh", "-c", f"mount -t tmpfs tmpfs /run && STRONGSWAN_CONF={settings} exec {CHARON}")
        wait_for("charon's control socket", lambda: os.path.exists(self.vici[len("unix://"):]) or self.dead())
        self.swanctl("--load-all", "--file", self.conf)

    def dead(self):
        if not self.process.alive():
            raise Failure(f"charon ended at start: {self.process.log()}")
        return False

    def swanctl(self, verb, *args, check=True, timeout=30.0):
        return self.gateway.run("swanctl", verb, *args, "--uri", self.vici, check=check, timeout=timeout)

    def change(self, **values):
        """Another configuration for what is negotiated from now on."""
        self.values.update(values)
        self.conf = self.lab.file(self.conf_name, self.CONNECTIONS.format(**self.values))
        self.swanctl("--load-conns", "--file", self.conf)

    def log(self, start=0):
        with open(self.log_path, "rb") as file:
            file.seek(start)
            return file.read().decode("utf-8", "replace")

    def mark(self):
        return os.path.getsize(self.log_path)

    def wait_log(self, pattern, timeout=10.0, start=0):
        return wait_for(f"/{pattern}/ in the log of charon", lambda: re.search(pattern, self.log(start), re.M), timeout)

    def up(self, check=True):
        return self.swanctl("--initiate", "--child", "net", check=check)

    def rekey_child(self):
        return self.swanctl("--rekey", "--child", "net")

    def rekey_ike(self):
        return self.swanctl("--rekey", "--ike", "peer")

    def down(self):
        return self.swanctl("--terminate", "--ike", "peer")

    def down_child(self):
        return self.swanctl("--terminate", "--child", "net")

    def children(self):
        """States of the child SAs that charon has now."""
        text = self.swanctl("--list-sas").stdout
        return re.findall(r"^  net: #\d+, reqid \d+, (\w+)", text, re.M)

    def ike_sas(self):
        return re.findall(r"^peer: #\d+, (\w+)", self.swanctl("--list-sas").stdout, re.M)

    def wait_established(self, timeout=15.0):
        wait_for("an INSTALLED child at strongSwan", lambda: "INSTALLED" in self.children(), timeout)

    def expect_woken_by(self, peer):
        """A ping, the first packet of all, crosses the tunnel that it wakes. charon opens ESP before it has put in the
        policies: it may drop a packet right behind the last message of quick mode, and says so. No other loss is excused."""
        if peer.host.ping(self.gateway.host_address) != (1, 1):
            said = rf"discarding inbound IP packet {peer.host_address} == {self.gateway.host_address} \[1\] due to policy"
            expect(len(re.findall(said, self.log())) == 1, f"the first ping was lost, not by charon: {self.lab.last_loss}")

    def wait_gone(self, timeout=10.0):
        wait_for("strongSwan to forget its SAs", lambda: not self.ike_sas(), timeout)

    def end(self):
        return self.process.end(6)
