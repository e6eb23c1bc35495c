# SPDX-License-Identifier: Apache-2.0
"""Follows a page of doc/howto/ as a new user would: writes its files, runs its commands, compares what they print.

A fenced block whose first line names a place is followed, in the order of the page; all others are only read.

    ```ini gw:/etc/esptun/esptun.ini      a file
    ```console host                       commands, behind "# ", each with all that it prints; "..." stands for any lines
    ```log gw                             lines that the log of that esptun gets to hold, in this order

Places: gw (ours), host (behind it), peer, peerhost; ca. Each has an /etc/esptun, /run, /etc/swanctl and /srv of its own, and
scp between them. `esptun run` goes on in the background. Times, SPIs, counters and the like are compared by their form.
HOWTO_UPDATE=1 in the environment writes what was printed into the page.
"""
import os
import re
import subprocess

from lab import ROOT, Failure, esptun_path, expect, wait_for

FENCE = re.compile(r"^```(\w+) (gw|host|peer|peerhost|ca)(?::(/\S+))?$")
MOUNTS = """
mount --make-rprivate /
cp {binary} {scratch}/esptun
for folder in /usr/local/sbin /etc/esptun /etc/swanctl /srv /run; do
    [ -d $folder ] || mkdir -p $folder
    mount -t tmpfs tmpfs $folder
done
cp {scratch}/esptun {scratch}/scp /usr/local/sbin/
cd /etc/swanctl
mkdir conf.d x509 x509ca x509ocsp x509aa x509ac x509crl pubkey private rsa ecdsa bliss pkcs8 pkcs12
echo 'include conf.d/*.conf' >swanctl.conf
cd /
touch {scratch}/{place}.ready
exec sleep 3600
"""
# scp FILE ... root@PLACE:FOLDER
SCP = """#!/bin/sh
for last; do :; done
place=${{last#root@}}
folder=${{place#*:}}
place=${{place%%:*}}
while [ $# -gt 1 ]; do cp "$1" "/proc/$(cat {scratch}/$place.pid)/root$folder" || exit 1; shift; done
"""
# What differs from one run to the next, and what takes its place.
MASKS = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?", "TIME"),
    (r"\b(?:until|expires|ends on) \d{4}-\d\d-\d\d", "until DATE"),
    (r"\b[0-9a-f]{16}\b", "COOKIE"),
    (r"\b(?:0x)?[0-9a-f]{8}\b", "SPI"),
    (r"time=[\d.]+ ms", "time=MS"),
    (r"(?:time|rtt min/avg/max/mdev =) ?[\d./]+ ?ms", "MS"),
    (r"\b(?:\d+[dhms] )*\d+[dhms]\b", "AGO"),
    (r"\b\d+ (?:packets|B\b)", "N"),
    (r"[\d.]+ (?:KiB|B)\b", "N"),
    (r"^\s*\d+  +", "N "),
    (r"(?<=:)(?!4500\b|500\b)\d{4,5}\b", "PORT"),
    (r"\besptun \d[\w.+~-]*", "esptun VERSION"),
    (r" = ", "="),  # OpenSSL 3.0 writes names with blanks, later ones without
    (r"[ \t]+", " "),
]


def masked(line):
    for pattern, word in MASKS:
        line = re.sub(pattern, word, line)
    return line.strip()


