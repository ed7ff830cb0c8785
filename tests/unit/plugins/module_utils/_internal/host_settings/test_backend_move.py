# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""An engine that is moved to its other backend: what the move needs, asked of a host that a test makes up of captured rulesets."""
import json
import os
import re

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineUnreachable
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import backend, config
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.config import DesiredConfig
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.process import Daemon
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import backend_move, policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.backend_move import Accompanying
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction.converge import Settings

from tests.unit.support.rulesets import CAPTURES

KEEP = backend_move.keep
NFT = DesiredConfig({"firewall-backend": "nftables"})
IPTABLES = DesiredConfig({"firewall-backend": "iptables"})
DROPS = (CAPTURES / "docker-29.1.3.c.iptables-save").read_text(encoding="utf-8")
SAVED = dict(zip(("iptables-nft-save", "ip6tables-nft-save"), DROPS.partition("# ip6tables-save")[::2]))
TURNS_ON = {"/etc/sysctl.d/50-x.conf": "net.ipv4.ip_forward = 1\n"}


class Host(System):
    """A host with engine 29: what its files say, what its iptables saves, and which commands it has."""

    def __init__(self, files, flags=""):
        super().__init__()
        self.files = {"/proc/sys/net/ipv4/ip_forward": "1\n", "/proc/sys/net/ipv6/conf/all/forwarding": "1\n",
                      "/proc/sys/net/ipv6/conf/default/forwarding": "1\n", "/proc/net/if_inet6": "x", **files}
        self.saved, self.flags, self.lacks, self.units = dict(SAVED), flags, (), {}

    def which(self, name):
        return None if name in self.lacks or "legacy" in name else "/usr/sbin/" + name

    def read(self, path):
        return self.files[path] if path in self.files else super().read(path)

    def run(self, argv, stdin="", env=None):
        program = os.path.basename(argv[0])
        if program in self.saved:
            return Output(0, self.saved[program], "")
        if program == "systemctl":
            return Output(0, "ExecStart={ path=/usr/sbin/dockerd ; argv[]=/usr/sbin/dockerd %s ; ignore_errors=no }\n" % self.flags, "")
        if program == "nft":
            return Output(0, "", "")
        assert program == "dockerd"
        return Output(0, "Docker version 29.7.2, build x" if argv[1] == "--version" else "configuration OK", "")


class Engine:
    """What an engine answers; None for one that does not."""

    def __init__(self, swarm="inactive", ipv6=False, answers=True):
        self.swarm, self.ipv6, self.answers = swarm, ipv6, answers

    def info(self):
        if not self.answers:
            raise EngineUnreachable("down")
        return {"Swarm": {"LocalNodeState": self.swarm}}

    def networks(self):
        self.info()
        return [{"Name": "bridge", "EnableIPv6": False}, {"Name": "six", "EnableIPv6": self.ipv6}]


@pytest.fixture(name="move")
def mover(tmp_path, monkeypatch):
    """A function that moves a host's engine; ``text`` is what its file says before, ``running`` the flags of the one that runs."""
    path = tmp_path / "daemon.json"
    monkeypatch.setattr(backend_move, "value_at_boot", lambda system, name, ours, ignored=(): _boot(system, name))

    def moved(host=None, wish=NFT, text="{}", engine=None, brings=None, running="", check=False, unit=""):
        path.write_text(text)
        os.utime(str(path), (0, 0))
        host = host or ready()
        host.flags = "--config-file=%s %s" % (path, unit)
        daemon = None if running is None else Daemon(os.getpid(), ["/bin/true", "--config-file=%s" % path, *running.split()], None)
        for module in (backend, config):
            monkeypatch.setattr(module, "find_daemon", lambda system: daemon)
        monkeypatch.setattr(config, "_program", lambda system, daemon: "/usr/sbin/dockerd")
        monkeypatch.setattr(backend_move, "connect", lambda address: engine or Engine())
        return KEEP(host, wish, check, brings, str(tmp_path.parent / (tmp_path.name + ".note")))

    return moved, path


def _boot(system, name):
    text = "".join(system.files.get(path, "") for path in TURNS_ON)
    return "1" if name.replace("/", ".") + " = 1" in text else None


def ready(**files):
    """A host that has all that the nftables backend needs."""
    host = Host({**TURNS_ON, **files})
    host.saved = {name: text.replace(":FORWARD DROP", ":FORWARD ACCEPT") for name, text in SAVED.items()}
    return host


