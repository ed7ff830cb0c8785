# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""``make picture``: README's picture, drawn from what ``make demo`` printed.

The print is kept in docs/picture/demo.txt, so the picture can be drawn again without the lab. ``make picture CAPTURE=1`` runs
the demo and keeps its print first.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .playbook import ROOT

FOLDER = ROOT / "docs" / "picture"
TEXT = FOLDER / "demo.txt"
PICTURE = FOLDER / "demo.svg"

HOST = "trixie"
# The demo's words for its clients, and the picture's.
WHO = {"allowed": "office", "denied": "stranger"}
# One of each way in, and two that a policy for published ports leaves alone.
PATHS = (
    "v4 published 8080->80", "v4 UDP 5300", "v6 published by docker-proxy 8080", "v6 UDP by docker-proxy 5300",
    "v4 container's own address :80", "v6 container's own address :80", "v4 host service 9000", "v4 SSH",
)
WORDS = ("port 5300/udp", "port 8080/tcp (", "every other published port", "containers' own addresses")

_SECTION = re.compile(r"^\d+\. (.*)\n-+\n", re.MULTILINE)
_LINE_HEIGHT, _MARGIN, _WIDTH = 20, 24, 850

_STYLE = """
    text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2328; white-space: pre; }
    rect { fill: #f6f8fa; stroke: #d1d9e0; }
    .title { font-weight: bold; }
    .dim { fill: #59636e; }
    .bad { fill: #c4161c; font-weight: bold; }
    .good { fill: #116329; font-weight: bold; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      rect { fill: #0d1117; stroke: #3d444d; }
      .dim { fill: #9198a1; }
      .bad { fill: #ff7b72; }
      .good { fill: #7ee787; }
    }
"""


class Unlike(Exception):
    """The print is not one of the demo's, or of a demo that failed."""


@dataclass(frozen=True)
class Piece:
    """Some words of a line, from a column on: style is a class of the picture's, empty for plain text."""

    column: int
    text: str
    style: str = ""


Line = Sequence[Piece]
States = dict[tuple[str, str], str]


def lines(printed: str) -> list[Line]:
    """The picture's lines, each from the demo's print: before, the change in words, after."""
    sections = dict(zip(_SECTION.findall(printed), _SECTION.split(printed)[2::2], strict=True))
    if len(sections) != 10 or "\nDone in " not in printed:
        raise Unlike("this is no whole print of a demo: it has ten parts and ends by Done")
    before, after = (_states(_section(sections, word)) for word in ("Before", "After"))
    tried = _only(_section(sections, "After"), r"^  (\d+ paths tried: .*)$")
    again = _only(_section(sections, "The same again"), r"^  (changed=0 .*)$")
    return [
        [Piece(0, "1. Before: real connections from outside to a Docker host", "title")],
        *_table(before, before, after, "bad"),
        [],
        [Piece(0, "2. " + _title(sections, "What would change"), "title")],
        *_words(_section(sections, "What would change")),
        [],
        [Piece(0, "3. After: the same connections", "title")],
        *_table(after, before, after, "good"),
        [],
        [Piece(2, tried, "dim")],
        [Piece(2, "a second run: " + again, "dim")],
    ]


def _title(sections: dict[str, str], begins: str) -> str:
    (found,) = [title for title in sections if title.startswith(begins)] or [""]
    return found


def _section(sections: dict[str, str], begins: str) -> str:
    return sections.get(_title(sections, begins), "")


def _only(text: str, pattern: str) -> str:
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) != 1:
        raise Unlike("%d lines like %s, and there has to be one" % (len(found), pattern))
    return str(found[0])


def _states(text: str) -> States:
    """What each client got on each way to the host, by (way, client): the table has two columns for each host."""
    hosts = re.search(r"^ +(\w+) \S+ +(\w+) \S+$", text, re.MULTILINE)
    clients = re.search(r"^from a client +(.*)$", text, re.MULTILINE)
    if hosts is None or clients is None or HOST not in hosts.groups():
        raise Unlike("there is no table with two hosts, %s among them" % HOST)
    names = clients[1].split()
    first = hosts.groups().index(HOST) * len(WHO)
    found = {}
    for path in PATHS:
        cells = _only(text, "^%s  +(.*)$" % re.escape(path)).split()
        for place in range(first, first + len(WHO)):
            found[path, names[place]] = cells[place]
    return found


def _table(shown: States, before: States, after: States, style: str) -> list[Line]:
    """A line for each way. What the policy changes has the style, the rest is plain."""
    head = [Piece(2, "way in", "dim"), *(Piece(column, name, "dim") for column, name in zip((42, 54), WHO.values(), strict=True))]
    rows = [[Piece(2, path), *(Piece(column, shown[path, who], style if before[path, who] != after[path, who] else "")
                               for column, who in zip((42, 54), WHO, strict=True))] for path in PATHS]
    return [head, *rows]


def _words(text: str) -> list[Line]:
    """The lines of the diff in words that are about what the tables show, and how many there are besides."""
    changed = re.findall(r"^  ([+-])(.*)$", text, re.MULTILINE)
    chosen = [(sign, words) for sign, words in changed if words.startswith(WORDS)]
    if len(chosen) != 2 * len(WORDS):
        raise Unlike("the diff in words says %d of %d lines" % (len(chosen), 2 * len(WORDS)))
    return [*([Piece(2, sign + words, "bad" if sign == "-" else "good")] for sign, words in chosen),
            [Piece(2, "... and %d more lines in words, then the rules themselves; nothing is written yet" % (len(changed) - len(chosen)), "dim")]]


def draw(shown: Sequence[Line]) -> str:
    """The picture, SVG, light or dark as its reader's screen is."""
    height = 2 * _MARGIN + _LINE_HEIGHT * len(shown) - 6
    body = [_text(number, piece) for number, line in enumerate(shown) for piece in line]
    return "\n".join([
        "<!-- Drawn by make picture from demo.txt. SPDX-License-Identifier: GPL-3.0-or-later. Copyright: (c) 2026, The Drawbridge authors -->",
        '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">' % (_WIDTH, height, _WIDTH, height),
        "  <title>A Docker host before and after its policy, seen from outside</title>",
        "  <style>%s  </style>" % _STYLE,
        '  <rect x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (_WIDTH - 1, height - 1),
        *body,
        "</svg>",
        "",
    ])


def _text(number: int, piece: Piece) -> str:
    style = ' class="%s"' % piece.style if piece.style else ""
    place = 'x="%.1f" y="%d"' % (_MARGIN + 7.8 * piece.column, _MARGIN + 10 + _LINE_HEIGHT * number)
    return "  <text %s%s>%s</text>" % (place, style, escape(piece.text))


def main(arguments: Sequence[str]) -> int:
    """Draw the picture; with --capture run the demo first. 1 if the demo fails, or its print is not understood."""
    if list(arguments) == ["--capture"]:
        done = subprocess.run([sys.executable, "-m", "tests.demo"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            return 1
        TEXT.write_text(done.stdout, encoding="utf-8")
    try:
        PICTURE.write_text(draw(lines(TEXT.read_text(encoding="utf-8"))), encoding="utf-8")
    except Unlike as error:
        print("%s: %s" % (TEXT.relative_to(ROOT), error), file=sys.stderr)
        return 1
    print("drawn: %s" % PICTURE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
