# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Put what feeds bring into the place of their descriptions. A URL is fetched once in a run of Ansible, whatever the number of its hosts and processes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from contextlib import suppress
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import FeedSource, fetched, parse_feed
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.reserved_names import set_name
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.content import MOST_BYTES, good_entries, refuse_what_cannot_be_asked
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.fetch import body_of
from ansible_collections.drawbridge.docker.plugins.plugin_utils.variables import plain

_SETS = "address_sets"
_NOT_SHOWN = "it is no list that can be used; why is not shown, as it is encrypted"


class Brought(NamedTuple):
    """What a feed brings: entries, or why nothing that it brings can be used."""

    entries: List[str]
    failure: Optional[str] = None


def with_feeds(policy: Mapping[str, Any], path: str, action: ActionBase) -> Dict[str, Any]:
    """Return a policy with what its feeds bring. path: the policy's name in errors. Raises DrawbridgeError for mistakes in a feed's description."""
    sets = dict(policy[_SETS])
    for key, value in sets.items():
        if isinstance(value, Mapping):
            place = "%s.%s" % (path, _SETS)
            sets[key] = fed(value, "%s.%s" % (place, set_name(plain(key), place)), action)
    return {**policy, _SETS: sets}


def fed(raw: object, path: str, action: ActionBase) -> Dict[str, object]:
    """Return what stands in a feed's place, for the host. Raises DrawbridgeError for mistakes in its description."""
    source = parse_feed(plain(raw), path)
    refuse_what_cannot_be_asked(source, path)
    brought = _of_file(source, action) if source.url is None else once(source, constants.DEFAULT_LOCAL_TMP)
    return fetched(source, brought.entries, brought.failure)


def once(source: FeedSource, folder: str, fetch: Callable[[FeedSource], bytes] = body_of) -> Brought:
    """Return what a URL brings. The first process asks and writes the answer into the run's own folder; others wait for it, and read it.

    A failure is written as well: a hundred hosts do not wait for a dead server a hundred times.
    """
    key = hashlib.sha256(repr(source).encode("utf-8", "backslashreplace")).hexdigest()
    try:
        descriptor = os.open(os.path.join(folder, "drawbridge-feed-" + key), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return _brought(source, lambda: fetch(source))
    with os.fdopen(descriptor, "r+b", buffering=0) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        known = _read(stream.read())
        if known is None:
            known = _brought(source, lambda: fetch(source))
            with suppress(OSError):  # There is no room for it: the others ask themselves.
                stream.seek(0)
                stream.truncate()
                stream.write(json.dumps(known).encode("ascii"))
    return known


def _read(text: bytes) -> Optional[Brought]:
    """Return what another process wrote. None if it did not finish."""
    try:
        return Brought(*json.loads(text))
    except ValueError:
        return None


def _brought(source: FeedSource, body: Callable[[], bytes]) -> Brought:
    try:
        return Brought(good_entries(body(), source))
    except DrawbridgeError as error:
        return Brought([], error.message)
    except Exception as error:  # pylint: disable=broad-exception-caught
        # Others write the list. Nothing that they write ends a run.
        return Brought([], "it cannot be judged: %s" % type(error).__name__)


def _of_file(source: FeedSource, action: ActionBase) -> Brought:
    """Return what a file brings, which is looked for as Ansible looks for files of a task. Nothing of an encrypted file is shown."""
    try:
        path = action._find_needle("files", source.src)
        real = action._loader.get_real_file(path, decrypt=True)
        try:
            body, is_plain = _content(real), os.path.samefile(real, path)
        finally:
            # Only what was decrypted is removed.
            action._loader.cleanup_tmp_file(real)
    except OSError as error:
        return Brought([], "it cannot be read: %s" % error.strerror)
    except AnsibleError:
        return Brought([], "there is no such file, or it cannot be read")
    except DrawbridgeError as error:
        return Brought([], error.message)
    brought = _brought(source, lambda: body)
    return brought if is_plain or brought.failure is None else Brought([], _NOT_SHOWN)


def _content(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise DrawbridgeError("it is no file")
        return stream.read(MOST_BYTES + 1)
