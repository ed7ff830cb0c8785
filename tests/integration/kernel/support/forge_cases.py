# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every way to get a chain that exempts replies, by the modules' own code, on a stage's host."""
from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import parse_networks
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.nft_table import Nft
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.port_sources import no_table_text, ports_of, table_text
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.run import Result, Task
from ansible_collections.drawbridge.docker.plugins.modules import container_egress, docker_user_chain, host_policy, nat_filter_chain

from . import forge_rules
from .engine_29 import answering
from .forge_rules import DNATED, DNATED_TO_OTHER, OPENED, PROTOCOLS, PROXIED, SHARED, answers
from .forge_stage import ADDRESS, DOCKER0, LATER_BRIDGE, PEER, WAN, Stage
from .host import PROGRAMS, Host
from .program import Program
from .watching import Watching, until

# What every chain that asks for sources is called, or begins with.
SOURCE_TABLE, SOURCE = "mangle", "DB-SOURCE"
CLIENT = list(ADDRESS["client"].values())
# Who may, as administrators say it who trust their containers: with addresses that nobody outside can have.
TRUSTED = [*CLIENT, *ADDRESS["nobody"].values(), *ADDRESS["host"].values()]
_PORTS = [{"port": port, "protocol": protocol, "sources": TRUSTED} for port in (DNATED, DNATED_TO_OTHER, PROXIED) for protocol in PROTOCOLS]
PUBLISHED: dict[str, object] = {"published_ports": {"default": "deny", "allow": _PORTS}}
_SERVICES = [{"port": forge_rules.TRUSTED, "protocol": protocol, "sources": TRUSTED} for protocol in PROTOCOLS]
SERVICES: dict[str, object] = {"host_services": {"default": "deny", "allow": _SERVICES}}
_SHARED = [{"port": SHARED, "protocol": protocol} for protocol in PROTOCOLS]
EGRESS = {"default": "deny", "host": "deny", "peers": _SHARED}
_OPENED = [{"name": PEER, "port": OPENED, "protocol": protocol, "container_port": 80, "sources": CLIENT} for protocol in ("tcp", "udp")]
POLICIES: dict[str, dict[str, object]] = {
    "published ports": PUBLISHED,
    "published ports, by name": dict(PUBLISHED, external_interfaces=[WAN]),
    "host services": SERVICES,
    "both": {**PUBLISHED, **SERVICES},
    "egress": {"egress": EGRESS},
    "egress of one": {"egress": {"default": "deny", "host": "deny", "containers": [{"name": PEER, "default": "allow", "host": "allow"}]}},
    "opened ports": dict(PUBLISHED, open_ports=_OPENED),
    "everything": {**PUBLISHED, **SERVICES, "egress": EGRESS, "open_ports": _OPENED},
}
# What a section has behind its line for replies.
_SECTION = ["-i %s -o %s -j DROP" % (WAN, DOCKER0), "-i %s -o %s -j DROP" % (DOCKER0, WAN)]


class _Before(System):
    """The host as it was before one of its bridges was made."""

    def interfaces(self) -> list[str]:
        return [name for name in super().interfaces() if name != LATER_BRIDGE]


