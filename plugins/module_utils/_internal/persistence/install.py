# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install the boot program, its units, and the folder of the boot files."""

from __future__ import annotations

import os
import re
from typing import Dict, List, Optional, Sequence

from ..engine.daemon.process import find_daemon
from ..errors import DrawbridgeError
from ..host.boot import unit
from ..host.system import files
from ..host.system.paths import ETC, PROGRAM
from ..host.system.system import System
from ..netfilter.kernel.iptables import words_of
from ..policy.compile.labels import ASKED
from .boot_program.engine_unit import DROP_IN, cgroup_of, drop_ins
from .boot_program.script import SCRIPT
from .boot_program.sentry_support import reason_against
from .generations import BootFiles

UNITS = "/etc/systemd/system"
SERVICE = "drawbridge.service"
WATCH = "drawbridge-watch.service"
UNIT_NAMES = (SERVICE, WATCH)
_RUN = "%s/%s" % (ETC, PROGRAM)
# Without this file iptables warns whenever it reads a rule with a label. A file without names is an error: this one names a label that nobody sets.
LABEL_NAMES = "/etc/xtables/connlabel.conf"
_ONE_NAME = "# Written by the Ansible collection drawbridge.docker.\n122 drawbridge-unused\n"

# Starts before the network and Docker, but after units that load their own rules. Not before docker.socket: firewalld waits for all sockets.
_UNIT = """# Written by the Ansible collection drawbridge.docker; changes are overwritten.
[Unit]
Description=Drawbridge, the firewall of this Docker host
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target docker.service
After=local-fs.target systemd-modules-load.service
After=nftables.service netfilter-persistent.service ufw.service firewalld.service iptables.service ip6tables.service ipset.service

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=120
ExecStart=/bin/sh {run} boot
ExecReload=/bin/sh {run} boot
ExecStopPost=/bin/sh {run} failed

[Install]
WantedBy=sysinit.target docker.service
""".format(run=_RUN)

# A killed process is restarted at once. Its table in the kernel outlives it, if the kernel supports that.
_WATCH = """# Written by the Ansible collection drawbridge.docker; changes are overwritten.
[Unit]
Description=Drawbridge: bring rules back that somebody took, and let nothing in meanwhile
DefaultDependencies=no
After=drawbridge.service
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh {run} watch
ExecStopPost=/bin/sh {run} stopped
Restart=always
RestartSec=0

[Install]
WantedBy=drawbridge.service
""".format(run=_RUN)

_FIREWALLD = """[Service]
ExecStartPre=-+/bin/sh {run} hold
ExecStartPost=-+/bin/sh {run} settle
ExecReload=
ExecReload=-+/bin/sh {run} hold
ExecReload=/bin/kill -HUP $MAINPID
ExecReload=-+/bin/sh {run} settle
ExecStop=-+/bin/sh {run} hold
ExecStopPost=-+/bin/sh {run} settle
"""

# Units that load a whole ruleset, or flush all rules, at start, stop or reload.
_OTHERS = ("nftables", "firewalld", "netfilter-persistent", "ufw", "iptables", "ip6tables")
_RELOADED = ("nftables", "iptables", "ip6tables")
# What they load of rules and sets: Debian's, RHEL's, Arch's.
_DUMPS = {
    "netfilter-persistent": "/etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/iptables/ipsets",
    "iptables": "/etc/sysconfig/iptables /etc/iptables/iptables.rules",
    "ip6tables": "/etc/sysconfig/ip6tables /etc/iptables/ip6tables.rules",
}
_VENDOR_UNITS = "/usr/lib/systemd/system", "/lib/systemd/system"
_LOADS_FILE = re.compile(r"^ExecStart=(?:/usr)?/s?bin/nft -f (/[^\s\"\\]+)$", re.MULTILINE)
_FLUSHES = re.compile(r"^ExecStop=(?:/usr)?/s?bin/nft flush ruleset$", re.MULTILINE)
_HEAD = "# Written by the Ansible collection drawbridge.docker: this unit may take Drawbridge's rules, which come back at once.\n"


def unit_files(system: System) -> Dict[str, str]:
    """Return the content of every unit file, by path."""
    found = {os.path.join(UNITS, SERVICE): _UNIT, os.path.join(UNITS, WATCH): _WATCH}
    for name in _OTHERS:
        found[os.path.join(UNITS, name + ".service.d", "drawbridge.conf")] = _HEAD + _drop_in(system, name)
    found.update(dict.fromkeys(drop_ins(cgroup_of(system, find_daemon(system))), DROP_IN))
    return found


def _drop_in(system: System, name: str) -> str:
    if name == "firewalld":
        return _FIREWALLD.format(run=_RUN)
    vendor = next((text for text in (system.read("%s/%s.service" % (place, name)) for place in _VENDOR_UNITS) if text), "")
    loads = _LOADS_FILE.search(vendor)
    if name == "nftables" and loads and _FLUSHES.search(vendor):
        around = "=\n{0}=+/bin/sh %s around" % _RUN
        text = "".join((verb + around.format(verb) + " " + loads.group(1) + "\n") for verb in ("ExecStart", "ExecReload"))
        return "[Service]\n" + text + "ExecStop" + around.format("ExecStop") + "\n"
    verbs = ["ExecStartPost", "ExecStopPost"] + (["ExecReload"] if name in _RELOADED else [])
    before = "ExecStartPre=-+/bin/sh %s sets %s\n" % (_RUN, _DUMPS[name]) if name in _DUMPS else ""
    return "[Service]\n" + before + "".join("%s=-+/bin/sh %s again\n" % (verb, _RUN) for verb in verbs)


