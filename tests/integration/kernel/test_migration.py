# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""From another firewall's rules to a policy, with real packets: who gets in before, with the proposed policy beside these rules, and with it alone."""
import ipaddress
import itertools
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.migration.migrate import look

from tests.integration.kernel.support import forge, forge_stage, playbook
from tests.integration.kernel.support.engine_29 import answering
from tests.integration.kernel.support.engine_socket import EngineSocket
from tests.integration.kernel.support.forge_rules import DNATED, DNATED_TO_OTHER, INSIDE, PROXIED
from tests.integration.kernel.support.forge_stage import ADDRESS, CONTAINER, DOCKER0, HOST, OUTSIDE, WAN
from tests.integration.kernel.support.host import PROGRAMS

RECORDED = Path(__file__).parents[1] / "lab" / "support" / "others"
ENDS = {4: "v4", 6: "v6"}
# Whom the recorded rules let in, and their interface.
OFFICE = {4: ("192.0.2.101", "client"), 6: ("2001:db8:1::101", "client")}
# The port that nothing names.
ANY_OTHER = 6543
PORTS = (DNATED, DNATED_TO_OTHER, PROXIED, 22, ANY_OTHER)


class Firewall:
    """A recorded one, on this host."""

    def __init__(self, host, name):
        self.host, self.name = host, name
        self.texts = {family: self._text(RECORDED / ("%s.%s" % (name, end)), family) for family, end in ENDS.items()}
        table = RECORDED / (name + ".nft")
        self.table = self._at_home(table.read_text(encoding="utf-8"), 4, 6) if table.exists() else ""

    def _text(self, path, family):
        return self._at_home(path.read_text(encoding="utf-8"), family) if path.exists() else ""

    def _at_home(self, text, *families):
        for family in families:
            recorded, name = OFFICE[family]
            text = text.replace(recorded, ADDRESS[name][family])
        return text.replace("eth0", WAN)

    def load(self):
        for family, text in self.texts.items():
            if text:
                self.host.restore(text, family)
            if self.name.startswith("ufw"):
                self._policies("DROP", family)
        if self.table:
            self.host.sh("nft", "-f", "-", text=self.table)

    def remove(self):
        """As its own program does: no line of it in a chain that packets come to."""
        for family, text in self.texts.items():
            for line in text.splitlines():
                words = line.split(" ", 3 if line.startswith("-I") else 2)
                if words[0] in ("-A", "-I") and words[1] in ("INPUT", "FORWARD", "OUTPUT", "DOCKER-USER") and words[-1] != "-j RETURN":
                    self.host.restore("*filter\n-D %s %s\nCOMMIT\n" % (words[1], words[-1]), family)
            if self.name.startswith("ufw"):
                self._policies("ACCEPT", family)
        if self.table:
            self.host.sh("nft", "delete", "table", "inet", "firewalld")

    def _policies(self, verdict, family):
        for chain in ("INPUT", "FORWARD"):
            self.host.iptables("-P %s %s" % (chain, verdict), family)


class Packets:
    """The same packets again and again, each time by other ports of their senders. What came of each: where it came out, or None."""

    def __init__(self, stage):
        self.stage = stage
        self._numbers = itertools.count(1)

    def asked(self):
        """Family, place of the sender, its address, the address that is dialled, protocol, port."""
        for family in PROGRAMS:
            for who in ("client", "attacker", "server"):
                for port, protocol in itertools.product(PORTS, ("tcp", "udp")):
                    yield family, OUTSIDE, ADDRESS[who][family], ADDRESS[HOST][family], protocol, port
                yield family, OUTSIDE, ADDRESS[who][family], ADDRESS[CONTAINER][family], "tcp", INSIDE
                yield family, OUTSIDE, ADDRESS[who][family], ADDRESS[HOST][family], forge.ICMP, 0
            for port in (22, ANY_OTHER):
                yield family, CONTAINER, ADDRESS[CONTAINER][family], ADDRESS["gateway"][family], "tcp", port

    def came(self):
        sent = {}
        for asked in self.asked():
            number = next(self._numbers)
            family, place, source, to, protocol, port = asked
            packet = forge.Packet(family, protocol, source, to, (20000 + number, port), forge_stage.mark(number, 1))
            self.stage.send(place, (family, forge.packed(packet)))
            sent[number] = asked
        heard = {number: place for place, marks in self.stage.heard().items() for number, _step in marks}
        return {asked: heard.get(number) for number, asked in sent.items()}


