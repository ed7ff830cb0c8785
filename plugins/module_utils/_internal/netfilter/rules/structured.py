# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Compile structured rules, dicts with the keys of ansible.builtin.iptables, into iptables' syntax.

``_MATCHES`` and ``_TARGETS`` have one small function for each key or group of keys, in the order of the rule's options. The spelling is
iptables-save's, as far as it is known without running it (see ``canonical.py``).
"""

from __future__ import annotations

from itertools import product
from typing import Callable, Dict, List, Mapping, Tuple

from ...address import BOTH, IPV4, IPV6, parse_network, quoted
from ...errors import DrawbridgeError, did_you_mean
from . import fields
from .desired import Line
from .rule_strings import written_rule

Rule = Mapping[str, object]
Piece = Tuple[str, Tuple[int, ...]]
Field = Callable[[Rule, str], Piece]


def compile_rules(rules: object, path: str) -> List[Line]:
    """Compile the user's list of rules, dicts and strings mixed, into lines. A dict with lists of sources or destinations becomes several
    lines. Raises DrawbridgeError with the rule and the key."""
    if not isinstance(rules, list):
        raise DrawbridgeError("expected a list of rules, got %s" % quoted(rules), path)
    lines: List[Line] = []
    for index, rule in enumerate(rules):
        place = "%s[%d]" % (path, index)
        if isinstance(rule, str):
            lines.append(written_rule(rule, place))
        elif isinstance(rule, Mapping):
            lines.extend(_structured(rule, place))
        else:
            raise DrawbridgeError("a rule is a dict or a string, not %s" % quoted(rule), place)
    return lines


def _structured(rule: Rule, path: str) -> List[Line]:
    given = {key: value for key, value in rule.items() if value is not None}
    _known_keys(given, path)
    body: List[str] = []
    families = fields.families_of(given.get("ip_version", "both"), path + ".ip_version")
    for keys, field in _MATCHES + _TARGETS:
        used = [key for key in keys if key in given]
        if used:
            text, allowed = field(given, path)
            families = _narrowed(families, allowed, "%s.%s" % (path, used[0]))
            if text:
                body.append(text)
    if not TARGET_KEYS.intersection(given):
        raise DrawbridgeError("the rule has neither jump nor goto", path)
    lines = []
    for source, destination in product(_addresses(given, "source", path), _addresses(given, "destination", path)):
        fit = _narrowed(_narrowed(families, source[1], path + ".source"), destination[1], path + ".destination")
        lines.append(Line(" ".join(part for part in (source[0], destination[0], *body) if part), fit, path))
    return lines


def _known_keys(rule: Rule, path: str) -> None:
    for key in rule:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or "see the module's documentation for the keys of a rule"
            raise DrawbridgeError("unknown key %s" % quoted(key), path, hint)


def _narrowed(families: Tuple[int, ...], allowed: Tuple[int, ...], path: str) -> Tuple[int, ...]:
    both = tuple(family for family in families if family in allowed)
    if not both:
        wanted, got = ("IPv6", "IPv4") if IPV4 in allowed else ("IPv4", "IPv6")
        raise DrawbridgeError("%s here, but the rest of the rule is for %s only" % (got, wanted), path)
    return both


def _addresses(rule: Rule, key: str, path: str) -> List[Piece]:
    """Return a piece for each source or destination of a rule: ``-s`` or ``-d``, or a set's match for ``@name``."""
    if key not in rule:
        return [("", BOTH)]
    pieces: List[Piece] = []
    values = fields.listed(rule[key])
    for index, value in enumerate(values):
        place = "%s.%s" % (path, key) + ("[%d]" % index if isinstance(rule[key], list) else "")
        invert, text = fields.negated(value, place)
        if invert and len(values) > 1:
            raise DrawbridgeError("a negated address cannot stand in a list", place, "use an address set")
        if text.startswith("@"):
            direction = "src" if key == "source" else "dst"
            name = fields.set_name(text, place)
            pieces.append(("-m set %s--match-set %s %s" % (invert, name, direction), BOTH))
            continue
        address, family = fields.address(text, place)
        if invert and not address:
            raise DrawbridgeError("no address is outside %s" % quoted(text), place)
        option = "-s" if key == "source" else "-d"
        pieces.append(("%s%s %s" % (invert, option, address) if address else "", (family,)))
    if not pieces:
        raise DrawbridgeError("the list is empty", "%s.%s" % (path, key))
    return pieces


