# SPDX-License-Identifier: Apache-2.0
"""Who is measured. Each has up(lab, wire), which makes its two gateways and its tunnel, and down(); in between
a and b are the namespaces, inner_a and inner_b the addresses between which the load runs."""
import json
import os
import re
import subprocess

from place import INNER_MTU, gateways, need_program, netns, null_binary
import esptun  # test/netns/esptun.py
import strongswan  # test/netns/strongswan.py


class Contestant:
    name = what = ""

    def __init__(self):
        self.a = self.b = None
        self.inner_a, self.inner_b = "10.1.0.1", "10.2.0.1"
        self.relay = None  # of a bad wire, see place.gateways
        self.ends = []

    def up(self, lab, wire):
        self.a, self.b = gateways(lab, wire, self.relay)
        self.join(lab)
        netns.wait_for(f"{self.name}: a ping through the tunnel", self.pings, 20.0)

    def join(self, lab):
        """Makes the tunnel between the two gateways."""
        raise NotImplementedError

    def pings(self):
        return self.a.run("ping", "-n", "-c", 1, "-W", 1, "-I", self.inner_a, self.inner_b, check=False).returncode == 0

    def down(self):
        for process in self.ends:
            process.end()
        self.ends = []

    def version(self):
        return ""


class Bare(Contestant):
    """No tunnel: TCP over the wire itself. What the machine and the load allow."""
    name, what = "bare", "no tunnel, the wire alone"

    def join(self, lab):
        self.inner_a, self.inner_b = self.a.wan, self.b.wan
        for end in (self.a, self.b):
            end.ip("link", "set", "wan0", "mtu", INNER_MTU)


class Esptun(Contestant):
    def __init__(self, label, suite, raw, null=False, what=""):
        super().__init__()
        self.name = f"esptun-{label}{'-raw' if raw else ''}"
        self.what = f"esptun, {what or suite}, {'raw ESP' if raw else 'ESP in UDP'}"
        self.suite, self.raw, self.null = suite, raw, null

    def binary(self):
        return null_binary() if self.null else netns.esptun_path()

    def config(self, end, peer, start):
        return esptun.config(end, peer, settings={"mtu": INNER_MTU}, esp=f"{self.suite}-modp2048",
                             encap="no" if self.raw else "yes", start=start)

    def join(self, lab):
        right = esptun.Esptun(self.b, self.config(self.b, self.a, "none"), binary=self.binary())
        left = esptun.Esptun(self.a, self.config(self.a, self.b, "start"), binary=self.binary())
        self.ends = [left.process, right.process]
        left.wait_established()
        self.left, self.right = left, right

    def version(self):
        done = subprocess.run([self.binary(), "--version"], stdout=subprocess.PIPE, text=True, check=False)
        return "; ".join(line for line in done.stdout.splitlines() if not line.startswith("DANGER"))


class Strongswan(Contestant):
    # The first that offers an algorithm serves it: the fast ones before the plain ones.
    PLUGINS = "random nonce openssl sha1 sha2 hmac kdf kernel-libipsec kernel-netlink socket-default vici"

    def __init__(self, label, suite):
        super().__init__()
        self.name, self.suite = f"strongswan-{label}", suite
        self.what = f"strongSwan, kernel-libipsec (user space), {suite}, ESP in UDP"

    def join(self, lab):
        right = strongswan.Strongswan(self.b, self.a, esp=self.suite, plugins=self.PLUGINS)
        left = strongswan.Strongswan(self.a, self.b, esp=self.suite, plugins=self.PLUGINS)
        self.ends = [left.process, right.process]
        left.up()
        left.wait_established()
        right.wait_established()
        for end in (self.a, self.b):
            device = next(name for name in end.devices() if name.startswith("ipsec"))
            end.ip("link", "set", device, "mtu", INNER_MTU)

    def version(self):
        strongswan.need()
        done = subprocess.run([strongswan.CHARON, "--version"], stdout=subprocess.PIPE, text=True, check=False)
        return done.stdout.strip()