def is_listed(differences, asked):
    """Whether a difference is about a packet."""
    family, place, source, to, protocol, port = asked
    interface = DOCKER0 if place == CONTAINER else WAN
    return any(
        item["family"] == "ipv%d" % family and to in item["to"] and item["interface"] == interface and not item["forged"]
        and (item["more_sources"] or any(ipaddress.ip_address(source) in ipaddress.ip_network(network) for network in item["sources"])) and (
            item["kind"] == "ping" if protocol == forge.ICMP else item["protocol"] == protocol and any(
                int(ends.partition("-")[0]) <= port <= int(ends.rpartition("-")[2]) for ends in item["ports"]))
        for item in differences)


@pytest.mark.parametrize(("variant", "name"), [
    ("nft", "ufw"), ("nft", "ufw-docker"), ("nft", "by-hand"), ("nft", "firewalld"),
    *(pytest.param("legacy", name, marks=pytest.mark.drill) for name in ("ufw", "ufw-docker", "by-hand")),
], indirect=["variant"])
def test_who_gets_in_is_what_was_proved(host, stage, cases, name, tell):
    firewall, packets = Firewall(host, name), Packets(stage)
    firewall.load()
    before = host.everything()
    with answering(cases.folder, cases.answers) as address:
        values = look(host.system, connect(address), host.variant, 500).values
    assert host.everything() == before
    today = packets.came()
    cases.keep(values["policy"])
    beside = packets.came()
    firewall.remove()
    alone = packets.came()
    changed = [asked for asked in today if len({today[asked], beside[asked], alone[asked]}) > 1]
    assert [asked for asked in changed if not is_listed(values["differences"], asked)] == []
    # Nobody gets in who did not before.
    assert [asked for asked in today if today[asked] is None and (beside[asked] or alone[asked])] == []
    assert values["firewalls"] and values["unknown"] == 0
    with answering(cases.folder, cases.answers) as address:
        again = look(host.system, connect(address), host.variant, 500).values
    # What a policy does is said by the same policy. (The stage's tasks do not know one of its bridges, by which sources could be forged.)
    assert (again["firewalls"], [item for item in again["differences"] if not item["forged"]], again["untranslated"]) == ([], [], [])
    stopped = [asked for asked in today if today[asked] is None]
    tell(name, "%d packets, %d stopped, %d changed, all of these listed" % (len(today), len(stopped), len(changed)))
    assert stopped and len(stopped) < len(today)


class Told(EngineSocket):
    """An engine with one container, which publishes a port."""

    def listed(self):
        return [{"Id": "1" * 64, "Names": ["/" + NAME], "HostConfig": {"NetworkMode": "bridge"},
                 "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]}]


NAME = "{{ lookup('pipe', 'touch ran') }}"
WIRE = ["link add eth9 type veth peer name far", "address add 192.0.2.10/24 dev eth9", "link set eth9 up", "link set far up", "route add default via 192.0.2.1"]
RULES = """*nat
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 192.0.2.99:80
COMMIT
*filter
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DOCKER-USER -s 203.0.113.0/24 -m comment --comment "%s" -j RETURN
-A DOCKER-USER -j DROP
COMMIT
""" % NAME


@pytest.mark.parametrize("core", ["newest", pytest.param("oldest", marks=pytest.mark.drill)])
def test_the_playbook(nft_host, tmp_path, core):
    program = playbook.of_core(core)
    if playbook.why_not(program):
        pytest.skip(playbook.why_not(program))
    nft_host.sh("ip", "-batch", "-", text="".join(line + "\n" for line in WIRE))
    nft_host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nft_host.restore(RULES)
    before = nft_host.everything()
    hosts = {"here": {"ansible_connection": "local", "ansible_become": False}}
    inventory = {"docker_hosts": {"hosts": hosts, "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}}
    (tmp_path / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    engine = Told(tmp_path / "engine.sock", SimpleNamespace(inspected={}))
    variables = json.dumps({"migrate_docker_host": engine.address, "migrate_folder": str(tmp_path)})
    argv = [*playbook.OWN_RUN, str(program), "-i", "inventory.yml", "-e", variables, "drawbridge.docker.migrate"]
    done = subprocess.run(argv, cwd=str(tmp_path), env=playbook.environment(tmp_path / "results"), capture_output=True, check=False)
    engine.stop()
    assert done.returncode == 0, done.stdout.decode()
    assert nft_host.everything() == before and not (tmp_path / "ran").exists()
    policy = yaml.safe_load((tmp_path / "here.yml").read_text(encoding="ascii"))
    assert policy == {"published_ports": {
        "default": "deny", "allow": [{"port": 8080, "protocol": "tcp", "address": "0.0.0.0", "sources": ["203.0.113.0/24"]}]}}
    assert b"DOCKER-USER" in done.stdout and b"not_compared" in done.stdout
