# SPDX-License-Identifier: Apache-2.0
"""Events as they happen, log lines as JSON, and the log level that changes while esptun runs."""
import json
import re
import signal

from esptun import Esptun, config, pair
from lab import expect, wait_for

HOLD = ("import socket,sys,time\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'monitor\\n'); s.recv(3);"
        " print('holds', flush=True); time.sleep(600)\n")


def monitor(end, *options):
    reader = end.gateway.start(f"monitor{len(options)}", end.binary, "monitor", *options, "-s", end.socket)
    return reader


def wait_listening(end, reader):
    """A first event that the reader shows: only then has it been heard that it listens."""
    def look():
        end.up()
        end.down()
        return "down" in reader.log()
    wait_for("the monitor to listen", look, 20)
    return reader.mark()


def test_a_life_of_a_tunnel(lab):
    left, right = pair(lab)
    people, program = monitor(left), monitor(left, "--json")
    wait_listening(left, people)
    wait_listening(left, program)
    before = len(program.log().splitlines())
    left.up()
    first = left.child()
    left.rekey()
    second = left.wait_settled()
    left.down()
    wait_for("the last event", lambda: program.log().rstrip().splitlines()[-1].find('"phase1_down"') > 0)
    events = [json.loads(line) for line in program.log().splitlines()[before:]]
    names = [e["event"] for e in events]
    for name in ("phase1_up", "child_up", "child_rekeyed", "child_down", "phase1_down"):
        expect(name in names, f"no {name} in {names}")
    expect(all(e["connection"] == "peer" for e in events), f"events without their connection: {events}")
    up, renewed = events[names.index("child_up")], events[names.index("child_rekeyed")]
    expect((up["spi_in"], up["spi_out"]) == (first["spi_in"], first["spi_out"]), f"SPIs: {up}, {first}")
    expect((renewed["spi_in"], renewed["old_spi_in"]) == (second["spi_in"], first["spi_in"]), f"SPIs: {renewed}")
    downs = [e for e in events if e["event"] == "child_down"]
    expect(any(e["spi_in"] == second["spi_in"] and e["reason"] for e in downs), f"child_down: {downs}")
    for words in ("phase 1 is up", "child is up", "child is rekeyed", "child is down", first["spi_in"]):
        expect(words in people.log(), f"no '{words}' for people: {people.log()}")
    left.terminate()
    expect(people.wait(10) == 0 and program.wait(10) == 0, "a monitor has not ended well with the gateway")
    right.terminate()


def test_readers_that_never_read_b48(lab):
    left, right = pair(lab)
    held = [left.gateway.start(f"held{i}", "/usr/bin/python3", "-c", HOLD, left.socket) for i in range(16)]
    wait_for("all places to be taken", lambda: all("holds" in h.log() for h in held))
    refused = left.verb("monitor", check=False)
    expect(refused.returncode == 1 and "16 clients" in refused.stderr, f"one too many: {refused.stderr}")
    for _ in range(5):
        left.up()
        left.down()
    expect(all(h.alive() for h in held) and left.process.alive(), "readers that do not read were held against it")
    left.terminate()
    right.terminate()


def test_a_slow_reader_is_told_what_it_missed_b48(lab):
    """It stands still while more happens than the kernel and esptun keep for it. When it goes on it is told how many
    events are missing, at once and not by the next event; and what it has with what it misses is what happened."""
    rules = 200
    a, b = lab.gateways()
    acls = [[f"protect = 10.{one}.0.{i} -> 10.{two}.0.{i} via peer" for i in range(1, rules + 1)]
            for one, two in ((1, 2), (2, 1))]
    left = Esptun(a, config(a, b, acl=acls[0], esp="aes256gcm16"))
    right = Esptun(b, config(b, a, acl=acls[1], esp="aes256gcm16"))
    slow, people, quick = (monitor(left, "--json"), a.start("people", left.binary, "monitor", "-s", left.socket),
                           a.start("quick", left.binary, "monitor", "--json", "-s", left.socket))
    for reader in (slow, people, quick):
        wait_listening(left, reader)
    left.up()
    spi = left.children()[0]["spi_in"]
    left.down()
    for reader in (slow, people, quick):
        wait_for("a reader to hear the end", lambda: re.search(f"{spi}.*(phase1_|phase 1 is )down", reader.log(), re.S))

    def events(reader):
        return [json.loads(line) for line in reader.log().splitlines()]
    before = [len(events(slow)), len(people.log().splitlines()), len(events(quick))]
    for reader in (slow, people):
        reader.popen.send_signal(signal.SIGSTOP)
    for _ in range(4):
        left.up()
        left.down()

    def all_of(reader, first):
        return len([e for e in events(reader)[first:] if e["event"] == "phase1_down"]) == 4
    wait_for("the quick reader to hear all", lambda: all_of(quick, before[2]))
    happened = events(quick)[before[2]:]
    expect(len(happened) > 4 * rules and not [e for e in happened if e["event"] == "dropped"],
           f"the quick reader: {len(happened)} events")
    for reader in (slow, people):
        reader.popen.send_signal(signal.SIGCONT)
    wait_for("the slow reader to be told", lambda: '"dropped"' in slow.log())
    wait_for("people to be told", lambda: "dropped: this reader is too slow" in people.log())

    def sum_of_slow():
        heard = events(slow)[before[0]:]
        lost = [e["count"] for e in heard if e["event"] == "dropped"]
        return len(heard) - len(lost) + sum(lost)
    wait_for("what is heard and what is missing to be what happened", lambda: sum_of_slow() == len(happened))
    lines = people.log().splitlines()[before[1]:]
    lost = [int(line.split()[1]) for line in lines if "this reader is too slow" in line]
    expect(len(lines) - len(lost) + sum(lost) == len(happened), f"people: {len(lines)} lines, {lost} missing, of "
           f"{len(happened)}")
    left.terminate()
    right.terminate()


