# SPDX-License-Identifier: Apache-2.0
"""Several clients behind one address, to one esptun with remote = %any: side by side, and none disturbs another."""
import time

from esptun import Esptun
from lab import expect, wait_for
from office import EsptunMember, SwanMember, VpncMember, office, server_text

RENEWING_S, LEAVING_S = 10, 16


def peers(right):
    """Names of the established peers at the server."""
    return sorted(sa["user"] or sa["remote_id"] for sa in right.status()["ike_sas"] if sa["state"] == "established")


def all_carry(members, seconds, act):
    """Numbered datagrams through all at once while act() does something; none may be lost."""
    flows = [(flow, member.may_lose) for member in members for flow in member.flows(seconds)]
    act()
    expect(all(flow.alive() for flow, _ in flows), "the flows were over before the deeds: set ESPTUN_PATIENCE")
    said = []
    for flow, may_lose in flows:
        lost, text = flow.missing()
        expect(lost <= may_lose, f"{flow.label}: {text}")
        said.append(text)
    return said


def renew_by_all(right, members):
    """Phase 2 by each client and by the server, and phase 1 by who can."""
    connections = {sa["connection"] for sa in right.status()["ike_sas"]}
    for member in members:
        if hasattr(member, "rekey"):
            member.rekey()
    for connection in connections:
        right.verb("rekey", connection)
    for member in members:
        if hasattr(member, "rekey_ike"):
            member.rekey_ike()
    time.sleep(1)
    for connection in connections:
        right.verb("rekey", connection)


def live_together(lab, makers, access=False):
    """The last one crashes, comes back and leaves; nobody else notices."""
    b, clients, _ = office(lab, len(makers))
    right = Esptun(b, server_text(b, access))
    members = [make(client, b) for make, client in zip(makers, clients)]
    for member in members:
        member.works()
    expect(len(peers(right)) == len(members), f"the server has {peers(right)}")
    ports = {sa["remote"] for sa in right.status()["ike_sas"]}
    expect(len(ports) == len(members) and all("192.0.2.1" in port for port in ports), f"not behind one address: {ports}")
    said = all_carry(members, RENEWING_S, lambda: renew_by_all(right, members))
    for member in members:
        if member.renews_ike:
            expect("rekeying phase 1" in member.end.log(), f"{member.client.label} has not renewed phase 1")
    others, last = members[:-1], members[-1]

    def come_and_go():
        if hasattr(last, "crash"):
            last.crash()
            again = makers[-1](clients[-1], b)  # with INITIAL_CONTACT
            again.works()
            again.leave()
        else:
            last.leave()
        wait_for("the server to forget who left", lambda: len(peers(right)) == len(others), 10)
    all_carry(others, LEAVING_S, come_and_go)
    for member in others:
        member.works()
    for child in right.children():
        expect(child["in"]["auth_failed"] == 0, "authentication failures")
    print(f"covered: {', '.join(member.kind for member in members)} behind one address; {said[0]}")


def test_three_strongswans(lab):
    live_together(lab, [SwanMember] * 3)


def test_three_esptuns(lab):
    """Their phase 1 ends soon, so that each renews it."""
    live_together(lab, [lambda client, b: EsptunMember(client, b, ike_lifetime="10s")] * 3)


def test_two_vpncs(lab):
    live_together(lab, [lambda client, b: VpncMember(client, b, f"10.9.0.{client.number}")] * 2, access=True)


def test_mixed(lab):
    live_together(lab, [EsptunMember, lambda client, b: VpncMember(client, b, "10.9.0.1"), EsptunMember, SwanMember],
                  access=True)


def rebinding(lab, make):
    """The NAT forgets one of them: it gets another port, and is found again by what it sends, which is authentic."""
    b, clients, router = office(lab, 2)
    right = Esptun(b, server_text(b))
    first, other = make(clients[0], b), make(clients[1], b)
    flows, others = first.flows(8), other.flows(8)
    time.sleep(2)
    before = {sa["remote_id"]: sa["remote"] for sa in right.status()["ike_sas"]}
    router.run("conntrack", "-D", "-s", clients[0].wan, "-p", "udp")
    wait_for("the server to follow", lambda: {sa["remote_id"]: sa["remote"] for sa in right.status()["ike_sas"]}[
        clients[0].identity] != before[clients[0].identity], 5)
    expect(flows[0].alive(), "the flows were over before: set ESPTUN_PATIENCE")
    flows[0].finish()
    lost, said = flows[1].missing()
    expect(lost < 300, f"it took long to come back: {said}")
    for flow in others:
        flow.finish()
    after = {sa["remote_id"]: sa["remote"] for sa in right.status()["ike_sas"]}
    expect(after[clients[1].identity] == before[clients[1].identity], "the other one has moved")
    first.works()
    other.works()
    print(f"covered: a NAT that forgets {first.kind}: {lost} of the server's datagrams lost")


