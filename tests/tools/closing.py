# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""pytest's closing line: read from outputs, and written for the sum of several runs."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

LINE = re.compile(r"^=+ (.*\b(?:passed|failed|skipped|deselected|error|errors|no tests ran)\b.*) in ([\d.]+)s.*=+$")
ORDER = ("failed", "passed", "skipped", "rerun", "deselected", "xfailed", "xpassed", "warnings", "errors")
PLURALS = {"warning": "warnings", "error": "errors"}


def read(output: str) -> tuple[Counter[str], float] | None:
    """(Counter of what the closing line counts, seconds), None where the output has no such line; the last one counts."""
    found = [line for line in map(LINE.match, output.splitlines()) if line]
    if not found:
        return None
    words, seconds = found[-1].groups()
    counts = Counter({PLURALS.get(word, word): int(number) for number, word in re.findall(r"(\d+) (\w+)", words)})
    return counts, float(seconds)


def without(output: str) -> str:
    """The output without its closing line."""
    return "\n".join(line for line in output.splitlines() if not LINE.match(line))


def write(counts: Mapping[str, int], seconds: float) -> str:
    """A closing line as pytest writes it, without colours and singulars."""
    words = sorted(counts, key=lambda word: ORDER.index(word) if word in ORDER else len(ORDER))
    said = ", ".join("%d %s" % (counts[word], word) for word in words) or "no tests ran"
    return ("= %s in %.2fs =" % (said, seconds)).center(80, "=")
