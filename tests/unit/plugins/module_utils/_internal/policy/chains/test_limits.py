# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lines of entries with limits, and the chains that count: in every chain that lets packets in."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import OWNED, compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

HOST = HostFacts(
    [Published(4, None, 80, "tcp")], ["docker0"], {4: ["docker0"], 6: []}, ["172.17.0.0/16"], False, engine_cgroup="system.slice/docker.service",
)
FROM_BRIDGES = "-m set --match-set @bridges src,src -j RETURN"
RATE = {"rate": "10/second", "burst": 20}
BOTH = {**RATE, "connections": 50}
ANYBODY = [{"port": 80, "sources": ["any"], "limit": BOTH}]
DIALLED = "-p tcp -m tcp --dport 80"
OTHERS = ["-m conntrack --ctstate RELATED,ESTABLISHED", "-m conntrack --ctstatus CONFIRMED", "-m conntrack --ctstate INVALID,UNTRACKED"]
PASSES = "MARK --set-xmark 0x0/0x20000000"


def chains(family=4, host=HOST, **policy):
    wanted = compile_policy(parse_policy(policy), host)
    found = {(chain.table, chain.name): [line.text for line in chain.lines if family in line.families] for chain in wanted.chains}
    assert len(found) == len(wanted.chains)
    return found


def published(*entries, **more):
    return {"published_ports": {"allow": list(entries), **more}}


def one(found, start):
    key, = (key for key in found if key[1].startswith(start))
    return key, found[key]


def bucket(line):
    return line.partition("--hashlimit-name ")[2].split()[0]


@pytest.mark.parametrize("family, prefix", [(4, ""), (6, " --hashlimit-srcmask 64")])
def test_every_way_to_a_published_port(family, prefix):
    found = chains(family, **published(*ANYBODY), host_services={"default": "deny"})
    (table, name), guard = one(found, "DB-GUARD-L-")
    assert table == "mangle" and found["mangle", "DB-GUARD-PORTS"] == ["%s -g %s" % (DIALLED, name), FROM_BRIDGES, "-j DROP"]
    within = guard[-2]
    assert guard == [*(other + " -j RETURN" for other in OTHERS), FROM_BRIDGES, within, "-j DROP"]
    assert within == (
        "-m hashlimit --hashlimit-upto 10/sec --hashlimit-burst 20 --hashlimit-mode srcip --hashlimit-name %s --hashlimit-htable-size 8192"
        " --hashlimit-htable-max 65536 --hashlimit-htable-expire 3000%s -m connlimit --connlimit-upto 50 --connlimit-mask %d --connlimit-saddr -j RETURN"
        % (bucket(within), prefix, 64 if prefix else 32))
    (table, name), forwarded = one(found, "DB-DIALLED-L-")
    assert table == "filter" and found["filter", "DB-USER-policy-DNAT"] == ["-p tcp -m conntrack --ctorigdstport 80 -g " + name, "-j DROP"]
    assert forwarded[-1] == "-j DROP"
    (table, name), late = one(found, "DB-LATE-L-")
    assert table == "mangle" and found[table, "DB-LATE"][-2:] == ["%s -j %s" % (DIALLED, name), DIALLED + " -j RETURN"]
    not_asked = "-m mark ! --mark 0x20000000/0x20000000 -j RETURN"
    assert late[:-1] == [not_asked, *("%s -j %s" % (other, PASSES) for other in OTHERS), not_asked] and late[-1].endswith("-j " + PASSES)
    # One bucket for ports that the guard knows, and one for the others, by both ways.
    assert bucket(forwarded[-2]) == bucket(late[-1]) != bucket(within)
    # What docker-proxy serves was counted by the chain about late ports.
    assert found["filter", "DB-INPUT"][-2:] == [DIALLED + " -j RETURN", "-j DROP"]


def test_a_late_port_where_no_chain_is_about_late_ports():
    found = chains(host=HOST._replace(engine_cgroup=None), **published(*ANYBODY), host_services={"default": "deny"})
    (_table, name), _lines = one(found, "DB-DIALLED-L-")
    assert found["filter", "DB-INPUT"][-2:] == ["%s -g %s" % (DIALLED, name), "-j DROP"]


def test_routed_networks_services_and_ping():
    entry = {"protocol": "icmp", "sources": ["10.0.0.0/8"], "limit": {"connections": 3}, "interfaces": ["wg0"]}
    found = chains(published_ports={"routed": [entry]}, host_services={"allow": [entry]})
    echo = "-s 10.0.0.0/8 -i wg0 -p icmp -m icmp --icmp-type 8"
    for (table, start), parent in ((("mangle", "DB-GUARD-L-"), "DB-GUARD-ROUTED"), (("filter", "DB-INPUT-L-"), "DB-INPUT")):
        (where, name), lines = one(found, start)
        assert where == table and "%s -g %s" % (echo, name) in found[table, parent]
        assert lines[-2:] == ["-m connlimit --connlimit-upto 3 --connlimit-mask 32 --connlimit-saddr -j RETURN", "-j DROP"]


