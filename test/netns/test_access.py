# SPDX-License-Identifier: Apache-2.0
"""Remote access: a client logs in by XAUTH and gets a virtual address; esptun and strongSwan in both roles."""
import os
import pty
import subprocess

from esptun import Esptun, config
from lab import PSK, Capture, Skip, clear_packets, esptun_path, expect, transfer, wait_for
from pki import Pki, end
from strongswan import CERTIFICATES, PLUGINS, Strongswan, need

POOL = "10.9.0.0/24"
FIRST = "10.9.0.1"
USER, PASSWORD = "alice", "open sesame 17"
XAUTH_PLUGIN = "/usr/lib/ipsec/plugins/libstrongswan-xauth-generic.so"


def users_file(gateway, **users):
    """Lines as `esptun passwd` makes them."""
    lines = "".join(subprocess.run([esptun_path(), "passwd", name], input=password + "\n", text=True, check=True,
                                   stdout=subprocess.PIPE).stdout for name, password in users.items())
    return gateway.lab.file(f"{gateway.label}.users", lines)


def server_config(gateway, peer, acl=None, users=None, **keys):
    """Of gwB, for clients from anywhere."""
    access = {"auth": "xauth-psk", "remote": "%any", "start": "none", "pool": POOL,
              "users": users_file(gateway, **(users or {USER: PASSWORD}))}
    return config(gateway, peer, acl=acl or [f"protect = {gateway.lan} -> {POOL} via peer"], **{**access, **keys})


def client_config(gateway, peer, acl=None, password=PASSWORD, **keys):
    access = {"auth": "xauth-psk", "xauth_user": USER,
              "xauth_password_file": gateway.lab.file(f"{gateway.label}.password", password + "\n")}
    return config(gateway, peer, acl=acl or [f"protect = any -> {peer.lan} via peer"], **{**access, **keys})


def addresses(gateway):
    return gateway.ip("-o", "-4", "addr", "show", "dev", "esp0").stdout


def both_ways(a, b, address=FIRST):
    expect(a.ping(b.host_address, 5) == (5, 5), "pings from the client were lost")
    expect(b.host.ping(address, 5) == (5, 5), "pings to the client were lost")
    transfer(a, b.host, b.host_address, 1_000_000)


def test_esptun_to_esptun(lab):
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a, dns="10.2.0.53", split=b.lan, domain="example.org", banner="Mind the gap"))
    left = Esptun(a, client_config(a, b))
    wire = Capture(b, "wan0")
    left.up()
    expect(f" {FIRST}/32 " in addresses(a), f"the address is not on the TUN: {addresses(a)}")
    both_ways(a, b)
    sa = right.status()["ike_sas"][0]
    expect((sa["user"], sa["virtual_ip"]) == (USER, FIRST), f"status says {sa['user']}, {sa['virtual_ip']}")
    expect(left.status()["ike_sas"][0]["virtual_ip"] == FIRST, "the client's status has no virtual address")
    expect(left.child()["local_ts"] == FIRST + "/32", f"the client's side is {left.child()['local_ts']}")
    for line in ("Mind the gap", "example.org", "10.2.0.53"):
        left.wait_log(line)
    for end in (left, right):
        expect(PASSWORD not in end.log(), "the password stands in the log")
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked))
    left.down()
    expect(FIRST not in addresses(a), "the address stays on the TUN")
    expect(f"{b.lan} dev esp0" in a.routes(), f"with the address the route has gone:\n{a.routes()}")
    left.up()
    expect(FIRST in addresses(a), "the same user has another address now")
    left.terminate()
    right.wait_gone()
    right.terminate()


def test_pushed(lab):
    a, b = lab.gateways(nat=True)
    right = Esptun(b, server_config(b, a, mode_config="push", remote_id=None))
    left = Esptun(a, client_config(a, b, mode_config="push", remote_id="192.0.2.2"))
    left.up()
    both_ways(a, b)
    left.terminate()
    right.wait_gone()


