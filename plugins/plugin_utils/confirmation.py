# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Confirm a change over a new connection, or report that the host rolled the change back."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, NamedTuple

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

_PROGRAM = "/var/lib/drawbridge/checkpoint/boot.sh"
_DECIDED = "/run/drawbridge/decided"
# Put ahead of ssh_args: ssh uses the first value of an option.
_NOT_SHARED = "-o ControlMaster=no -o ControlPath=none "
_PAUSE = 0.3
# The boot program's exit status for: confirmed, but with a problem. No shell and no sudo uses it.
_KEPT_BUT = 4
# A host that rolled back has to be reachable again within this many seconds after the deadline.
_GRACE = 3.5


class Answer(NamedTuple):
    """kept: whether the change stays. words: the problem; empty for none."""

    kept: bool
    words: str = ""


@contextmanager
def new_connection(connection: ConnectionBase, timeout: float) -> Iterator[None]:
    """Make the commands in this block open new connections, and share no older one. timeout: seconds for each to open."""
    if connection.transport.rpartition(".")[2] != "ssh":
        # Connections that do not cross the network have no reset: the base class would only warn.
        if getattr(type(connection), "reset", None) is not ConnectionBase.reset:
            connection.reset()
        yield
        return
    kept = {name: connection.get_option(name) for name in ("ssh_args", "timeout")}
    connection.set_option("ssh_args", _NOT_SHARED + (kept["ssh_args"] or ""))
    connection.set_option("timeout", max(1, min(int(kept["timeout"]), round(timeout))))
    try:
        yield
    finally:
        for name, value in kept.items():
            connection.set_option(name, value)


def confirmed(action: ActionBase, result: Dict[str, Any]) -> Dict[str, Any]:
    """Confirm a module's change → its result, failed if the host rolled the change back.

    action: the action plugin. result: the module's, with ``checkpoint`` if there is a change to confirm.
    """
    checkpoint = result.pop("checkpoint", None)
    if not checkpoint:
        return result
    started = time.monotonic()
    answer = _ask(action, checkpoint["id"], started + checkpoint["seconds"])
    result["confirm_seconds"] = round(time.monotonic() - started, 3)
    if answer.kept and not answer.words:
        return result
    result.update(failed=True, changed=answer.kept, msg=answer.words)
    return result


def _ask(action: ActionBase, identifier: str, deadline: float) -> Answer:
    words = ""
    while time.monotonic() < deadline + _GRACE:
        left = deadline - time.monotonic()
        try:
            # One try must not hang past the deadline: after a rollback, the rest of the time is for reaching the host again.
            with new_connection(action._connection, left if left > 0 else left + _GRACE):
                return _confirm(action, identifier, words)
        except AnsibleConnectionFailure as error:
            words = " ".join(str(error).split())
        time.sleep(_PAUSE)
    return Answer(
        False,
        "After the change no new connection to the host could be opened: %s. The host takes the change back by itself, and everything "
        "that Drawbridge owns there is as it was." % words,
    )


def _confirm(action: ActionBase, identifier: str, earlier: str) -> Answer:
    done = action._low_level_execute_command("/bin/sh %s confirm %s" % (_PROGRAM, identifier))
    if done["rc"] == 0:
        return Answer(True)
    said = " ".join((done["stderr"] or done["stdout"]).split())
    if done["rc"] == _KEPT_BUT:
        return Answer(True, "The change is confirmed, but: %s" % said)
    # The confirmation removes the program with the checkpoint. So an earlier try may have confirmed, and its answer was lost.
    decided = action._low_level_execute_command("cat %s" % _DECIDED)["stdout"].split(None, 1)
    if decided[:1] == [identifier] and decided[1].strip() == "confirmed":
        return Answer(True)
    if decided[:1] != [identifier]:
        return Answer(False, "The host has no change to confirm (%s): it was booted meanwhile, or something else took the change back." % said)
    reason = "After the change no new connection to the host could be opened in time: %s" % earlier if earlier else "Nobody confirmed in time"
    return Answer(False, "%s. The host took the change back, and everything that Drawbridge owns there is as it was." % reason)
