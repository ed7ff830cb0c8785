# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Parse a user's policy: check and normalise it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Optional, Tuple

from ...errors import DrawbridgeError
from ..values import check, named_containers
from ..values.addresses import fed_addresses
from ..values.entries import MODE, UNTIL, WAYS, WITH_PORTS, parse_denied, parse_entries, parse_mode, parse_sources, parse_zones, with_zones
from ..values.limits import LIMITED
from ..values.members import parse_members
from ..values.reserved_names import set_name
from ..values.values import ALLOW, DENY, ICMP, Sources
from .model import HostServices, NamedAddresses, Policy, PublishedPorts
from .settings import SECTIONS, parse_daemon, parse_forward_policy, parse_forwarding, parse_log_denied

if TYPE_CHECKING:
    # Not every policy has these sections. Their code is loaded when it is needed.
    from .container_rules import ContainerRules
    from .egress import Egress, HostEgress
    from .masquerade import Masquerade
    from .open_ports import OpenPort
    from .policy_tests import PolicyTest

POLICY_KEYS: check.Keys = {
    "address_sets": "address_sets", "zones": "zones", "external_interfaces": "some_interfaces", "unmanaged_interfaces": "interfaces",
    **{section: section for section in (
        "published_ports", "host_services", *SECTIONS, "masquerade", "egress", "host_egress", "open_ports", "containers", "log_denied", "tests",
    )},
}
PUBLISHED_KEYS: check.Keys = {
    "default": "verdict", "allow": "published_entries", "deny": "denied", "direct": "verdict", "routed": "routed_entries", "mode": "mode",
}  # fmt: skip
HOST_KEYS: check.Keys = {"default": "verdict", "allow": "host_entries", "deny": "denied", "swarm": "sources", "mode": "mode"}


def parse_policy(raw: object, path: str = "policy") -> Policy:
    """Parse a policy as the user wrote it (mappings, lists and plain values).

    path: the policy's name in errors. Raises DrawbridgeError with the path of what is wrong, for example
    ``policy.published_ports.allow[3].sources[1]``.
    """
    return looked_up(parse_part(raw, path))


def looked_up(policy: Policy) -> Policy:
    """Look up the zones that entries name. The policy that is returned has interfaces and sources only."""
    zones = {zone.name: zone for zone in policy.zones}
    ports, services = policy.published_ports, policy.host_services
    if ports is not None:
        ports = ports._replace(allow=with_zones(ports.allow, zones), routed=with_zones(ports.routed, zones))
        _refuse_names_where_all_is_open(ports)
    if services is not None:
        services = services._replace(allow=with_zones(services.allow, zones))
    return policy._replace(published_ports=ports, host_services=services, zones=())


def _refuse_names_where_all_is_open(ports: PublishedPorts) -> None:
    """A port whose container cannot be told in between would be everybody's."""
    named = [entry for entry in ports.allow if entry.target.chosen is not None]
    if named and not ports.denies:
        raise DrawbridgeError("an entry that names containers needs default: deny", named[0].path, "under default: allow its port would be open to all")


def parse_part(raw: object, path: str) -> Policy:
    """Parse a policy or a fragment. Values that are not stated stay None, and zones are not looked up, so that fragments can be merged."""
    given = check.mapping(raw, path, POLICY_KEYS)
    return Policy(
        address_sets=_address_sets(given.get("address_sets", {}), path + ".address_sets"),
        external_interfaces=_external(given, path + ".external_interfaces"),
        unmanaged_interfaces=check.interfaces(given.get("unmanaged_interfaces", []), path + ".unmanaged_interfaces"),
        published_ports=_published_ports(given, path + ".published_ports"),
        host_services=_host_services(given, path + ".host_services"),
        forwarding=parse_forwarding(given, path + ".forwarding"),
        forward_policy=parse_forward_policy(given, path + ".forward_policy"),
        daemon=parse_daemon(given, path + ".daemon"),
        masquerade=_masquerade(given, path + ".masquerade"),
        egress=_egress(given, path + ".egress"),
        host_egress=_host_egress(given, path + ".host_egress"),
        open_ports=_open_ports(given, path + ".open_ports"),
        containers=_containers(given, path + ".containers"),
        log_denied=parse_log_denied(given, path + ".log_denied"),
        tests=_tests(given, path + ".tests"),
        zones=parse_zones(given.get("zones", {}), path + ".zones"),
    )


