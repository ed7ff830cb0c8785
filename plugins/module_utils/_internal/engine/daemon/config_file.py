# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Change the text of a daemon.json key by key. All other text stays byte for byte."""

from __future__ import annotations

import json
import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ...errors import DrawbridgeError

_SPACE = re.compile(r"[ \t\r\n]*")
_BOM = "\ufeff"
_INDENT = "    "


class Member(NamedTuple):
    """One ``"key": value`` of the object: the offsets of the key's start, the value's start and the value's end."""

    key: str
    start: int
    value: int
    end: int


class DaemonFile:
    """A daemon.json's text. Empty text or only white space means no keys, as for the engine."""

    def __init__(self, text: str, path: str) -> None:
        """Raises DrawbridgeError with line and column if the text is not a JSON object."""
        self.path = path
        self.bom, self.text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
        if not self.text.strip(" \t\r\n"):
            self.values: Dict[str, object] = {}
            self.members: List[Member] = []
            return
        decoder = json.JSONDecoder(parse_constant=self._refuse_constant)
        try:
            values = decoder.decode(self.text)
        except json.JSONDecodeError as error:
            raise DrawbridgeError(
                "line %d, column %d: %s" % (error.lineno, error.colno, error.msg), path, "nothing was changed"
            ) from None
        except RecursionError:
            raise DrawbridgeError("nested too deeply", path, "nothing was changed") from None
        except ValueError:
            raise DrawbridgeError("a number with more digits than anybody reads", path, "nothing was changed") from None
        if not isinstance(values, dict):
            raise DrawbridgeError("line 1, column 1: expected an object", path, "nothing was changed")
        self.values = values
        self.members = self._members(decoder)

    def _refuse_constant(self, name: str) -> None:
        at = self.text.find(name)
        raise json.JSONDecodeError("%s is no JSON" % name, self.text, at)

    def _members(self, decoder: json.JSONDecoder) -> List[Member]:
        """Return the members with their offsets. The text is already known to be an object."""
        found = []
        at = self._after_space(self.text.index("{") + 1)
        while self.text[at] == '"':
            key, colon = scanstring(self.text, at + 1, True)
            value = self._after_space(self._after_space(colon) + 1)
            _content, end = decoder.raw_decode(self.text, value)
            found.append(Member(key, at, value, end))
            at = self._after_space(end)
            if self.text[at] == ",":
                at = self._after_space(at + 1)
        return found

    def _after_space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def duplicates(self) -> List[str]:
        """Return keys that are there more than once, each with its line numbers. The engine uses the last one."""
        lines: Dict[str, List[str]] = {}
        for member in self.members:
            lines.setdefault(member.key, []).append(str(self.text.count("\n", 0, member.start) + 1))
        return ["%s in lines %s" % (key, ", ".join(found)) for key, found in lines.items() if len(found) > 1]

    def changed(self, wanted: Mapping[str, object], absent: Sequence[str]) -> str:
        """Return the text with the keys of ``wanted`` set and those of ``absent`` removed.

        Raises DrawbridgeError if a key that has to change is there twice.
        """
        touched = [key for key, value in wanted.items() if key not in self.values or not same(self.values[key], value)]
        gone = [key for key in absent if key in self.values]
        for found in self.duplicates():
            if found.partition(" in lines ")[0] in touched + gone:
                raise DrawbridgeError("a key stands there twice: %s" % found, self.path, "delete one; nothing was changed")
        if not touched and not gone:
            return self.bom + self.text
        if not self.members:
            return self.bom + _whole({key: wanted[key] for key in touched})
        return self.bom + self._edited({key: wanted[key] for key in touched}, gone)

    def _edited(self, wanted: Mapping[str, object], gone: Sequence[str]) -> str:
        lead = self.text[self.text.index("{") + 1:self.members[0].start]
        indent = lead.rpartition("\n")[2] if "\n" in lead else None
        kept = [member for member in self.members if member.key not in gone]
        pieces: List[Tuple[str, str]] = []
        for member in kept:
            after = self.text[member.value:member.end]
            if member.key in wanted:
                after = _spelt(wanted[member.key], indent)
            pieces.append((self.text[member.start:member.value], after))
        present = {member.key for member in kept}
        pieces += [('"%s": ' % key, _spelt(value, indent)) for key, value in wanted.items() if key not in present]
        if not pieces:
            return "{}" + self.text[self.text.rindex("}") + 1:]
        return self._put_together(pieces, kept, lead)

    def _put_together(self, pieces: List[Tuple[str, str]], kept: List[Member], lead: str) -> str:
        """Join members with the text that was between them. If a neighbour is new or gone, use the usual separator."""
        head = self.text[:self.text.index("{") + 1]
        tail = self.text[self.members[-1].end:]
        usual = "," + (lead if "\n" in lead else " ")
        text = head + lead
        for at, piece in enumerate(pieces):
            if at:
                text += self._between(kept, at) or usual
            text += "".join(piece)
        return text + tail

    def _between(self, kept: List[Member], at: int) -> Optional[str]:
        if at >= len(kept):
            return None
        index = self.members.index(kept[at])
        if self.members[index - 1] is not kept[at - 1]:
            return None
        return self.text[kept[at - 1].end:kept[at].start]


def same(one: object, other: object) -> bool:
    """Tell whether two values mean the same to an engine. Python's == does not work: it says that True equals 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _whole(values: Mapping[str, object]) -> str:
    return json.dumps(values, indent=4) + "\n"


def _spelt(value: object, indent: Optional[str]) -> str:
    if indent is None or not isinstance(value, dict):
        return json.dumps(value)
    return json.dumps(value, indent=indent or _INDENT).replace("\n", "\n" + indent)
