# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A policy's change in the policy's words: read from the rules that the kernel holds, and from those it will hold."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback import policy_diff
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.rules_to_policy import EVERYWHERE

from tests.integration.kernel.support.policies import HOST, OFFICE

PUBLISHED = [
    PublishedPort(family, address, port, protocol, container, container, 80, loopback)
    for family, address, port, protocol, container, loopback in [
        (4, None, 443, "tcp", "web", False), (6, None, 443, "tcp", "web", False), (4, None, 8080, "tcp", "api", False),
        (4, "192.0.2.7", 53, "udp", "dns", False), (4, "127.0.0.1", 5432, "tcp", "db", True),
    ]
]
LISTED = ["10.0.0.%d" % number for number in range(1, 8)]
FIRST = {
    "address_sets": OFFICE,
    "published_ports": {"allow": [
        {"port": 443, "sources": ["any"]}, {"port": 8080, "sources": ["@office", "10.0.0.0/8", "192.0.2.1", "2001:db8::1"]},
        {"port": "8100-8103", "sources": LISTED}, {"port": 53, "protocol": "udp", "address": "192.0.2.7", "sources": ["@office"]},
    ]},
    "host_services": {"default": "deny", "allow": [{"port": 22, "sources": ["@office"]}, {"protocol": "icmp", "sources": ["any"]}]},
}
NOTHING = """\
port 53/udp at 192.0.2.7 ('dns'): anybody
port 443/tcp ('web'): anybody
port 8080/tcp ('api'): anybody
port 8100-8103/tcp: anybody
every other published port: anybody
containers' own addresses: anybody
ping: anybody
service 22/tcp: anybody
every other service of the host: anybody
from all other containers: everything
from all other containers to the host: everything
"""
ALL_OF_FIRST = """\
outside: %s
port 53/udp at 192.0.2.7 ('dns'): @office
port 443/tcp ('web'): anybody
port 8080/tcp ('api'): 10.0.0.0/8, 192.0.2.1, @office, 2001:db8::1
port 8100-8103/tcp: %s
every other published port: nobody
containers' own addresses: nobody
ping: anybody
service 22/tcp: @office
every other service of the host: nobody
from all other containers: everything
from all other containers to the host: everything
""" % (EVERYWHERE, ", ".join(LISTED))


@pytest.fixture
def told(host):
    """What a policy's change says: before, after; None where it says nothing."""
    def told(policy, check=False, published=PUBLISHED):
        facts = HOST._replace(published=[Published(*port[:4]) for port in published if not port.loopback])
        parsed = parse_policy(policy or {})
        diff = policy_diff.of_plan(host.converge(compile_policy(parsed, facts), check).plan, Ipset(host.system), published, parsed).as_diff()
        return diff if diff is None else (diff["before"], diff["after"])
    return told


def changed(before_and_after):
    """The lines that only one side has."""
    before, after = (text.splitlines() for text in before_and_after)
    return [line for line in before if line not in after], [line for line in after if line not in before]


def allow(*entries, **more):
    return {"address_sets": OFFICE, "published_ports": dict({"allow": list(entries)}, **more)}


def test_the_first_policy_and_its_end(told):
    assert told(FIRST, check=True) == (NOTHING, ALL_OF_FIRST)
    assert told(FIRST) == (NOTHING, ALL_OF_FIRST)
    assert told(FIRST) is None
    assert told(None, check=True) == told(None) == (ALL_OF_FIRST, NOTHING)


def test_what_changes_is_a_line_of_its_own(told):
    told(allow({"port": 443, "sources": ["any"]}))
    assert changed(told(allow({"port": 443, "sources": ["@office"]}, {"port": 9000, "protocol": "sctp", "sources": ["any"]}))) == (
        ["port 443/tcp ('web'): anybody", "port 9000/sctp: nobody"], ["port 443/tcp ('web'): @office", "port 9000/sctp: anybody"])
    assert changed(told(allow({"port": 443, "sources": ["@office"]}, direct="allow"))) == (
        ["port 9000/sctp: anybody", "containers' own addresses: nobody"], ["port 9000/sctp: nobody", "containers' own addresses: anybody"])


