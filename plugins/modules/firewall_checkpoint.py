# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a state of the firewall to go back to, unless somebody confirms in time that the host can still be reached."""

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_checkpoint
short_description: Have the host itself take firewall changes back unless they are confirmed
version_added: 0.1.0
description:
  - With O(state=armed) a host remembers all that Drawbridge holds in its kernel, and goes back to that when O(timeout) is over. Tasks that follow may
    change rules and sets. With O(state=confirmed) their changes stay.
  - The host goes back by itself, also if the controller is gone or the play was ended. Neither Python nor Ansible is needed for it. A host that
    is booted in between boots with the rules from before, where M(drawbridge.docker.boot_restore) was used.
  - Confirming opens a new connection to the host. That is the proof that it can still be reached.
  - Going back concerns Drawbridge's own chains, jumps, sets and tables, and nothing of others. Containers that came and went meanwhile keep their rules,
    and lines that C(purge=true) deleted do not come back.
  - It also concerns what M(drawbridge.docker.host_policy), M(drawbridge.docker.ip_forward) and M(drawbridge.docker.forward_policy) changed since. Forwarding
    and the policy of C(FORWARD) are again what they were. Files in C(sysctl.d), units and C(daemon.json) are written by the confirmation only, so
    restart the engine after it. M(drawbridge.docker.docker_daemon_config) writes at once, and that is not taken back.
  - M(drawbridge.docker.host_policy) needs no task of this module. It has O(drawbridge.docker.host_policy#module:confirm_timeout).
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
options:
  transport:
    description:
      - Which iptables' rules are remembered. V(auto) takes the variant that holds Docker's chains, else Drawbridge's, else the one
        that plain C(iptables) is.
    type: str
    choices: [auto, nft, legacy]
    default: auto
  state:
    description:
      - V(armed) remembers the state. One that is armed already is left as it is.
      - V(confirmed) keeps what was changed since. It is an error if nothing is armed, because then the change was taken back.
      - V(rolled_back) goes back at once. Without a checkpoint it goes back to the generation before the current one of the boot files, that is to the
        rules before the last change, with what that change did to forwarding, the policy of C(FORWARD) and C(daemon.json), and a second time forth
        again. Changes of M(drawbridge.docker.ip_forward) and M(drawbridge.docker.forward_policy) count where a checkpoint covered them.
      - Without a checkpoint, diff mode shows what V(rolled_back) changes, in check mode as well. Of files it shows sums only.
    type: str
    choices: [armed, confirmed, rolled_back]
    required: true
  timeout:
    description: Seconds from O(state=armed) to O(state=confirmed), from 1 to 3600.
    type: int
    default: 60
seealso:
  - module: drawbridge.docker.boot_restore
  - module: drawbridge.docker.host_policy
"""

EXAMPLES = r"""
- name: Two minutes for the tasks that follow
  drawbridge.docker.firewall_checkpoint:
    state: armed
    timeout: 120

- name: A change
  drawbridge.docker.docker_user_chain:
    section: web
    rules:
      - {source: 192.0.2.0/24, jump: RETURN}
      - {jump: DROP}

- name: The host can still be reached
  drawbridge.docker.firewall_checkpoint:
    state: confirmed

- name: Go back to the rules before the last change
  drawbridge.docker.firewall_checkpoint:
    state: rolled_back
"""

RETURN = r"""
checkpoint:
  description: The checkpoint that the task armed, confirmed or went back to.
  returned: when there is one
  type: dict
  contains:
    id:
      description: What tells it from others.
      type: str
      returned: success
    seconds_left:
      description: How long the host waits for the confirmation.
      type: float
      returned: success
  sample: {"id": "962c7768eeacd16d", "seconds_left": 118.3}
"""

from typing import Dict, Optional, Sequence

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Live, Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.checkpoint import BY_PLAY, Armed, Checkpoint
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.difference import difference, sets, states
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.generations import BootFiles
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.lookup import checked_timeout
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.undo_preview import beside_diffs
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    LOCK_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import locked


def keep_checkpoint(task: Task) -> Result:
    """Arm, confirm or roll back."""
    do = {"armed": _arm, "confirmed": _confirm, "rolled_back": _roll_back}[task.params["state"]]
    with locked(task.settings()):
        return do(task, Checkpoint(task.system))


def _arm(task: Task, checkpoint: Checkpoint) -> Result:
    timeout = checked_timeout(task.params["timeout"], 1, "timeout")
    netfilter = Netfilter(task.system, task.params["transport"])
    armed = checkpoint.waiting()
    if armed or task.check_mode:
        return _result(armed, armed is None, netfilter.warnings)
    files = BootFiles(task.system)
    saved = files.texts(netfilter, Live(netfilter.rulesets(), {}))
    files.forget_next()
    return _result(checkpoint.arm(saved, timeout, BY_PLAY), True, netfilter.warnings)


def _confirm(task: Task, checkpoint: Checkpoint) -> Result:
    armed = checkpoint.waiting()
    if armed is None and task.check_mode:
        return _result(None, True)
    if armed is None:
        raise DrawbridgeError("nothing is armed: the host took the change back, or there never was a checkpoint", "state")
    if not task.check_mode:
        checkpoint.confirm(armed)
    return _result(armed, True)


def _roll_back(task: Task, checkpoint: Checkpoint) -> Result:
    armed = checkpoint.waiting()
    files = BootFiles(task.system)
    if armed is None and not (files.are_kept and files.folder.link("previous")):
        raise DrawbridgeError("there is neither a checkpoint nor a previous generation to go back to", "state")
    if armed:
        if not task.check_mode:
            checkpoint.roll_back(armed)
        return _result(armed, True)
    now, then = files.saved("current"), files.saved("previous")
    result = Result({"changed": True, "diff": [difference(now, then), *beside_diffs(task.system)]})
    if not task.check_mode:
        files.run("previous")
    return _explained(result, now, then) if task.shows_diff else result


def _explained(result: Result, now: Dict[str, str], then: Dict[str, str]) -> Result:
    """Put the rollback in words ahead of the rules' diff."""
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import (  # pylint: disable=import-outside-toplevel
        in_words,
    )

    return result.explained(in_words(states(now), states(then), {**sets(now), **sets(then)}, [], {}).as_diff())


def _result(armed: Optional[Armed], changed: bool, warnings: Sequence[str] = ()) -> Result:
    values: Dict[str, object] = {"changed": changed}
    if armed:
        values["checkpoint"] = {"id": armed.id, "seconds_left": round(armed.seconds_left, 3)}
    return Result(values, list(warnings))


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            "state": {"type": "str", "choices": ["armed", "confirmed", "rolled_back"], "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        keep_checkpoint,
    )


if __name__ == "__main__":
    main()