def test_wrong_password(lab):
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a))
    left = Esptun(a, client_config(a, b, password="open barley"))
    result = left.verb("up", "peer", check=False)
    expect(result.returncode == 1 and "AUTHENTICATION_FAILED" in result.stderr, f"up said {result}")
    right.wait_log("AUTHENTICATION_FAILED: XAUTH")
    expect(not left.status()["ike_sas"], "an IKE SA is left at the client")
    right.wait_gone()
    expect(a.ping(b.host_address, 1) == (1, 0), "a ping went through without a login")
    for end in (left, right):
        expect("barley" not in end.log(), "the password stands in the log")


def test_two_clients(lab):
    """Each has its own address, and neither that of the other."""
    a, b = lab.gateways()
    third = lab.namespace("gwC")
    b.ip("addr", "add", "198.51.100.1/32", "dev", "lo")
    lab.link(third, "wan1", "198.51.100.2/24", b, "wan1", "198.51.100.3/24")
    third.ip("route", "add", "default", "via", "198.51.100.3")
    third.wan = "198.51.100.2"
    right = Esptun(b, server_config(b, a, local="192.0.2.2", users={USER: PASSWORD, "bob": "hunter 2"}))
    left = Esptun(a, client_config(a, b))
    other = Esptun(third, client_config(third, b, xauth_user="bob", password="hunter 2", local=third.wan))
    left.up()
    other.up()
    expect(FIRST in addresses(a) and "10.9.0.2" in addresses(third), addresses(a) + addresses(third))
    both_ways(a, b, FIRST)
    both_ways(third, b, "10.9.0.2")
    expect(len(right.children()) == 2, "not two children")
    other.terminate()
    both_ways(a, b, FIRST)
    left.terminate()


def test_a_second_login_takes_the_place_of_the_first(lab):
    a, b = lab.gateways()
    third = lab.namespace("gwC")
    lab.link(third, "wan1", "198.51.100.2/24", b, "wan1", "198.51.100.3/24")
    third.ip("route", "add", "default", "via", "198.51.100.3")
    third.wan = "198.51.100.2"
    right = Esptun(b, server_config(b, a, local="192.0.2.2"))
    left = Esptun(a, client_config(a, b, start="none"))
    other = Esptun(third, client_config(third, b, local=third.wan, start="none"))
    left.up()
    both_ways(a, b)
    other.up()
    expect(FIRST in addresses(third), "the user has another address at the second place")
    both_ways(third, b)
    left.wait_gone(timeout=30)
    expect(FIRST not in addresses(a), "the address stays at the first place")
    both_ways(third, b)
    right.wait_settled()


def test_beside_a_connection_without_a_login(lab):
    """Both from anywhere, each with its own key: the method of the first message tells them apart."""
    a, b = lab.gateways()
    key = lab.file("plain.psk", "another horse battery staple\n")
    plain = (f"[connection plain]\nremote = %any\nlocal = {b.wan}\nstart = none\npsk_file = {key}\n"
             "ike = aes256-sha256-modp2048\n\n")
    text = server_config(b, a).replace("[acl]\n", f"[acl]\nprotect = {b.lan} -> {a.lan} via plain\n")
    for before in ("[connection peer]\n", "[acl]\n"):
        right = Esptun(b, text.replace(before, plain + before))
        left = Esptun(a, client_config(a, b))
        left.up()
        both_ways(a, b)
        left.terminate()
        left = Esptun(a, config(a, b, psk_file=key))
        left.up()
        expect(a.host.ping(b.host_address, 3) == (3, 3), "pings of the connection without a login were lost")
        left.terminate()
        right.terminate()


def test_ipv6(lab):
    a, b = lab.gateways()
    for gateway, number in ((a, 1), (b, 2)):
        gateway.ip("addr", "add", f"fd00:{number}::1/64", "dev", "lan0", "nodad")
        gateway.host.ip("addr", "add", f"fd00:{number}::2/64", "dev", "eth0", "nodad")
        gateway.host.ip("route", "add", "default", "via", f"fd00:{number}::1")
    b.sysctl("net.ipv6.conf.all.forwarding", 1)
    right = Esptun(b, server_config(b, a, pool=f"{POOL}, fd00:9::/64",
                                    acl=[f"protect = {b.lan} -> {POOL} via peer",
                                         "protect = fd00:2::/64 -> fd00:9::/64 via peer"]))
    left = Esptun(a, client_config(a, b, acl=[f"protect = any -> {b.lan} via peer",
                                              "protect = any -> fd00:2::/64 via peer"]))
    left.up()
    both_ways(a, b)
    expect("fd00:9::1/128" in a.ip("-6", "addr", "show", "dev", "esp0").stdout, "no IPv6 address on the TUN")
    wait_for("two children", lambda: len(left.children()) == 2)
    expect(a.ping("fd00:2::2", 3) == (3, 3), "IPv6 pings were lost")
    sa = right.status()["ike_sas"][0]
    expect(sa["virtual_ip"] == f"{FIRST}, fd00:9::1", f"status says {sa['virtual_ip']}")
    left.terminate()


