# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A module run on a host in memory, and all that it loads there, as text. The one file here that knows of the collection's code: its modules.

A module is entered by its ``main``, as Ansible enters it; the host is below Python's own functions (jail.py). In between, everything may be
named and divided otherwise without a word of this changing.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional
from unittest import mock

import yaml
from ansible.module_utils import basic

from .engine import FIRST_PID, Engine, answers
from .jail import Jail, Link, Namespaces, Network
from .kernel import Kernel, Said

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAPTURES = ROOT / "tests" / "unit" / "fixtures" / "captures"
PROFILES = ROOT / "plugins" / "plugin_utils" / "profiles"
MODULES = "ansible_collections.drawbridge.docker.plugins.modules."

_PROGRAMS = (
    "iptables-nft-save", "iptables-nft-restore", "ip6tables-nft-save", "ip6tables-nft-restore", "ipset", "nft", "systemctl", "systemd-run", "sh", "ip",
)
_ASKS = re.compile(r"ip6?tables-\S*save\b|ipset (?:list|test|-$)|nft (?:--stateless |--terse )*(?:list|get) "
                   r"|systemctl (?:--quiet )?(?:is-|show)|ip -o |exe |nft -[ci]")
# The part of a diff that says the same as the text that is loaded. It is shown on the host whose file says so.
RULES = "netfilter"
# Of a result: what is shown otherwise, and what no two runs have alike.
_INODE = re.compile(r'"namespace": \d+, ')
_NOT_SHOWN = ("diff", "seconds", "invocation", "warnings")


class Ended(Exception):
    """A module's last word."""

    def __init__(self, values: Dict[str, Any]) -> None:
        super().__init__(values.get("msg", ""))
        self.values = values


class Host:
    """A host as its file says, with the kernel as it was captured."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.facts = yaml.safe_load((HERE / "hosts" / (name + ".yml")).read_text(encoding="utf-8"))
        self.kernel = Kernel()
        _load_capture(self.kernel, self.facts["capture"])
        self.loaded: List[str] = []
        self._loaded_inside: Dict[str, List[str]] = {}
        self._inside: Dict[str, Kernel] = {}
        self._containers: Dict[int, str] = {}
        self.root = Path()
        self._namespaces = Namespaces()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """As long as the block lasts, this process sees this host and no other."""
        with tempfile.TemporaryDirectory(prefix="golden-") as root:
            self._furnish(Path(root))
            network = Network([Link(*link) for link in self.facts["links"]], self.facts.get("routing_tables", [254, 255]), self.facts["addresses"])
            self.root = Path(root)
            jail = Jail(root, network, self._run, self._enter)
            with Engine(root + "/var/run/docker.sock", answers(self.facts)), jail.entered(), self._namespaces.inherited():
                yield

    def _furnish(self, root: Path) -> None:
        for folder in ("var/run", "run", "proc/self/ns", "usr/sbin", "run/systemd/system", "etc/systemd/system", "var/lib", *self.facts.get("folders", [])):
            (root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for program in _PROGRAMS:
            (root / "usr/sbin" / program).touch(0o755)
        (root / "usr/sbin/xtables-nft-multi").touch(0o755)
        for name in ("iptables", "ip6tables"):
            (root / "usr/sbin" / name).symlink_to("xtables-nft-multi")
        self._furnish_containers(root)
        for family in ("ipv4", "ipv6") if "/proc/net/if_inet6" in self.facts["files"] else ("ipv4",):
            for name in ["all", "default", *(link[0] for link in self.facts["links"])]:
                place = root / "proc/sys/net" / family / "conf" / name / "forwarding"
                place.parent.mkdir(parents=True)
                place.write_text("1\n" if family == "ipv4" else "0\n", encoding="ascii")
        (root / "proc/sys/net/ipv4/ip_forward").write_text("1\n", encoding="ascii")
        for path, text in self.facts.get("files", {}).items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        for path, target in self.facts.get("symlinks", {}).items():
            place = root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(target)
            if not target.startswith("/"):
                (place.parent / target).touch()
        if not self.facts.get("symlinks"):
            (root / "proc/self/ns/net").touch()

    def _furnish_containers(self, root: Path) -> None:
        for pid, container in enumerate(self.facts["containers"], FIRST_PID):
            folder = root / "proc" / str(pid)
            (folder / "ns").mkdir(parents=True)
            (folder / "stat").write_text("%d (server) S 812 %s 4711 0\n" % (pid, " ".join(["0"] * 17)), encoding="utf-8")
            (folder / "ns" / "net").touch()
            self._containers[(folder / "ns" / "net").stat().st_ino] = container["name"]

    def _enter(self, descriptor: Optional[int]) -> None:
        here = self._namespaces
        here.container = "" if descriptor is None else self._containers[os.fstat(descriptor).st_ino]
        here.kernel = self._inside.setdefault(here.container, Kernel()) if here.container else Kernel()

    def _run(self, argv: List[str], stdin: str) -> Said:
        here = self._namespaces
        line = " ".join(argv)
        asks = _ASKS.match(line)
        if not asks and here.kernel is None:
            self.loaded += ["$ " + line, *stdin.splitlines()]
        elif not asks and here.container:
            self._loaded_inside.setdefault(here.container, []).extend(["$ inside %s: %s" % (here.container, line), *stdin.splitlines()])
        return self._other(argv, bool(asks)) or (here.kernel or self.kernel).run(argv, stdin)

    def _other(self, argv: List[str], asks: bool) -> Optional[Said]:
        """What a command that is none of netfilter's says."""
        if argv[:4] == ["ip", "-o", "route", "get"]:
            return Said("%s via 192.0.2.1 dev eth0 src %s" % (argv[4], self.facts["addresses"][0]))
        if argv[0] == "exe":
            return Said("Docker version %s, build 0\n" % self.facts["release"])
        if argv[0] in ("systemctl", "systemd-run", "sh", "ip"):
            return Said("inactive\n", 3) if asks else Said()
        return None

    def stop_engine(self) -> None:
        """From now on nobody answers at the engine's socket."""
        (self.root / "var/run/docker.sock").unlink()

    def files(self, folder: str) -> List[str]:
        """Each file in a folder of the host, with what is in it."""
        found = sorted(path for path in (self.root / folder.lstrip("/")).rglob("*") if path.is_file())
        return [line for path in found for line in ["", "# " + str(path)[len(str(self.root)):], *path.read_text(encoding="utf-8").splitlines()]]

    def run(self, module: str, arguments: Dict[str, Any], check: bool = False) -> List[str]:
        """Run a module → lines of what it said, showed and loaded."""
        self.loaded.clear()
        self._loaded_inside.clear()
        values, warnings = _ended(module, dict(arguments, _ansible_check_mode=check, _ansible_diff=True))
        shown = {key: value for key, value in sorted(values.items()) if key not in _NOT_SHOWN}
        lines = ["%s: %s" % (key, _INODE.sub("", json.dumps(value, sort_keys=True))) for key, value in shown.items()]
        lines += ["warning: " + warning for warning in warnings]
        shown_diff = [values["diff"]] if isinstance(values.get("diff"), dict) else values.get("diff", [])
        # Containers are entered side by side.
        inside = [line for _name, loaded in sorted(self._loaded_inside.items()) for line in loaded]
        whole = self.facts.get("shows_rules", False)
        return [*lines, *_diff([part for part in shown_diff if whole or part.get("before_header") != RULES]), *self.loaded, *inside]