class WireguardGo(Contestant):
    name, what = "wireguard-go", "wireguard-go (user space), ChaCha20-Poly1305"

    def binary(self):
        return need_program(os.environ.get("WIREGUARD_GO") or "wireguard-go")

    def key_pair(self):
        wg = need_program("wg")
        private = subprocess.run([wg, "genkey"], stdout=subprocess.PIPE, text=True, check=True).stdout
        public = subprocess.run([wg, "pubkey"], input=private, stdout=subprocess.PIPE, text=True, check=True).stdout
        return private, public.strip()

    def join(self, lab):
        keys = {end: self.key_pair() for end in (self.a, self.b)}
        for end, peer in ((self.a, self.b), (self.b, self.a)):
            # Its control socket has a fixed place: a /run of its own lets two live on one machine.
            process = end.start("wireguard-go", "sh", "-c",
                                f"mount -t tmpfs tmpfs /run && LOG_LEVEL=error exec '{self.binary()}' -f wg0")
            self.ends.append(process)
            inside = ["nsenter", "-t", str(process.pid), "-m", "-n"]
            netns.wait_for("wireguard-go's control socket", lambda inside=inside, process=process: self.answers(
                inside, process))
            private = lab.file(f"{end.label}.wg", keys[end][0])
            lab.command(*inside, "wg", "set", "wg0", "private-key", private, "listen-port", 51820, "peer",
                        keys[peer][1], "allowed-ips", peer.lan, "endpoint", f"{peer.wan}:51820")
            end.ip("link", "set", "wg0", "mtu", INNER_MTU, "up")
            end.ip("route", "add", peer.lan, "dev", "wg0")

    @staticmethod
    def answers(inside, process):
        if not process.alive():
            raise netns.Failure(f"wireguard-go ended at start: {process.log()}")
        return subprocess.run([*inside, "wg", "show", "wg0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              check=False).returncode == 0

    def version(self):
        known = os.environ.get("WIREGUARD_GO_VERSION")
        done = subprocess.run([self.binary(), "--version"], stdout=subprocess.PIPE, text=True, check=False)
        said = (done.stdout.splitlines() or [""])[0]
        return f"{said} (Debian package {known})" if known else said


class Openvpn(Contestant):
    name, what = "openvpn", "OpenVPN (user space, no DCO), AES-256-GCM in UDP"
    OPTIONS = ("--dev tun0 --dev-type tun --disable-dco --proto udp4 --port 1194 --data-ciphers AES-256-GCM --dh none "
               f"--tun-mtu {INNER_MTU} --mssfix 0 --fast-io --verb 1").split()

    def __init__(self):
        super().__init__()
        self.inner_a, self.inner_b = "10.8.0.1", "10.8.0.2"

    def certificate(self, lab, label):
        key, cert = os.path.join(lab.folder, f"{label}.key"), os.path.join(lab.folder, f"{label}.crt")
        lab.command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", 2, "-subj", f"/CN={label}", "-keyout", key, "-out", cert)
        shown = lab.command("openssl", "x509", "-in", cert, "-noout", "-fingerprint", "-sha256").stdout
        return key, cert, shown.split("=", 1)[1].strip()

    def join(self, lab):
        openvpn = need_program("openvpn", "/usr/sbin/openvpn")
        need_program("openssl")
        certs = {end: self.certificate(lab, end.label) for end in (self.a, self.b)}
        for end, peer, role, addresses in ((self.b, self.a, "--tls-server", (self.inner_b, self.inner_a)),
                                           (self.a, self.b, "--tls-client", (self.inner_a, self.inner_b))):
            key, cert, _ = certs[end]
            self.ends.append(end.start("openvpn", openvpn, *self.OPTIONS, role, "--local", end.wan,
                                       "--remote", peer.wan, "--ifconfig", *addresses, "--key", key, "--cert", cert,
                                       "--peer-fingerprint", certs[peer][2]))

    def version(self):
        path = need_program("openvpn", "/usr/sbin/openvpn")
        done = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=False)
        return re.sub(r" \[.*", "", (done.stdout.splitlines() or [""])[0])


def everyone():
    """Fresh ones, in the order of the table."""
    mine = [("null", "aes256gcm16", True, "null cipher (control)"), ("gcm256", "aes256gcm16", False, ""),
            ("gcm128", "aes128gcm16", False, ""), ("chacha", "chacha20poly1305", False, ""),
            ("cbc256", "aes256-sha256", False, "")]
    return ([Bare()] + [Esptun(label, suite, raw, null, what) for label, suite, null, what in mine
                        for raw in (False, True)] +
            [Strongswan("gcm256", "aes256gcm16"), Strongswan("cbc256", "aes256-sha256"), WireguardGo(), Openvpn()])


def packages(*names):
    """Versions of Debian packages, for the description of the machine."""
    done = subprocess.run(["dpkg-query", "-W", "-f", '"${Package}": "${Version}",', *names], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False)
    return json.loads("{" + done.stdout.rstrip(",") + "}")