def test_passwd_on_a_terminal(_lab):
    """Asked for twice, and not shown."""
    for second, code in ((PASSWORD, 0), (PASSWORD + "!", 1)):
        master, slave = pty.openpty()
        with subprocess.Popen([esptun_path(), "passwd", USER], stdin=slave, stdout=subprocess.PIPE, stderr=slave,
                              text=True) as process:
            os.close(slave)
            shown = ""
            for question, answer in (("Password: ", PASSWORD), ("Again: ", second)):
                while not shown.endswith(question):
                    shown += os.read(master, 1000).decode()
                os.write(master, (answer + "\n").encode())
            line = process.stdout.read()
        expect(process.returncode == code, f"exit code {process.returncode}: {line}")
        expect(line.startswith(f"{USER}:$argon2id$") == (code == 0), f"passwd printed {line}")
        expect("sesame" not in shown, f"the password was shown: {shown}")
        os.close(master)

SWAN_SECRETS = """
secrets {{
    ike-peer {{
        secret = "{psk}"
    }}
    xauth-alice {{
        id = {user}
        secret = "{password}"
    }}
}}
"""

SWAN_SERVER = """
connections {{
    peer {{
        version = 1
        proposals = aes256-sha256-modp2048
        encap = yes
        pools = virtual
        {more}
        local {{
            auth = {auth}
            id = {id}
            {certs}
        }}
        remote-first {{
            auth = {auth}
        }}
        remote-xauth {{
            auth = xauth
        }}
        children {{
            net {{
                local_ts = {lan}
                esp_proposals = aes256gcm16-modp2048
            }}
        }}
    }}
}}
pools {{
    virtual {{
        addrs = {pool}
        dns = 10.2.0.53
    }}
}}
""" + SWAN_SECRETS

SWAN_CLIENT = """
connections {{
    peer {{
        version = 1
        proposals = aes256-sha256-modp2048
        remote_addrs = {remote}
        encap = yes
        vips = 0.0.0.0
        {more}
        local-first {{
            auth = {auth}
            {local_id}
            {certs}
        }}
        local-xauth {{
            auth = xauth
            xauth_id = {user}
        }}
        remote {{
            auth = {auth}
            id = {id}
        }}
        children {{
            net {{
                remote_ts = {lan}
                esp_proposals = aes256gcm16-modp2048
            }}
        }}
    }}
}}
""" + SWAN_SECRETS


class Swan(Strongswan):
    """charon with a configuration of its own."""

    def __init__(self, gateway, peer, text, credentials=None, **values):
        need()
        if not os.path.exists(XAUTH_PLUGIN):
            raise Skip("strongSwan's xauth-generic (libcharon-extauth-plugins) is not installed")
        super().__init__(gateway, peer, plugins=(CERTIFICATES if credentials else PLUGINS) + " xauth-generic",
                         credentials=credentials)
        ways = {name: self.values[name] for name in ("auth", "certs")}
        path = gateway.lab.file(os.path.join(os.path.dirname(self.conf_name), f"{gateway.label}-access.conf"),
                                text.format(**{"psk": PSK, "user": USER, "pool": POOL, "more": "", "password": PASSWORD,
                                               "local_id": "", "id": peer.wan, **ways, **values}))
        self.swanctl("--load-all", "--clear", "--file", path)


def swan_server(lab, password=PASSWORD, **values):
    a, b = lab.gateways()
    right = Swan(b, a, SWAN_SERVER, id=b.wan, lan=b.lan, **values)
    return Esptun(a, client_config(a, b, password=password)), right