def _option(key: str, option: str, check: Callable[[str, str], str]) -> Field:
    """Return the function of a key that becomes one option with one argument, and may be negated."""

    def field(rule: Rule, path: str) -> Piece:
        place = "%s.%s" % (path, key)
        invert, text = fields.negated(rule[key], place)
        value = check(text, place)
        return ("%s%s %s" % (invert, option, value) if value else "", BOTH)

    return field


def _protocol(rule: Rule, path: str) -> Piece:
    invert, text = fields.negated(rule["protocol"], path + ".protocol")
    name = fields.protocol(text, path + ".protocol")
    if invert and not name:
        raise DrawbridgeError("no packet is of none of all protocols", path + ".protocol")
    families = {"icmp": (IPV4,), "ipv6-icmp": (IPV6,)}.get(name, BOTH)
    return ("%s-p %s" % (invert, name) if name else "", BOTH if invert else families)


_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")


def _port_protocol(rule: Rule, key: str, path: str) -> str:
    name = str(rule.get("protocol", "")).strip().lower()
    if name not in _WITH_PORTS:
        raise DrawbridgeError("ports need protocol: tcp, udp or sctp", "%s.%s" % (path, key))
    return name


def _ports(rule: Rule, path: str) -> Piece:
    """source_port, destination_port and the other options of the protocol's match, after one ``-m tcp``."""
    parts = []
    for key, option in (("source_port", "--sport"), ("destination_port", "--dport")):
        if key in rule:
            place = "%s.%s" % (path, key)
            invert, text = fields.negated(rule[key], place)
            parts.append("%s%s %s" % (invert, option, fields.port(text, place)))
    if "tcp_flags" in rule:
        parts.append("--tcp-flags %s" % _tcp_flags(rule["tcp_flags"], path + ".tcp_flags"))
    syn = rule.get("syn", "ignore")
    if syn not in ("ignore", "match", "negate"):
        raise DrawbridgeError("%s is not one of ignore, match, negate" % quoted(syn), path + ".syn")
    if syn != "ignore":
        parts.append(("! " if syn == "negate" else "") + "--tcp-flags FIN,SYN,RST,ACK SYN")
    if not parts:
        return "", BOTH
    protocol = _port_protocol(rule, "destination_port", path)
    if protocol != "tcp" and ("tcp_flags" in rule or syn != "ignore"):
        raise DrawbridgeError("tcp_flags and syn need protocol: tcp", path)
    return "-m %s %s" % (protocol, " ".join(parts)), BOTH


_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG")


def _tcp_flags(value: object, path: str) -> str:
    if not isinstance(value, Mapping) or set(value) != {"flags", "flags_set"}:
        raise DrawbridgeError("expected a dict of flags and flags_set", path)
    lists = []
    for key in ("flags", "flags_set"):
        names = [str(name).upper() for name in fields.listed(value[key])]
        if "ALL" in names:
            names = list(_FLAGS)
        for name in names:
            if name not in _FLAGS + ("NONE",):
                raise DrawbridgeError("%s is not a TCP flag" % quoted(name), "%s.%s" % (path, key))
        lists.append(",".join(flag for flag in _FLAGS if flag in names) or "NONE")
    return " ".join(lists)


def _multiport(rule: Rule, path: str) -> Piece:
    place = path + ".destination_ports"
    values = fields.listed(rule["destination_ports"])
    invert = ""
    ports = []
    for index, value in enumerate(values):
        negation, text = fields.negated(value, "%s[%d]" % (place, index))
        if negation and index:
            raise DrawbridgeError("only the whole list can be negated, in its first item", "%s[%d]" % (place, index))
        invert = negation or invert
        ports.append(fields.port(text, "%s[%d]" % (place, index)))
    if not ports or len(ports) + sum(":" in port for port in ports) > 15:
        raise DrawbridgeError("iptables takes 1 to 15 ports here, a range counts as two", place)
    _port_protocol(rule, "destination_ports", path)
    return "-m multiport %s--dports %s" % (invert, ",".join(ports)), BOTH


