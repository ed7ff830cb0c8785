# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines of every plain shape, made up at random from a seed, and what has to be there for them to load."""
from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import Network, parse_network

CHAINS = ["DB-INNER", "DB-%s" % ("X" * 25)]
SETS = ["ports", "DB-office", "DBP-A0123456789ab"]
SET_TYPES = {"ports": "bitmap:port range 0-65535", "DB-office": "hash:net family %s", "DBP-A0123456789ab": "hash:net,iface family %s"}


class Grammar:
    """Makes lines. Each method makes one piece of a line, or nothing."""

    def __init__(self, family: int, seed: int) -> None:
        self.family = family
        self.random = random.Random(seed)

    def _maybe(self, share: float, make: Callable[[], str]) -> str:
        return make() if self.random.random() < share else ""

    def _negated(self) -> str:
        return self.random.choice(["", "", "! "])

    def network(self) -> Network:
        bits = 32 if self.family == 4 else 128
        # Few bits set make addresses with runs of zeros, which is where IPv6 spellings differ.
        number = self.random.getrandbits(bits) & self.random.choice([-1, self.random.getrandbits(bits), 0xFFFF << (bits - 16)])
        groups = [(number >> shift) & (0xFF if self.family == 4 else 0xFFFF)
                  for shift in range(bits - (8 if self.family == 4 else 16), -1, -(8 if self.family == 4 else 16))]
        text = ".".join(map(str, groups)) if self.family == 4 else ":".join("%x" % group for group in groups)
        return parse_network("%s/%d" % (text, self.random.randint(1, bits)))

    def address(self, option: str) -> str:
        return "%s-%s %s " % (self._negated(), option, self.network())

    def interface(self, option: str) -> str:
        name = self.random.choice(["eth0", "lo", "br-0123456789ab", "docker0", "a", "wg+", "a.b-c_d", "eth0.100", "15-characters-x", "veth+"])
        return "%s-%s %s " % (self._negated(), option, name)

    def ports(self) -> str:
        first = self.random.choice([0, 1, 22, 80, 8080, 65534, self.random.randint(0, 65534)])
        if self.random.random() < 0.6 or not 0 < first < 65533:
            return str(first)
        return "%d:%d" % (first, self.random.randint(first + 1, 65534))

    def protocol(self) -> str:
        if self.random.random() < 0.15:
            kind = self.random.randint(0, 40)
            return "-p icmp -m icmp --icmp-type %d " % kind if self.family == 4 else "-p ipv6-icmp -m icmp6 --icmpv6-type %d " % (kind + 100)
        name = self.random.choice(["tcp", "udp", "sctp"])
        sport = self._maybe(0.3, lambda: "%s--sport %s " % (self._negated(), self.ports()))
        dport = self._maybe(0.6, lambda: "%s--dport %s " % (self._negated(), self.ports()))
        match = "-m %s %s%s" % (name, sport, dport) if sport or dport else ""
        if not match and name == "tcp":
            match = self._maybe(0.3, lambda: "-m tcp %s--tcp-flags FIN,SYN,RST,ACK SYN " % self._negated())
        return "-p %s %s" % (name, match)

    def address_type(self) -> str:
        kinds = ["LOCAL", "LOCAL,ANYCAST"] + (["LOCAL,BROADCAST,ANYCAST,MULTICAST"] if self.family == 4 else [])
        return "-m addrtype %s--dst-type %s " % (self._negated(), self.random.choice(kinds))

    def conntrack(self, with_ports: bool) -> str:
        state = self._maybe(0.4, lambda: "--ctstate %s " % self.random.choice(["NEW", "DNAT", "RELATED,ESTABLISHED"]))
        protocol = self._maybe(0.3, lambda: "--ctproto 2 ")
        address = self._maybe(0.4, lambda: "--ctorigdst %s " % parse_network(self.network().address).address)
        port = self._maybe(0.6, lambda: "--ctorigdstport %s " % self.ports()) if with_ports else ""
        way = self._maybe(0.5, lambda: "--ctdir %s " % self.random.choice(["ORIGINAL", "REPLY"]))
        what = state + protocol + address + port + way
        return "-m conntrack %s" % what if what else ""

    def sets(self) -> str:
        return "".join(self._one_set() for _number in range(self.random.choice([1, 1, 2, 3])))

    def _one_set(self) -> str:
        flags = ["src", "dst", "src,src", "dst,dst"]
        return "-m set %s--match-set %s %s " % (self._negated(), self.random.choice(SETS), self.random.choice(flags))

    def comment(self) -> str:
        letters = "abcXYZ019_-"
        text = "a" + "".join(self.random.choice(letters) for _number in range(self.random.choice([0, 5, 60])))
        if self.random.random() < 0.5:
            return "-m comment --comment %s " % text
        inner = "".join(self.random.choice(letters + " .:/") for _number in range(self.random.choice([1, 8, 60])))
        return '-m comment --comment "%s %s" ' % (text, inner.strip() or ".")

    def target(self) -> str:
        return self.random.choice(["-j ACCEPT", "-j DROP", "-j RETURN"] + ["-%s %s" % (way, name) for way in "jg" for name in CHAINS])

    def line(self) -> str:
        protocol = self._maybe(0.6, self.protocol)
        return "".join((
            self._maybe(0.4, lambda: self.address("s")), self._maybe(0.3, lambda: self.address("d")),
            self._maybe(0.2, lambda: self.interface("i")), self._maybe(0.2, lambda: self.interface("o")),
            protocol, self._maybe(0.1, self.address_type), self._maybe(0.3, lambda: self.conntrack(bool(protocol))),
            self._maybe(0.3, self.sets), self._maybe(0.2, self.comment), self.target(),
        ))


def plain_lines(family: int, count: int, seed: int = 1) -> list[str]:
    """So many lines."""
    grammar = Grammar(family, seed)
    return [grammar.line() for _number in range(count)]


def ipset_text(family: int) -> str:
    """``ipset restore`` lines for the sets that the lines name."""
    word = "inet" if family == 4 else "inet6"
    return "".join("create %s %s\n" % (name, kind % word if "%" in kind else kind) for name, kind in SET_TYPES.items())


def restore_text(lines: Iterable[str]) -> str:
    """iptables-restore input for a chain TESTED that holds the lines."""
    declared = "".join(":%s - [0:0]\n" % name for name in CHAINS + ["TESTED"])
    return "*filter\n%s%sCOMMIT\n" % (declared, "".join("-A TESTED %s\n" % line for line in lines))


def loaded_lines(saved: str) -> list[str]:
    """The lines of TESTED, from iptables-save."""
    return [line[len("-A TESTED "):] for line in saved.splitlines() if line.startswith("-A TESTED ")]