def fits(shown, printed):
    """Whether the lines that a page shows are those printed; "..." stands for any number of lines."""
    shown, printed = [masked(line) for line in shown], [masked(line) for line in printed]
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(fits(shown[1:], printed[k:]) for k in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and fits(shown[1:], printed[1:])


class Block:
    def __init__(self, kind, place, path, first, lines, before):
        self.kind, self.place, self.path, self.first, self.lines = kind, place, path, first, lines
        self.before = before  # the line above the block

    def commands(self):
        """[command, lines that it prints]; a backslash at the end goes on with the next line."""
        found = []
        for line in self.lines:
            if found and found[-1][0].endswith("\\") and not found[-1][1]:
                found[-1][0] += "\n" + line
            elif line.startswith("# "):
                found.append([line[2:], []])
            else:
                found[-1][1].append(line)
        return found


def blocks(lines):
    at = 0
    while at < len(lines):
        start = FENCE.match(lines[at])
        if start:
            end = lines.index("```", at)
            yield Block(*start.groups(), at + 1, lines[at + 1:end], lines[at - 1])
            at = end
        at += 1


class Followed:
    """One page in one lab. places: the namespace of each; prefixes: words before a command that lead to a place;
    prepare(self, block): what is done before each block."""

    def __init__(self, lab, page, places, prefixes=(), prepare=None):
        self.lab, self.places, self.prefixes, self.prepare = lab, places, prefixes, prepare
        self.path = os.path.join(ROOT, "doc", "howto", page)
        with open(self.path, encoding="utf-8") as file:
            self.lines = file.read().split("\n")
        self.update = os.environ.get("HOWTO_UPDATE") == "1"
        self.running, self.marks, self.shells = {}, {}, {}
        lab.file("scp", SCP.format(scratch=lab.folder), 0o755)
        for place in places:
            self.enter(place)

    def enter(self, place):
        script = MOUNTS.format(binary=esptun_path(), scratch=self.lab.folder, place=place)
        process = self.places[place].start(f"{place}-mounts", "unshare", "-m", "sh", "-e", "-c", script)
        ready = os.path.join(self.lab.folder, f"{place}.ready")
        wait_for(f"the folders of {place}", lambda: os.path.exists(ready) or not process.alive())
        expect(process.alive(), f"{place}: {process.log()}")
        self.shells[place] = process
        self.lab.file(f"{place}.pid", str(process.pid))

    def argv(self, place, command):
        """In a shell that is where the last one of this place was."""
        note = os.path.join(self.lab.folder, place + ".cwd")
        script = f"cd $(cat {note} 2>/dev/null || echo /); trap 'pwd >{note}' EXIT\n{command}"
        return ["nsenter", "-t", str(self.shells[place].pid), "-m", "-n", "bash", "-c", script]

    def run(self, place, command):
        done = subprocess.run(self.argv(place, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=60, check=False)
        return done.stdout.rstrip("\n").split("\n") if done.stdout.strip() else []

    def start(self, place, command):
        if place in self.running:
            self.running[place].end()
        self.running[place] = self.lab.start(f"{place}-followed", self.argv(place, "exec " + command))
        self.marks[place] = 0
        wait_for(f"esptun at {place}", lambda: os.path.exists(
            f"/proc/{self.shells[place].pid}/root/run/esptun.sock") or self.ended(place))

    def ended(self, place):
        if not self.running[place].alive():
            raise Failure(f"{self.path}: esptun at {place} ended: {self.running[place].log()}")
        return False

    def write(self, block):
        path = f"/proc/{self.shells[block.place].pid}/root{block.path}"
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(block.lines) + "\n")
        os.chmod(path, 0o600)

    def log_has(self, place, lines):
        """Waits for each in turn."""
        for line in lines:
            def look(wanted=masked(line)):
                text = self.running[place].log()[self.marks[place]:]
                offset = self.marks[place]
                for got in text.splitlines(keepends=True):
                    offset += len(got)
                    if masked(got) == wanted:
                        self.marks[place] = offset
                        return True
                return False
            if line != "...":
                wait_for(f"'{line}' in the log of {place}", look, 20)

    def follow(self):
        shift = 0
        for block in list(blocks(self.lines)):
            if self.prepare is not None:
                self.prepare(self, block)
            if block.kind == "log":
                self.log_has(block.place, block.lines)
            elif block.path:
                self.write(block)
            else:
                shift += self.type(block, shift)
        if self.update:
            with open(self.path, "w", encoding="utf-8") as file:
                file.write("\n".join(self.lines))

    def type(self, block, shift):
        made = []
        for command, shown in block.commands():
            literal = command
            for prefix in self.prefixes:
                literal = literal.replace(prefix, "")
            if literal.startswith("esptun run"):
                self.start(block.place, literal)
                self.log_has(block.place, shown)
                printed = shown
            else:
                printed = self.run(block.place, literal)
                if os.environ.get("HOWTO_TRACE") == "1":
                    print(f"{block.place}# {command}\n" + "\n".join(printed))
                if not self.update or "..." in shown:
                    expect(fits(shown, printed), f"{os.path.basename(self.path)}:{block.first}: '{command}' shows\n" +
                           "\n".join(shown) + "\nand printed\n" + "\n".join(printed))
                    printed = shown
            made += ("# " + command).split("\n") + printed
        if self.update:
            first = block.first + shift
            self.lines[first:first + len(block.lines)] = made
            return len(made) - len(block.lines)
        return 0
