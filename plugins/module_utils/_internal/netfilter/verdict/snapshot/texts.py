# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A host at one moment: the texts that its commands print. They may come from another host, or from a file."""

from __future__ import annotations

import json
from typing import Dict, List, Mapping, NamedTuple, Optional

from ....address import FAMILIES, IPV4
from ....errors import DrawbridgeError
from ....host.system.json_values import JsonObject, mapping, objects
from ....host.system.system import System
from ...kernel.iptables import LEGACY, NFT, Transport, holds_rules, path_variant

# Each text's name, and the command that prints it. The names are the keys of the option ``snapshot``.
COMMANDS: Dict[str, str] = {
    "iptables": "iptables-save",
    "ip6tables": "ip6tables-save",
    "iptables_legacy": "iptables-legacy-save",
    "ip6tables_legacy": "ip6tables-legacy-save",
    "ipset": "ipset save",
    "addresses": "ip -j -d address",
    "routes": "ip -j -4 route show table all",
    "routes6": "ip -j -6 route show table all",
    "rules": "ip -j -4 rule",
    "rules6": "ip -j -6 rule",
    "sockets": "ss -Hlntup",
    "nftables": "nft -j list ruleset",
    "settings": "sysctl -a",
}
_SAVE = {(NFT, 4): "iptables", (NFT, 6): "ip6tables", (LEGACY, 4): "iptables_legacy", (LEGACY, 6): "ip6tables_legacy"}
# Without these no packet's way is known.
_NEEDED = ("addresses",)
_PER_INTERFACE = ("net/ipv4/conf/%s/rp_filter", "net/ipv4/conf/%s/route_localnet", "net/ipv4/conf/%s/accept_local", "net/ipv4/conf/%s/forwarding",
                  "net/ipv4/conf/%s/src_valid_mark", "net/ipv6/conf/%s/forwarding")  # fmt: skip
_SETTINGS = ("net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables")


class Snapshot(NamedTuple):
    """texts: by the names of COMMANDS. A text that is missing was not read."""

    texts: Mapping[str, str]

    def text(self, name: str) -> Optional[str]:
        return self.texts.get(name)

    def save_names(self, family: int) -> List[str]:
        """The names of the family's rulesets, one for each variant that has rules."""
        return [_SAVE[variant, family] for variant in (NFT, LEGACY) if _SAVE[variant, family] in self.texts]

    def objects(self, name: str) -> List[JsonObject]:
        """Return the objects of a JSON text. Raises DrawbridgeError with the text's name."""
        text = self.texts.get(name, "").strip()
        try:
            found: object = json.loads(text or "[]")
        except ValueError as error:
            raise DrawbridgeError("not JSON: %s" % error, "snapshot.%s" % name, "give the output of %s" % COMMANDS[name]) from None
        return objects(mapping(found).get("nftables") if isinstance(found, dict) else found)

    def settings(self) -> Dict[str, int]:
        """Return kernel settings by name, with slashes: ``net/ipv4/ip_forward``."""
        found: Dict[str, int] = {}
        for line in self.texts.get("settings", "").splitlines():
            name, _equals, value = line.partition("=")
            if value.strip().lstrip("-").isdigit():
                # sysctl swaps the two: an interface's name may have dots.
                found[name.strip().translate(_SWAPPED)] = int(value)
        return found


def save_name(variant: str, family: int) -> str:
    """Return the name of a variant's ruleset."""
    return _SAVE[variant, family]


_SWAPPED = str.maketrans("./", "/.")


def from_texts(given: Mapping[str, object], path: str) -> Snapshot:
    """Return a snapshot of texts that a user gave. Raises DrawbridgeError with the place."""
    texts: Dict[str, str] = {}
    for name, value in given.items():
        if name not in COMMANDS:
            raise DrawbridgeError("no such text", "%s.%s" % (path, name), "texts are %s" % ", ".join(COMMANDS))
        # Ansible turns a text that is JSON into lists and mappings.
        texts[name] = value if isinstance(value, str) else json.dumps(value)
    for name in _NEEDED:
        if name not in texts:
            raise DrawbridgeError("%s is missing" % name, path, "give the output of %s" % COMMANDS[name])
    return Snapshot(texts)


def read_host(system: System) -> Snapshot:
    """Return this host's snapshot. Reading changes nothing: it creates no table of iptables."""
    texts = {name: text for name, text in ((name, _output(system, name)) for name in COMMANDS if name not in _BY_CODE) if text is not None}
    for name in _NEEDED:
        if name not in texts:
            raise DrawbridgeError("%s cannot be run" % COMMANDS[name], None, "install the package iproute2")
    texts.update(_rulesets(system))
    texts["settings"] = _settings(system)
    return Snapshot(texts)


# Without these programs there are no sets, and no tables that others made.
_ABSENT_IS_EMPTY = ("ipset", "nft")
_BY_CODE = (*_SAVE.values(), "settings")


def _output(system: System, name: str) -> Optional[str]:
    program, *words = COMMANDS[name].split()
    command = system.which(program)
    if command is None:
        return "" if program in _ABSENT_IS_EMPTY else None
    output = system.run([command, *words])
    return output.stdout if output.rc == 0 else None


def _rulesets(system: System) -> Dict[str, str]:
    found: Dict[str, str] = {}
    default = path_variant(system)
    for variant in (NFT, LEGACY):
        # A host without any rules has a ruleset, too: the empty one.
        if (variant != default or variant == LEGACY) and not holds_rules(system, variant):
            continue
        for family in FAMILIES:
            if family == IPV4 or system.read("/proc/net/if_inet6") is not None:
                found[_SAVE[variant, family]] = Transport(system, variant).text(family)
    # A host that cannot have rules has none.
    return found or dict.fromkeys(("iptables", "ip6tables"), "")


def _settings(system: System) -> str:
    scopes = ["all", "default", *system.interfaces()]
    names = [*_SETTINGS, *(name % scope for scope in scopes for name in _PER_INTERFACE)]
    values = ((name, system.read("/proc/sys/" + name)) for name in names)
    return "".join("%s = %s\n" % (name.translate(_SWAPPED), value.strip()) for name, value in values if value is not None)
