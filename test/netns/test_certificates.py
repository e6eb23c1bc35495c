# SPDX-License-Identifier: Apache-2.0
"""Authentication with certificates: two esptun, and strongSwan as the other end in both roles. The chain is a root that
both ends trust, an intermediate authority that each end sends, and an end certificate."""
from esptun import Esptun, config
from lab import Capture, clear_packets, esptun_path, expect, transfer
from pki import END, Pki, end
from strongswan import CERTIFICATES, Strongswan

KINDS = ("rsa2048", "ec256", "ec384", "ec521")


def carries(left, right):
    a, b = left.gateway, right.gateway
    expect(a.host.ping(b.host_address, 2) == (2, 2), "pings were lost")
    expect(b.host.ping(a.host_address, 2) == (2, 2), "pings back were lost")
    transfer(a.host, b.host, b.host_address, 300_000)


def with_strongswan(lab, kind, ike="aes256-sha256-ecp256", nat=False, **ours):
    """mode = aggressive in ours: at both ends."""
    a, b = lab.gateways(nat=nat)
    pki = Pki(lab, kind)
    right = Strongswan(b, a, ike=ike, esp="aes256gcm16-ecp256", plugins=CERTIFICATES, credentials=pki,
                       remote="192.0.2.1" if nat else None,
                       local_id="gwB.example.org", remote_id="gwA.example.org",
                       aggressive="yes" if ours.get("mode") == "aggressive" else "no")
    keys = {"ike": ike, "esp": "aes256gcm16-ecp256", **pki.keys("gwA", "gwB"), **ours}
    return Esptun(a, config(a, b, **keys)), right


def we_initiate(lab, kind, **ours):
    left, right = with_strongswan(lab, kind, **ours)
    wire = Capture(right.gateway, "wan0")
    left.up()
    right.wait_established()
    left.wait_log("has proven itself with the certificate of C=CH, O=Example, CN=gwB; also gwB.example.org, issued by C=CH, "
                  "O=Example, CN=Middle, good until 2")
    carries(left, right)
    left.terminate()
    right.wait_gone()
    leaked = clear_packets(wire.stop(), " and not ip.flags.mf == 1")  # large IKE messages are cut by IP
    expect(not leaked, f"clear packets on the wire: {leaked[:5]}")


def strongswan_initiates(lab, kind, **ours):
    left, right = with_strongswan(lab, kind, **ours)
    right.up()
    left.wait_established()
    carries(left, right)
    right.down()
    left.wait_gone()
    left.terminate()


for one in KINDS:
    globals()[f"test_initiator_{one}"] = lambda lab, kind=one: we_initiate(lab, kind)
    globals()[f"test_responder_{one}"] = lambda lab, kind=one: strongswan_initiates(lab, kind)
    globals()[f"test_aggressive_initiator_{one}"] = lambda lab, kind=one: we_initiate(lab, kind, mode="aggressive")
    globals()[f"test_aggressive_responder_{one}"] = lambda lab, kind=one: strongswan_initiates(lab, kind,
                                                                                               mode="aggressive")


def pair_of(lab, pki, left=None, right=None):
    """Two esptun with certificates. left, right: keys of one side; None takes one away."""
    a, b = lab.gateways()
    ours = {"esp": "aes256gcm16-ecp256", "ike": "aes256-sha256-ecp256"}
    return (Esptun(a, config(a, b, **{**ours, **pki.keys("gwA", "gwB"), **(left or {})})),
            Esptun(b, config(b, a, **{**ours, **pki.keys("gwB", "gwA"), **(right or {})})))


def refused(lab, says, pki, left=None, right=None):
    """A calls, and must say why it does not believe B."""
    one, two = pair_of(lab, pki, left, right)
    done = one.verb("up", "peer", check=False)
    expect(done.returncode != 0, "it came up")
    expect(says in done.stderr + done.stdout, f"not '{says}', but: {done.stdout}{done.stderr}")
    one.wait_log(says.replace("(", r"\(").replace(")", r"\)"))
    expect(not one.children() and not two.children(), "there are children")


