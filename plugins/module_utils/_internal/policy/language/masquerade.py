# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A policy's ``masquerade``: per Docker network, per subnet, or for all."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Optional, Tuple

from ...address import FAMILIES, Network, parse_network, quoted
from ...errors import DrawbridgeError
from ..values import check

DOCKER = "docker"
OFF = "off"
SNAT = "snat"
WORDS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
KEYS: check.Keys = {"all": "treatment", "networks": "masqueraded_networks", "subnets": "masqueraded_subnets"}
MAX_NETWORK_NAME = 255


class MasqueradeMode(NamedTuple):
    """The treatment of packets that leave a network.

    mode: docker (Docker's own rule decides), off (the source address stays), snat (the source address becomes that family's
    address in ``addresses``; a family without an address is treated as with docker).
    addresses: (family, address), at most one for each family.
    """

    mode: str
    addresses: Tuple[Tuple[int, str], ...]
    path: str

    def address(self, family: int) -> Optional[str]:
        return dict(self.addresses).get(family)


class Masquerade(NamedTuple):
    """The narrowest statement decides: a subnet's, then a network's, then ``everything``. The default is docker.

    subnets: keyed by the network in its shortest spelling.
    """

    path: str
    everything: Optional[MasqueradeMode] = None
    networks: Dict[str, MasqueradeMode] = {}
    subnets: Dict[Network, MasqueradeMode] = {}


def parse_masquerade(value: object, path: str) -> Masquerade:
    """Parse a mapping with ``all``, ``networks`` and ``subnets``. Raises DrawbridgeError with the path of what is wrong."""
    given = check.mapping(value, path, KEYS)
    everything = _treatment(given["all"], path + ".all") if "all" in given else None
    networks = check.any_mapping(given.get("networks", {}), path + ".networks")
    subnets: Dict[Network, MasqueradeMode] = {}
    for key, item in check.any_mapping(given.get("subnets", {}), path + ".subnets").items():
        place = "%s.subnets.%s" % (path, key)
        subnet = parse_network(str(key), path + ".subnets")
        treatment = _treatment(item, place)
        if treatment.mode == SNAT and treatment.address(subnet.family) is None:
            raise DrawbridgeError("an address of the other family cannot stand for %s" % str(subnet), place)
        if subnet in subnets:
            raise DrawbridgeError("the same subnet as in %s" % subnets[subnet].path, place)
        subnets[subnet] = treatment
    return Masquerade(path, everything, {
        network_name(name, path + ".networks"): _treatment(item, "%s.networks.%s" % (path, name))
        for name, item in networks.items()
    }, subnets)


def network_name(value: object, path: str) -> str:
    """Check the name of a Docker network. The network need not exist yet."""
    if not isinstance(value, str) or not value or len(value) > MAX_NETWORK_NAME or not value.isprintable():
        raise DrawbridgeError("%s is not the name of a Docker network" % quoted(value), path)
    return value


def _treatment(value: object, path: str) -> MasqueradeMode:
    if isinstance(value, str) and value.lower() in WORDS:
        value = WORDS[value.lower()]  # a template's result
    if isinstance(value, bool):
        return MasqueradeMode(DOCKER if value else OFF, (), path)
    items: List[object] = value if isinstance(value, list) else [value]
    found: Dict[int, str] = {}
    for item in items:
        if not isinstance(item, str):
            raise DrawbridgeError("expected true, false or an address, got %s" % check.kind(item), path)
        address = parse_network(item, path)
        if not address.is_host or "/" in item:
            raise DrawbridgeError("%s: expected one address, not a network" % quoted(item), path)
        if address.family in found:
            raise DrawbridgeError("two addresses of one family", path)
        found[address.family] = address.address
    if not found:
        raise DrawbridgeError("the list is empty", path, "true, false, or an address for each family")
    return MasqueradeMode(SNAT, tuple(sorted(found.items())), path)


def masquerade_data(masquerade: Masquerade) -> Dict[str, object]:
    """Return the section as users write it."""
    data: Dict[str, object] = {"networks": {name: treatment_data(said) for name, said in masquerade.networks.items()}}
    data["subnets"] = {str(subnet): treatment_data(said) for subnet, said in masquerade.subnets.items()}
    return data if masquerade.everything is None else dict(data, all=treatment_data(masquerade.everything))


def treatment_data(treatment: MasqueradeMode) -> object:
    """Return a treatment as users write it."""
    if treatment.mode == SNAT:
        return [address for family in FAMILIES for of, address in treatment.addresses if of == family]
    return treatment.mode == DOCKER
