# SPDX-License-Identifier: Apache-2.0
"""Keys and certificates of one test, made by the tool netns_pki (test/netns/pki.c)."""
import os
import shutil
import subprocess

from lab import Failure, Skip, esptun_path

CA = "critical,CA:TRUE|critical,keyCertSign,cRLSign|-|-30|3000"
END = "critical,CA:FALSE|critical,digitalSignature|serverAuth,clientAuth|-1|300"


def tool():
    path = os.path.join(os.path.dirname(esptun_path()), "test", "netns_pki")
    for candidate in (path, os.path.join(os.path.dirname(__file__), "..", "..", "build", "test", "netns_pki")):
        if os.access(candidate, os.X_OK):
            return candidate
    raise Skip(f"there is no {path}: build the tests")


class Pki:
    """A root, an intermediate authority or several, and an end for each gateway: gwA.example.org and gwB.example.org."""

    def __init__(self, lab, kind="ec256", ends=None, more=(), middles=1):
        self.lab = lab
        self.middles = ["middle"] + [f"middle{n}" for n in range(2, middles + 1)]  # from the ends upwards
        self.folder = os.path.join(lab.folder, "pki")
        os.makedirs(self.folder, mode=0o700)
        ends = ends or {}
        lines = [f"root|{kind}|-|C=CH, O=Example, CN=Root|-|{CA}"]
        for name, issuer in reversed(list(zip(self.middles, self.middles[1:] + ["root"]))):
            lines.append(f"{name}|{kind}|{issuer}|C=CH, O=Example, CN={name.capitalize()}|-|{CA}")
        for label in ("gwA", "gwB"):
            lines.append(ends.get(label, end(label, kind)))
        made = subprocess.run([tool(), self.folder], input="\n".join(lines + list(more)) + "\n", text=True,
                              capture_output=True, check=False)
        if made.returncode != 0:
            raise Failure(f"netns_pki failed: {made.stderr}")

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), encoding="ascii") as file:
            return file.read()

    def chain(self, label):
        """Own certificate and intermediates in one file."""
        return self.lab.file(f"{label}-chain.pem", "".join(self.read(f"{name}.pem") for name in [label] + self.middles))

    def keys(self, label, other, **more):
        """For config() of esptun."""
        return {"auth": "pubkey", "psk_file": None, "cert": self.chain(label), "key": self.path(f"{label}.key"),
                "ca": self.path("root.pem"), "local_id": f"{label}.example.org", "remote_id": f"{other}.example.org",
                **more}

    def for_strongswan(self, label):
        """A folder of swanctl with the credentials of this end: (folder, name of its certificate)."""
        folder = os.path.join(self.lab.folder, f"{label}-swanctl")
        for name in ("x509", "x509ca", "x509crl", "private"):
            os.makedirs(os.path.join(folder, name))
        shutil.copy(self.path(f"{label}.pem"), os.path.join(folder, "x509", "own.pem"))
        for name in self.middles:
            shutil.copy(self.path(f"{name}.pem"), os.path.join(folder, "x509ca", f"{name}.pem"))
        shutil.copy(self.path("root.pem"), os.path.join(folder, "x509ca", "root.pem"))
        shutil.copy(self.path(f"{label}.key"), os.path.join(folder, "private", "own.key"))
        return folder, "own.pem"


def end(label, kind="ec256", issuer="middle", names=None, rest=END):
    return f"{label}|{kind}|{issuer}|C=CH, O=Example, CN={label}|{names or f'DNS:{label}.example.org'}|{rest}"