class Installation:
    """The boot program and its units on this host."""

    def __init__(self, system: System, ssh_ports: Sequence[int], engine_rules: str, runs: Optional[unit.Running] = None) -> None:
        """engine_rules: what to do if somebody removes the engine's own rules: put_back, restart or leave. runs: tells which units run, for a
        caller that asked systemd already."""
        self.system = system
        self._runs: unit.Running = runs or (lambda: unit.running(system, UNIT_NAMES))
        self.boot_files = BootFiles(system)
        self.own_files = {PROGRAM: SCRIPT, "ssh": ",".join(map(str, ssh_ports)) + "\n", "engine-rules": engine_rules + "\n"}

    @property
    def is_in_place(self) -> bool:
        """Whether nothing has to be installed or started. Whether the files hold the rules in force is not asked."""
        if not self._asks_already:
            return False
        self._ask()
        return not self.missing()

    def ask_for_answers(self, variant: str, families: Sequence[int]) -> Optional[str]:
        """Use the table that closes the host while its rules are gone, if the host supports it. Return the reason against it, or None."""
        reason = None if self._asks_already else reason_against(self.system, variant, families)
        if reason is None:
            self._ask()
        return reason

    @property
    def _asks_already(self) -> bool:
        folder = self.boot_files.folder
        return folder.exists and folder.read(ASKED) is not None

    def _ask(self) -> None:
        self.own_files[ASKED] = "connlabel\n"

    def missing(self) -> List[str]:
        """Return the paths whose content differs; if none, the units that do not run or are not enabled."""
        folder = self.boot_files.folder
        names = [name for name, text in self.own_files.items() if not folder.exists or folder.read(name) != text]
        found = [os.path.join(ETC, name) for name in names]
        found += [path for path, text in unit_files(self.system).items() if self.system.read(path) != text]
        if ASKED in self.own_files and not os.path.lexists(LABEL_NAMES):
            found.append(LABEL_NAMES)
        if not found:
            self._program()
            found += [name for name in UNIT_NAMES if name not in self._runs()]
        return found

    def present(self) -> List[str]:
        """Return the paths that exist already."""
        paths = [ETC] + list(unit_files(self.system))
        return [path for path in paths if os.path.lexists(path)]

    def write(self) -> None:
        """Write the unit files and enable the units. The caller has to write the boot files before."""
        for path, text in unit_files(self.system).items():
            if self.system.read(path) != text:
                files.replace(path, text.encode("utf-8"))
        if ASKED in self.own_files and not os.path.lexists(LABEL_NAMES):
            os.makedirs(os.path.dirname(LABEL_NAMES), exist_ok=True)
            files.replace(LABEL_NAMES, _ONE_NAME.encode("utf-8"))
        # Without this file the unit would take this start for a boot, and forget a change that waits to be confirmed.
        os.makedirs("/run/drawbridge", 0o700, exist_ok=True)
        files.replace("/run/drawbridge/loaded", b"", 0o600)
        # This has systemd read all units again, as daemon-reload does.
        self._must("reenable", SERVICE, WATCH)

    def start(self) -> None:
        """Have the unit load the rules once. The unit waits for the host's lock, so the caller must not hold it."""
        self._must("start", SERVICE)
        self._must("restart", WATCH)

    def write_own(self) -> None:
        """Write the folder with the boot program and its settings. Raises DrawbridgeError, before anything is written, on a host without systemd."""
        self._program()
        self.boot_files.folder.make()
        for name, text in self.own_files.items():
            if self.boot_files.folder.read(name) != text:
                self.boot_files.folder.write(name, text)

    def remove(self) -> None:
        """Remove everything. The rules in force stay until the next boot."""
        self._systemctl("disable", "--now", WATCH)
        self._systemctl("disable", SERVICE)
        for path in unit_files(self.system):
            files.remove(path)
            folder = os.path.dirname(path)
            if folder != UNITS and os.path.isdir(folder) and not os.listdir(folder):
                os.rmdir(folder)
        if self.system.read(LABEL_NAMES) == _ONE_NAME:
            files.remove(LABEL_NAMES)
        self._must("daemon-reload")
        self._systemctl("stop", SERVICE)
        self._systemctl("reset-failed", SERVICE)
        self.boot_files.folder.discard()

    def _systemctl(self, *words: str) -> str:
        return self.system.run([self._program(), *words]).stdout.strip()

    def _must(self, *words: str) -> None:
        output = self.system.run([self._program(), *words])
        if output.rc != 0:
            raise DrawbridgeError("systemctl %s: %s" % (" ".join(words), words_of(output)))

    def _program(self) -> str:
        if not os.path.isdir("/run/systemd/system"):
            hint = "leave boot_restore out here, and apply the policy at each boot"
            raise DrawbridgeError("this host was not booted by systemd, which has to load the rules at boot", None, hint)
        return self.system.require("systemctl", "systemd")
