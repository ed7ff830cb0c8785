# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""docs/guides/recipes.md, as it is written there, by real connections."""
import re
import shlex

import pytest
import yaml

from tests.integration.lab.support import policies, workloads
from tests.integration.lab.support.playbook import ROOT, play, playbook
from tests.integration.lab.support.reach import Onlooker, v4, v6
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.api import Probe
from tests.lab.layout import OUTSIDE, OUTSIDE_SERVER_TCP

GUIDE = (ROOT / "docs" / "guides" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]}
# Whom the recipes let in, and the lab's client in their place; what they keep out is the lab's other client.
LAB = dict(zip(("198.51.100.0/24", "2001:db8:5::/64", "173.245.48.0/20", "2400:cb00::/32"), policies.ALLOWED * 2, strict=True))
APPLY = {"drawbridge.docker.host_policy": {"fragments": "host_policy__"}}
NOBODY, ALLOWED, ANYBODY = set(), {"allowed"}, {"allowed", "denied"}
# By recipe, who reaches which port; the others that are published are closed.
PORTS = {
    "A database for one subnet": {5432: ALLOWED},
    "A reverse proxy, and nothing else": {80: ANYBODY, 443: ANYBODY},
    "Only by VPN": {8443: ALLOWED},
    "Behind Cloudflare, or another proxy in front": {443: ALLOWED},
    "Monitoring": {8443: ALLOWED, 9000: ALLOWED, 22: NOBODY},
}
PUBLISHED = (80, 443, 5432, 8443)


def variables(hosts, begins):
    """A recipe's variables for every host, with the lab's addresses."""
    (text,) = re.findall(r"^```yaml\n(.*?)^```$", next(SECTIONS[name] for name in SECTIONS if name.startswith(begins)), re.DOTALL | re.MULTILINE)
    for address, own in LAB.items():
        text = text.replace(address, own)
    return {host.name: yaml.safe_load(text) for host in hosts}


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    return Onlooker(lab, outermost)


def test_all_recipes_are_tried():
    assert len(SECTIONS) == 10 and set(PORTS) <= set(SECTIONS)


def test_who_reaches_which_port(look):
    on_all(look.hosts, lambda host: [workloads.publish(host, "on-%d" % port, port) for port in PUBLISHED])
    for name, served in PORTS.items():
        recipe = variables(look.hosts, name)
        assert set(play(look.hosts, [APPLY], host_vars=recipe).changed().values()) == {True}
        ports = sorted({*PUBLISHED, *served})
        assert reached(look, ports, served) == {port: served.get(port, NOBODY) for port in ports}, name
    assert set(play(look.hosts, [APPLY], host_vars=recipe).changed().values()) == {False}


def reached(look, ports, served):
    """Which clients get in at each port, on any host, in either family; those that are to be served get the time that a busy machine needs."""
    assert all(look.serves(client, v4(port)) for port, clients in served.items() for client in clients)
    found = {port: set() for port in ports}
    for client in ANYBODY:
        tried = [(port, way(port)(host)) for port in ports for way in (v4, v6) for host in look.hosts]
        for (port, _probe), result in zip(tried, look.lab.clients[client].probe([probe for _port, probe in tried]), strict=True):
            found[port] |= {client} if result.open else set()
    return found


def reaches(host, name):
    """What a container reaches: outside, and the host."""
    container = host.containers()[name]
    found = container.probe([Probe("tcp", OUTSIDE.v4, OUTSIDE_SERVER_TCP), Probe("tcp", container.gateway, 9000)])
    return [result.open for result in found]


def test_what_containers_reach(look):
    labelled = ["docker", "run", "--detach", "--name", "shop", "--label", "com.docker.compose.project=shop", "lab/server:3", "answer", "shop", "tcp,0.0.0.0,80"]
    on_all(look.hosts, lambda host: host.run(labelled))
    play(look.hosts, [APPLY], host_vars=variables(look.hosts, "One Compose project"))
    assert all(found == [[True, False], [True, True]] for found in on_all(look.hosts, lambda host: [reaches(host, "shop"), reaches(host, "web")]).values())
    play(look.hosts, [APPLY], host_vars=variables(look.hosts, "Containers without internet"))
    assert all(found == [[False, False], [True, True]] for found in on_all(look.hosts, lambda host: [reaches(host, "peer"), reaches(host, "web")]).values())
    metadata = variables(look.hosts, "The cloud's metadata")
    for host in look.hosts:
        # The lab has no metadata service: its server outside stands for it.
        metadata[host.name]["host_policy__metadata"]["egress"]["deny"][0]["destination"].append(OUTSIDE.v4)
    play(look.hosts, [APPLY], host_vars=metadata)
    assert all(found == [False, True] for found in on_all(look.hosts, lambda host: reaches(host, "web")).values())
    play(look.hosts, [{"drawbridge.docker.host_policy": {"state": "absent"}}])
    assert not any("DB-" in text for text in dumps(look.hosts).values())


def test_break_glass(look):
    host = look.hosts[-1]
    commands = [shlex.split(line)[1:] for line in SECTIONS["Break-glass: everything closed but SSH"].splitlines() if line.startswith("ansible-playbook ")]
    for (name, _option, _inventory, *rest), is_closed in zip(commands, (True, False), strict=True):
        playbook([host], name, arguments=[word.replace("web3", host.name) for word in rest])
        assert Onlooker(look.lab, [host]).turns_away("allowed", v4(8080)) if is_closed else Onlooker(look.lab, [host]).serves("allowed", v4(8080))


def test_from_the_first_boot_on(look):
    (recipe,) = variables(look.hosts[:1], "From the first boot on")[look.hosts[0].name]
    assert (recipe["hosts"], recipe["connection"], recipe["roles"]) == ("localhost", "local", [{"role": "drawbridge.docker.host_policy"}])
    role = {"ansible.builtin.import_role": {"name": recipe["roles"][0]["role"]}, "vars": recipe["vars"]}
    play(look.hosts, [role])
    assert look.turns_away("allowed", v4(8080)) and look.turns_away("allowed", v6(8083))