def test_addresses_that_come_into_a_set_change_nothing_of_who(told):
    entry = {"port": 443, "sources": ["@office"]}
    told(allow(entry))
    more = dict(allow(entry), address_sets={"office": [*OFFICE["office"], "192.0.2.0/24"]})
    assert told(more) is None


def test_a_default_of_allow_limits_what_it_names(told):
    given = allow({"port": 8080, "sources": ["@office"]}, {"port": 443, "address": "192.0.2.7", "sources": []}, default="allow")
    assert changed(told(given))[1] == [
        "outside: " + EVERYWHERE, "port 443/tcp at 192.0.2.7: nobody", "port 8080/tcp ('api'): @office", "containers' own addresses: nobody"]


def test_one_family_alone_is_said(told):
    given = allow({"port": 443, "address": "0.0.0.0", "sources": ["any"]}, {"port": 8080, "sources": ["0.0.0.0/0", "2001:db8::/32"]})
    assert changed(told(given))[1][1:4] == [
        "port 53/udp at 192.0.2.7 ('dns'): nobody", "port 443/tcp ('web'): anybody by IPv4", "port 8080/tcp ('api'): anybody by IPv4, 2001:db8::/32"]


def test_named_interfaces_are_the_outside(told):
    told(FIRST)
    named = dict(FIRST, external_interfaces=["eth0", "wan+"])
    assert changed(told(named)) == (["outside: " + EVERYWHERE], ["outside: eth0, wan+"])
    assert told(named) is None


def test_a_service_with_sources_of_its_own_is_said_beside_the_port(told):
    both = allow({"port": 443, "sources": ["@office"]})
    both["host_services"] = {"default": "deny", "allow": [{"port": 443, "sources": ["192.0.2.1"]}]}
    assert [line for line in changed(told(both))[1] if "443" in line] == ["port 443/tcp ('web'): @office", "service 443/tcp: @office, 192.0.2.1"]


def test_rules_that_nothing_leads_to_close_nothing(told, host):
    told(FIRST)
    for family in (4, 6):
        host.iptables("-t mangle -F PREROUTING", family)
    closed, opened = changed(told(FIRST))
    assert closed == [line for line in NOTHING.splitlines()[:6] if line not in ALL_OF_FIRST]
    assert set(opened) < set(ALL_OF_FIRST.splitlines())


def test_ports_that_were_published_since(told):
    """docker-proxy serves them to everybody until the guard knows them, unless services are denied."""
    since = [PUBLISHED[0]._replace(family=6, port=number, address=address, container_name="new")
             for number, address in ((8081, None), (8080, None), (443, "2001:db8::7"))]
    entry = {"port": 8080, "sources": ["@office"]}
    told(allow(entry))
    assert changed(told(allow(entry), published=PUBLISHED + since)) == (
        ["port 443/tcp at 2001:db8::7 ('new'): nobody, and whoever comes by docker-proxy",
         "port 8080/tcp ('api', 'new'): @office, and whoever comes by docker-proxy",
         "port 8081/tcp ('new'): nobody, and whoever comes by docker-proxy"],
        ["port 443/tcp at 2001:db8::7 ('new'): nobody", "port 8080/tcp ('api', 'new'): @office", "port 8081/tcp ('new'): nobody"])
    assert told(allow(entry), published=PUBLISHED + since) is None
    denied = dict(allow(entry), host_services={"default": "deny", "allow": [{"port": 22, "sources": ["any"]}]})
    told(denied)
    assert told(denied, published=PUBLISHED + since) is None


