# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rulesets and packets for the stage, made up by hypothesis: what the verdict says of them is compared with what the kernel does.

Chains that only the host's own answers pass are kept apart from the others: an answer must not move counters of rules that a packet met.
"""
from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from . import forge
from .forge_stage import ADDRESS, CONTAINER, DOCKER0, HOST, OTHER, OTHER_BRIDGE, OUTSIDE, PEER, WAN

PORTS = (53, 80, 8080)
# Every flow has a source port of its own from these.
SOURCE_PORTS = range(10000, 60000)
_WHERE = ("client", "attacker", "host", "second", "gateway", "other gateway", CONTAINER, PEER, OTHER, "server")
_FROM = {OUTSIDE: ("client", "attacker"), CONTAINER: (CONTAINER,), PEER: (PEER,), OTHER: (OTHER,), HOST: ("host", "gateway")}
_TO = {OUTSIDE: ("host", "second", CONTAINER, OTHER), CONTAINER: ("gateway", "host", PEER, OTHER, "client"),
       PEER: (CONTAINER, "gateway", "other gateway", "client"), OTHER: ("host", CONTAINER, "client", "other gateway"),
       HOST: ("client", CONTAINER, OTHER, "second", "gateway")}
ON_BRIDGE = {CONTAINER: DOCKER0, PEER: DOCKER0, OTHER: OTHER_BRIDGE}
_HOOKS = {"raw": ("PREROUTING", "OUTPUT"), "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
          "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "filter": ("INPUT", "FORWARD", "OUTPUT")}
# Where the host's own answers pass.
LATE = ("OUTPUT", "POSTROUTING")
_SIDES = {"vs-ip": "src", "vs-net": "src", "vs-ip-port": "dst,dst", "vs-ports": "dst", "vs-net-iface": "src,src", "vs-net-port": "dst,dst", "vs-list": "src"}


class Sent(NamedTuple):
    """A packet: from a place, with names of addresses."""

    place: str
    source: str
    destination: str
    protocol: str
    port: int


class Case(NamedTuple):
    """rules: by table and chain. policies: of filter's chains. nft: the text of a table of nftables beside them, empty without one."""

    family: int
    rules: dict[tuple[str, str], list[str]]
    policies: dict[str, str]
    packets: list[Sent]
    nft: str = ""

    def text(self) -> str:
        """What iptables-restore gets."""
        lines = []
        for table, hooks in _HOOKS.items():
            lines.append("*" + table)
            lines += [":%s %s" % (hook, self.policies.get(hook, "ACCEPT") if table == "filter" else "ACCEPT") for hook in hooks]
            chains = {chain: rules for (of, chain), rules in self.rules.items() if of == table}
            lines += [":%s -" % chain for chain in chains if chain not in hooks]
            if self.family == 6:
                # Neighbours are asked for at any time.
                lines += ["-A %s -p ipv6-icmp -j ACCEPT" % hook for hook in hooks if hook in LATE]
            if table == "filter":
                # The kernel tracks connections only where a rule needs it.
                lines += [":TRACK -", "-A TRACK -m conntrack --ctstate NEW"]
            lines += ["-A %s %s" % (chain, rule) for chain, rules in chains.items() for rule in rules]
            lines.append("COMMIT")
        return "\n".join(lines) + "\n"


def sets_text(family: int) -> str:
    """Sets of every type that the verdict knows."""
    def at(name: str) -> str:
        return ADDRESS[name][family]

    word, wide, narrow = ("inet", "172.16.0.0/12", "172.17.0.0/24") if family == 4 else ("inet6", "fd00::/8", "fd00:17::/64")
    return "\n".join([
        "create vs-ip hash:ip family %s" % word, "add vs-ip %s" % at("client"), "add vs-ip %s" % at(CONTAINER),
        "create vs-net hash:net family %s" % word, "add vs-net %s" % wide, "add vs-net %s nomatch" % narrow, "add vs-net %s" % at(PEER),
        "create vs-ip-port hash:ip,port family %s" % word, "add vs-ip-port %s,tcp:80" % at(CONTAINER), "add vs-ip-port %s,udp:8080" % at("host"),
        "add vs-ip-port %s,udp:80" % at(OTHER), "create vs-ports bitmap:port range 0-65535", "add vs-ports 80", "add vs-ports 8080",
        "create vs-net-iface hash:net,iface family %s" % word, "add vs-net-iface %s,%s" % (wide, DOCKER0), "add vs-net-iface %s,%s" % (at("client"), WAN),
        "create vs-net-port hash:net,port family %s" % word, "add vs-net-port %s,udp:53" % wide, "add vs-net-port %s,tcp:8080 nomatch" % narrow,
        "add vs-net-port %s,tcp:8080" % wide, "create vs-list list:set", "add vs-list vs-ip", "add vs-list vs-net",
    ]) + "\n"


