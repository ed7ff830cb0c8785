# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What all modules that write rules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  lock_timeout:
    description: How many seconds to wait for another run of Drawbridge on the same host.
    type: int
    default: 30
attributes:
  check_mode:
    support: full
    description: Reports what would change; rules are validated by the kernel in a throwaway network namespace.
  diff_mode:
    support: full
    description: Shows the chains, jumps and sets that change, before and after, in the words of iptables-save and ipset.
  platform:
    support: full
    platforms: linux
    description: Linux hosts with iptables, and ipset where sets are used.
requirements:
  - iptables 1.8 or newer, and ipset where address sets are used, on the host
  - root on the host
"""

    # For modules that write rules.
    TRANSPORT = r"""
options:
  transport:
    description:
      - Which iptables to use. V(auto) takes the variant that holds Docker's chains, else Drawbridge's, else the one
        that plain C(iptables) is.
      - Where both variants hold rules and neither Docker's chains nor Drawbridge's tell, V(auto) fails instead of guessing, and this option decides.
    type: str
    choices: [auto, nft, legacy]
    default: auto
notes:
  - Rules are loaded with C(iptables-restore --noflush), one commit for each table; the kernel is read again afterwards.
"""

    # For modules that write the host's own chains.
    CROSS_CHECK = r"""
options:
  cross_check:
    description:
      - Whether the Python library python-iptables reads from the kernel what was written, and compares it with what C(iptables-save) says. A
        difference fails the task, which takes the change back and names the rule. See the guide C(docs/guides/cross-check.md).
      - V(when_available) does it on hosts with legacy iptables where the Python that runs the task has the library. Where it cannot be
        done, RV(cross_checked) says why.
      - V(always) fails where it cannot be done, before anything is changed if that is known. It always fails on hosts with iptables-nft, whose
        rules the library cannot read.
    type: str
    choices: [never, when_available, always]
    default: when_available
"""

    # What rules look like, for modules that keep a section of them.
    RULES = r"""
options:
  rules:
    description:
      - The rules, in order, whole. Each is a dict, or a string in iptables' own syntax without the chain's name.
      - A dict has the keys of M(ansible.builtin.iptables) - C(protocol), C(source), C(destination), C(in_interface),
        C(out_interface), C(source_port), C(destination_port), C(destination_ports), C(tcp_flags), C(syn), C(fragment), C(icmp_type),
        C(ctstate), C(match_set) with C(match_set_flags), C(src_range), C(dst_range), C(limit), C(limit_burst), C(uid_owner),
        C(gid_owner), C(match), C(comment), C(jump) or C(goto), C(log_prefix), C(log_level), C(reject_with), C(to_destination),
        C(to_source), C(to_ports), C(set_dscp_mark), C(set_dscp_mark_class), C(gateway) - with C(!) in front of a value where iptables
        can negate it.
      - C(published_port) is the port that the outside dials, and C(published_address) the address. They match the connection's original
        destination, which Docker's DNAT has rewritten by the time a packet is forwarded.
      - C(source) and C(destination) may be lists, and C(@name) stands for an address set that M(drawbridge.docker.address_set) keeps.
      - C(ip_version) (V(ipv4), V(ipv6), V(both)) narrows a rule. Without it a rule is for both families where it fits both, and for one where
        an address or a protocol belongs to one.
      - Host names are refused. Service names are taken where iptables takes them.
      - A variable name may be given in O(rules_from) instead. One of both is needed where there are to be rules; an empty list is a section without
        any.
    type: raw
  rules_from:
    description:
      - Name of a variable that holds the rules, instead of O(rules).
      - The list is read and compiled on the controller and templated only if there is a template in it, which makes
        hundreds of rules as cheap as a few.
    type: str
  ip_version:
    description: The families that the section is for.
    type: str
    choices: [ipv4, ipv6, both]
    default: both
"""
