# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A table of nftables beside iptables' tables, made up by hypothesis, on all hooks: before, between and after those of iptables.

A rule's counter stands behind what it asks, so that it counts the packets that meet the rule. Chains that the host's own answers pass are kept
apart, as in the rules of iptables.
"""
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import LiveSet
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import SetType
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.saved_ruleset import parse
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import fallback
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .forge_stage import ADDRESS, CONTAINER, DOCKER0, OTHER, OTHER_BRIDGE, PEER, WAN
from .verdict_cases import LATE, Case, cases

TABLE = "inet verdicts"
# No priority is one of iptables': the order of two chains of one priority is not to be read anywhere.
_FILTERS = {"PREROUTING": (-310, -250, -180, -120, -50), "INPUT": (-160, -149, 10), "FORWARD": (-160, 10), "OUTPUT": (-310, -160, 10),
            "POSTROUTING": (-160, 90)}
_NATS = {"PREROUTING": (-110, -90), "INPUT": (90, 110), "OUTPUT": (-90,), "POSTROUTING": (90, 110)}
_WHERE = ("client", "attacker", "host", "second", "gateway", "other gateway", CONTAINER, PEER, OTHER, "server")
_DEVICES = (WAN, DOCKER0, OTHER_BRIDGE, "lo")


def nft_cases(family: int) -> SearchStrategy[Case]:
    """Rulesets of iptables, a table of nftables, and packets."""
    return st.builds(lambda case, text: case._replace(nft=text), cases(family), _table(family))


@st.composite
def _table(draw: st.DrawFn, family: int) -> str:
    lines = ["table %s {" % TABLE, *_sets(family)]
    for group in ("E", "L"):
        lines += _chain("%s2" % group, "", draw(_rules(family, group, "", 0)))
        lines += _chain("%s1" % group, "", draw(_rules(family, group, "", 1)))
    for kind, hooks in (("filter", _FILTERS), ("nat", _NATS)):
        for hook, priorities in hooks.items():
            for priority in draw(st.lists(st.sampled_from(priorities), max_size=2, unique=True)):
                policy = draw(st.sampled_from(["accept", "accept", "accept", "drop"])) if hook in ("INPUT", "FORWARD") and kind == "filter" else "accept"
                head = "type %s hook %s priority %d; policy %s;" % (kind, hook.lower(), priority, policy)
                group = "nat" if kind == "nat" else "L" if hook in LATE else "E"
                late = ["meta l4proto ipv6-icmp accept"] if hook in LATE and family == 6 and kind == "filter" else []
                name = "%s-%s%d" % (hook, "before" if priority < 0 else "at", abs(priority)) + ("-nat" if kind == "nat" else "")
                lines += _chain(name, head, late + draw(_rules(family, group, hook, 2, priority)))
    return "\n".join([*lines, "}"]) + "\n"


def _chain(name: str, head: str, rules: list[str]) -> list[str]:
    return ["chain %s {" % name, *([head] if head else []), *rules, "}"]


def _sets(family: int) -> list[str]:
    kind, wide = ("ipv4_addr", "172.16.0.0/12") if family == 4 else ("ipv6_addr", "fd00::/8")
    at = {name: ADDRESS[name][family] for name in _WHERE}
    return ["set places {", "type %s" % kind, "flags interval", "elements = { %s, %s-%s }" % (wide, at["host"], at["second"]), "}",
            "set pairs {", "type %s . inet_service" % kind, "flags interval",
            "elements = { %s . 80-90, %s . 53, %s . 8080 }" % (wide, at["host"], at["client"]), "}",
            "map ways {", "type ifname : verdict", "elements = { \"%s\" : accept, \"%s\" : continue }" % (DOCKER0, WAN), "}"]


def _rules(family: int, group: str, hook: str, depth: int, priority: int = 0) -> SearchStrategy[list[str]]:
    return st.lists(_rule(family, group, hook, depth, priority), max_size=3)


def _rule(family: int, group: str, hook: str, depth: int, priority: int) -> SearchStrategy[str]:
    conditions = st.lists(_condition(family, hook), max_size=2, unique_by=_kind)
    if group == "nat":
        return st.builds(_translation_rule, conditions, st.sampled_from(_translations(family, hook)))
    plain = st.builds("{} counter {}".format, conditions.map(" ".join), st.sampled_from(_statements(group, hook, depth, priority)))
    return st.one_of(plain, plain, plain, _verdict_map(group, hook, depth))


def _kind(condition: str) -> str:
    """nft refuses a rule for two protocols."""
    first = condition.split()[0]
    return "protocol" if first in ("udp", "tcp", "icmp", "icmpv6") or "l4proto" in condition or "udp" in condition else first


def _translation_rule(conditions: list[str], translation: str) -> str:
    if "udp" in translation:
        conditions = [condition for condition in conditions if _kind(condition) != "protocol"]
    return " ".join([*conditions, translation])


def _verdict_map(group: str, hook: str, depth: int) -> SearchStrategy[str]:
    jumps = ["jump %s%d" % (group, number) for number in range(1, 3) if depth > 1 or depth == 1 and number == 2]
    verdicts = st.sampled_from(["accept", "drop", "return", "continue", *jumps])
    found = [st.builds("udp dport vmap {{ 53 : {}, 80-90 : {} }}".format, verdicts, verdicts),
             st.builds("ct state vmap {{ new : {}, established : {} }}".format, verdicts, verdicts),
             st.builds("meta l4proto vmap {{ tcp : {}, udp : {} }}".format, verdicts, verdicts)]
    if hook in ("PREROUTING", "INPUT", "FORWARD"):
        by_name = "iifname vmap {{ \"%s\" : {}, \"%s\" : {} }}" % (WAN, OTHER_BRIDGE)
        found += [st.just("iifname vmap @ways"), st.builds(by_name.format, verdicts, verdicts)]
    return st.one_of(found)


def _statements(group: str, hook: str, depth: int, priority: int) -> list[str]:
    found = ["accept", "drop", "return", "", "", "meta mark set 0x1", "meta mark set meta mark | 0x4", "ct mark set meta mark", "meta mark set ct mark",
             "ct label set 5", "log prefix \"x\""]
    if depth > 1:
        found += ["jump %s1" % group, "goto %s1" % group, "jump %s2" % group]
    elif depth == 1:
        found += ["jump %s2" % group, "goto %s2" % group]
    if hook in ("INPUT", "FORWARD"):
        found.append("reject")
    if hook == "PREROUTING" and priority < -200:
        found.append("notrack")
    return found


def _translations(family: int, hook: str) -> list[str]:
    word = "ip" if family == 4 else "ip6"

    def at(name: str) -> str:
        return ADDRESS[name][family]

    ported = "%s:80" % at(CONTAINER) if family == 4 else "[%s]:80" % at(CONTAINER)
    common = ["counter accept", "counter return", "counter"]
    if hook == "PREROUTING":
        return [*common, *("counter dnat %s to %s" % (word, at(name)) for name in (OTHER, "host", PEER)),
                "meta l4proto udp counter dnat %s to %s" % (word, ported),
                "meta l4proto udp counter redirect to :53",
                "dnat %s to udp dport map { 53 : %s, 80 : %s }" % (word, at(CONTAINER), at("host"))]
    if hook == "OUTPUT":
        return [*common, "counter dnat %s to %s" % (word, at(OTHER)), "meta l4proto udp counter dnat %s to %s" % (word, ported)]
    if hook == "INPUT":
        return [*common, "counter snat %s to %s" % (word, at("second"))]
    return [*common, "counter masquerade", "counter snat %s to %s" % (word, at("second"))]


def _condition(family: int, hook: str) -> SearchStrategy[str]:
    word, length = ("ip", [8, 12, 16, 24]) if family == 4 else ("ip6", [8, 32, 64])
    address = st.sampled_from([ADDRESS[name][family] for name in _WHERE])
    negation = st.sampled_from(["", "", "!= "])
    end = st.sampled_from(["saddr", "daddr"])
    icmp = "icmp" if family == 4 else "icmpv6"
    found = [
        st.builds(("%s {} {}{}" % word).format, end, negation, address),
        st.builds(lambda side, negated, place, prefix: "%s %s %s%s/%d" % (word, side, negated, place, prefix),
                  end, negation, address, st.sampled_from(length)),
        st.builds(lambda side, negated, one, other: "%s %s %s{ %s }" % (word, side, negated, ", ".join({one, other})), end, negation, address, address),
        st.builds(("%s {} {}@places" % word).format, end, negation), st.just("%s daddr . udp dport @pairs" % word),
        st.builds(("%s {} {}%s-%s" % (word, ADDRESS["host"][family], ADDRESS["second"][family])).format, end, negation),
        st.builds("{} dport {}{}".format, st.sampled_from(["udp", "tcp"]), negation, st.sampled_from(["53", "80", "60-9000", "{ 53, 8000-9000 }"])),
        st.builds("udp sport {}{}".format, negation, st.sampled_from(["10000-60000", "< 10000"])).map(lambda text: text.replace("!= <", "<")),
        st.builds("meta l4proto {}{}".format, negation, st.sampled_from(["udp", "tcp", "{ tcp, udp }", "icmp" if family == 4 else "ipv6-icmp"])),
        st.builds(("%s type {}" % icmp).format, st.sampled_from(["echo-request", "echo-reply", "{ echo-request, echo-reply }"])),
        st.sampled_from(["tcp flags & (fin | syn | rst | ack) == syn", "tcp flags syn", "tcp flags & (fin | syn | rst | ack) != syn", "tcp flags ! ack"]),
        st.builds("ct state {}{}".format, negation, st.sampled_from(["new", "established", "invalid", "untracked"])),
        st.sampled_from(["ct state new,established", "ct state { new, untracked }", "ct state established,related"]),
        st.sampled_from(["ct direction original", "ct direction reply"]),
        st.sampled_from(["ct status dnat", "ct status snat", "ct status snat,dnat", "ct status seen-reply"]),
        st.builds(("ct original %s daddr {}{}" % word).format, negation, address), st.builds(("ct reply %s saddr {}{}" % word).format, negation, address),
        st.just("meta l4proto udp ct original proto-dst 53"), st.sampled_from(["ct label 5", "ct mark 0x1", "ct mark & 0x4 == 0x4"]),
        st.sampled_from(["meta mark 0x1", "meta mark & 0x5 != 0x0", "meta mark != 0x1", "meta mark < 4"]),
        st.builds("fib {} type {}{}".format, end, negation, st.sampled_from(["local", "unicast", "{ local, broadcast }"])),
        st.sampled_from(["meta nfproto ipv%d" % family, "limit rate 10000/second burst 10000 packets", "limit rate over 10000/second burst 10000 packets"]),
    ]
    devices = st.sampled_from(_DEVICES)
    if hook in ("PREROUTING", "INPUT", "FORWARD"):
        found += [st.builds("iifname {}\"{}\"".format, negation, devices), st.builds("iif {}\"{}\"".format, negation, devices),
                  st.just("iifname \"br-*\""), st.just("iifname { \"%s\", \"%s\" }" % (WAN, DOCKER0)), st.just("iif 0")]
    if hook == "PREROUTING":
        found += [st.just("meta pkttype host"), st.sampled_from(["fib saddr . iif oif missing", "fib saddr . iif oif exists", "fib saddr oif exists"])]
    if hook in ("FORWARD", *LATE):
        found.append(st.builds("oifname {}\"{}\"".format, negation, devices))
    return st.one_of(found)


class Recorded(NamedTuple):
    """A ruleset that somebody made, nft's words to load it, and what takes it away."""

    words: tuple[str, ...]
    text: str
    undo: str