def _case(family: int, rules: dict[tuple[str, str], list[str]], policies: dict[str, str], sent: list[Sent]) -> Case:
    return Case(family, rules, policies, sent)


_policies = st.sampled_from(["ACCEPT", "ACCEPT", "DROP"])


@st.composite
def _packet(draw: st.DrawFn) -> Sent:
    place = draw(st.sampled_from(sorted(_FROM)))
    protocol = forge.UDP if place == HOST else draw(st.sampled_from([forge.UDP, forge.UDP, forge.TCP, forge.ICMP]))
    return Sent(place, draw(st.sampled_from(_FROM[place])), draw(st.sampled_from(_TO[place])), protocol, draw(st.sampled_from(PORTS)))


# Several flows of one ruleset cost hardly more than one.
_many = st.integers(1, 40).flatmap(lambda size: st.lists(_packet(), min_size=size, max_size=size))


def _chains() -> list[tuple[str, str]]:
    """Every built-in chain, and two of users for each table, early and late."""
    found = []
    for table, hooks in _HOOKS.items():
        for group, names in (("E", [hook for hook in hooks if hook not in LATE]), ("L", [hook for hook in hooks if hook in LATE])):
            if names and table != "nat":
                found += [(table, "%s2" % group), (table, "%s1" % group)]
            found += [(table, name) for name in names]
    return found


def _chain(family: int, table: str, chain: str) -> SearchStrategy[list[str]]:
    return st.lists(_rule(family, table, chain), max_size=4)


def _rule(family: int, table: str, chain: str) -> SearchStrategy[str]:
    conditions = st.lists(_condition(family, table, chain), max_size=3, unique_by=_kind)
    return st.builds(_words, conditions, st.sampled_from(_targets(family, table, chain)))


def _kind(condition: str) -> str:
    """No option may stand twice in a rule."""
    words = [word for word in condition.split() if word != "!"]
    return {"-s": "-s", "-d": "-d", "-i": "-i", "-o": "-o", "-p": "-p"}.get(words[0], words[1] if words[0] == "-m" else "-p")


def _words(conditions: list[str], target: str) -> str:
    # What needs a protocol stands behind the rest.
    if "--to-destination" in target and target.endswith(":80") and not any(item.startswith("-p ") for item in conditions):
        conditions = [*conditions, "-p udp"]
    if target.endswith("--to-ports 53") and not any(item.startswith(("-p tcp", "-p udp")) for item in conditions):
        conditions = [*[item for item in conditions if not item.startswith("-p ")], "-p udp"]
    if "--to-destination" in target and target.endswith(":80"):
        conditions = [item if not item.startswith("-p icmp") and not item.startswith("-p ipv6-icmp") else "-p udp" for item in conditions]
    return " ".join([*conditions, target]).strip()


