# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which flows a change denies, where they can be told; what happens to them is shown in the lab."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.close_sockets import FlowEnds, close
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.conntrack import TABLE
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.plan import FamilyPlan, Plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import Ruleset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.drop_replies import cut_answers
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.revocation.revoke import end, find

FLOW = ("ipv4     2 %s 6 431999 %ssrc=%s dst=127.0.0.1 sport=%d dport=8080 "
        "src=172.17.0.2 dst=192.0.2.1 sport=80 dport=40000 [ASSURED] mark=0 use=2\n")


class Host(System):
    """A host with these flows, and no commands but those named."""

    def __init__(self, flows, *commands, left=""):
        super().__init__()
        self.flows, self.commands, self.left, self.ran = flows, commands, left, []

    def read(self, path):
        return self.flows if path == TABLE else None

    def which(self, name):
        return "/sbin/" + name if name in self.commands else None

    def run(self, argv, stdin="", env=None):
        self.ran.append((argv, stdin))
        return Output(0, self.left if argv[0].endswith("ss") else "192.0.2.1 dev eth0\n", "")


def plan(old, new):
    """A change of the guard in IPv4."""
    states = [{"mangle": TableState({"DB-GUARD": tuple(rules)})} if rules is not None else {} for rules in (old, new)]
    return Plan({4: FamilyPlan(states[0], states[1], [], Ruleset())}, [], [], [], [])


def revoked(system, old, new):
    return find(system, Ipset(system), plan(old, new))


def flow(source, protocol="tcp", state="ESTABLISHED ", port=40000):
    return FLOW % (protocol, state, source, port)


ALL = ["-p tcp -m tcp --dport 8080 -j RETURN", "-j DROP"]
ONE = ["-s 192.0.2.1/32 -p tcp -m tcp --dport 8080 -j RETURN", "-j DROP"]


def test_those_that_passed_before_and_do_not_now():
    host = Host(flow("192.0.2.1") + flow("192.0.2.2") + flow("192.0.2.3", state="TIME_WAIT ") + flow("192.0.2.4", "udp", ""), "ip")
    assert [found.source for found in revoked(host, ALL, ONE).flows] == ["192.0.2.2"]
    assert [found.source for found in revoked(host, None, ONE).flows] == ["192.0.2.2", "192.0.2.4"]
    assert revoked(host, ONE, ALL).flows == revoked(host, ALL, ALL).flows == revoked(host, ALL, None).flows == []


def test_a_host_that_does_not_tell_its_flows_says_so():
    found = revoked(Host(None), ALL, ONE)
    assert found.flows is None and "package conntrack" in found.warnings[0] and "all the same" in found.warnings[0]


def test_a_rule_that_is_not_understood_is_no_guess():
    found = revoked(Host(flow("192.0.2.2"), "ip"), ALL, ["-m limit --limit 5/sec -j RETURN", "-j DROP"])
    assert found.flows is None and "limit" in found.warnings[0]


def test_sockets_that_cannot_be_closed():
    ends = [FlowEnds("192.0.2.12", 8080, "192.0.2.2", 40000), FlowEnds("2001:db8::12", 8080, "2001:db8::2", 40000)]
    assert close(Host(""), []) is None
    assert "ss is not installed" in close(Host(""), ends)
    assert "CONFIG_INET_DIAG_DESTROY" in close(Host("", "ss", left="still there\n"), ends)
    able = Host("", "ss")
    assert close(able, ends) is None
    assert able.ran[0][0][-1] == ("( src 192.0.2.12:8080 and dst 192.0.2.2:40000 ) or ( src [2001:db8::12]:8080 and dst [2001:db8::2]:40000 )")
    many = Host("", "ss")
    close(many, ends * 500)
    assert len([argv for argv, _stdin in many.ran if "-K" in argv]) == 5


def test_without_nft_there_is_nothing_to_take_away():
    assert cut_answers(Host(""), []) is None
    assert "nft is not installed" in cut_answers(Host(""), revoked(Host(flow("192.0.2.2"), "ip"), ALL, ONE).flows)


OFFLOADED = flow("192.0.2.2", state="").replace("431999 ", "").replace("[ASSURED]", "[OFFLOAD]")