BACKEND = {
    "default": "deny", "dns": ["192.0.2.53"], "host": [{"port": 3128}, {"protocol": "icmp"}], "peers": "deny",
    "allow": [
        {"destination": "10.0.5.0/24", "port": 5432}, {"destination": ["@office", "2001:db8:7::/64"], "port": "443-444"},
        {"protocol": "udp", "port": 123},
    ],
}
EGRESS = {
    "deny": [{"destination": "169.254.169.254"}],
    "networks": {"backend": BACKEND},
    "containers": [
        {"label": "com.example.role=updater", "default": "allow"},
        {"name": "db", "default": "deny", "allow": [{"destination": LISTED}], "host": "allow"},
    ],
}
REACHED = """\
from containers with label 'com.example.role=updater': everything
from container 'db': %s, nothing else
from network 'backend': 5432/tcp at 10.0.5.0/24, 443-444/tcp at @office, 123/udp, 53/udp at 192.0.2.53, 53/tcp at 192.0.2.53, \
443-444/tcp at 2001:db8:7::/64, nothing else
from all other containers: not 169.254.169.254, everything else
from network 'backend' to neighbours: nothing
from containers with label 'com.example.role=updater' to the host: everything
from container 'db' to the host: everything
from network 'backend' to the host: 53/udp at 192.0.2.53, 53/tcp at 192.0.2.53, 3128/tcp, ping, nothing else
from all other containers to the host: everything
""" % ", ".join(LISTED)


def ways_out(text):
    return [line for line in text.splitlines() if line.startswith("from ")]


def test_what_containers_reach(told):
    before, after = told({"address_sets": OFFICE, "egress": EGRESS})
    assert ways_out(before) == NOTHING.splitlines()[-2:]
    assert ways_out(after) == REACHED.splitlines()
    assert told({"address_sets": OFFICE, "egress": EGRESS}) is None
    to_host = "from all other containers to the host: "
    assert [ways_out(text)[-1] for text in told({"egress": {"default": "deny"}})] == [to_host + "everything", to_host + "nothing"]
    assert ways_out(told(None)[0]) == ["from all other containers: nothing", to_host + "nothing"]


def test_all_that_is_reached_by_one_entry_is_everything(told):
    to_all = {"default": "deny", "allow": [{"destination": "192.0.2.9"}, {"destination": "any"}], "host": "allow"}
    assert ways_out(told({"egress": {"networks": {"backend": to_all}}})[1])[0] == "from network 'backend': everything"
    one_family = dict(to_all, allow=[{"destination": "0.0.0.0/0"}])
    assert ways_out(told({"egress": {"networks": {"backend": one_family}}})[1])[0] == "from network 'backend': 0.0.0.0/1, 128.0.0.0/1, nothing else"


def test_the_result_has_the_same_as_values(host):
    """Text for a diff and values for a program are one thing: a line that differs is a change, and nothing else is."""
    def words(policy):
        parsed = parse_policy(policy)
        return policy_diff.of_plan(host.converge(compile_policy(parsed, HOST)).plan, Ipset(host.system), PUBLISHED, parsed)

    words(allow({"port": 443, "sources": ["any"]}))
    told = words(allow({"port": 443, "sources": ["@office"], "comment": "shop"}))
    assert told.as_changes() == [{"what": "port 443/tcp", "before": "anybody", "after": "@office", "containers": ["web"]}]
    assert changed(tuple(told.as_diff()[side] for side in ("before", "after"))) == (
        ["port 443/tcp ('web'): anybody"], ["port 443/tcp ('web'): @office  # shop"])
    backend = words(dict(allow({"port": 443, "sources": ["@office"]}), egress={"networks": {"backend": BACKEND}})).as_changes()
    assert [(each["before"], each["after"]) for each in backend if each["what"] == "from network 'backend' to neighbours"] == [(None, "nothing")]


def test_denied_sources(told):
    told(FIRST)
    denied = {"published_ports": ["@office", *LISTED], "host_services": ["@office"]}
    denying = dict(FIRST, **{section: {**FIRST[section], "deny": sources} for section, sources in denied.items()})
    assert changed(told(denying, check=True)) == changed(told(denying)) == (
        [], ["denied at every published port: %s, @office" % ", ".join(LISTED), "denied at every service of the host: @office"])
    assert told(denying) is None
    named = dict(denying, external_interfaces=["eth0", "wan+"])
    assert changed(told(named)) == (["outside: " + EVERYWHERE], ["outside: eth0, wan+"])
    assert [line for line in changed(told(FIRST))[0] if "denied" in line] == [
        "denied at every published port: %s, @office" % ", ".join(LISTED), "denied at every service of the host: @office"]
