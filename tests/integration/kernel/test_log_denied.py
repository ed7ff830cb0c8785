# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Denied packets are logged, within the limit, and denied all the same."""
import re
import socket

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.records import Records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.denials import section_of
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.labels import answering
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import of_plan
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.service import Service

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.host import PROGRAMS
from tests.integration.kernel.support.namespace import entered

PORT, SERVICE = 53, 55
FACTS = HostFacts(
    published=[Published(family, None, PORT, "udp") for family in (4, 6)], bridges=["br-1"], closed_bridges={4: ["br-1"], 6: ["br-1"]},
    subnets=["172.18.0.0/16", "fd00:1::/64"], swarm=False, engine_cgroup="system.slice/docker.service", other_tables=True,
)
POLICY = {
    "published_ports": {"default": "deny", "allow": [{"port": PORT, "protocol": "udp", "sources": list(wire.SOURCES["allowed"].values())}],
                        "routed": [{"port": 80, "sources": ["any"]}]},
    "host_services": {"default": "deny"},
    "egress": {"default": "deny", "host": "deny", "deny": [{"destination": ["169.254.169.254"]}]},
}
FLOOD, BURST = 400, 3


def converge(host, log, **changes):
    """Apply a policy that logs; without the table of nftables, which is not what this is about."""
    wanted = answering(compile_policy(parse_policy({**POLICY, **changes, **({} if log is None else {"log_denied": log})}), FACTS))
    return host.converge(wanted._replace(tables={}))


def counted(host, family, what):
    """Packets of the rules of a chain that have a word in them."""
    return [int(number) for number in re.findall(r"^\[(\d+):\d+\] -A %s" % what, host.save(family, counters=True), re.MULTILINE)]


@pytest.mark.parametrize("log", [
    {}, {"rate": "100/second", "burst": 5}, {"rate": "60/minute", "burst": 1}, {"rate": "7/hour", "group": 9}, {"rate": "90/min", "burst": 100}], ids=str)
def test_a_second_run_changes_nothing(host, log):
    assert converge(host, log).is_change
    assert not converge(host, log).is_change
    assert converge(host, None).is_change and "LOG" not in host.save(4) + host.save(6)


def test_every_drop_has_its_log_line(host):
    """In every chain of the policy, both families; and without the option, rules are as ever."""
    converge(host, None)
    plain = {family: host.save(family) for family in PROGRAMS}
    converge(host, {})
    for family in PROGRAMS:
        lines = [line for line in host.save(family).splitlines() if line.startswith("-A DB-")]
        drops = [(number, line) for number, line in enumerate(lines) if line.endswith("-j DROP")]
        assert len({section_of(line.split()[1]) for _number, line in drops}) == 4
        for number, line in drops:
            chain, matches = line.split()[1], line[: -len("-j DROP")]
            assert lines[number - 1].startswith(matches + "-m limit "), line
            assert '"%s:D "' % chain in lines[number - 1]
        late = [line for line in lines if line.startswith("-A DB-LATE ")]
        assert "-j LOG" in late[-1] and "--mark" in late[-1]
        kept = [line for line in host.save(family).splitlines() if "-j LOG " not in line]
        assert kept == plain[family].splitlines()


def test_sections(nft_host):
    converge(nft_host, {"sections": ["host_services"]})
    logs = [line for line in nft_host.save().splitlines() if " LOG " in line]
    assert len(logs) == 1 and "-A DB-INPUT " in logs[0]


def test_a_flood_stays_under_the_limit(host, client, tell):
    """By the counters of the line that logs, against those of the line that drops."""
    converge(host, {"rate": "1/hour", "burst": BURST})
    tap = wire.watched()
    with tap, entered(client.path):
        for family in PROGRAMS:
            with socket.socket({4: socket.AF_INET, 6: socket.AF_INET6}[family], socket.SOCK_DGRAM) as sender:
                sender.bind((wire.SOURCES["denied"][family], 0))
                for number in range(FLOOD):
                    sender.sendto(b"%d." % number, (wire.HOST[family], PORT))
                    sender.sendto(b"last %d" % family, (wire.HOST[family], SERVICE))
    found = {}
    for family in PROGRAMS:
        for chain in ("DB-GUARD-PORTS", "DB-INPUT"):
            # IPv6's own packets, such as those of multicast listeners, may be denied beside these.
            found[chain, family] = logged, dropped = counted(host, family, chain + " .*LOG")[0], counted(host, family, chain + " .*DROP")[0]
            assert logged == BURST and dropped >= FLOOD, found
    tell("packets logged of those dropped", found)


def test_denied_all_the_same(host, client):
    converge(host, {"rate": "1/second", "group": 3})
    assert client.deliver((PORT, SERVICE)) == wire.sent("allowed", PORT)


def test_words(nft_host):
    parsed = parse_policy({**POLICY, "log_denied": {"rate": "5/minute"}})
    converge(nft_host, None)
    words = of_plan(nft_host.converge(compile_policy(parsed, FACTS)._replace(tables={}), check=True).plan, Ipset(nft_host.system), [], parsed)
    assert words.as_changes() == [
        {"what": "denied packets of " + section, "before": None, "after": "logged by the kernel's log, at most 5/min a line once 20 are through"}
        for section in ("published_ports", "host_services", "egress", "sources")
    ]


def test_counters_by_port_for_node_exporter(host, client, tmp_path):
    """As the event service writes them; what the rules count, by port where the policy names it."""
    metrics = tmp_path / "drawbridge.prom"
    converge(host, {"per_port": True, "sections": ["published_ports"]})
    assert not converge(host, {"per_port": True, "sections": ["published_ports"]}).is_change
    assert client.deliver((PORT, SERVICE)) == wire.sent("allowed", PORT)
    Service(host.system, "unix:///nowhere", Records(), None, str(metrics)).write_metrics()
    text = metrics.read_text(encoding="ascii")
    label = 'drawbridge_denied_packets_total{family="ipv%d",reason="published_ports",chain="DB-GUARD-PORTS",protocol="%s",port="%s"} %d\n'
    for family in PROGRAMS:
        assert label % (family, "udp", PORT, len([1 for each, _way in wire.ways() if each == family])) in text
        assert label % (family, "", "", 0) in text
    assert metrics.stat().st_mode & 0o777 == 0o644 and metrics.stat().st_uid == 0


def test_counters_follow_no_link(nft_host, tmp_path, capsys):
    (tmp_path / "other").write_text("kept", encoding="ascii")
    (tmp_path / "drawbridge.prom").symlink_to(tmp_path / "other")
    Service(nft_host.system, "unix:///nowhere", Records(), None, str(tmp_path / "drawbridge.prom")).write_metrics()
    assert (tmp_path / "other").read_text(encoding="ascii") == "kept" and "it is a link" in "".join(capsys.readouterr())