def test_strongswan_is_the_server(lab):
    left, right = swan_server(lab)
    a, b = left.gateway, right.gateway
    wire = Capture(b, "wan0")
    left.up()
    expect(f" {FIRST}/32 " in addresses(a), f"the address is not on the TUN: {addresses(a)}")
    both_ways(a, b)
    left.rekey()
    both_ways(a, b)
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked))
    left.terminate()
    right.wait_gone()


def test_strongswan_narrows(lab):
    """The rule asks for more than the server has: the rest is dropped, not sent in clear."""
    a, b = lab.gateways()
    right = Swan(b, a, SWAN_SERVER, id=b.wan, lan=b.lan)
    left = Esptun(a, client_config(a, b, acl=["protect = any -> 10.2.0.0/16 via peer"]))
    b.ip("addr", "add", "10.2.7.7/32", "dev", "lo")
    wire = Capture(b, "wan0")
    left.up()
    both_ways(a, b)
    expect(left.child()["remote_ts"] == b.lan, f"the server's side is {left.child()['remote_ts']}")
    left.rekey()
    both_ways(a, b)
    expect(a.ping("10.2.7.7", 2, wait=1) == (2, 0), "a ping went where the server has agreed to nothing")
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked))
    right.down()
    left.wait_gone()


def test_strongswan_pushes(lab):
    a, b = lab.gateways()
    right = Swan(b, a, SWAN_SERVER, id=b.wan, lan=b.lan, more="pull = no")
    left = Esptun(a, client_config(a, b, mode_config="push"))
    left.up()
    both_ways(a, b)
    left.terminate()
    right.wait_gone()


def test_strongswan_refuses_the_password(lab):
    left, right = swan_server(lab, password="open barley")
    result = left.verb("up", "peer", check=False)
    expect(result.returncode == 1 and "AUTHENTICATION_FAILED" in result.stderr, f"up said {result}")
    right.wait_gone()


def a_strongswan_client_lives(left, right):
    """It comes up, logs in, renews phase 1 and goes."""
    a, b = left.gateway, right.gateway
    left.up()
    wait_for("the client at esptun", right.children)
    both_ways(a, b)
    sa = right.status()["ike_sas"][0]
    expect((sa["user"], sa["virtual_ip"]) == (USER, FIRST), f"status says {sa['user']}, {sa['virtual_ip']}")
    before = left.mark()
    left.rekey_ike()
    # Else it takes back one half of a phase 1, and forgets to say that the children of the other are gone.
    left.wait_log("processing INTERNAL_IP4_ADDRESS", start=before)
    both_ways(a, b)
    left.down()
    right.wait_gone()


def test_strongswan_is_the_client(lab):
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a, dns="10.2.0.53"))
    left = Swan(a, b, SWAN_CLIENT, remote=b.wan, lan=b.lan)
    a_strongswan_client_lives(left, right)


def test_strongswan_client_with_the_wrong_password(lab):
    a, b = lab.gateways()
    right = Esptun(b, server_config(b, a))
    left = Swan(a, b, SWAN_CLIENT, remote=b.wan, lan=b.lan, password="open barley")
    expect(left.up(check=False).returncode != 0, "strongSwan came up with a wrong password")
    right.wait_log("AUTHENTICATION_FAILED: XAUTH")
    right.wait_gone()


# --- certificates before the login ---

def signed(pki, label, other, **more):
    return pki.keys(label, other, auth="xauth-pubkey", **more)


def both_esptun_with_certificates(lab, mode):
    a, b = lab.gateways()
    pki = Pki(lab, "rsa2048")
    right = Esptun(b, server_config(b, a, mode=mode, **signed(pki, "gwB", "gwA", remote_id=None)))
    left = Esptun(a, client_config(a, b, mode=mode, **signed(pki, "gwA", "gwB")))
    left.up()
    both_ways(a, b)
    sa = right.status()["ike_sas"][0]
    expect((sa["user"], sa["virtual_ip"], sa["remote_id"]) == (USER, FIRST, "gwA.example.org"), f"status says {sa}")
    right.wait_log("has proven itself with the certificate of .*CN=gwA")
    right.wait_log(f"XAUTH: user {USER} at .* is logged in")
    left.rekey()
    both_ways(a, b)
    left.terminate()
    right.wait_gone()


