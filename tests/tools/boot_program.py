# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Make one text of the boot program's sources: ``make shell``.

The sources run as they are, in their own folder. Hosts get one file, and Ansible sends them nothing but Python, so the text goes into a Python
file that is committed. A unit test tells where it is not what the sources give.
"""
import ast
import re
from pathlib import Path

BOOT = Path(__file__).resolve().parents[2] / "plugins" / "module_utils" / "_internal" / "persistence" / "boot_program"
SOURCES = BOOT / "source"
SCRIPT = BOOT / "script.py"
# A block of lines that read parts, one a line.
_PARTS = re.compile(r"(?:^\. \./.+\n)+", re.MULTILINE)
_AWK = re.compile(r"\$\(cat ((?:awk/[a-z_]+\.awk ?)+)\)")
# For who reads the source, or the linter.
_NOTES = re.compile(r"^ *#(?:#| shellcheck ).*\n", re.MULTILINE)
_MODULE = '''# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The program that brings a host to a saved generation of rules without Python: at boot, and when a change is taken back.

Written by "make shell" from the files in source/: change those.
"""

from __future__ import annotations

SCRIPT = r"""%s"""
'''


def text() -> str:
    """The program as hosts get it."""
    whole = _PARTS.sub(lambda lines: "\n".join(map(_body, re.findall(r"\w+\.sh", lines.group()))), _read("boot.sh"))
    return _NOTES.sub("", _AWK.sub(_quoted, whole))


def module() -> str:
    """The Python file that has it."""
    found = _MODULE % text()
    if ast.literal_eval(found.partition("SCRIPT = ")[2]) != text():
        raise ValueError("the program has what ends a string of Python")
    return found


def _read(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def _body(name: str) -> str:
    """A file without its head: license, subject, and what the linter has to know."""
    return _read(name).partition("\n\n")[2]


def _quoted(files: re.Match[str]) -> str:
    program = "".join(map(_body, files.group(1).split()))
    if "'" in program:
        raise ValueError("an awk program in quotes cannot have one itself: %s" % files.group(1))
    return "'\n%s'" % program


if __name__ == "__main__":
    SCRIPT.write_text(module(), encoding="utf-8")