def _condition(family: int, table: str, chain: str) -> SearchStrategy[str]:
    address = st.sampled_from([ADDRESS[name][family] for name in _WHERE])
    negation = st.sampled_from(["", "", "! "])
    end = st.sampled_from(["-s", "-d"])
    lengths = st.sampled_from([8, 12, 16, 24] if family == 4 else [8, 32, 64])
    icmp, number = ("icmp", "icmp --icmp-type") if family == 4 else ("ipv6-icmp", "icmp6 --icmpv6-type")
    found = [
        st.builds("{}{} {}".format, negation, end, address), st.builds("{}{} {}/{}".format, negation, end, address, lengths),
        st.builds(lambda name, negated, ports: "-p %s -m %s %s--dport %s" % (name, name, negated, ports), st.sampled_from(["udp", "tcp"]), negation,
                  st.sampled_from(["53", "80", "60:9000"])),
        st.builds("-p {}".format, st.sampled_from(["udp", "tcp", icmp])),
        st.builds("-p udp -m multiport {}--dports {}".format, negation, st.sampled_from(["53,80", "53,8000:9000", "1"])),
        st.builds("-p udp -m udp {}--sport {}".format, negation, st.sampled_from(["10000:60000", "1:9999"])),
        st.builds(lambda kind: "-p %s -m %s %s" % (icmp, number, kind), st.sampled_from(["8", "0"] if family == 4 else ["128", "129"])),
        st.builds("-p tcp -m tcp {}--tcp-flags FIN,SYN,RST,ACK SYN".format, negation),
        st.builds("-m set {}--match-set {}".format, negation, st.sampled_from(["%s %s" % item for item in _SIDES.items()])),
        st.builds("-m conntrack {}--ctstate {}".format, negation, st.sampled_from(["NEW", "ESTABLISHED", "NEW,ESTABLISHED", "INVALID", "UNTRACKED", "DNAT"])),
        st.builds("-m conntrack {}--ctdir {}".format, st.just(""), st.sampled_from(["ORIGINAL", "REPLY"])),
        st.builds("-m conntrack {}--ctorigdst {}".format, negation, address), st.builds("-m conntrack {}--ctreplsrc {}".format, negation, address),
        st.builds("-p udp -m conntrack {}--ctorigdstport {}".format, negation, st.sampled_from(["53", "80:9000"])),
        st.builds("-m conntrack {}--ctstatus {}".format, negation, st.sampled_from(["SEEN_REPLY", "CONFIRMED"])),
        st.builds("-m mark {}--mark {}".format, negation, st.sampled_from(["0x1/0xf", "0x0", "0x2"])),
        st.builds("-m connmark {}--mark {}".format, negation, st.sampled_from(["0x1/0xf", "0x0"])),
        st.builds("-m addrtype {}--{}-type {}".format, negation, st.sampled_from(["src", "dst"]), st.sampled_from(["LOCAL", "UNICAST"])),
        st.builds(lambda negated, side: "-m iprange %s--%s-range %s-%s" % (negated, side, ADDRESS["host"][family], ADDRESS["second"][family]), negation,
                  st.sampled_from(["src", "dst"])),
        st.just("-m limit --limit 10000/sec --limit-burst 10000"),
    ]
    is_early = chain in ("PREROUTING", "INPUT", "FORWARD")
    devices = st.sampled_from([WAN, DOCKER0, OTHER_BRIDGE, "br-+", "lo"])
    if is_early:
        found.append(st.builds("{}-i {}".format, negation, devices))
        found.append(st.builds("-m physdev {}--physdev-in {}".format, negation, st.sampled_from(["veth0000001", "veth+"])))
    if chain in ("FORWARD", *LATE):
        found.append(st.builds("{}-o {}".format, negation, devices))
    if chain == "FORWARD":
        found.append(st.builds("-m physdev {}--physdev-is-bridged".format, negation))
    if chain == "PREROUTING" and table in ("raw", "mangle"):
        found.append(st.builds("-m rpfilter {}".format, st.sampled_from(["--loose", "--invert", ""])))
    return st.one_of(found)


def _targets(family: int, table: str, chain: str) -> list[str]:
    if table == "nat":
        return _nat_targets(family, chain)
    group = "L" if chain in LATE or chain[0] == "L" else "E"
    jumps = {"2": [], "1": ["-j %s2" % group, "-g %s2" % group]}.get(chain[1:], ["-j %s1" % group, "-g %s1" % group, "-j %s2" % group])
    found = ["-j ACCEPT", "-j DROP", "-j RETURN", "", "", *jumps, *jumps]
    if table == "filter" and group == "E":
        found.append("-j REJECT")
    if table == "mangle":
        found += ["-j MARK --set-xmark 0x1/0xf", "-j MARK --set-xmark 0x2/0xffffffff", "-j CONNMARK --save-mark", "-j CONNMARK --restore-mark",
                  "-j CONNMARK --set-xmark 0x1/0xff"]
    if table == "raw":
        found.append("-j CT --notrack")
    return found


def _nat_targets(family: int, chain: str) -> list[str]:
    def at(name: str) -> str:
        return ADDRESS[name][family]

    ported = "%s:80" % at(CONTAINER) if family == 4 else "[%s]:80" % at(CONTAINER)
    common = ["-j ACCEPT", "-j RETURN", ""]
    if chain == "PREROUTING":
        return [*common, *["-j DNAT --to-destination %s" % item for item in (ported, at(OTHER), at("host"), at(PEER))], "-j REDIRECT --to-ports 53"]
    if chain == "OUTPUT":
        return [*common, "-j DNAT --to-destination %s" % at(OTHER), "-j DNAT --to-destination %s" % ported]
    if chain == "INPUT":
        return [*common, "-j SNAT --to-source %s" % at("second")]
    return [*common, "-j MASQUERADE", "-j SNAT --to-source %s" % at("second")]


def cases(family: int) -> SearchStrategy[Case]:
    """Rulesets and packets of a family."""
    return st.builds(_case, st.just(family), st.fixed_dictionaries({place: _chain(family, *place) for place in _chains()}),
                     st.fixed_dictionaries({"INPUT": _policies, "FORWARD": _policies}), _many)


def packets_alone(family: int) -> SearchStrategy[Case]:
    """Packets, and of iptables' rules only some that set the labels of our own chains."""
    labels = st.sampled_from(["-m connlabel --label %d --set" % label for label in (123, 124, 125, 126, 127)])
    set_labels = st.lists(st.builds("{} {}".format, st.sampled_from(["", "-p udp -m udp --dport 80", "-p udp -m udp --dport 53"]), labels), max_size=4)
    return st.builds(lambda rules, packets: _case(family, {("mangle", "PREROUTING"): rules}, {}, packets), set_labels, _many)
