# SPDX-License-Identifier: Apache-2.0
"""Packets of chosen sizes, there and back: the Python side of netns_probe."""
import json
import os
import subprocess

from lab import ROOT, Failure, Skip, esptun_path

QUIET_MS, WINDOW = 1500, 24


def tool(name):
    """A program of test/CMakeLists.txt, built beside esptun."""
    for folder in (os.path.dirname(esptun_path()), os.path.join(ROOT, "build")):
        path = os.path.join(folder, "test", name)
        if os.access(path, os.X_OK):
            return path
    raise Skip(f"there is no test/{name} beside {esptun_path()}: build its target {name}")


def ranges(chosen):
    """[1, 2, 3, 7] as "1-3,7"."""
    parts = []
    for size in sorted(chosen):
        if parts and parts[-1][1] == size - 1:
            parts[-1][1] = size
        else:
            parts.append([size, size])
    return ",".join(f"{first}-{last}" if first != last else f"{first}" for first, last in parts)


def expand(parts):
    return {size for part in parts for size in range(part[0], part[1] + 1)}


class Asker:
    """One netns_probe that answers questions."""

    def __init__(self, namespace):
        self.process = subprocess.Popen(namespace.argv(tool("netns_probe"), "ask"), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def ask(self, source, destination, df, chosen, quiet_ms=QUIET_MS):
        """Packets of the chosen sizes, there and back. See the top of probe.c for what comes back."""
        line = f"{6 if ':' in source else 4} {source} {destination} {int(df)} {quiet_ms} {WINDOW} {ranges(chosen)}"
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        if not said:
            raise Failure(f"netns_probe ended at the question '{line}'")
        return json.loads(said)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def start_echo(namespace):
    """The far end."""
    echo = namespace.start("echo", tool("netns_probe"), "echo")
    echo.wait_log("ready")
    return echo