def test_the_captured_engine_had_set_drop():
    assert ":FORWARD DROP" in SAVED["iptables-nft-save"]


@pytest.mark.parametrize("check", [True, False])
def test_a_host_that_has_all_of_it_is_moved_and_told(move, check):
    moved, path = move
    done = moved(check=check)
    assert done.changed and any("moves to its nftables backend" in text for text in done.warnings)
    assert json.loads(path.read_text()) == ({} if check else {"firewall-backend": "nftables"})


def test_an_engine_that_is_there_already_is_asked_nothing(move):
    moved, _path = move
    done = moved(Host({}), text='{"firewall-backend": "nftables"}')
    assert not done.changed and done.warnings == []
    assert not moved(Host({}), IPTABLES._replace(values={}, absent=("firewall-backend",))).changed
    assert moved(Host({}), DesiredConfig({"icc": False})).changed


def units(monkeypatch, **said):
    monkeypatch.setattr(backend_move.forward_policy, "at_boot", lambda system, names: said.get("policy" if "policy" in names else "task", {}))


LACKS = {
    "forwarding now": (ready(**{"/proc/sys/net/ipv4/ip_forward": "0\n"}), {}, ["IPv4 forwarding is off"]),
    "forwarding at boot": (ready(**{"/etc/sysctl.d/50-x.conf": ""}), {}, ["nothing turns IPv4 forwarding on at boot"]),
    "IPv6": (ready(), {"engine": Engine(ipv6=True)}, ["nothing turns IPv6 forwarding on at boot"]),
    "IPv6 later": (ready(**{"/proc/sys/net/ipv6/conf/default/forwarding": "0\n"}), {"engine": Engine(ipv6=True)}, ["IPv6 forwarding is off"]),
    "FORWARD": (Host(TURNS_ON), {}, ["FORWARD is DROP for IPv4"]),
    "swarm": (ready(), {"engine": Engine(swarm="active")}, ["in a swarm"]),
    "swarm, engine down": (ready(**{"/var/lib/docker/swarm/docker-state.json": "{}"}), {"engine": Engine(answers=False)}, ["in a swarm"]),
    "an engine that does not run": (ready(**{"/proc/sys/net/ipv4/ip_forward": "0\n"}), {"running": None}, ["IPv4 forwarding is off"]),
    "all at once": (Host({"/proc/sys/net/ipv4/ip_forward": "0\n", "/var/lib/docker/swarm/docker-state.json": "{}"}), {},
                    ["in a swarm", "forwarding is off", "FORWARD is DROP"]),
}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("case", sorted(LACKS))
def test_what_is_lacking_is_named_in_check_mode_too_and_nothing_is_changed(move, case, check):
    moved, path = move
    host, options, words = LACKS[case]
    with pytest.raises(DrawbridgeError) as error:
        moved(host, check=check, **options)
    assert all(word in error.value.message for word in words) and error.value.path == "firewall_backend"
    assert path.read_text() == "{}" and os.listdir(str(path.parent)) == ["daemon.json"]
    assert len(re.findall("; ", error.value.message)) == len(words) - 1


@pytest.mark.parametrize("chain, word", [("DOCKER-FILTER", "nat_filter_chain"), ("DB-PUBLISH-tcp-8990", "container_port")])
def test_chains_that_would_mean_nothing_any_more(move, chain, word):
    host = ready()
    host.saved["iptables-nft-save"] = host.saved["iptables-nft-save"].replace("*nat\n", "*nat\n:%s - [0:0]\n" % chain)
    with pytest.raises(DrawbridgeError, match=word):
        move[0](host)


@pytest.mark.parametrize("owner", ["task", "policy"])
def test_a_unit_that_keeps_drop_at_boot(move, monkeypatch, owner):
    units(monkeypatch, **{owner: {4: "DROP"}})
    with pytest.raises(DrawbridgeError, match="FORWARD is DROP for IPv4"):
        move[0]()


def test_the_legacy_variants_policy_counts_too(move, monkeypatch):
    host = ready()
    monkeypatch.setattr(backend_move, "held_rulesets", lambda system: {
        "nft": {}, "legacy": {4: backend_move.Ruleset(), 6: _dropping()}})
    with pytest.raises(DrawbridgeError, match="FORWARD is DROP for IPv6"):
        move[0](host)


