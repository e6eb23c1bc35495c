# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: nothing that is left (TUN, routes, rules, guard, socket, hook runner) stops a restart, the
restarted end carries packets, and an orderly end then leaves nothing of the crashes behind.

ESPTUN_CRASHES: how many (default 10 of each kind); ESPTUN_SEED: of their moments."""
import os
import random
import signal
import stat
import time

from esptun import Esptun, config
from lab import expect, wait_for
from test_full_tunnel import everything
from test_leak import traces
from test_ranges import six
from test_reload import rewrite

BYPASS = "bypass = any -> 198.51.100.0/24\n"
CRASHES, SEED = int(os.environ.get("ESPTUN_CRASHES", "10")), int(os.environ.get("ESPTUN_SEED", "1"))


def at_start(left, chance):
    """While it opens, creates, installs and drops privileges."""
    left.start(ready=False)
    time.sleep(chance.uniform(0, 0.12))


def in_negotiation(left, chance):
    left.start()
    time.sleep(chance.uniform(0, 0.12))


def under_traffic(left, chance):
    left.start()
    carries(left)
    left.gateway.host.start_ping(left.peer_host, 100, 0.005)
    time.sleep(chance.uniform(0, 0.3))


def in_a_reload(left, chance):
    """Of a rule and a route more, or less."""
    left.start()
    carries(left)
    rewrite(left, lambda text: text.replace(BYPASS, "") if BYPASS in text else text.replace("[acl]\n", "[acl]\n" + BYPASS))
    left.process.popen.send_signal(signal.SIGHUP)
    time.sleep(chance.uniform(0, 0.03))


def at_the_end(left, chance):
    left.start()
    carries(left)
    left.process.popen.send_signal(signal.SIGTERM)
    time.sleep(chance.uniform(0, 0.04))


def carries(left):
    wait_for("the tunnel", lambda: left.gateway.host.ping(left.peer_host, wait=0.5)[1] == 1, 20)


def nobody_stays(left, before):
    """What it had started (the runner of hooks) has noticed."""
    wait_for("the processes of the crashed one to end", lambda: pids(left) <= before, 5)


def pids(left):
    return set(left.gateway.lab.ip("netns", "pids", left.gateway.name).stdout.split())


def crashes(lab, guard, moment):
    a, b = six(lab)
    before = traces(a)
    hook = lab.file("hook", "#!/bin/sh\nexit 0\n")
    os.chmod(hook, stat.S_IRWXU)
    settings = {"guard": guard, "metrics": "127.0.0.1:9464"}
    left = Esptun(a, config(a, b, acl=everything(a), settings=settings, start="start", up=hook, down=hook))
    right = Esptun(b, config(b, a, acl=everything(b), settings={"guard": guard}))
    left.peer_host = b.host_address
    carries(left)
    left.terminate()
    idle, chance, ended = pids(left), random.Random(f"{SEED} {guard} {moment.__name__}"), 0
    for _ in range(CRASHES):
        moment(left, chance)
        ended += not left.process.alive()  # before the signal: it was a stop that was quicker
        left.kill()
        nobody_stays(left, idle)
        if moment is not at_start:
            continue
        left.start()
        carries(left)
        left.kill()
        nobody_stays(left, idle)
    expect(ended < CRASHES, "it was never killed: the moments come too late")
    left.start()
    carries(left)
    left.terminate()
    right.terminate()
    if guard == "yes":  # it stays on purpose
        a.run("nft", "delete", "table", "inet", "esptun_esp0")
    expect(traces(a) == before, f"{a.label} has {traces(a)}, and had {before}")
    print(f"covered: {CRASHES} times kill -9 {moment.__name__.replace('_', ' ')}, guard = {guard}, seed {SEED}"
          + (f"; {ended} times it had already stopped" if ended else ""))


def add(guard, moment):
    globals()[f"test_{moment.__name__}_{'with' if guard == 'yes' else 'without'}_the_guard"] = \
        lambda lab: crashes(lab, guard, moment)


for each in (at_start, in_negotiation, under_traffic, in_a_reload, at_the_end):
    for word in ("yes", "no"):
        add(word, each)