def _icmp_type(rule: Rule, path: str) -> Piece:
    place = path + ".icmp_type"
    invert, text = fields.negated(rule["icmp_type"], place)
    name = fields.protocol(str(rule.get("protocol", "")), path + ".protocol") if "protocol" in rule else ""
    if name == "icmp":
        return "-m icmp %s--icmp-type %s" % (invert, fields.word(text, place)), (IPV4,)
    if name == "ipv6-icmp":
        return "-m icmp6 %s--icmpv6-type %s" % (invert, fields.word(text, place)), (IPV6,)
    raise DrawbridgeError("needs protocol: icmp or ipv6-icmp", place)


def _conntrack(rule: Rule, path: str) -> Piece:
    parts = []
    families: Tuple[int, ...] = BOTH
    if "ctstate" in rule:
        parts.append("--ctstate " + fields.states(rule["ctstate"], path + ".ctstate"))
    if "published_address" in rule:
        place = path + ".published_address"
        invert, text = fields.negated(rule["published_address"], place)
        address, family = fields.address(text, place)
        families = (family,)
        if not address:
            raise DrawbridgeError("%s is every address: use ip_version" % quoted(text), place)
        parts.append("%s--ctorigdst %s" % (invert, address.rsplit("/", 1)[0] if _is_host(address) else address))
    if "published_port" in rule:
        place = path + ".published_port"
        _port_protocol(rule, "published_port", path)
        invert, text = fields.negated(rule["published_port"], place)
        parts.append("%s--ctorigdstport %s" % (invert, fields.port(text, place)))
    if "published_port" in rule or "published_address" in rule:
        parts.append("--ctdir ORIGINAL")
    return "-m conntrack " + " ".join(parts), families


def _is_host(network: str) -> bool:
    return network.endswith("/128") or (network.endswith("/32") and ":" not in network)


def _match_set(rule: Rule, path: str) -> Piece:
    if "match_set_flags" not in rule or "match_set" not in rule:
        raise DrawbridgeError("match_set and match_set_flags go together", path)
    invert, text = fields.negated(rule["match_set"], path + ".match_set")
    flags = fields.word(str(rule["match_set_flags"]).lower(), path + ".match_set_flags")
    return "-m set %s--match-set %s %s" % (invert, fields.set_name(text, path + ".match_set"), flags), BOTH


def _iprange(rule: Rule, path: str) -> Piece:
    parts = []
    families: Tuple[int, ...] = BOTH
    for key, option in (("src_range", "--src-range"), ("dst_range", "--dst-range")):
        if key in rule:
            place = "%s.%s" % (path, key)
            invert, text = fields.negated(rule[key], place)
            ends = [parse_network(end, place) for end in text.split("-")]
            if len(ends) != 2 or not all(end.is_host for end in ends) or ends[0].family != ends[1].family:
                raise DrawbridgeError("expected two addresses with a dash between them", place)
            families = _narrowed(families, (ends[0].family,), place)
            parts.append("%s%s %s-%s" % (invert, option, ends[0].address, ends[1].address))
    return "-m iprange " + " ".join(parts), families


def _limit(rule: Rule, path: str) -> Piece:
    parts = []
    for key, option in (("limit", "--limit"), ("limit_burst", "--limit-burst")):
        if key in rule:
            parts.append("%s %s" % (option, fields.word(rule[key], "%s.%s" % (path, key))))
    return "-m limit " + " ".join(parts), BOTH


def _owner(rule: Rule, path: str) -> Piece:
    parts = []
    for key, option in (("uid_owner", "--uid-owner"), ("gid_owner", "--gid-owner")):
        if key in rule:
            place = "%s.%s" % (path, key)
            invert, text = fields.negated(rule[key], place)
            parts.append("%s%s %s" % (invert, option, fields.word(text, place)))
    return "-m owner " + " ".join(parts), BOTH


def _comment(rule: Rule, path: str) -> Piece:
    return "-m comment --comment " + fields.text_value(rule["comment"], path + ".comment", 255), BOTH