def _masquerade(given: Dict[str, object], path: str) -> Optional[Masquerade]:
    if "masquerade" not in given:
        return None
    from .masquerade import parse_masquerade  # pylint: disable=import-outside-toplevel

    return parse_masquerade(given["masquerade"], path)


def _egress(given: Dict[str, object], path: str) -> Optional[Egress]:
    if "egress" not in given:
        return None
    from .egress import parse_egress  # pylint: disable=import-outside-toplevel

    return parse_egress(given["egress"], path)


def _host_egress(given: Dict[str, object], path: str) -> Optional[HostEgress]:
    if "host_egress" not in given:
        return None
    from .egress import parse_host_egress  # pylint: disable=import-outside-toplevel

    return parse_host_egress(given["host_egress"], path)


def _open_ports(given: Dict[str, object], path: str) -> Optional[Tuple[OpenPort, ...]]:
    if "open_ports" not in given:
        return None
    from .open_port_entries import parse_open_ports  # pylint: disable=import-outside-toplevel

    return parse_open_ports(given["open_ports"], path)


def _containers(given: Dict[str, object], path: str) -> Optional[Tuple[ContainerRules, ...]]:
    if "containers" not in given:
        return None
    from .container_rules import parse_containers  # pylint: disable=import-outside-toplevel

    return parse_containers(given["containers"], path)


def _tests(given: Dict[str, object], path: str) -> Tuple[PolicyTest, ...]:
    if "tests" not in given:
        return ()
    from .policy_tests import parse_tests  # pylint: disable=import-outside-toplevel

    return parse_tests(given["tests"], path)


def _address_sets(value: object, path: str) -> Dict[str, NamedAddresses]:
    found = {}
    for key, items in check.any_mapping(value, path).items():
        name = set_name(key, path)
        place = "%s.%s" % (path, name)
        if isinstance(items, dict):
            addresses, feed = fed_addresses(items, place)
            found[name] = NamedAddresses(name, addresses, place, feed)
        else:
            addresses, ends = parse_members(check.sequence(items, place), place)
            found[name] = NamedAddresses(name, addresses, place, ends=ends)
    return found


def _external(given: Dict[str, object], path: str) -> Tuple[str, ...]:
    if "external_interfaces" not in given:
        return ()
    names = check.interfaces(given["external_interfaces"], path)
    if not names:
        # An empty list would read as "nothing is outside" and mean "everything is".
        raise DrawbridgeError("the list is empty", path, "leave the key out: then every interface is outside")
    return names


def _stated(given: Dict[str, object], key: str, path: str) -> Optional[str]:
    return check.choice(given[key], "%s.%s" % (path, key), (ALLOW, DENY)) if key in given else None


def _denied(given: Dict[str, object], path: str) -> Optional[Sources]:
    return parse_denied(given["deny"], path + ".deny") if "deny" in given else None


def _published_ports(policy: Dict[str, object], path: str) -> Optional[PublishedPorts]:
    if "published_ports" not in policy:
        return None
    given = check.mapping(policy["published_ports"], path, PUBLISHED_KEYS)
    return PublishedPorts(
        path,
        default=_stated(given, "default", path),
        direct=_stated(given, "direct", path),
        allow=parse_entries(given.get("allow", []), path + ".allow", WITH_PORTS, {**MODE, **WAYS, **UNTIL, **LIMITED, **named_containers.KEYS}),
        routed=parse_entries(
            given.get("routed", []), path + ".routed", (*WITH_PORTS, ICMP), {**WAYS, **UNTIL, **LIMITED, **named_containers.KEYS}),
        mode=parse_mode(given, path),
        deny=_denied(given, path),
    )


def _host_services(policy: Dict[str, object], path: str) -> Optional[HostServices]:
    if "host_services" not in policy:
        return None
    given = check.mapping(policy["host_services"], path, HOST_KEYS)
    return HostServices(
        path,
        default=_stated(given, "default", path),
        allow=parse_entries(given.get("allow", []), path + ".allow", (*WITH_PORTS, ICMP), {**MODE, **WAYS, **UNTIL, **LIMITED}),
        swarm=parse_sources(given["swarm"], path + ".swarm") if "swarm" in given else None,
        mode=parse_mode(given, path),
        deny=_denied(given, path),
    )