def test_two_esptun_distinguished_names(lab):
    pki = Pki(lab, "rsa2048")
    name = {"gwA": "C=CH, O=Example, CN=gwA", "gwB": "c=ch, o=example, cn=GWB"}
    one, two = pair_of(lab, pki, {"local_id": None, "remote_id": name["gwB"]}, {"local_id": None, "remote_id": name["gwA"]})
    one.up()
    two.wait_established()
    carries(one, two)
    sa = one.status()["ike_sas"][0]
    expect((sa["local_id"], sa["remote_id"]) == ("C=CH, O=Example, CN=gwA", "C=CH, O=Example, CN=gwB"), f"{sa}")
    one.rekey()
    carries(one, two)


def test_two_esptun_pkcs12_and_crl(lab):
    pki = Pki(lab, more=["p12 gwA|gwA|middle|sesame", "crl middle|middle|-"])
    left = {"cert": None, "key": pki.path("gwA.p12"), "key_password_file": lab.file("password", "sesame\n"),
            "crl": pki.path("middle.crl")}
    one, two = pair_of(lab, pki, left)
    one.up()
    two.wait_established()
    carries(one, two)


def test_expired(lab):
    late = END.replace("|-1|300", "|-20|-3")
    refused(lab, "expired on", Pki(lab, ends={"gwB": end("gwB", rest=late)}))


def test_wrong_authority(lab):
    pki = Pki(lab, more=["stranger|ec256|-|CN=Stranger|-|critical,CA:TRUE|keyCertSign|-|-1|300"])
    refused(lab, "which ca does not lead to", pki, left={"ca": pki.path("stranger.pem")})


def test_wrong_name(lab):
    refused(lab, "does not bear that name", Pki(lab, ends={"gwB": end("gwB", names="DNS:other.example.org")}))


def test_revoked(lab):
    pki = Pki(lab, more=["crl middle|middle|gwB"])
    refused(lab, "has been revoked by C=CH, O=Example, CN=Middle", pki, left={"crl": pki.path("middle.crl")})


def test_no_key_usage(lab):
    rest = END.replace("digitalSignature", "keyEncipherment")
    refused(lab, "needs digitalSignature", Pki(lab, ends={"gwB": end("gwB", rest=rest)}))


def test_initiator_is_refused(lab):
    """The peer that calls has the bad certificate: we refuse it, and it hears that it was refused."""
    late = END.replace("|-1|300", "|-20|-3")
    one, two = pair_of(lab, Pki(lab, ends={"gwA": end("gwA", rest=late)}))
    done = one.verb("up", "peer", check=False)
    expect(done.returncode != 0, "it came up")
    expect("most likely it does not trust our certificate" in done.stderr + done.stdout, f"{done.stdout}{done.stderr}")
    two.wait_log("AUTHENTICATION_FAILED in main mode: the certificate of .*CN=gwA expired on")
    one.wait_log("the certificate of .*CN=gwA.* expired on .*: peers refuse it; renew it")  # at its own start


def test_strongswan_with_an_expired_certificate(lab):
    late = END.replace("|-1|300", "|-20|-3")
    a, b = lab.gateways()
    pki = Pki(lab, ends={"gwB": end("gwB", rest=late)})
    right = Strongswan(b, a, ike="aes256-sha256-ecp256", esp="aes256gcm16-ecp256", plugins=CERTIFICATES,
                       credentials=pki, local_id="gwB.example.org", remote_id="gwA.example.org")
    left = Esptun(a, config(a, b, ike="aes256-sha256-ecp256", esp="aes256gcm16-ecp256", **pki.keys("gwA", "gwB")))
    done = right.swanctl("--initiate", "--child", "net", "--timeout", "3", check=False)
    expect(done.returncode != 0, "strongSwan came up")
    left.wait_log("AUTHENTICATION_FAILED in main mode: the certificate of .*CN=gwB expired on")
    expect(not left.children(), "there are children")


def test_strongswan_other_hash(lab):
    """The hash of an ECDSA signature is bound to its curve, whatever was negotiated."""
    left, right = with_strongswan(lab, "ec384", ike="aes256-sha512-ecp256")
    left.up()
    right.wait_established()
    carries(left, right)


def test_strongswan_distinguished_names(lab):
    a, b = lab.gateways()
    pki = Pki(lab)
    right = Strongswan(b, a, ike="aes256-sha256-ecp256", esp="aes256gcm16-ecp256", plugins=CERTIFICATES,
                       credentials=pki, local_id="C=CH, O=Example, CN=gwB", remote_id="C=CH, O=Example, CN=gwA")
    keys = pki.keys("gwA", "gwB", local_id=None, remote_id="C=CH, O=Example, CN=gwB")
    left = Esptun(a, config(a, b, ike="aes256-sha256-ecp256", esp="aes256gcm16-ecp256", **keys))
    left.up()
    right.wait_established()
    carries(left, right)


