# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a policy's tests, proved by real packets."""

from __future__ import annotations

DOCUMENTATION = r"""
module: policy_verify
short_description: Prove a policy's tests by real packets
version_added: 0.1.0
description:
  - Sends the packets that the C(tests) of a policy are about, and fails if one is answered that is to be denied, or one is not that is to be allowed.
  - On the Docker host it proves the tests about containers and the host itself as senders. With O(target) it runs on another host, and proves those tests
    about addresses that the other host's own address is meant by.
  - The playbook C(drawbridge.docker.verify) runs it on Docker hosts and on all others of an inventory. Changes nothing.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.engine
options:
  policy:
    description: The policy, as for M(drawbridge.docker.host_policy).
    type: json
  fragments:
    description: The beginning of the names of variables that hold the policy's fragments, as for M(drawbridge.docker.host_policy).
    type: str
  profile:
    description: What the fragments are laid over.
    type: str
    choices: [edge, internal, isolated, lockdown]
  target:
    description: The Docker host that packets are sent to, as RV(target) of this module on that host. Without it the task's host is the Docker host.
    type: dict
  addresses:
    description: The Docker host's own addresses that others reach it by. By default those by which it sends to the outside, one of each family.
    type: list
    elements: str
  timeout:
    description: Seconds to wait for an answer, up to 60.
    type: float
    default: 3
attributes:
  action:
    support: full
    description: Reads the fragments on the controller.
  async:
    support: none
    description: The fragments are read on the controller, which then waits for the module.
  check_mode:
    support: full
    description: Changes nothing, so check mode makes no difference. Packets are sent in check mode, too.
  diff_mode:
    support: none
    description: Has nothing to compare.
  platform:
    support: full
    platforms: linux
    description: Linux hosts.
requirements:
  - root on the host
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.packet_probe
"""

EXAMPLES = r"""
- name: Prove what containers and the Docker host may reach
  drawbridge.docker.policy_verify:
    fragments: host_policy__
  register: inside

- name: Prove from a client what it may reach
  drawbridge.docker.policy_verify:
    fragments: host_policy__
    target: "{{ inside.target }}"
  delegate_to: client
"""

RETURN = r"""
tests:
  description: Each packet that was sent, in the order of the tests.
  returned: success, or if a test failed
  type: list
  elements: dict
  contains:
    test:
      description: The test's place in the policy, which begins with the fragment's name.
      type: str
      sample: host_policy__web.tests[2]
    from:
      description: The container's name, V(the host), or the sender's address.
      type: str
    to:
      description: What the test is about.
      type: str
      sample: 8080/tcp
    address:
      description: The address that was sent to.
      type: str
    expect:
      description: V(allow) or V(deny).
      type: str
    outcome:
      description: What came back, as C(outcome) of M(drawbridge.docker.packet_probe); null if nothing could be sent.
      type: str
    result:
      description:
        - V(held), V(failed), or V(undecided) where the packet proves nothing, for a refusal, which comes from a firewall or from where nobody listens, and
          for a datagram that is not answered.
      type: str
    reason:
      description: What came back, in words.
      type: str
left_out:
  description: Tests that this host could not send for, each with its C(test) and a C(reason).
  returned: success, or if a test failed
  type: list
  elements: dict
target:
  description: The Docker host's addresses, and those of its containers.
  returned: success, or if a test failed
  type: dict
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.proof.real_packets import (
    checked_timeout,
    failure_of,
    inside_probes,
    outside_probes,
    own_place,
    place_of,
    proved,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.desired import policy_of, without_failed
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    ENGINE_ARGUMENTS,
    POLICY_ARGUMENTS,
    Result,
    Task,
    run_module,
)


def verify(task: Task) -> Result:
    """Send what the tests are about."""
    params = task.params
    policy, warnings = without_failed(policy_of(task))
    engine, timeout = connect(params["docker_host"]), checked_timeout(params["timeout"])
    if params["target"] is None:
        place = own_place(task.system, engine, params["addresses"])
        probes, left_out = inside_probes(policy, place)
    else:
        place = place_of(params["target"])
        probes, left_out = outside_probes(policy, place)
    tests = proved(task.system, engine, probes, timeout)
    return Result({"changed": False, "tests": tests, "left_out": left_out, "target": place.shown}, warnings, failure_of(tests))


def main() -> None:
    run_module(
        {
            **ENGINE_ARGUMENTS,
            **{name: POLICY_ARGUMENTS[name] for name in ("policy", "fragments", "profile")},
            "target": {"type": "dict"},
            "addresses": {"type": "list", "elements": "str"},
            "timeout": {"type": "float", "default": 3},
        },
        verify,
        mutually_exclusive=[["policy", "fragments"], ["target", "addresses"]],
        required_one_of=[["policy", "fragments"]],
    )


if __name__ == "__main__":
    main()
