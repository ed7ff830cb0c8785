# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Install the event service: its program (one file), its systemd units, and the folder of records."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from typing import TYPE_CHECKING, Dict, List, Mapping, NamedTuple, Optional

from ..address import quoted
from ..errors import DrawbridgeError
from ..host.boot import unit
from ..host.system import files
from ..host.system.folder import Folder
from ..host.system.system import System
from ..netfilter.kernel.iptables import words_of
from ..persistence.records.records import FOLDER
from ..persistence.records.service_status import ENDED, UNIT, UNIT_FILE
from .noted_sources import is_current, note

if TYPE_CHECKING:
    # Ansible sends along what is imported anywhere, and the program is packed from that.
    from . import program  # noqa: F401

# pylint: disable=import-outside-toplevel
# What packs the program, and what handles the tables, is loaded late: on most hosts nothing is to be done.

LIBRARY = "/usr/local/lib/drawbridge"
PROGRAM = LIBRARY + "/events.pyz"
# Not one of PATHS: it says nothing but what the program was made of.
NOTE = "events.sources"
MAIN = "service.program"
CLOSED_UNIT = "drawbridge-closed.service"
TABLE = LIBRARY + "/closed.nft"
CLOSED_FILE = os.path.join(unit.FOLDER, CLOSED_UNIT)
PATHS = (PROGRAM, TABLE, UNIT_FILE, CLOSED_FILE)
CLOSED = " --closed-until-ready"
_METRICS = " --metrics-file "
_METRICS_FILE = re.compile(r"(?:/[A-Za-z0-9_.-]+)+\.prom")
_IN_UNIT = re.compile(r"^ExecStart=.*%s(/\S+\.prom)$" % _METRICS, re.MULTILINE)
# The unit makes these read-only, or has folders of its own there.
_UNSEEN = ("/usr/", "/boot/", "/efi/", "/home/", "/root/", "/tmp/", "/var/tmp/", "/proc/", "/sys/")
# The address becomes a word of the unit's command line.
_SOCKET = re.compile(r"unix://(?:/[A-Za-z0-9_.-]+)+")

# The service enters and makes namespaces, sees containers' processes, and writes rules and the boot files.
_UNIT = """# Written by the Ansible collection drawbridge.docker; changes are overwritten.
[Unit]
Description=Drawbridge: rules follow the containers that start
After=docker.service drawbridge.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={python} -I {program} --docker-host {docker_host}{options}
ExecStopPost=-{python} -I {program}{ended}
Restart=always
RestartSec=1
TimeoutStartSec=600
WatchdogSec=180
TimeoutStopSec=60
KillMode=mixed
UMask=0077
MemoryMax=512M
TasksMax=128
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_ADMIN CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=yes
ProtectHome=read-only
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectClock=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=net
RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""

# At boot, containers start before the service. The unit starts after units that flush nftables.
_CLOSED_UNIT = """# Written by the Ansible collection drawbridge.docker; changes are overwritten.
[Unit]
Description=Drawbridge: containers are closed until their rules are in
Before=docker.service
After=nftables.service netfilter-persistent.service ufw.service firewalld.service iptables.service ip6tables.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {table}

[Install]
WantedBy=docker.service
"""


class Change(NamedTuple):
    """A file to change. before, after: its content; None for no file."""

    path: str
    before: Optional[bytes]
    after: Optional[bytes]

    def as_diff(self) -> Dict[str, str]:
        """Return Ansible's diff; of the program, only its digest."""
        return {
            "before_header": self.path,
            "after_header": self.path,
            "before": _shown(self.path, self.before),
            "after": _shown(self.path, self.after),
        }