def _dropping():
    from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import (  # pylint: disable=import-outside-toplevel
        parse,
    )

    return parse("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n")


def test_without_the_engines_own_demand_forwarding_is_not_needed(move):
    wish = DesiredConfig({"firewall-backend": "nftables", "ip-forward": False})
    assert move[0](ready(**{"/proc/sys/net/ipv4/ip_forward": "0\n", "/etc/sysctl.d/50-x.conf": ""}), wish).changed


def test_what_the_same_run_brings_is_there(move):
    host = Host({"/proc/sys/net/ipv4/ip_forward": "0\n"})
    assert move[0](host, brings=Accompanying(frozenset([4]), {4: "ACCEPT"}, True)).changed
    with pytest.raises(DrawbridgeError, match="FORWARD is DROP"):
        move[0](host, brings=Accompanying(frozenset([4]), {6: "ACCEPT"}, True))


def test_moved_back(move):
    """By the other word, and by none; wherever it was told before."""
    moved, path = move
    text = '{"firewall-backend": "nftables"}'
    for wish in (IPTABLES, DesiredConfig({}, ("firewall-backend",))):
        done = moved(wish=wish, text=text)
        assert done.changed and any("moves to its iptables backend" in said for said in done.warnings)
        host = ready()
        host.lacks = ("iptables",)
        with pytest.raises(DrawbridgeError, match="iptables is not installed"):
            moved(host, wish=wish, text=text)
        assert path.read_text() == text


@pytest.mark.parametrize("wish", [DesiredConfig({}, ("ip-forward",)), DesiredConfig({"ip-forward": True})])
def test_an_engine_that_stays_is_not_told_to_demand_what_the_host_lacks(move, wish):
    """It runs with ip-forward false; without the key it would not start any more."""
    moved, path = move
    text = '{"firewall-backend": "nftables", "ip-forward": false}'
    with pytest.raises(DrawbridgeError, match="would not start with its nftables backend: IPv4 forwarding is off") as error:
        moved(Host({"/proc/sys/net/ipv4/ip_forward": "0\n"}), wish, text)
    assert path.read_text() == text and error.value.path == "ip_forward"
    assert moved(ready(), wish, text).changed
    assert moved(Host({"/proc/sys/net/ipv4/ip_forward": "0\n"}), wish, '{"ip-forward": false}').changed


@pytest.mark.parametrize("text, wish", [
    ('{"features": {"swarm-nftables": true}}', NFT), ("{}", DesiredConfig({"firewall-backend": "nftables", "iptables": False})),
])
def test_a_swarm_that_such_an_engine_may_be_in(move, text, wish):
    assert move[0](wish=wish, text=text, engine=Engine(swarm="active")).changed
    with pytest.raises(DrawbridgeError, match="in a swarm"):
        move[0](engine=Engine(swarm="active"))


def test_a_flag_of_the_unit_decides_whatever_the_file_says(move):
    text = '{"firewall-backend": "nftables"}'
    done = move[0](wish=DesiredConfig({}, ("firewall-backend",)), text=text, running="", unit="--firewall-backend=nftables")
    assert done.changed and not any("moves to" in said for said in done.warnings)


def test_a_file_that_is_not_the_engines_is_no_move(move, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert move[0](Host({}), NFT._replace(path=str(other))).changed


@pytest.mark.parametrize("said, refused", [
    ({"daemon": {"firewall_backend": "nftables"}}, "forwarding is off.*FORWARD is DROP"),
    ({"daemon": {"firewall_backend": "nftables"}, "forwarding": {"ipv4": True}}, "FORWARD is DROP"),
    ({"daemon": {"firewall_backend": "nftables"}, "forwarding": {"ipv4": True}, "forward_policy": {"ipv4": "accept"}}, None),
])
def test_a_policy_brings_all_of_it_in_one_run(move, monkeypatch, said, refused):
    moved, _path = move
    host = Host({"/proc/sys/net/ipv4/ip_forward": "0\n"})
    toggles = policy.HostSettings(host, Settings("nft", 1, True), parse_policy(said))
    monkeypatch.setattr(policy.backend_move, "keep", lambda system, wish, check, brings: moved(host, wish, brings=brings, check=check))
    if refused is None:
        toggles.narrow(None)
    else:
        with pytest.raises(DrawbridgeError, match=refused):
            toggles.narrow(None)