def test_rebinding_of_an_esptun(lab):
    rebinding(lab, EsptunMember)


def test_rebinding_of_a_strongswan(lab):
    rebinding(lab, SwanMember)


def test_a_forged_source_moves_nobody(lab):
    """What is not authentic, from another port of the same address."""
    b, clients, router = office(lab, 2)
    right = Esptun(b, server_text(b))
    members = [EsptunMember(client, b) for client in clients]
    before = right.status()["ike_sas"]
    spi = bytes.fromhex(right.children()[0]["spi_in"])
    packet = (spi + (1 << 20).to_bytes(4, "big") + bytes(100)).hex()
    router.run("python3", "-c", "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
               f"[s.sendto(bytes.fromhex('{packet}'), ('{b.wan}', 4500)) for _ in range(20)]")
    wait_for("the forgeries to be counted", lambda: right.dropped("in_auth_failed") >= 20, 5)
    expect([sa["remote"] for sa in right.status()["ike_sas"]] == [sa["remote"] for sa in before], "somebody has moved")
    for member in members:
        member.works()


def test_one_identity_twice(lab):
    """Two places call themselves by one name: the newer one takes the place of the older one, of nobody else."""
    b, clients, _ = office(lab, 3)
    right = Esptun(b, server_text(b))
    older, third = EsptunMember(clients[0], b), EsptunMember(clients[2], b)
    older.works()
    flows = third.flows(6)
    newer = EsptunMember(clients[1], b, local_id=clients[0].identity)
    right.wait_log(r"INITIAL_CONTACT")
    expect(peers(right) == [clients[0].identity, clients[2].identity], f"the server has {peers(right)}")
    expect(sorted(child["remote_ts"] for child in right.children()) == [clients[1].lan, clients[2].lan],
           f"the server has {right.children()}")
    newer.works()
    for flow in flows:
        flow.finish()


def test_one_identity_twice_without_initial_contact(lab):
    """Then it is one peer that has renewed phase 1: the newer IKE SA takes over what is there, and both stay reachable
    until the older end goes."""
    b, clients, _ = office(lab, 3)
    right = Esptun(b, server_text(b))
    older = SwanMember(clients[0], b, unique="never")
    third = EsptunMember(clients[2], b)
    flows = third.flows(6)
    newer = SwanMember(clients[1], b, local_id=clients[0].identity, unique="never")
    newer.works()
    older.works()
    expect("INITIAL_CONTACT" not in right.log(), "there was an INITIAL_CONTACT")
    expect(peers(right) == [clients[0].identity, clients[2].identity], f"the server has {peers(right)}")
    wait_for("the older IKE SA to end", lambda: not older.end.ike_sas(), 120, 0.5)
    newer.works()
    for flow in flows:
        flow.finish()


def test_two_clients_with_the_same_selectors(lab):
    """What both send is taken; what is for them goes to the newest, and when that one leaves to the older one again."""
    b, clients, _ = office(lab, 2)
    right = Esptun(b, server_text(b))
    for client in clients:
        client.host.ip("addr", "add", "10.1.77.2/32", "dev", "lo")
        client.ip("route", "add", "10.1.77.0/24", "via", client.host_address)
    acl = [f"protect = 10.1.77.0/24 -> {b.lan} via peer"]
    older, newer = (EsptunMember(client, b, acl=acl) for client in clients)

    def reached():
        """Who answers a ping of the server's side, by the counters of the children."""
        before = [end.child()["in"]["packets"] for end in (older.end, newer.end)]
        expect(b.host.ping("10.1.77.2", 5) == (5, 5), "pings were lost")
        return [end.child()["in"]["packets"] - had for end, had in zip((older.end, newer.end), before)]
    expect(reached() == [0, 5], "not the newest")
    right.wait_log(r"c2\.example\.org now has 10\.1\.77\.0/24, of which c1\.example\.org also")
    for client in clients:
        client.host.run("ping", "-n", "-c", 1, "-W", 1, "-I", "10.1.77.2", b.host_address, check=False)
    expect([child["in"]["packets"] > 0 for child in right.children()] == [True, True], "one of them cannot send")
    older.rekey()
    expect(reached() == [5, 0], "the newest is now the one that has renewed")
    older.leave()
    wait_for("the older one to be gone", lambda: len(right.children()) == 1, 5)
    expect(b.host.ping("10.1.77.2", 5) == (5, 5), "pings were lost when one was left")
