#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages, made of the pages of doc/: one text, said once.

Usage: doc/man.py           writes doc/esptun.8 and doc/esptun.ini.5
       doc/man.py --check   exit 1 when one of them is not what its page makes
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGES = [  # source, manual page, section, its line in NAME
    ("esptun.md", "esptun", 8, "IPsec VPN gateway in user space"),
    ("configuration.md", "esptun.ini", 5, "configuration of esptun(8)"),
]


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("\u2026", "...").replace("\u2192", "\\->")
    return "\\&" + text if text[:1] in ".'" else text


def inline(text):
    """Code and bold in bold, links as their text; the rest as it is."""
    out = []
    for part in re.split(r"(`[^`]*`|\*\*[^*]+\*\*|\[[^\]]*\]\([^)]*\))", text):
        if part.startswith("`"):
            out.append("\\fB" + escape(part.strip("`")) + "\\fR")
        elif part.startswith("**"):
            out.append("\\fB" + escape(part.strip("*")) + "\\fR")
        elif part.startswith("["):
            out.append(escape(re.match(r"\[([^\]]*)\]", part).group(1).strip("`")))
        else:
            out.append(escape(part))
    line = "".join(out)
    return "\\&" + line if line[:1] in ".'" else line


def cells(line):
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def sentence(text):
    return text if text.endswith((".", ":", "?")) or not text else text + "."


def row(head, fields):
    """A table is too wide for a terminal: each row becomes a paragraph under its first field."""
    out = [".TP", inline(fields[0])]
    for title, field in list(zip(head, fields))[1:]:
        if not field:
            continue
        plain = title.lower() in ("", "values", "does", "says", "what", "meaning")
        out.append(inline(sentence(field) if plain else f"{title.capitalize()}: {sentence(field)}"))
    return out


def convert(text):
    lines, out, i = text.splitlines(), [], 0
    while i < len(lines):
        line = lines[i]
        if line.startswith("```"):
            end = next(k for k in range(i + 1, len(lines)) if lines[k].startswith("```"))
            out += [".PP", ".RS 4", ".EX"] + [escape(code) for code in lines[i + 1:end]] + [".EE", ".RE"]
            i = end + 1
        elif line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            title = line.lstrip("# ").strip()
            title = title.upper() if level == 2 and not title.startswith(("[", "`")) else title
            if level > 1:
                out.append((".SH " if level == 2 else ".SS ") + '"' + escape(title.replace("`", "")).replace('"', "\\(dq") + '"')
            i += 1
        elif line.startswith("|"):
            head, i = cells(line), i + 2
            while i < len(lines) and lines[i].startswith("|"):
                out += row(head, cells(lines[i]))
                i += 1
            out.append(".PP")
        elif re.match(r"\s*([-*]|\d+\.) ", line):
            mark, body = re.match(r"\s*([-*]|\d+\.) +(.*)", line).groups()
            i += 1
            while i < len(lines) and lines[i].startswith(" ") and lines[i].strip() and \
                    not re.match(r"\s*([-*]|\d+\.) ", lines[i]):
                body += " " + lines[i].strip()
                i += 1
            out += [f'.IP "{mark if mark[0].isdigit() else chr(92) + "(bu"}" 4', inline(body)]
        elif not line.strip():
            if out and not out[-1].startswith((".PP", ".SH", ".SS")):
                out.append(".PP")
            i += 1
        else:
            out.append(inline(line.strip()))
            i += 1
    while out and out[-1] == ".PP":
        out.pop()
    return out


def page(source, name, section, what):
    with open(os.path.join(HERE, source), encoding="utf-8") as file:
        text = file.read()
    _, _, body = text.partition("\n")  # the title
    intro, _, rest = body.partition("\n## ")
    out = [f'.\\" Made of doc/{source} by doc/man.py: edit that, then run this.',
           f'.TH {name.upper()} {section} "" "esptun" "esptun manual"', ".SH NAME", f"{name} \\- {escape(what)}"]
    if "\n## Synopsis\n" not in text:
        out.append(".SH DESCRIPTION")
    out += [line for line in convert(intro) if line != ".PP" or out[-1] != ".SH DESCRIPTION"]
    out += convert("## " + rest)
    return "\n".join(out) + "\n"


def main():
    stale = []
    for source, name, section, what in PAGES:
        path = os.path.join(HERE, f"{name}.{section}")
        made = page(source, name, section, what)
        if sys.argv[1:] == ["--check"]:
            try:
                with open(path, encoding="utf-8") as file:
                    fresh = file.read() == made
            except FileNotFoundError:
                fresh = False
            stale += [] if fresh else [f"doc/{name}.{section}"]
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(made)
    for path in stale:
        print(f"{path} is not what its page makes: run doc/man.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