class Cases:
    """What tasks do on this host."""

    def __init__(self, host: Host, stage: Stage, folder: Path) -> None:
        self.host, self.folder = host, folder
        self.answers = answers(stage.paths)

    def apply(self, name: str) -> None:
        """Bring a case into force, and see that it stays as it is when it is asked for again; and what the event service does of it."""
        assert self._apply(name).values["changed"] and not self._apply(name).values["changed"]
        if "egress" in name or "egress" in POLICIES.get(name, {}):
            self._tell_neighbours_apart()

    def _tell_neighbours_apart(self) -> None:
        system, nft = self.host.system, Nft(self.host.system)
        with answering(self.folder, self.answers) as address:
            engine = connect(address)
            ports = ports_of(system, engine, engine.containers(), parse_networks(engine.networks(), engine.info()))
        nft.load(no_table_text() + table_text(ports))

    def _apply(self, name: str) -> Result:
        with answering(self.folder, self.answers) as address:
            base, _comma, kept = name.partition(", revoke ")
            if name == UNTRACKED:
                self._untrack()
                base, kept = "published ports", "end"
            if base in POLICIES:
                return self._policy(address, POLICIES[base], kept or "end")
            result: Result = getattr(self, "_" + base.replace(" ", "_"))(address)
            return result

    def _policy(self, address: str, policy: Mapping[str, object], revoke: str, state: str = "present", check: bool = False) -> Result:
        task = self._task(
            address, state=state, policy=json.dumps(policy), fragments=None, profile=None, settings=None, allow_lockout=True,
            revoke=revoke, confirm_timeout=0)
        return host_policy.keep_policy(task._replace(check_mode=check))

    def keep(self, policy: Mapping[str, object], check: bool = False) -> Result:
        """Apply a policy, or see in check mode what it would do."""
        with answering(self.folder, self.answers) as address:
            return self._policy(address, policy, "end", check=check)

    def _untrack(self) -> None:
        """Neither what comes in nor what the host says to itself is tracked, as those do who fear for their table of connections."""
        for family in PROGRAMS:
            if not self.host.rules("PREROUTING", "raw", family):
                self.host.iptables("-t raw -A PREROUTING -i %s -j CT --notrack" % WAN, family)
                self.host.iptables("-t raw -A OUTPUT -o lo -j CT --notrack", family)

    def _task_of_egress(self, address: str) -> Result:
        params: dict[str, object] = {"deny": [], "allow": [], "dns": None, "networks": {}, "containers": [], "state": "present", "allow_lockout": True}
        return container_egress.keep_egress(self._task(address, **{**params, **EGRESS}))

    def _filter_ahead_of_dnat(self, address: str) -> Result:
        entries = [dict(entry, port=str(entry["port"]), address=None) for entry in _PORTS]
        return nat_filter_chain.keep_filter(self._task(
            address, state="present", default="deny", allow=entries, unpublished="leave", external_interfaces=[]))

    def _section(self, address: str) -> Result:
        return docker_user_chain.keep_section(self._task(
            address, section="web", priority=500, established=True, ip_version="both", purge=False, state="present", rules=_SECTION,
            rules_from=None))

    def _vrf(self, address: str) -> Result:
        return self._policy(address, {**PUBLISHED, **SERVICES}, "end")

    @contextlib.contextmanager
    def flushed(self, watch: Watching) -> Iterator[None]:
        """Without any line in the tables that judge, while the watch does not see it; with all of them again behind that."""
        watch.freeze()
        judging = [(table, family) for family in PROGRAMS for table in ("mangle", "filter")]
        before = [self._lines(*one) for one in judging]
        for table, family in judging:
            self.host.iptables("-t %s -F" % table, family)
        yield
        watch.wake()
        try:
            until(lambda: [self._lines(*one) for one in judging] == before, "what was flushed")
        except AssertionError as error:
            missing = [set(lines).difference(self._lines(*one)) for one, lines in zip(judging, before)]
            raise AssertionError("%s: %s\n%s" % (error, dict(zip(judging, missing)), watch.told())) from None

    def _lines(self, table: str, family: int) -> list[str]:
        """Those of ours: the engine's own are not the watch's to put back."""
        body = self.host.save(family).partition("*%s\n" % table)[2].partition("COMMIT\n")[0]
        return [line for line in body.splitlines() if line.startswith("-A") and " DB-" in line]

    # What a boot loads, or who takes the rules away for a moment, with nothing else in force. These are loaded, not converged.

    def load(self, name: str) -> None:
        """Make a case's rules the host's out of nothing."""
        program = Program(self.folder, self.host)
        with answering(self.folder, self.answers) as address:
            self._policy(address, {**PUBLISHED, **SERVICES}, "end")
            program.save()
            self._policy(address, {}, "end", "absent")
        damaged = {"fallback": "ipv%d", "last resort": "digest"}.get(name)
        if damaged is None:
            program.run(name)
            return
        for family in PROGRAMS:
            (program.folder / "saved" / "current" / (damaged % family if "%" in damaged else damaged)).write_text("damaged", encoding="utf-8")
        assert "closed" in program.run(fails=True) or name == "last resort"

    def _task(self, address: str, **params: object) -> Task:
        return Task(dict(params, docker_host=address, transport=self.host.variant, lock_timeout=5), False, _Before())

    # The lines that ask for sources.

    def source_lines(self) -> list[tuple[int, str, int, str]]:
        """Of iptables: (family, chain, number from 1 on, line) of each of them."""
        return [(family, chain, number, line) for family in PROGRAMS for chain in self._source_chains(family)
                for number, line in enumerate(self.host.rules(chain, SOURCE_TABLE, family) or [], 1)]

    def no_source_check(self) -> None:
        """Take all of them away."""
        for family in PROGRAMS:
            for chain in self._source_chains(family):
                self.host.iptables("-t %s -F %s" % (SOURCE_TABLE, chain), family)
        Nft(self.host.system).load(no_table_text())

    @contextlib.contextmanager
    def without(self, family: int, chain: str, number: int, line: str) -> Iterator[None]:
        """With one of them away."""
        self.host.iptables("-t %s -D %s %d" % (SOURCE_TABLE, chain, number), family)
        yield
        self.host.restore("*%s\n-I %s %d %s\nCOMMIT\n" % (SOURCE_TABLE, chain, number, line), family)

    def without_words(self, words: str) -> None:
        """Take these words out of each jump that has them, and each line that is nothing else away."""
        for family in PROGRAMS:
            found = [(chain, number, line) for chain in ("PREROUTING", *self._source_chains(family))
                     for number, line in enumerate(self.host.rules(chain, SOURCE_TABLE, family) or [], 1)
                     if line == words or words in line and " -j " + SOURCE in line]
            assert found
            for chain, number, line in found:
                left = [] if line == words else [line.replace(words, "")]
                self.host.iptables(" ".join(["-t %s -%s %s %d" % (SOURCE_TABLE, "R" if left else "D", chain, number), *left]), family)

    def _source_chains(self, family: int) -> list[str]:
        return re.findall(r"^:(%s\S*) " % SOURCE, self.host.save(family), re.MULTILINE)


UNTRACKED = "published ports, untracked"
CASES = [*POLICIES, "published ports, revoke keep", UNTRACKED, "task of egress", "filter ahead of dnat", "section", "vrf"]
LOADED = ["fallback", "last resort", "hold"]