class Installation:
    """The service on this host."""

    def __init__(self, system: System, runs: Optional[unit.Running] = None) -> None:
        """runs: tells which units run, for a caller that asked systemd already."""
        self._system = system
        self._folders = (Folder(LIBRARY), Folder(FOLDER))
        self._runs: unit.Running = runs or (lambda: unit.running(system, (UNIT,)))
        self._note: Optional[bytes] = None

    def missing(self, docker_host: str, closed: bool, metrics_file: Optional[str] = None) -> List[Change]:
        """Return the files to write or remove for a service of this engine. closed: whether containers are closed until they are ready.
        metrics_file: where counters are written, None for nowhere. Raises DrawbridgeError if the service could not write there."""
        wanted: Dict[str, Optional[bytes]] = dict.fromkeys(PATHS)
        wanted[UNIT_FILE] = unit_text(docker_host, (CLOSED if closed else "") + ("" if metrics_file is None else _METRICS + _checked(metrics_file)))
        wanted[PROGRAM] = self._packed()
        if closed:
            wanted.update(gate_files(self._system.require("nft", "nftables")))
        return _changes(wanted)

    def _packed(self) -> bytes:
        """Return the program. What is installed is returned as it is, if it was packed from the sources that are here."""
        held = files.look(PROGRAM)
        if held is not None:
            noted = files.look(os.path.join(LIBRARY, NOTE))
            if is_current(None if noted is None else noted.data, held.data):
                return held.data
        from .archive import closure, packed

        sources = closure(MAIN)
        data = packed(MAIN, sources)
        self._note = note(data, sources)
        return data

    def note_sources(self) -> None:
        """Note what the installed program was packed from, if it had to be packed to be compared."""
        if self._note is not None:
            files.replace(os.path.join(LIBRARY, NOTE), self._note, 0o600)

    def present(self) -> List[Change]:
        """Return the service's existing files, as changes that remove them."""
        return _changes(dict.fromkeys(PATHS))

    def folders(self) -> List[str]:
        """Return the service's folders that exist."""
        return [folder.path for folder in self._folders if folder.exists]

    @property
    def is_complete(self) -> bool:
        """Whether the service has its folders, runs, and starts at boot."""
        return UNIT in self._runs() and len(self.folders()) == len(self._folders)

    def install(self, changes: List[Change]) -> None:
        """Apply the changes and have systemd run the service; restart it if anything changed."""
        if not unit.has_systemd(self._system):
            raise DrawbridgeError("this host was not booted by systemd, which has to run the event service", None, "leave the event service out here")
        files.refuse_unwritable([change.path for change in changes] + [folder.path + "/" for folder in self._folders])
        for folder in self._folders:
            folder.make()
        for change in changes:
            if change.after is None:
                self._remove(change.path)
            else:
                files.replace(change.path, change.after, 0o600 if change.path == PROGRAM else 0o644)
        # This has systemd read all units again, as daemon-reload does.
        self._must("reenable", UNIT)
        if any(change.path == CLOSED_FILE and change.after is not None for change in changes):
            # Enable only: the service makes the table, with the ready ports in it.
            self._must("reenable", CLOSED_UNIT)
        self._must("restart" if changes else "start", UNIT)
        # Only after the restart: the old service would write the file again.
        for change in changes:
            if change.path == UNIT_FILE:
                _remove_metrics(change)
        if not os.path.lexists(CLOSED_FILE):
            from .closed_until_ready import Gate

            # Only after the restart: the old service would make the table again.
            Gate(self._system).take_away()

    def _remove(self, path: str) -> None:
        if path == CLOSED_FILE:
            self._says("disable", "--now", CLOSED_UNIT)
        files.remove(path)

    def remove(self) -> None:
        """Remove everything, also the records. Rules in containers stay until the containers end."""
        from .closed_until_ready import Gate
        from .port_sources import PortSources

        if os.path.lexists(UNIT_FILE):
            self._must("disable", "--now", UNIT)
            held = files.look(UNIT_FILE)
            _remove_metrics(Change(UNIT_FILE, None if held is None else held.data, None))
        for path in PATHS:
            if os.path.lexists(path):
                self._remove(path)
        Gate(self._system).take_away()
        PortSources(self._system).take_away()
        for folder in self._folders:
            folder.discard()
        self._must("daemon-reload")
        self._says("reset-failed", UNIT)

    def _says(self, *words: str) -> str:
        return self._system.run([self._program(), *words]).stdout.strip()

    def _must(self, *words: str) -> None:
        output = self._system.run([self._program(), *words])
        if output.rc != 0:
            raise DrawbridgeError("systemctl %s: %s" % (" ".join(words), words_of(output)))

    def _program(self) -> str:
        return self._system.require("systemctl", "systemd")


def _checked(path: str) -> str:
    if not _METRICS_FILE.fullmatch(path) or "/../" in path:
        raise DrawbridgeError("%s is not an absolute path of plain characters that ends in .prom" % quoted(path), "metrics_file")
    if path.startswith(_UNSEEN):
        raise DrawbridgeError("the service cannot write to %s" % quoted(path), "metrics_file", "name a folder below /var/lib or /run")
    if not os.path.isdir(os.path.dirname(path)):
        raise DrawbridgeError("there is no folder %s" % quoted(os.path.dirname(path)), "metrics_file", "name node_exporter's --collector.textfile.directory")
    return path


def _remove_metrics(change: Change) -> None:
    """Remove the file of counters that a unit wrote, unless the new unit writes it too: counters that stand still would be taken for true."""
    before, after = (_IN_UNIT.search(data.decode("utf-8", "replace")) if data else None for data in (change.before, change.after))
    if before is not None and (after is None or after.group(1) != before.group(1)):
        files.remove(before.group(1))


def unit_text(docker_host: str, options: str) -> bytes:
    """Return the service's unit. Raises DrawbridgeError if the engine cannot be followed."""
    if not _SOCKET.fullmatch(docker_host):
        raise DrawbridgeError(
            "%s is not a unix socket on this host" % quoted(docker_host), "docker_host", "the service follows an engine whose containers are here"
        )
    return _UNIT.format(python=sys.executable, program=PROGRAM, docker_host=docker_host, options=options, ended=ENDED).encode("utf-8")


def gate_files(nft: str) -> Dict[str, bytes]:
    """Return the files that close containers at boot, by path."""
    from .closed_until_ready import table_text

    return {TABLE: table_text().encode("utf-8"), CLOSED_FILE: _CLOSED_UNIT.format(nft=nft, table=TABLE).encode("utf-8")}


def _changes(wanted: Mapping[str, Optional[bytes]]) -> List[Change]:
    changes = []
    for path, data in wanted.items():
        held = files.look(path)
        before = None if held is None else held.data
        if before != data:
            changes.append(Change(path, before, data))
    return changes


def _shown(path: str, data: Optional[bytes]) -> str:
    if data is None:
        return ""
    return "sha256 %s\n" % hashlib.sha256(data).hexdigest() if path == PROGRAM else data.decode("utf-8", "replace")
