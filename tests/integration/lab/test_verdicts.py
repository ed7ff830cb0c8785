# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""On every path of the lab, packet_verdict says what real connections come to, on every engine, as Docker leaves it and under a policy."""
from tests.integration.lab.support import expected, policies, ways
from tests.integration.lab.support.playbook import play
from tests.lab.layout import CLIENTS
from tests.lab.table import ON_HOST

# Where a packet gets to somebody.
ARRIVES = ("listener", "interface", "bridge", "host")


def packet(host, containers, cell):
    """The first packet of a measurement, as the module takes it."""
    probe = cell.result.probe
    address = probe.address.partition("%")[0]
    family = "v6" if ":" in address else "v4"
    if cell.who != ON_HOST:
        sender = getattr(CLIENTS[cell.who], family)
    elif cell.path.origin in containers:
        sender = getattr(containers[cell.path.origin], family)
    else:
        sender = "host" if cell.path.origin == "host" else host.spec.vm
    asked = {"from": sender, "to": address}
    return asked if probe.protocol == "icmp" else dict(asked, port=probe.port, protocol=probe.protocol, source_port=50123)


def judged(hosts, cells):
    """Each measurement with what the module says of its first packet."""
    for host in hosts:
        own, containers = [cell for cell in cells if cell.host == host.name], host.containers()
        asked = [packet(host, containers, cell) for cell in own]
        yield from zip(own, play([host], [{"drawbridge.docker.packet_verdict": {"packets": asked}}]).last(host.name)["verdicts"], strict=True)


def arrives(verdict):
    return verdict["verdict"] == "accepted" and verdict["end_point"]["kind"] in ARRIVES


def in_words(cell, verdict):
    return "%s, %s from %s is %s, but said to be %s: %s" % (
        cell.host, cell.path.name, cell.who, cell.result.state, verdict["verdict"], verdict["reason"])


def test_verdicts_are_what_happens(lab, manageable, tell):
    found = list(judged(manageable, ways.plain(lab, manageable, expected.as_docker_leaves_it)))
    play(manageable, [policies.POLICY], host_vars=policies.for_hosts(manageable, policies.one_client))
    found += judged(manageable, ways.plain(lab, manageable, expected.one_client_allowed))
    unknown = [in_words(*each) for each in found if each[1]["verdict"] == "unknown"]
    unlike = [in_words(cell, verdict) for cell, verdict in found if verdict["verdict"] != "unknown" and arrives(verdict) != cell.result.open]
    tell("%d paths, %d unknown, %d unlike" % (len(found), len(unknown), len(unlike)), *unknown)
    assert unlike == [], "\n".join(unlike)
    assert len(found) > 300 and len(unknown) < len(found) / 50


def test_the_audit_tells_who_is_let_in(lab, manageable):
    zones = {name: [CLIENTS[name].v4, CLIENTS[name].v6] for name in ("allowed", "denied")}
    audit = [{"drawbridge.docker.firewall_audit_info": {"zones": zones}}]
    assert looked_at(manageable, audit) == {("allowed", "open"), ("denied", "open")}
    play(manageable, [policies.POLICY], host_vars=policies.for_hosts(manageable, policies.one_client))
    assert looked_at(manageable, audit) == {("allowed", "open"), ("denied", "closed")}


def looked_at(hosts, audit):
    """How port 8080 is for both clients, on every host, in both families."""
    run = play(hosts, audit)
    assert not any(run.changed().values())
    return {
        (reach["zone"], reach["state"]) for host in hosts for target in run.last(host.name)["reachability"]["targets"]
        if (target["kind"], target["port"]) == ("published", 8080) for reach in target["reach"] if reach["zone"] in ("allowed", "denied")
    }
