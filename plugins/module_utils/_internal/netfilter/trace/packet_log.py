# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What probes of iptables log: by netlink (NFLOG), or to the kernel's log (LOG)."""

from __future__ import annotations

import os
import re
import select
import time
from typing import Dict, Iterator, List, Optional

from ...address import number
from ...errors import DrawbridgeError
from ...host.system.netns import in_netns
from ...host.system.process import netns_path
from ...host.system.system import System
from ..verdict.matching.packet import Ends
from .chain_paths import Logged
from .headers import Header, read_header
from .kernel_messages import Ear, Message, interface_name

_LOGGED = 4 << 8
_IN, _OUT, _PAYLOAD, _PREFIX = 4, 5, 9, 10
_GROUPS = range(40000, 40100)
_ALL_NETNS = "net.netfilter.nf_log_all_netns"
_SETTING = "/proc/sys/" + _ALL_NETNS.replace(".", "/")
_KERNEL_LOG = "/dev/kmsg"
_FIELD = re.compile(r"\b([A-Z]+)=(\S*)")
_FLAGS = ("URG", "ACK", "PSH", "RST", "SYN", "FIN")


class NflogReader:
    """Hears probes by netlink, in this namespace alone, and leaves the kernel's log as it is."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._ear = Ear()
        group = next((group for group in _GROUPS if self._ear.hear_log(group)), None)
        if group is None:
            self._ear.close()
            raise DrawbridgeError("all groups of NFLOG from %d to %d are taken" % (_GROUPS[0], _GROUPS[-1]))
        self._group = group

    @property
    def lost(self) -> bool:
        return self._ear.lost

    def target(self, place: int) -> List[str]:
        """Return the words of a probe's target."""
        return ["-j", "NFLOG", "--nflog-group", str(self._group), "--nflog-prefix", "dbt:%d" % place]

    def logged(self, until: float) -> Iterator[Logged]:
        """Yield packets at probes until a moment of the monotonic clock."""
        for message in self._ear.messages(until):
            found = self._read(message)
            if found is not None:
                yield found

    def _read(self, message: Message) -> Optional[Logged]:
        prefix = message.text(_PREFIX).partition(":")[2]
        header = read_header(message.values.get(_PAYLOAD, b""), self._protocol)
        if message.kind != _LOGGED or not prefix.isdigit() or header is None:
            return None
        return Logged(int(prefix), header, interface_name(message.number(_IN)), interface_name(message.number(_OUT)))

    def close(self) -> None:
        self._ear.close()


class KernelLogReader:
    """Reads probes from the kernel's log, where everybody else reads them, too."""

    def __init__(self, system: System, protocol: str, mark: str) -> None:
        check_namespace(system)
        self.lost = False
        self._protocol, self._mark = protocol, mark
        try:
            self._fd = os.open(_KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DrawbridgeError("cannot read the kernel's log: %s" % error.strerror, None, "use method: nflog") from None
        os.lseek(self._fd, 0, os.SEEK_END)

    def target(self, place: int) -> List[str]:
        """Return the words of a probe's target."""
        return ["-j", "LOG", "--log-prefix", '"%s:%d "' % (self._mark, place)]

    def logged(self, until: float) -> Iterator[Logged]:
        """Yield packets at probes until a moment of the monotonic clock."""
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                return
            try:
                line = os.read(self._fd, 8192)
            except BrokenPipeError:
                # The log's oldest lines were overwritten before they were read.
                self.lost = True
                continue
            except BlockingIOError:
                continue
            found = read_line(line.decode("utf-8", "replace"), self._mark, self._protocol)
            if found is not None:
                yield found

    def close(self) -> None:
        os.close(self._fd)


def read_line(line: str, mark: str, protocol: str) -> Optional[Logged]:
    """Return what a line of the kernel's log says, None if it is no probe's. The line begins with level, number, time and flags."""
    text = line.partition(";")[2].partition("\n")[0]
    place, _space, rest = text.partition(" ")
    head, _colon, digits = place.partition(":")
    if head != mark or not digits.isdigit():
        return None
    # What an ICMP error quotes stands in brackets.
    fields = dict(_FIELD.findall(rest.partition("[")[0]))
    try:
        source, family = number(fields["SRC"])[0], 6 if ":" in fields["SRC"] else 4
        ends = Ends(source, number(fields["DST"])[0], _number(fields, "SPT"), _number(fields, "DPT"))
    except (KeyError, ValueError, OSError):
        return None
    flags = frozenset(name for name in _FLAGS if protocol == "tcp" and " %s " % name in rest + " ")
    icmp = (_number(fields, "TYPE") or 0, _number(fields, "CODE") or 0) if "TYPE" in fields else None
    key = "%s %s %s %s" % (fields.get("ID", fields.get("FLOWLBL", "")), fields.get("LEN", ""), fields.get("SEQ", ""), fields.get("TC", ""))
    return Logged(int(digits), Header(family, ends, icmp, flags, key.encode()), fields.get("IN", ""), fields.get("OUT", ""))


def _number(fields: Dict[str, str], name: str) -> Optional[int]:
    return int(fields[name]) if fields.get(name, "").isdigit() else None


def check_namespace(system: System) -> None:
    """Raises DrawbridgeError if the kernel logs nothing of this namespace: outside of the first one it does so only when told to."""
    if system.read(_SETTING) is not None:
        # Only the first namespace has the setting, and is always logged.
        return
    value = _first_setting(system)
    hint = "sysctl -w %s=1 in the machine's first network namespace, or method: nflog" % _ALL_NETNS
    if value is None:
        raise DrawbridgeError("whether the kernel logs LOG rules of this network namespace cannot be read (%s)" % _ALL_NETNS, None, hint)
    if value == "0":
        words = "this is not the machine's first network namespace, and %s is 0: the kernel logs nothing of LOG rules here" % _ALL_NETNS
        raise DrawbridgeError(words, None, hint)


def _first_setting(system: System) -> Optional[str]:
    """The setting as the first process's namespace has it; None if nobody lets us look, or that is not the first one either."""
    try:
        fd = os.open(netns_path(1), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        value = in_netns(fd, lambda: system.read(_SETTING))
    except DrawbridgeError:
        return None
    finally:
        os.close(fd)
    return None if value is None else value.strip()
