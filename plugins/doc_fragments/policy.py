# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What modules that apply a whole policy have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  policy:
    description:
      - The policy, as a mapping or as JSON text.
      - The keys are listed in the notes of M(drawbridge.docker.host_policy). Anything else is an error that names the place.
      - C(tests) among them are proved before anything is changed, in check mode too. One that fails stops the run.
      - Exclusive with O(fragments), one of the two is needed unless O(state=absent).
    type: json
  fragments:
    description:
      - Take the policy from variables. Every variable of the host whose name begins with this text is a fragment, a mapping with the keys
        of O(policy) and O(ignore:weight) (V(50) if left out).
      - The fragment with the higher weight decides about a key, an address set of one name, and an entry about one port, protocol and
        address. At equal weight lists and sources add up, and keys with a single value have to agree. C(tests) add up at any weight.
      - A host that has no such variable is an error.
      - Fragments are gathered on the controller, and templated there where there is a template in them. Errors name the variable.
    type: str
  profile:
    description:
      - What the fragments are laid over, lighter than any of them.
      - V(edge) denies published ports and direct access to containers that no entry allows.
      - V(internal) is V(edge), with every published port open to private networks.
      - V(isolated) is V(edge), and denies services of the host too, except ping, and what containers start towards anything but their own
        network. Allow SSH in a fragment.
      - V(lockdown) is V(isolated) without ping.
      - Only with O(fragments).
    type: str
    choices: [edge, internal, isolated, lockdown]
  state:
    description: V(absent) removes the policy, that is all its chains, jumps and sets.
    type: str
    choices: [present, absent]
    default: present
  allow_lockout:
    description:
      - Whether to apply a policy that refuses the very SSH connection that the task came in by, were it made anew.
      - By default such a policy is an error, in check mode too, and nothing is changed. The connection is told by the socket of the sshd that
        the task descends from, so C(become) makes no difference. Other connection types than SSH are not checked.
      - Judged is each layer of it - the connection itself by the interface that it comes in by, the tunnels that it is in, as far as they end on this host,
        and what a container or a program of this host passes on, by the port that was dialled. Connection tracking would let all of these go on for a
        while. Where a layer cannot be told, a warning says so.
    type: bool
    default: false
  revoke:
    description:
      - What becomes of open connections that a change of C(published_ports) denies.
      - V(end) ends them, over TCP and UDP, by DNAT and by docker-proxy. RV(connections_closed) tells how many. No other connection loses a packet. Connections
        that docker-proxy holds are closed at both ends (C(ss -K)); where they cannot be, a warning says so, and they are silent until they time out.
        Flows that are offloaded to a flowtable end within a second or two, by C(conntrack -D); where that command is missing, a warning says that they
        go on.
      - V(keep) leaves connections that are established to published ports and containers, and those that containers opened, until they end by
        themselves. New ones are judged. A later run with V(end) ends them.
      - The host's own services always keep their open connections.
    type: str
    choices: [end, keep]
    default: end
  confirm_timeout:
    description:
      - Seconds within which the controller has to open a new connection to the host after the change, and confirm it, at most 3600. V(0) for no confirmation.
      - There is one by default, as with the role. What shuts the controller out is not always seen beforehand, and a task that succeeded while nobody
        reaches the host any more cannot be undone by a second one. A confirmation takes a fraction of a second, and is part of the task.
      - A new connection of a type that does not cross the network, as C(local), is always there, so it says nothing about who reaches the host.
      - Before anything is changed, the host itself is told to go back to what it had (rules, jumps, sets and tables of Drawbridge, nothing of others)
        unless it is confirmed in time. It does so also if the controller is gone or the play was ended. A host that is booted
        before the confirmation boots with the rules from before, where M(drawbridge.docker.boot_restore) was used.
      - What C(forwarding) and C(forward_policy) did to the kernel is taken back with the rules. What they and C(daemon) say in files (C(sysctl.d), units,
        C(daemon.json)) is written by the confirmation, so a host that is booted before it boots as if there had been no change.
      - The task fails if the host takes the change back. A run that changes nothing has nothing to confirm.
      - Under a checkpoint that M(drawbridge.docker.firewall_checkpoint) armed before, that one covers this task too.
    type: int
    default: 60
  plan_dir:
    description:
      - A folder on the controller for plans that are reviewed before they are applied, one file for each host. A relative path starts where
        C(ansible-playbook) was started.
      - In check mode, write the host's plan to it, with mode 0600 and whole or not at all. An earlier plan of the host is removed first.
      - Else apply the host's plan. The task plans anew and fails, before anything is changed, if that is not what the plan says - because the policy or another
        option is another, or rules, sets or tables of Drawbridge or a setting of the policy were changed on the host, or ports or containers that the change is
        about. The message names what differs. The same is compared again under the host's lock.
      - A host without a plan fails, and so does one whose plan is another host's, was edited, or was made by another version of this collection.
      - A host that needs no change any more is unchanged, so a play that ended early can be run again.
      - Rules and sets of others, and what M(drawbridge.docker.address_set) keeps, are no part of a plan.
    type: str
"""
