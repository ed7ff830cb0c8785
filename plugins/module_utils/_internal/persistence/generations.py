# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The boot files of this host. Every module that changes rules or sets keeps them in step with the kernel."""

from __future__ import annotations

import os
from typing import Collection, Dict, List, Optional

from ..address import FAMILIES, IPV4, IPV6
from ..host.boot.boot_id import FILE, this_boot
from ..host.system.folder import Folder
from ..host.system.paths import COMMIT, ETC, PROGRAM
from ..host.system.system import System
from ..netfilter.kernel.ipset import Ipset, LiveSet
from ..netfilter.kernel.netfilter import Live, Netfilter
from ..netfilter.kernel.nft_table import CUT_TABLE, Nft, spoken
from ..netfilter.rules.desired import TableKey
from ..netfilter.rules.saved_ruleset import Ruleset
from ..policy.blocks import engine_table
from .boot_program.run import run_program
from .checkpoint import Checkpoint
from .texts import NAMES, Generation, generation, needed_sets, rules_text, sha256

_GENERATIONS = "generations"
_DEFAULT_SSH_PORTS = [22]
_NFT_FAMILY = {"ip": IPV4, "ip6": IPV6}


class BootFiles:
    """The files that the role boot_restore set up. Without that role nothing is ever written.

    Names in the folder: ``current`` and ``previous`` point to generations. ``next`` points to the generation of a change that waits to
    be confirmed. ``dirty`` exists while the kernel may be ahead of the files.
    """

    def __init__(self, system: System, path: str = ETC, settles: str = COMMIT) -> None:
        """settles: COMMIT for a change, FOLLOW for an update of what is in force already."""
        self.system = system
        self._settles = settles
        self.folder = Folder(path)
        self._generations = Folder(os.path.join(path, _GENERATIONS))

    @property
    def are_kept(self) -> bool:
        return self.folder.exists and self.folder.read(PROGRAM) is not None

    @property
    def has_next(self) -> bool:
        """Whether a change waits to be confirmed. Without a checkpoint, ``next`` is a leftover of a killed run."""
        if self.folder.link("next") is None:
            return False
        return Checkpoint(self.system).armed() is not None

    def forget_next(self) -> None:
        """Remove a killed run's ``next``, before a checkpoint makes it look like a change that waits."""
        if self.are_kept:
            self.folder.remove("next")

    @property
    def variant(self) -> str:
        """The iptables variant of the newest generation; auto if there is no generation."""
        return (self.folder.read(os.path.join(self._newest(), "variant")) or "auto").strip()

    @property
    def are_whole(self) -> bool:
        """Whether the newest generation exists and is undamaged, and no change was begun since."""
        if self.folder.read("dirty") is not None or (self.folder.link("next") is not None and not self.has_next):
            return False
        return bool(self._digests(self._newest()))

    def ssh_ports(self) -> List[int]:
        """Return the SSH ports, which always stay open."""
        words = (self.folder.read("ssh") or "").replace(",", " ").split()
        return [int(word) for word in words if word.isdigit()] or _DEFAULT_SSH_PORTS

    def are_in_step(self, live: Live) -> bool:
        """Whether the newest generation is undamaged and has the rules in force. Sets are not compared."""
        if not self.are_whole:
            return False
        digests = self._digests(self._newest())
        return all(
            digests.get("ipv%d" % family) == sha256(rules_text(live.rulesets.get(family, Ruleset()))) for family in FAMILIES
        )

    def _newest(self) -> str:
        return (self.folder.link("next") if self.has_next else self.folder.link("current")) or "none"

    def _digests(self, place: str) -> Dict[str, str]:
        """Return the digests of a generation's files by name; empty if a file is missing or damaged."""
        lines = (self.folder.read(os.path.join(place, "digest")) or "").splitlines()
        found = {line[66:]: line[:64] for line in lines}
        for name, digest in found.items():
            text = self.folder.read(os.path.join(place, name))
            if text is None or sha256(text) != digest:
                return {}
        # Older releases of this collection wrote other files.
        return found if set(found) == NAMES else {}

    def begin(self) -> None:
        """Mark the files as outdated before a change. If this run ends half-way, the next run writes them."""
        self.folder.write("dirty", "")

    def write(self, saved: Generation, wait: bool) -> None:
        """Save a generation as the current one; with ``wait``, a confirmation makes it current."""
        self._generations.make()
        self._generations.write_folder(saved.name, dict(saved.files, digest=saved.digest, **{FILE: this_boot(self.system)}))
        self.folder.point("next", "%s/%s" % (_GENERATIONS, saved.name))
        if wait:
            self.folder.remove("dirty")
        else:
            self.run(self._settles)

    def saved(self, name: str) -> Dict[str, str]:
        """Return the files of the generation that this name points to."""
        return {file: self.folder.read(os.path.join(name, file)) or "" for file in NAMES}

    def run(self, *words: str) -> None:
        """Run the boot program. Raises DrawbridgeError with its message if it fails."""
        run_program(self.system, os.path.join(self.folder.path, PROGRAM), *words)

    def texts(self, netfilter: Netfilter, live: Live, without: Collection[str] = ()) -> Generation:
        """Return the live state as a generation."""
        return generation(netfilter.variant, whole(netfilter, live), self.ssh_ports(), without)


def whole(netfilter: Netfilter, live: Live) -> Live:
    """Complete the live state: add our sets, entries and tables that the reader did not need."""
    sets = live.sets or netfilter.ipset.headers()
    live = live._replace(sets=sets, tables=our_tables(netfilter.nft, netfilter.system))
    return live._replace(sets=with_missing_entries(netfilter.ipset, live))


def with_missing_entries(ipset: Ipset, live: Live) -> Dict[str, LiveSet]:
    """Return the sets, with entries for those that a generation holds."""
    return ipset.with_entries(live.sets, [name for name in needed_sets(live) if live.sets[name].entries is None])


def our_tables(nft: Nft, system: System) -> Dict[TableKey, Optional[str]]:
    """Return Drawbridge's nftables tables as nft prints them."""
    program = system.which("nft")
    if program is None:
        return {}
    listed = [line.split() for line in system.run([program, "list", "tables"]).stdout.splitlines()]
    keys = [
        (_NFT_FAMILY[words[1]], words[2])
        for words in listed
        if len(words) == 3 and words[1] in _NFT_FAMILY and words[2].startswith("drawbridge") and words[2] != CUT_TABLE
    ]
    if ["table", *spoken(engine_table.KEY).split()] in listed:
        keys.append(engine_table.KEY)
    return nft.read(keys)