def test_what_is_offloaded_is_denied_too():
    host = Host(OFFLOADED + flow("192.0.2.4", state=""), "ip", "nft")
    found = revoked(host, ALL, ONE)
    assert [one.source for one in found.flows] == ["192.0.2.2"]
    assert end(host, found)[-1] == "conntrack is not installed (package conntrack): denied flows that are offloaded go on until they end by themselves"


def test_entries_by_way_in():
    """The host answers by eth0."""
    def found(before, after):
        return [each.source for each in revoked(Host(flow("192.0.2.1"), "ip"), [*before, "-j DROP"], [*after, "-j DROP"]).flows]

    def entry(name):
        return ["-i %s -p tcp -m tcp --dport 8080 -j RETURN" % name]

    for kept in ([ALL[0]], entry("eth0"), entry("eth+"), entry("eth1") + entry("eth0")):
        assert found([ALL[0]], kept) == found(entry("eth+"), kept) == []
    for other in (entry("eth1"), entry("wg+"), entry("eth") + entry("wg+"), [], ["-s 192.0.2.1/32 -i eth1 -p tcp -m tcp --dport 8080 -j RETURN"]):
        assert found([ALL[0]], other) == found(entry("eth+"), other) == found(entry("eth0"), other) == ["192.0.2.1"]
        assert found(other, [ALL[0]]) == []


def test_clients_on_a_link_of_which_routes_do_not_tell():
    """By routes the host answers by eth0, whose link came up first."""
    text = "ipv6 10 tcp 6 431999 ESTABLISHED src=fe80::2 dst=::1 sport=40000 dport=8080 src=::1 dst=fe80::2 sport=8080 dport=40000 [ASSURED] mark=0 use=2\n"
    by_wg = ["-i wg0 -p tcp -m tcp --dport 8080 -j RETURN", "-j DROP"]

    def found(before, after):
        host = Host(text, "ip")
        states = [{"mangle": TableState({"DB-GUARD": tuple(rules)})} for rules in (before, after)]
        return [each.source for each in find(host, Ipset(host), Plan({6: FamilyPlan(*states, [], Ruleset())}, [], [], [], [])).flows]

    other_port = ["-i wg0 -p tcp -m tcp --dport 81 -j RETURN", "-j DROP"]
    assert found(ALL, by_wg) == []
    assert found(by_wg, ["-j DROP"]) == found(ALL, ["-j DROP"]) == found(ALL, other_port) == ["fe80::2"]


def test_denied_sources_by_interfaces_that_the_policy_names():
    """The host answers by eth0."""
    def guard(name, rules):
        chains = {"DB-GUARD": ("-i lo -j RETURN", "-i %s -g DB-GUARD-OUT" % name), "DB-GUARD-OUT": tuple(rules), "DB-GUARD-DENIED": ("-j DROP",)}
        return {"mangle": TableState(chains)}

    def found(name, before, after):
        host = Host(flow("192.0.2.1") + flow("192.0.2.2"), "ip")
        change = Plan({4: FamilyPlan(guard(name, before), guard(name, after), [], Ruleset())}, [], [], [], [])
        return [each.source for each in find(host, Ipset(host), change).flows], len(host.ran)

    denying = ["-s 192.0.2.2/32 -j DB-GUARD-DENIED", *ALL]
    assert found("eth0", ALL, denying) == found("et+", ALL, denying) == (["192.0.2.2"], 1)
    assert found("eth1", ALL, denying) == ([], 1)
    # Nobody is asked about flows that no interface's rules deny.
    assert found("eth0", denying, ALL) == ([], 0)


def test_the_way_to_each_address_is_asked_for_once():
    """A host has as many connections to itself and to its containers as its services have clients."""
    text = "ipv4     2 tcp 6 431999 ESTABLISHED src=127.0.0.1 dst=%s sport=%d dport=80 src=%s dst=127.0.0.1 sport=80 dport=%d [ASSURED] mark=0 use=2\n"
    host = Host("".join(text % (address, port, address, port) for address in ("127.0.0.1", "172.17.0.2") for port in range(40000, 40100)), "ip")
    denying = {"filter": TableState({"DB-OUTPUT": ("-o lo -j RETURN", "-j DB-OUTPUT-DENIED"), "DB-OUTPUT-DENIED": ("-o docker0 -j RETURN", "-j DROP")})}
    found = find(host, Ipset(host), Plan({4: FamilyPlan({}, denying, [], Ruleset())}, [], [], [], []))
    assert len(found.sent) == 200 and len(host.ran) == 2