_ROOT = Path(__file__).resolve().parents[4]
_CAPTURES = _ROOT / "tests" / "unit" / "fixtures" / "captures"
_SENTRY = """ETC=/nowhere RUN=/nowhere
. ./sentry.sh
bridges() { printf '%%s\\n' %s %s; }
table_text "4:123 4:124 4:125 4:126 4:127 6:126 6:127" ""
"""
RECORDED = ("engine", "firewalld", "sentry", "hold")


def recorded(name: str) -> Recorded:
    """The tables of one of RECORDED, for the stage's interfaces."""
    if name == "engine":
        text = (_CAPTURES / "docker-29.7.2-nftables.c.nft").read_text(encoding="utf-8")
        # nft before 1.0.8 does not take its own name of this priority back.
        return Recorded(("-f", "-"), text.replace("br-36587cf4495f", OTHER_BRIDGE).replace("output priority dstnat", "output priority -100"),
                        "delete table ip docker-bridges\ndelete table ip6 docker-bridges\n")
    if name == "firewalld":
        return Recorded(("-j", "-f", "-"), (_CAPTURES / "firewalld-1.3.3.nft.json").read_text(encoding="utf-8").replace("eth0", WAN),
                        "delete table inet firewalld\n")
    return Recorded(("-f", "-"), _sentry() if name == "sentry" else _hold(), "delete table inet drawbridge-%s\n" % name)