def _modules(rule: Rule, path: str) -> Piece:
    names = [fields.word(name, "%s.match" % path) for name in fields.listed(rule["match"])]
    return " ".join("-m " + name for name in names), BOTH


def _fragment(rule: Rule, path: str) -> Piece:
    if not isinstance(rule["fragment"], bool):
        raise DrawbridgeError("expected true or false", path + ".fragment")
    return ("-f" if rule["fragment"] else ""), ((IPV4,) if rule["fragment"] else BOTH)


def _jump(rule: Rule, path: str) -> Piece:
    if "jump" in rule and "goto" in rule:
        raise DrawbridgeError("jump and goto exclude each other", path)
    key, option = ("jump", "-j") if "jump" in rule else ("goto", "-g")
    return "%s %s" % (option, fields.chain_name(rule[key], "%s.%s" % (path, key))), BOTH


def _log_prefix(rule: Rule, path: str) -> Piece:
    return "--log-prefix " + fields.text_value(rule["log_prefix"], path + ".log_prefix", 29), BOTH


def _reject_with(rule: Rule, path: str) -> Piece:
    value = fields.word(rule["reject_with"], path + ".reject_with")
    if value == "tcp-reset":
        return "--reject-with tcp-reset", BOTH
    families = {"icmp": (IPV4,), "icmp6": (IPV6,)}.get(value.partition("-")[0])
    if families is None:
        raise DrawbridgeError("%s is not tcp-reset, icmp-... or icmp6-..." % quoted(value), path + ".reject_with")
    return "--reject-with " + value, families


def _nat_target(key: str, option: str) -> Field:
    def field(rule: Rule, path: str) -> Piece:
        place = "%s.%s" % (path, key)
        value = fields.word(rule[key], place)
        host = value[1:value.index("]")] if value.startswith("[") and "]" in value else value
        family = IPV6 if host.count(":") > 1 else IPV4
        first = host.partition("-")[0]
        if family == IPV4:
            first = first.partition(":")[0]
        if first:
            parse_network(first, place)
            return "%s %s" % (option, value), (family,)
        return "%s %s" % (option, value), BOTH

    return field


def _target_word(key: str, option: str) -> Field:
    return lambda rule, path: ("%s %s" % (option, fields.word(rule[key], "%s.%s" % (path, key))), BOTH)


_MATCHES: List[Tuple[Tuple[str, ...], Field]] = [
    (("in_interface",), _option("in_interface", "-i", fields.interface)),
    (("out_interface",), _option("out_interface", "-o", fields.interface)),
    (("protocol",), _protocol),
    (("fragment",), _fragment),
    (("source_port", "destination_port", "tcp_flags", "syn"), _ports),
    (("destination_ports",), _multiport),
    (("icmp_type",), _icmp_type),
    (("ctstate", "published_port", "published_address"), _conntrack),
    (("match_set", "match_set_flags"), _match_set),
    (("src_range", "dst_range"), _iprange),
    (("limit", "limit_burst"), _limit),
    (("uid_owner", "gid_owner"), _owner),
    (("match",), _modules),
    (("comment",), _comment),
]
_TARGETS: List[Tuple[Tuple[str, ...], Field]] = [
    (("jump", "goto"), _jump),
    (("log_prefix",), _log_prefix),
    (("log_level",), _target_word("log_level", "--log-level")),
    (("reject_with",), _reject_with),
    (("to_destination",), _nat_target("to_destination", "--to-destination")),
    (("to_source",), _nat_target("to_source", "--to-source")),
    (("to_ports",), _target_word("to_ports", "--to-ports")),
    (("set_dscp_mark",), _target_word("set_dscp_mark", "--set-dscp")),
    (("set_dscp_mark_class",), _target_word("set_dscp_mark_class", "--set-dscp-class")),
    (("gateway",), _nat_target("gateway", "--gateway")),
]
TARGET_KEYS = frozenset(("jump", "goto"))
KEYS: Dict[str, None] = dict.fromkeys(
    ["source", "destination", "ip_version"] + [key for keys, _field in _MATCHES + _TARGETS for key in keys]
)
