# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ansible module: a section of DOCKER-USER."""

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_user_chain
short_description: Manage ordered rules for forwarded container traffic in DOCKER-USER
version_added: 0.1.0
description:
  - Keeps a section of rules in Docker's C(DOCKER-USER) chain, in a chain of its own (C(DB-USER-section)), entered by one jump.
  - Lines that others keep in C(DOCKER-USER), such as fail2ban's or CrowdSec's, stay where they are.
  - All rules of a section go in by one commit for each family. A run that finds them as they should be changes nothing, however they are
    spelt.
  - Beside an engine with the nftables firewall backend an C(ACCEPT) opens nothing, since the engine's own table drops what was not published. A warning says
    so. Rules that drop are in force there as well.
  - Works before Docker's first start, and where the engine makes no C(DOCKER-USER) (IPv6 up to 26, the nftables backend). The chain and
    C(FORWARD)'s jump to it are then made as Docker would make them.
  - C(FORWARD)'s jump to C(DOCKER-USER) is put ahead of lines that could let packets pass it by, such as an ACCEPT that somebody put above it. Lines
    that only restrict may stand there.
  - A rule that can never match, because rules before it in the section take all that it would, is a warning that names both. Only what is certain is
    said, in the first 2000 rules.
author:
  - The Drawbridge authors (@drawbridge)
extends_documentation_fragment:
  - drawbridge.docker.netfilter
  - drawbridge.docker.netfilter.transport
  - drawbridge.docker.netfilter.cross_check
  - drawbridge.docker.engine
  - drawbridge.docker.netfilter.rules
options:
  section:
    description:
      - Name of the section. Letters, digits, C(_) and C(-), at most 20 characters.
      - C(policy) and names that begin with C(policy-) belong to M(drawbridge.docker.host_policy).
    type: str
    required: true
  state:
    description: V(absent) removes the section, its chain and its jump. C(DOCKER-USER) itself stays.
    type: str
    choices: [present, absent]
    default: present
  priority:
    description:
      - Place among the sections, lowest first, from 0 to 9999. The one of M(drawbridge.docker.host_policy) has 100.
      - Sections of one priority stand in the order of their names.
    type: int
    default: 500
  established:
    description:
      - Whether packets of flows that are established, and related ones, pass the section before its rules are looked at.
      - Forged packets could make a client one that replies. So the first packets of flows are then judged by their source, in the chain
        C(DB-SOURCE-user) in C(mangle PREROUTING), which all sections share. Whose networks there are, the engine is asked.
    type: bool
    default: true
  purge:
    description:
      - Whether lines in C(DOCKER-USER) that are not Drawbridge's are deleted.
      - These are exactly those that the diff shows, never Docker's own C(RETURN).
    type: bool
    default: false
seealso:
  - module: drawbridge.docker.host_policy
  - module: drawbridge.docker.address_set
"""

EXAMPLES = r"""
- name: Only the office reaches what is published on 8080, whatever the container's own port
  drawbridge.docker.docker_user_chain:
    section: web
    rules:
      - {protocol: tcp, published_port: 8080, source: ["192.0.2.0/24", "2001:db8:1::/48"], jump: RETURN}
      - {protocol: tcp, published_port: 8080, jump: DROP, comment: all others}

- name: A rule in iptables' own words, and one by an address set, ahead of other sections
  drawbridge.docker.docker_user_chain:
    section: abuse
    priority: 50
    rules:
      - {source: "@abusers", jump: DROP}
      - -p tcp -m connlimit --connlimit-above 100 -j DROP

- name: Hundreds of rules from a variable
  drawbridge.docker.docker_user_chain:
    section: partners
    rules_from: partner_rules

- name: Remove a section
  drawbridge.docker.docker_user_chain:
    section: abuse
    state: absent
"""

RETURN = r"""
chain:
  description: The section's chain.
  returned: success
  type: str
  sample: DB-USER-web
transport:
  description: The iptables variant that was used.
  returned: success
  type: str
  sample: nft
cross_checked:
  description:
    - What python-iptables found in the kernel after the change, see O(cross_check).
    - C(rules), how many rules it read as they were written; C(by_name_only), matches and targets whose options it cannot read; C(skipped), why nothing
      was compared, empty where it was.
  returned: when rules were written by legacy iptables, unless O(cross_check=never)
  type: dict
  sample: {rules: 41, by_name_only: [], skipped: ""}
"""

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.accept_without_effect import opens_nothing
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import (
    PREFIX,
    Section,
    section_wanted,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import DesiredState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.fields import families_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.shadowing import shadow_warnings
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.user_sections import with_source_check
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import (
    CROSS_CHECK_ARGUMENTS,
    ENGINE_ARGUMENTS,
    LOCK_ARGUMENTS,
    SECTION_ARGUMENTS,
    TRANSPORT_ARGUMENTS,
    Result,
    Task,
    run_module,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import converge


def keep_section(task: Task) -> Result:
    """Bring the section to the task's state."""
    params = task.params
    section = Section(
        name=params["section"],
        priority=params["priority"],
        established=params["established"],
        families=families_of(params["ip_version"], "ip_version"),
        purge=params["purge"],
        present=params["state"] == "present",
    )
    wanted = section_wanted(section, params["rules"] if params["rules"] is not None else [], params["rules_from"] or "rules")
    warnings = shadow_warnings(wanted.chains) + opens_nothing(task.system, wanted.chains)

    def checked(netfilter: Netfilter) -> DesiredState:
        found, told = with_source_check(wanted, section, netfilter, lambda: connect(params["docker_host"]))
        warnings.extend(told)
        return found

    outcome = converge(task.system, task.settings(), checked)
    return Result(dict(outcome.result(), chain=PREFIX + section.name), outcome.warnings + warnings)


def main() -> None:
    run_module(
        {
            **LOCK_ARGUMENTS,
            **TRANSPORT_ARGUMENTS,
            **CROSS_CHECK_ARGUMENTS,
            **ENGINE_ARGUMENTS,
            **SECTION_ARGUMENTS,
        },
        keep_section,
    )


if __name__ == "__main__":
    main()