def _sentry() -> str:
    """The boot program's own text, with both bridges as those of containers."""
    source = _ROOT / "plugins" / "module_utils" / "_internal" / "persistence" / "boot_program" / "source"
    done = subprocess.run(["sh", "-c", _SENTRY % (DOCKER0, OTHER_BRIDGE)], cwd=source, capture_output=True, text=True, check=True)
    return "table inet drawbridge-sentry {\n%s\n}\n" % done.stdout


def _hold() -> str:
    """Of a policy that closes 8080, and 53 of datagrams, on a host with both bridges."""
    entries: dict[str, frozenset[str]] = {}
    for family, length in ((4, 16), (6, 64)):
        networks = ["%s/%d" % (ADDRESS[name][family], length) for name in ("gateway", "other gateway")]
        bridges = ["%s,%s" % pair for pair in zip(networks, (DOCKER0, OTHER_BRIDGE))]
        entries.update({"DBX-pub-tcp-%da" % family: frozenset(["8080"]), "DBX-pub-udp-%da" % family: frozenset(["53", "8080"]),
                        "DBX-bridges-%da" % family: frozenset(bridges[1:]), "DBX-container-nets-%da" % family: frozenset(networks[:1]),
                        "DBX-pub-addr-%da" % family: frozenset(["%s,udp:80" % ADDRESS["second"][family]])})
    sets = {name: LiveSet(name, SetType("hash:net"), 4, entries=found) for name, found in entries.items()}
    return fallback.hold_text([parse("*filter\n:DB-INPUT - [0:0]\nCOMMIT\n")], sets, ["22"])
