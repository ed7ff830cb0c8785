# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Turn a feed's bytes into entries. All of them are good, or none is used."""

from __future__ import annotations

import hashlib
import json
from typing import List, Optional

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import quoted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.feeds.feed import judged
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import JSON, FeedSource

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
else:
    HAS_JMESPATH = True

MOST_BYTES = 16 * 1024 * 1024
# Spamhaus writes its comments behind semicolons.
_COMMENTS = ("#", ";")


def refuse_what_cannot_be_asked(source: FeedSource, path: str) -> None:
    """Raise DrawbridgeError with the place if the feed's query can never be answered. That is a mistake of the policy, not of the feed."""
    if source.query is None:
        return
    if not HAS_JMESPATH:
        raise DrawbridgeError("this needs jmespath on the controller", path + ".query", "install python3-jmespath (Debian, Ubuntu, Fedora) or jmespath (PyPI)")
    try:
        jmespath.compile(source.query)
    except (jmespath.exceptions.JMESPathError, ValueError, RecursionError):
        raise DrawbridgeError("%s is no jmespath expression" % quoted(source.query), path + ".query") from None


def good_entries(body: bytes, source: FeedSource) -> List[str]:
    """Return the entries, sorted, as ipset spells them. Raises DrawbridgeError with what is wrong with them."""
    if len(body) > MOST_BYTES:
        raise DrawbridgeError("it is longer than %d bytes" % MOST_BYTES)
    if source.checksum is not None and "sha256:" + hashlib.sha256(body).hexdigest() != source.checksum:
        raise DrawbridgeError("its checksum is another")
    found = judged(_of_json(body, source.query) if source.format == JSON else _of_text(body), source.bounds)
    return [entry for family in sorted(found) for entry in sorted(found[family])]


def _of_text(body: bytes) -> List[object]:
    """Return what stands on each line ahead of a comment."""
    found: List[object] = []
    for line in _decoded(body).split("\n"):
        for sign in _COMMENTS:
            line = line.partition(sign)[0]
        entry = line.strip(" \t\r")
        if entry:
            found.append(entry)
    return found


def _of_json(body: bytes, query: Optional[str]) -> List[object]:
    text = _decoded(body)
    try:
        found = json.loads(text)
    except RecursionError:
        raise DrawbridgeError("it is nested too deeply") from None
    except ValueError:
        raise DrawbridgeError("it is not JSON: %s" % quoted(text)) from None
    if query is not None:
        found = _picked(found, query)
    if not isinstance(found, list):
        raise DrawbridgeError("%s finds no list in it" % quoted(query) if query is not None else "it is no list, and there is no query")
    return found


def _picked(data: object, query: str) -> object:
    try:
        return jmespath.search(query, data)
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError) as error:
        raise DrawbridgeError("the query cannot be applied to it: %s" % type(error).__name__) from None


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DrawbridgeError("it is no text") from None
