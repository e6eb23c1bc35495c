# SPDX-License-Identifier: Apache-2.0
"""An esptun process in a gateway's namespace: its configuration, its verbs, its status."""
import json
import os
import shutil
import signal

from lab import PSK, Failure, Skip, esptun_path, expect, wait_for

IKE = "aes256-sha256-modp2048"
ESP = "aes256gcm16-modp2048"
DROP_TOO_BIG_REFUSED = "icmp_too_big_refused"  # a "too big" from outside that was not believed
OFFLOADS = ("tun_offload", "udp_gso", "udp_gro")


def offload_of(gateway):
    """The settings of super-packets at this end: what a test has put into lab.offload, or else ESPTUN_OFFLOAD, wants for
    (gwA, gwB); neither: esptun's own choice."""
    words = gateway.lab.offload or os.environ.get("ESPTUN_OFFLOAD", "").split(",")
    if len(words) != 2:
        return {}
    return dict.fromkeys(OFFLOADS, words[gateway.label == "gwB"])


def gateway_keys(gateway):
    """What the environment of a run of all tests adds to [gateway]: ESPTUN_OFFLOAD, ESPTUN_WORKERS, ESPTUN_USER."""
    keys = {key: os.environ.get("ESPTUN_" + key.upper()) for key in ("workers", "user")}
    if keys["user"]:
        shutil.chown(gateway.lab.folder, keys["user"])  # so that it can remove its control socket
    return {**{key: value for key, value in keys.items() if value}, **offload_of(gateway)}


def config(gateway, peer, psk=PSK, acl=None, settings=None, name="peer", **keys):
    """The INI text of one connection. keys: of the connection (None leaves one out); settings: of [gateway]."""
    lab, label = gateway.lab, gateway.label
    base = {"tun": "esp0", "control": control_path(gateway), "log_level": "info",
            **gateway_keys(gateway)}
    connection = {
        "ike_version": 1, "mode": "main", "local": gateway.wan, "remote": peer.wan, "auth": "psk",
        "psk_file": lab.file(f"{label}.psk", psk + "\n"), "ike": IKE, "esp": ESP, "encap": "yes", "start": "trap",
    }
    lines = ["[gateway]"] + [f"{k} = {v}" for k, v in {**base, **(settings or {})}.items() if v is not None]
    lines += ["", f"[connection {name}]"]
    lines += [f"{k} = {v}" for k, v in {**connection, **keys}.items() if v is not None]
    lines += ["", "[acl]"] + (acl or [f"protect = {gateway.lan} -> {peer.lan} via {name}"])
    return "\n".join(lines) + "\n"


def control_path(gateway):
    return os.path.join(gateway.lab.folder, f"{gateway.label}.sock")