def test_certificates_and_a_wrong_password(lab):
    a, b = lab.gateways()
    pki = Pki(lab, "rsa2048")
    right = Esptun(b, server_config(b, a, **signed(pki, "gwB", "gwA")))
    left = Esptun(a, client_config(a, b, password="open barley", **signed(pki, "gwA", "gwB")))
    result = left.verb("up", "peer", check=False)
    expect(result.returncode == 1 and "AUTHENTICATION_FAILED" in result.stderr, f"up said {result}")
    right.wait_log("AUTHENTICATION_FAILED: XAUTH")
    right.wait_gone()
    expect(a.ping(b.host_address, 1) == (1, 0), "a ping went through without a login")


def test_right_password_and_a_wrong_certificate(lab):
    """The server never asks for the password."""
    a, b = lab.gateways()
    pki = Pki(lab, "rsa2048", ends={"gwA": end("gwA", "rsa2048", names="DNS:other.example.org")})
    right = Esptun(b, server_config(b, a, **signed(pki, "gwB", "gwA")))
    left = Esptun(a, client_config(a, b, **signed(pki, "gwA", "gwB")))
    expect(left.verb("up", "peer", check=False).returncode == 1, "it came up")
    right.wait_log("AUTHENTICATION_FAILED in main mode: .*does not bear that name")
    expect("XAUTH" not in right.log(), "the password was asked for")
    expect(not right.status()["ike_sas"] or right.status()["ike_sas"][0]["state"] != "established", "established")


def swan_with_certificates(lab, mode):
    a, b = lab.gateways()
    pki = Pki(lab, "rsa2048")
    return a, b, pki, f"aggressive = {'yes' if mode == 'aggressive' else 'no'}"


def strongswan_serves_certificates(lab, mode):
    a, b, pki, aggressive = swan_with_certificates(lab, mode)
    right = Swan(b, a, SWAN_SERVER, credentials=pki, id="gwB.example.org", lan=b.lan, more=aggressive)
    left = Esptun(a, client_config(a, b, mode=mode, **signed(pki, "gwA", "gwB")))
    left.up()
    expect(f" {FIRST}/32 " in addresses(a), f"the address is not on the TUN: {addresses(a)}")
    both_ways(a, b)
    left.rekey()
    both_ways(a, b)
    left.terminate()
    right.wait_gone()


def strongswan_calls_with_certificates(lab, mode):
    a, b, pki, aggressive = swan_with_certificates(lab, mode)
    right = Esptun(b, server_config(b, a, mode=mode, **signed(pki, "gwB", "gwA")))
    left = Swan(a, b, SWAN_CLIENT, credentials=pki, id="gwB.example.org", local_id="id = gwA.example.org",
                remote=b.wan, lan=b.lan, more=aggressive)
    a_strongswan_client_lives(left, right)


for phase1 in ("main", "aggressive"):
    globals()[f"test_certificates_esptun_to_esptun_{phase1}"] = \
        lambda lab, mode=phase1: both_esptun_with_certificates(lab, mode)
    globals()[f"test_strongswan_server_certificates_{phase1}"] = \
        lambda lab, mode=phase1: strongswan_serves_certificates(lab, mode)
    globals()[f"test_strongswan_client_certificates_{phase1}"] = \
        lambda lab, mode=phase1: strongswan_calls_with_certificates(lab, mode)


def test_a_client_without_a_login_is_refused(lab):
    """strongSwan with auth = pubkey alone: the method of the server is another, and both are named."""
    a, b = lab.gateways()
    pki = Pki(lab, "rsa2048")
    right = Esptun(b, server_config(b, a, **signed(pki, "gwB", "gwA")))
    left = Strongswan(a, b, ike="aes256-sha256-modp2048", esp="aes256gcm16-modp2048", plugins=CERTIFICATES,
                      credentials=pki, local_id="gwA.example.org", remote_id="gwB.example.org")
    expect(left.up(check=False).returncode != 0, "strongSwan came up without a login")
    right.wait_log(r"authenticates with RSA signatures \(3\), this connection with XAUTH with RSA signatures \(65005\)")
    expect(not right.children(), "there are children")