def test_log_level_of_a_running_gateway(lab):
    left, _ = pair(lab)
    expect(left.status()["log_level"] == "info" and left.status()["log_levels"] == {}, "levels at the start")
    left.verb("log", "error")
    left.verb("log", "info", "peer")
    expect(left.status()["log_levels"] == {"peer": "info"}, f"levels: {left.status()['log_levels']}")
    expect("log level error; peer info" in left.verb("status").stdout, "status for people does not say it")
    left.up()
    expect(" info    peer: initiating" in left.log(), f"nothing at info: {left.log()}")
    left.verb("log", "error")
    expect(left.status()["log_level"] == "error" and left.status()["log_levels"] == {}, "of everything")
    mark = left.mark()
    left.down()
    expect(" info " not in left.log()[mark:], f"still talks: {left.log()[mark:]}")
    for words in (("loud",), ("debug", "nosuch")):
        expect(left.verb("log", *words, check=False).returncode != 0, f"log {words} succeeded")


def test_json_log_of_a_session(lab):
    left, right = pair(lab, left={"settings": {"log_format": "json", "log_level": "debug"}})
    left.up()
    child = left.child()
    left.rekey()
    left.down()
    left.terminate()
    lines = [json.loads(line) for line in left.log().splitlines()]
    expect(all({"ts", "level", "msg"} <= set(line) for line in lines), "a line without ts, level or msg")
    expect(any(line.get("connection") == "peer" and "established" in line["msg"] for line in lines), f"{lines}")
    spis = (child["spi_in"], child["spi_out"])
    for words in ("phase 2 established", "rekeying phase 2", "phase 2 ended"):
        of = [line for line in lines if line["msg"].startswith(words)]
        expect(any((line.get("spi_in"), line.get("spi_out")) == spis for line in of), f"{words}: not of {spis}: {of}")
    about = [line for line in lines if "phase 2" in line["msg"] and " SPIs " in line["msg"]]
    expect(all({"connection", "spi_in", "spi_out"} <= set(line) for line in about), f"without SPIs: {about}")
    ends = [line for line in lines if " ended" in line["msg"] and line.get("connection")]
    expect(ends and all(line["msg"].endswith(": " + line["reason"]) for line in ends), f"without reasons: {ends}")
    right.terminate()


def test_json_log_of_a_mismatch(lab):
    """An explanation of several lines is one line of JSON, and of the text log one line each."""
    left, right = pair(lab, left={"esp": "aes256gcm16-modp2048"},
                       right={"esp": "aes128-sha256-modp2048", "settings": {"log_format": "json"}})
    expect(left.verb("up", "peer", check=False).returncode == 1, "up succeeded, although the proposals differ")
    wait_for("the refusal", lambda: "NO_PROPOSAL_CHOSEN" in right.log())
    lines = [json.loads(line) for line in right.log().splitlines()]
    told = [line for line in lines if "NO_PROPOSAL_CHOSEN for phase 2" in line["msg"]]
    expect(len(told) == 1 and told[0]["connection"] == "peer", f"not one line: {told}")
    expect("the peer offers:\n  aes256gcm16" in told[0]["reason"] and "we accept:\n  aes128" in told[0]["reason"],
           f"the reason: {told[0]['reason']}")
    expect("the peer offers: aes256gcm16" in told[0]["msg"] and "\n" not in told[0]["msg"], f"msg: {told[0]['msg']}")
    left.terminate()
    right.terminate()


def test_status_watch(lab):
    left, right = pair(lab)
    left.up()
    watcher = left.gateway.start("watch", left.binary, "status", "--watch=1", "-s", left.socket)
    wait_for("two rounds", lambda: watcher.log().count("esptun ") >= 2, 15)
    wait_for("rates", lambda: "B/s" in watcher.log(), 15)
    expect("\x1b" not in watcher.log(), "terminal codes where there is no terminal")
    watcher.popen.send_signal(signal.SIGINT)
    expect(watcher.wait(10) == 0, f"exit code after Ctrl-C: {watcher.popen.returncode}")
    right.terminate()
