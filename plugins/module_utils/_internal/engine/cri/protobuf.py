# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The parts of protocol buffers that requests to a CRI need: the wire format, without a schema."""

from __future__ import annotations

from typing import Dict, List, Tuple, Union

from ..api.client import EngineError

Value = Union[int, bytes]
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def text_field(number: int, text: str) -> bytes:
    """Encode a string as a field. It may also be a message, with its bytes as surrogate escapes."""
    return bytes_field(number, text.encode("utf-8", "surrogateescape"))


def bytes_field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def number_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | _VARINT) + _varint(value)


def _varint(value: int) -> bytes:
    raw = bytearray()
    while value > 0x7F:
        raw.append(value & 0x7F | 0x80)
        value >>= 7
    raw.append(value)
    return bytes(raw)


class Message:
    """A message's fields by number, each with all its values. Raises EngineError if the bytes are not a message."""

    def __init__(self, raw: bytes) -> None:
        self._fields: Dict[int, List[Value]] = {}
        at = 0
        while at < len(raw):
            key, at = _read_varint(raw, at)
            value, at = _read_value(raw, at, key & 7)
            self._fields.setdefault(key >> 3, []).append(value)

    def number(self, field: int) -> int:
        """Return the last value of a field, as protocol buffers require. 0 if the field is missing."""
        value = self._fields.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def text(self, field: int) -> str:
        return self._bytes(field).decode("utf-8", "replace")

    def message(self, field: int) -> Message:
        return Message(self._bytes(field))

    def messages(self, field: int) -> List[Message]:
        return [Message(value) for value in self._fields.get(field, []) if isinstance(value, bytes)]

    def _bytes(self, field: int) -> bytes:
        value = self._fields.get(field, [b""])[-1]
        return value if isinstance(value, bytes) else b""


def _read_varint(raw: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while at < len(raw) and shift < 70:
        value |= (raw[at] & 0x7F) << shift
        at += 1
        if raw[at - 1] < 0x80:
            return value, at
        shift += 7
    raise EngineError("an answer of the CRI is cut off, or is no message")


def _read_value(raw: bytes, at: int, kind: int) -> Tuple[Value, int]:
    if kind == _VARINT:
        return _read_varint(raw, at)
    size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
    if kind == _BYTES:
        size, at = _read_varint(raw, at)
    if size is None or at + size > len(raw):
        raise EngineError("an answer of the CRI is cut off, or is no message")
    return raw[at:at + size], at + size