VPNC = "/usr/sbin/vpnc"

VPNC_CONF = """
IPSec gateway {gateway}
IPSec ID {group}
IPSec secret {psk}
Xauth username {user}
Xauth password {password}
IKE DH Group dh14
Perfect Forward Secrecy nopfs
NAT Traversal Mode natt
Script {script}
No Detach
DPD idle timeout (our side) 0
"""

# What vpnc-script would do, and no more; what the server has told goes into a file.
VPNC_SCRIPT = """#!/bin/sh
env > {told}.$reason
case $reason in
connect)
    ip link set dev $TUNDEV up mtu 1300
    ip addr add $INTERNAL_IP4_ADDRESS/32 dev $TUNDEV
    ip route add $CISCO_SPLIT_INC_0_ADDR/$CISCO_SPLIT_INC_0_MASKLEN dev $TUNDEV
    ;;
esac
"""


def vpnc(lab, gateway, server, password=PASSWORD):
    if not os.path.exists(VPNC):
        raise Skip("vpnc is not installed")
    told = os.path.join(lab.folder, "told")
    script = lab.file("vpnc-script", VPNC_SCRIPT.format(told=told), 0o700)
    path = lab.file("vpnc.conf", VPNC_CONF.format(gateway=server.wan, group="road", psk=PSK, user=USER,
                                                  password=password, script=script))
    return gateway.start("vpnc", VPNC, "--debug", "2", path), told


def vpnc_server(gateway, peer, **keys):
    """vpnc asks for everything, by the name of its group, in aggressive mode, with SHA-1."""
    text = server_config(gateway, peer, **{
        "mode": "aggressive", "remote_id": "keyid:road", "allow": "sha1", "ike": "aes256-sha1-modp2048",
        "esp": "aes256-sha1", "split": gateway.lan, "dns": "10.2.0.53", "banner": "Mind the gap",
        "domain": "example.org", **keys})
    path = gateway.lab.file("probe.ini", text)
    said = gateway.run(esptun_path(), "check", "-c", path, check=False)
    if "mode = aggressive is not available" in said.stderr:
        raise Skip("this esptun has no aggressive mode, and vpnc nothing else")
    return Esptun(gateway, text)


def test_vpnc(lab):
    a, b = lab.gateways()
    right = vpnc_server(b, a)
    wire = Capture(b, "wan0")
    client, told = vpnc(lab, a, b)
    wait_for("the client at esptun", right.children)
    wait_for("the address at vpnc", lambda: FIRST in a.ip("-o", "-4", "addr").stdout)
    both_ways(a, b)
    with open(told + ".connect", encoding="utf-8") as file:
        text = file.read()
    for line in ("INTERNAL_IP4_DNS=10.2.0.53", "CISCO_DEF_DOMAIN=example.org", "CISCO_BANNER=Mind the gap",
                 "CISCO_SPLIT_INC=1", "CISCO_SPLIT_INC_0_ADDR=10.2.0.0"):
        expect(line in text, f"vpnc was not told {line}")
    leaked = clear_packets(wire.stop())
    expect(not leaked, "clear packets on the wire:\n" + "\n".join(leaked))
    client.popen.terminate()
    client.wait()
    right.wait_gone()


def test_vpnc_behind_nat(lab):
    """And with a rule for all that it may send."""
    a, b = lab.gateways(nat=True)
    right = vpnc_server(b, a, acl=[f"protect = 0.0.0.0/0 -> {POOL} via peer"])
    vpnc(lab, a, b)
    wait_for("the client at esptun", right.children)
    wait_for("the address at vpnc", lambda: FIRST in a.ip("-o", "-4", "addr").stdout)
    both_ways(a, b)


def test_vpnc_with_the_wrong_password(lab):
    a, b = lab.gateways()
    right = vpnc_server(b, a)
    client, _ = vpnc(lab, a, b, password="open barley")
    right.wait_log("AUTHENTICATION_FAILED: XAUTH")
    expect(client.wait() != 0, "vpnc came up with a wrong password")
    right.wait_gone()