def test_the_most_generous_entry_comes_first_and_one_without_limit_ahead_of_all():
    slow, fast, busy = {"rate": "100/minute"}, {"rate": "2/second"}, {"connections": 9}
    entries = [{"port": 80, "sources": [source], **limit} for source, limit in (
        ("10.0.0.1", {"limit": slow}), ("10.0.0.2", {}), ("10.0.0.3", {"limit": fast}), ("10.0.0.4", {"limit": busy}),
    )]  # fmt: skip
    found = chains(**published(*entries))
    order = ["2", "4", "3", "1"]
    for key in (("mangle", "DB-GUARD-PORTS"), ("filter", "DB-USER-policy-DNAT")):
        assert [line[len("-s 10.0.0.")] for line in found[key] if line.startswith("-s 10.0.0.")] == order


def test_one_chain_for_one_limit_at_one_port():
    way = {"port": 80, "limit": RATE}
    found = chains(**published({**way, "interfaces": ["wg0"]}, {**way, "sources": ["10.0.0.1"]}, {**way, "sources": ["10.0.0.2"]}))
    (_table, name), _lines = one(found, "DB-GUARD-L-")
    assert found["mangle", "DB-GUARD-PORTS"][:-2] == [start + " %s -g %s" % (DIALLED, name) for start in ("-i wg0", "-s 10.0.0.1/32", "-s 10.0.0.2/32")]
    # Its name goes by port and limit, not by whom it is for: a change of the sources keeps what was counted.
    assert name == one(chains(**published({**way, "sources": ["any"]})), "DB-GUARD-L-")[0][1]
    for other in ({**way, "port": 81}, {**way, "protocol": "udp"}, {**way, "address": "192.0.2.1"}, {**way, "limit": {**RATE, "burst": 21}}):
        assert name != one(chains(**published({**other, "sources": ["any"]})), "DB-GUARD-L-")[0][1]


def test_names_fit():
    found = chains(**published(*ANYBODY), host_services={"allow": [{"port": 22, "sources": ["any"], "limit": BOTH}]})
    limits = [(name, lines) for (_table, name), lines in found.items() if "-L-" in name]
    assert len(limits) == 4
    for name, lines in limits:
        # A prefix in the kernel's log has 29 characters: the name, and what was done. An apply puts four letters ahead of the name, which has 28.
        assert len(name + ":D ") <= 29 and len(name) <= 24 and len(bucket(next(line for line in lines if "hashlimit" in line))) == 15
        assert any(owned.endswith("*") and name.startswith(owned[:-1]) for _table, owned in OWNED)


def test_what_exceeds_is_logged_or_observed():
    within = "-m hashlimit"
    logged = one(chains(**published(*ANYBODY), log_denied={}), "DB-GUARD-L-")
    name = logged[0][1]
    assert logged[1][-1] == "-j DROP" and '--log-prefix "%s:D "' % name in logged[1][-2] and logged[1][-3].startswith(within)
    # The line that logs asks for no limit of a source: asking counts.
    assert sum("hashlimit" in line for line in logged[1]) == 1
    for policy in (published(*ANYBODY, mode="observe"), published(dict(ANYBODY[0], mode="observe"))):
        found = chains(**policy)
        name, lines = one(found, "DB-GUARD-L-")
        assert lines[-1] == "-j RETURN" and '"%s:O "' % name[1] in lines[-2]
        late = found["mangle", "DB-LATE"]
        assert any('"DB-LATE:O "' in line and line.startswith(DIALLED) for line in late) and "%s -j %s" % (DIALLED, PASSES) in late


def test_a_line_denies_where_the_default_allows():
    assert chains(**published(*ANYBODY, default="allow"))["mangle", "DB-GUARD-PORTS"][-1] == DIALLED + " -j DROP"
    # Nobody comes in: nobody is counted.
    assert not any("-L-" in name for _table, name in chains(**published({"port": 80, "sources": [], "limit": RATE})))


@pytest.mark.parametrize("limit, seconds", [
    ({"rate": "1/second", "burst": 1}, 2), ({"rate": "10/minute", "burst": 5}, 31), ({"rate": "7/hour"}, 3601), ({"rate": "1/hour", "burst": 1000}, 86400),
])
def test_a_source_is_remembered_until_it_has_all_of_its_burst_again(limit, seconds):
    lines = one(chains(**published({"port": 80, "sources": ["any"], "limit": limit})), "DB-GUARD-L-")[1]
    assert "--hashlimit-htable-expire %d -j RETURN" % (seconds * 1000) in lines[-2]


def test_containers_pass_where_interfaces_are_named():
    found = one(chains(**published(*ANYBODY), external_interfaces=["eth0"]), "DB-GUARD-L-")[1]
    assert FROM_BRIDGES not in found and found[-1] == "-j DROP"
