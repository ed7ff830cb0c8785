# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The summary of a play as a file for programs. Its format is documented in the module fleet_summary."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Dict, Sequence

from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import Change, Host, overall, totals

# Counts up when a key goes or means something else.
VERSION = 1


def report(hosts: Sequence[Host], check_mode: bool, is_end: bool) -> Dict[str, object]:
    """Return the report's content. is_end: whether the play begins no further hosts."""
    return {
        "version": VERSION,
        "check_mode": check_mode,
        "finished": is_end,
        "result": overall(hosts),
        "totals": totals(hosts),
        "hosts": {host.name: _host(host) for host in hosts},
    }


def _host(host: Host) -> Dict[str, object]:
    told: Dict[str, object] = {"result": host.result, **host.facts}
    if host.message:
        told["message"] = host.message
    if host.changes:
        told["changes"] = [_change(change) for change in host.changes]
    return told


def _change(change: Change) -> Dict[str, object]:
    told: Dict[str, object] = {"what": change.what, "before": change.before, "after": change.after}
    return dict(told, containers=list(change.of)) if change.of else told


def write(path: str, content: Dict[str, object]) -> None:
    """Write the report whole or not at all, for its owner alone. Raises OSError."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=True) + "\n")


def write_text(path: str, text: str) -> None:
    """Write a file of ASCII text whole or not at all, for its owner alone. Raises OSError."""
    # mkstemp makes the file with mode 0600.
    handle, new = tempfile.mkstemp(prefix=".drawbridge-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
