# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a policy takes for outside, and what it is told to leave alone."""
from tests.integration.lab.support import expected, firewall, policies, ways
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.reach import Onlooker, v4
from tests.integration.lab.support.ways import on_all
from tests.lab.paths import DIRECT

VM_BRIDGE = "vmbr0"
FORWARDED = 8500


def apply(hosts, **keys):
    """The policy with further keys, those of published_ports into its part."""
    direct = {"direct": keys.pop("direct")} if "direct" in keys else {}

    def policy(spec):
        data = policies.one_client(spec)
        return dict(data, published_ports=dict(data["published_ports"], **direct), **keys)

    return play(hosts, [policies.POLICY], host_vars=policies.for_hosts(hosts, policy))


def differences(lab, hosts, expectation):
    return expected.differences(ways.plain(lab, hosts, expectation), expectation)


def test_direct_access_that_is_allowed_is_as_docker_leaves_it(lab, manageable):
    apply(manageable, direct="allow")

    def expectation(cell):
        return expected.as_docker_leaves_it(cell) if cell.path.kind == DIRECT else expected.one_client_allowed(cell)

    assert differences(lab, manageable, expectation) == []


def test_interfaces_by_name(lab, manageable):
    apply(manageable, external_interfaces=["et+"])
    assert differences(lab, manageable, expected.one_client_allowed) == []
    assert all(apply(manageable, external_interfaces=["eth9"]).changed().values())
    assert differences(lab, manageable, expected.as_docker_leaves_it) == []


def test_what_others_forward_and_dnat(lab, manageable):
    """A port that leads to a virtual machine is no published port, but only the user can tell."""
    look = Onlooker(lab, manageable)
    on_all(manageable, lambda host: firewall.by_hand(
        host, "iptables -t nat -A PREROUTING -p tcp -m tcp --dport %d -j DNAT --to-destination %s:8000"
        % (FORWARDED, host.spec.vm)))
    assert look.serves("denied", v4(FORWARDED))
    apply(manageable)
    assert look.turns_away("denied", v4(FORWARDED))
    apply(manageable, unmanaged_interfaces=[VM_BRIDGE])
    assert look.serves("denied", v4(FORWARDED))
    assert look.turns_away("denied", v4(8080))