def aggressive_pair(lab, pki, left=None, right=None):
    return pair_of(lab, pki, {"mode": "aggressive", **(left or {})}, {"mode": "aggressive", **(right or {})})


def test_aggressive_two_esptun(lab):
    pki = Pki(lab, "rsa2048")
    one, two = aggressive_pair(lab, pki)
    one.wait_log("warning.*aggressive mode with certificates: the names of both ends and our certificates go in clear")
    one.up()
    two.wait_established()
    carries(one, two)
    expect(one.status()["ike_sas"][0]["remote_id"] == "gwB.example.org", "another name in status")
    one.rekey()
    carries(one, two)


def test_aggressive_behind_nat(lab):
    left, right = with_strongswan(lab, "rsa2048", nat=True, mode="aggressive", encap="auto")
    left.up()
    right.wait_established()
    expect(left.gateway.host.ping(right.gateway.host_address, 3) == (3, 3), "pings were lost")
    expect(left.status()["ike_sas"][0]["nat"], "status does not tell of the NAT")


def test_aggressive_from_anywhere_known_by_name(lab):
    """remote = %any, two connections: the name in the first message chooses, and its certificate must bear it."""
    pki = Pki(lab)
    a, b = lab.gateways(nat=True)
    common = {"mode": "aggressive", "ike": "aes256-sha256-ecp256", "esp": "aes256gcm16-ecp256"}
    other = config(b, a, name="other", **{**common, **pki.keys("gwB", "gwC"), "remote": "%any", "start": "none"})
    own = config(b, a, **{**common, **pki.keys("gwB", "gwA"), "remote": "%any", "start": "none"})
    section = own[own.index("[connection peer]"):own.index("[acl]")]
    two = Esptun(b, other.replace("[acl]", section + "[acl]").replace("via other", "via peer"))
    one = Esptun(a, config(a, b, **{**common, **pki.keys("gwA", "gwB"), "encap": "auto"}))
    one.up()
    two.wait_established()
    expect(two.status()["ike_sas"][0]["connection"] == "peer", "the wrong connection")
    expect(a.host.ping(b.host_address, 3) == (3, 3), "pings were lost")


def test_aggressive_wrong_name_of_the_responder(lab):
    pki = Pki(lab, ends={"gwB": end("gwB", names="DNS:other.example.org")})
    one, two = aggressive_pair(lab, pki)
    done = one.verb("up", "peer", check=False)
    expect(done.returncode != 0 and "does not bear that name" in done.stderr + done.stdout, done.stderr + done.stdout)
    expect(not one.children() and not two.children(), "there are children")


def test_aggressive_expired_certificate_of_the_initiator(lab):
    """It is done with message 2, and hears only then that it was refused."""
    pki = Pki(lab, ends={"gwA": end("gwA", rest=END.replace("|-1|300", "|-20|-3"))})
    one, two = aggressive_pair(lab, pki)
    one.gateway.host.ping(two.gateway.host_address, 1, wait=1)
    two.wait_log("AUTHENTICATION_FAILED in aggressive mode: the certificate of .*CN=gwA expired on")
    expect(not one.children() and not two.children(), "there are children")
    expect(not [sa for sa in two.status()["ike_sas"] if sa["state"] == "established"], "the responder believed it")


def test_check_shows_certificates(lab):
    a, b = lab.gateways()
    pki = Pki(lab, ends={"gwA": end("gwA", rest=END.replace("|300", "|9"))})
    ini = lab.file("check.ini", config(a, b, **pki.keys("gwA", "gwB")))
    done = a.run(esptun_path(), "check", "-c", ini)
    for text in ("; cert: C=CH, O=Example, CN=gwA; also gwA.example.org; issued by C=CH, O=Example, CN=Middle; expires 2",
                 "; ca: C=CH, O=Example, CN=Root"):
        expect(text in done.stdout, f"check does not say '{text}':\n{done.stdout}")
    expect("expires on" in done.stdout + done.stderr, f"no warning of the end:\n{done.stdout}{done.stderr}")
    expect("PRIVATE" not in done.stdout, "the key is shown")