def _load_capture(kernel: Kernel, name: str) -> None:
    saved = (CAPTURES / (name + ".iptables-save")).read_text(encoding="utf-8")
    for family, text in zip((4, 6), re.split(r"^# ip6?tables-save$", saved, flags=re.MULTILINE)[1:]):
        kernel.restore(family, text)
    nft = (CAPTURES / (name + ".nft"))
    if nft.exists():
        kernel.load("".join(line + "\n" for line in nft.read_text(encoding="utf-8").splitlines() if not line.startswith("#")))


# Nobody confirms anything here, and no connection is there to be shut out.
_DEFAULTS: Dict[str, Dict[str, Any]] = {
    "host_policy": {"confirm_timeout": 0, "allow_lockout": True}, "container_egress": {"allow_lockout": True}, "lockdown": {"confirm_timeout": 0},
}


def arguments_of(case: Dict[str, Any]) -> Dict[str, Any]:
    """A case's options for its module, with fragments as its action plugin sends them."""
    options = {**_DEFAULTS.get(case["module"], {}), **case["options"]}
    if "fragments" in options:
        profile = options.get("profile")
        text = (PROFILES / (profile + ".yml")).read_text(encoding="utf-8") if profile else "null"
        options["fragments"] = json.dumps({"fragments": options["fragments"], "profile": yaml.safe_load(text)})
    if "policy" in options:
        options["policy"] = json.dumps(options["policy"])
    return options


def _ended(module: str, arguments: Dict[str, Any]) -> Any:
    """What a module returned, and its warnings."""
    warnings: List[str] = []

    def end(_self: Any, **values: Any) -> None:
        raise Ended(values)

    def fail(_self: Any, msg: str, **values: Any) -> None:
        raise Ended(dict(values, failed=True, msg=msg))

    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode("utf-8")
    with mock.patch.object(basic, "_ANSIBLE_ARGS", given), mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True), \
            mock.patch.object(basic.AnsibleModule, "exit_json", end), mock.patch.object(basic.AnsibleModule, "fail_json", fail), \
            mock.patch.object(basic.AnsibleModule, "warn", lambda _self, text, **_options: warnings.append(text)):
        try:
            importlib.import_module(MODULES + module).main()
        except Ended as ended:
            return ended.values, warnings
    raise AssertionError("%s ended without a word" % module)


def _diff(parts: List[Dict[str, str]]) -> List[str]:
    """As Ansible shows it."""
    lines: List[str] = []
    for part in parts:
        before, after = (part[side].splitlines() for side in ("before", "after"))
        heads = ["%s: %s" % (side, part.get(side + "_header", "")) for side in ("before", "after")]
        lines += difflib.unified_diff(before, after, heads[0], heads[1], lineterm="")
    return lines