class Esptun:
    """prefix: a command that runs the daemon (setpriv, ...). owner: the user who must be able to read its files."""

    def __init__(self, gateway, text, env=None, binary=None, ready=True, prefix=(), owner=None):
        self.gateway, self.lab = gateway, gateway.lab
        self.binary = binary or esptun_path()
        if not os.access(self.binary, os.X_OK):
            raise Skip(f"there is no {self.binary}: build first, or set ESPTUN")
        self.file = self.lab.file(f"{gateway.label}.ini", text)
        self.prefix = prefix
        if owner is not None:
            os.chmod(self.lab.folder, 0o1777)  # for the control socket
            for path in (self.file, os.path.join(self.lab.folder, f"{gateway.label}.psk")):
                os.chown(path, owner, owner)
        self.socket = control_path(gateway)
        self.before = gateway.routes()
        self.devices_before = gateway.devices()
        self.env = env
        self.process = None
        self.lab.looks.append(self.look)
        self.start(ready)

    def start(self, ready=True):
        env = dict(os.environ, **(self.env or {}))
        self.process = self.gateway.start("esptun", *self.prefix, self.binary, "run", "-c", self.file, env=env)
        if ready:
            wait_for(f"{self.gateway.label}'s esptun to answer", self.answers)

    def answers(self):
        if not self.process.alive():
            raise Failure(f"esptun ended at start with {self.process.popen.returncode}: {self.process.log()}")
        if not os.path.exists(self.socket):
            return False
        return self.verb("status", check=False).returncode == 0

    def verb(self, *args, check=True, timeout=40.0):
        """`esptun VERB ... -s SOCKET`: returns the CompletedProcess."""
        return self.gateway.run(self.binary, *args, "-s", self.socket, check=check, timeout=timeout)

    def status(self):
        text = self.verb("status", "--json").stdout
        try:
            return json.loads(text)
        except ValueError as error:
            raise Failure(f"status --json is no JSON ({error}): {text}") from error

    def children(self, status=None):
        """Established children."""
        return [c for sa in (status or self.status())["ike_sas"] for c in sa["children"] if
                c["state"] in ("established", "rekeying")]

    def look(self):
        """What the end of a failed test prints."""
        status = self.status()
        return (f"--- {self.gateway.label}: dropped {self.drops()}, IKE SAs "
                f"{json.dumps(status['ike_sas'], indent=1)}")

    def every_child(self):
        """Also those that are on their way out."""
        return [c for sa in self.status()["ike_sas"] for c in sa["children"]]

    def wait_settled(self, timeout=120.0):
        """One IKE SA with one pair is left, nothing lingers. Returns that child."""
        def look():
            sas = self.status()["ike_sas"]
            return len(sas) == 1 and len(sas[0]["children"]) == 1 and sas[0]["children"][0]["state"] == "established"
        wait_for(f"one IKE SA and one pair to be left at {self.gateway.label}", look, timeout, 0.2)
        return self.every_child()[0]

    def wait_pairs(self, count, timeout=30.0):
        """So many established children are left, nothing lingers. Returns them."""
        def look():
            children = self.every_child()
            return len(children) == count and all(c["state"] == "established" for c in children) and children
        return wait_for(f"{count} pairs of SAs to be left at {self.gateway.label}", look, timeout, 0.2)

    def child(self):
        """The one established child."""
        children = self.children()
        expect(len(children) == 1, f"{self.gateway.label} has {len(children)} children, not one: {children}")
        return children[0]

    def drops(self):
        """What was dropped, by reason. out_no_rule is never empty: the kernel speaks IPv6 on each new device."""
        return {k: v for k, v in self.status()["drops"].items() if v}

    def dropped(self, name):
        """One counter of drops; a name that status does not have is an error."""
        drops = self.status()["drops"]
        expect(name in drops, f"status knows no drop {name}, but {sorted(drops)}")
        return drops[name]

    def up(self):
        return self.verb("up", "peer")

    def down(self):
        return self.verb("down", "peer")

    def rekey(self):
        return self.verb("rekey", "peer")

    def wait_established(self, timeout=15.0):
        return wait_for(f"an established child at {self.gateway.label}", self.children, timeout)

    def wait_gone(self, timeout=5.0):
        wait_for(f"{self.gateway.label} to forget its SAs", lambda: not self.status()["ike_sas"], timeout)

    def wait_log(self, pattern, timeout=10.0, start=0):
        return self.process.wait_log(pattern, timeout, start)

    def log(self):
        return self.process.log()

    def mark(self):
        return self.process.mark()

    def terminate(self):
        """SIGTERM must end it with exit code 0 and leave nothing behind; it waits for no peer."""
        self.process.popen.send_signal(signal.SIGTERM)
        code = self.process.wait()
        expect(code == 0, f"{self.gateway.label}: exit code {code} after SIGTERM, not 0")
        self.expect_clean()

    def kill(self):
        """As a crash would end it: nothing is tidied up."""
        self.process.popen.kill()
        self.process.wait()

    def expect_clean(self):
        devices = self.gateway.devices()
        expect(devices == self.devices_before, f"devices left behind: {devices}, before: {self.devices_before}")
        routes = self.gateway.routes()
        expect(routes == self.before, f"routes or rules left behind:\n{routes}\nbefore:\n{self.before}")
        expect(not os.path.exists(self.socket), f"the control socket {self.socket} was left behind")


def pair(lab, nat=False, left=None, right=None, **both):
    """Two gateways, an esptun on each. left, right: keys of one side; the others are for both."""
    a, b = lab.gateways(nat=nat)
    left, right = {**both, **(left or {})}, {**both, **(right or {})}
    if nat:
        left = {"remote_id": "192.0.2.2", **left}
        right = {"remote": "192.0.2.1", "remote_id": "192.168.7.2", **right}
    return Esptun(a, config(a, b, **left)), Esptun(b, config(b, a, **right))
