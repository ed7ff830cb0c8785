# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rulesets over all of our rule language, made up at random from a seed: chains in several tables, hooked into shared ones."""
from __future__ import annotations

import random
from collections.abc import Sequence

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import Chain, DesiredState, Hook, Line
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.structured import compile_rules

from tests.integration.kernel.support.plain_lines import CHAINS, Grammar

INNER = [CHAINS[0], CHAINS[1][:24]]

# Rules as users write them, for every key and more; in no chain that packets come to, since some are for one hook only.
SHAPES = [
    {"protocol": "tcp", "destination_ports": [80, "https", "8000-8010"], "jump": "DROP"},
    {"protocol": "udp", "destination_ports": ["!53", 123], "jump": "DROP"},
    {"protocol": "tcp", "syn": "negate", "jump": "DROP"},
    {"protocol": "tcp", "tcp_flags": {"flags": "ALL", "flags_set": "NONE"}, "jump": "DROP"},
    {"protocol": "icmp", "icmp_type": "! echo-request", "jump": "DROP"},
    {"protocol": "ipv6-icmp", "icmp_type": "echo-request", "jump": "ACCEPT"},
    {"protocol": "! tcp", "jump": "DROP"}, {"protocol": "gre", "jump": "DROP"}, {"protocol": 200, "jump": "DROP"},
    {"source": ["10.1.2.3/8", "192.0.2.1", "2001:db8::1/32"], "jump": "RETURN"},
    {"source": "! 2001:db8::/32", "in_interface": "! eth+", "out_interface": "br-0123456789ab", "jump": "DROP"},
    {"source": "! 10.0.0.0/255.0.0.0", "in_interface": "wg+", "jump": "DROP"},
    {"src_range": "10.0.0.1-10.0.0.9", "dst_range": "! 10.1.0.1-10.1.0.2", "jump": "DROP"},
    {"src_range": "2001:db8::1-2001:db8::9", "jump": "DROP"},
    {"limit": "10/min", "limit_burst": 7, "jump": "LOG", "log_prefix": "in: ", "log_level": "info"},
    {"uid_owner": "100-200", "gid_owner": "! 5", "jump": "RETURN"},
    {"ctstate": ["NEW", "ESTABLISHED"], "comment": "two words, (50 %): #1", "jump": "RETURN"},
    {"protocol": "tcp", "published_port": "8000-8010", "published_address": "! 192.0.2.7", "jump": "DROP"},
    {"protocol": "udp", "published_port": 53, "published_address": "2001:db8::7", "jump": "DROP"},
    {"match_set": "DB-office", "match_set_flags": "src", "jump": "DROP"}, {"match_set": "! ports", "match_set_flags": "dst", "jump": "DROP"},
    {"fragment": True, "jump": "DROP"}, {"jump": "REJECT"}, {"protocol": "tcp", "reject_with": "tcp-reset", "jump": "REJECT"},
    {"reject_with": "icmp-admin-prohibited", "jump": "REJECT"}, {"reject_with": "icmp6-adm-prohibited", "jump": "REJECT"},
    {"comment": "! begins with it", "jump": "DROP"}, {"comment": "!x", "jump": "DROP"},
    {"comment": "Zürich – 東京", "jump": "DROP"}, {"comment": "x" * 255, "jump": "DROP"},
    {"jump": "LOG", "log_prefix": "! in", "log_level": "debug"}, {"goto": CHAINS[0]},
    "-m comment --comment one -m comment --comment two -j DROP",
    "-m connlimit --connlimit-above 5 --connlimit-mask 24 -j DROP", "-m recent --name ssh --update --seconds 60 --hitcount 4 -j DROP",
    "-m recent --name ssh --set -j DROP", "-m statistic --mode random --probability 0.25 -j DROP", "-m mark ! --mark 0x1/0xff -j DROP",
    "-m connmark --mark 0x2 -j DROP", "-m state ! --state NEW,ESTABLISHED -j DROP", "-m mac --mac-source 00:11:22:33:44:55 -j DROP",
    "-m addrtype --src-type LOCAL --limit-iface-in -j DROP", "-m conntrack ! --ctproto 6 --ctreplsrcport 4:7 --ctstatus ASSURED -j DROP",
    "-m pkttype --pkt-type broadcast -j DROP", "-m length --length 100:200 -j DROP", "-m dscp --dscp-class EF -j DROP",
    '-m string --string "GET /" --algo bm --to 100 -j DROP', '-m string --hex-string "|0001|abc" --algo kmp -j DROP',
    "-m time --timestart 08:00 --timestop 18:00 --weekdays Mon,Tue -j DROP", "-m physdev --physdev-in eth0 --physdev-is-bridged -j DROP",
    "-m policy --dir in --pol ipsec --strict --proto esp --mode tunnel --tunnel-src 10.0.0.1 --tunnel-dst 10.0.0.2 --reqid 7 -j DROP",
    '-m u32 --u32 "6&0xFF=1" -j DROP', "-m connbytes --connbytes 100:200 --connbytes-dir both --connbytes-mode bytes -j DROP",
    "-p sctp -m sctp --chunk-types any INIT,DATA -j DROP", "-p tcp -m tcp --tcp-option 5 -j DROP", "-p tcp -m tcpmss --mss 100:200 -j DROP",
    "-4 -m ttl --ttl-gt 5 -j DROP", "-6 -m hl --hl-gt 5 -j DROP", "-4 -p icmp -m icmp --icmp-type 3/4 -j DROP",
    '-j NFLOG --nflog-group 5 --nflog-prefix "a b"', "-j NFQUEUE --queue-balance 1:4 --queue-bypass", "-j AUDIT --type drop",
    "-m helper --helper ftp -j DROP", "-m quota --quota 1000 -j DROP", "-m devgroup --src-group 5 -j DROP", "-m cpu ! --cpu 0 -j DROP",
]
NAT_SHAPES = [
    {"protocol": "tcp", "to_destination": "10.0.0.1:80", "jump": "DNAT"}, "-p tcp -j DNAT --to-destination [2001:db8::1]:80",
    {"protocol": "tcp", "to_ports": "8080", "jump": "REDIRECT"}, "-4 -p udp -j DNAT --to-destination 10.0.0.1-10.0.0.9:80-90 --persistent",
    "-p tcp -m tcp --dport 80 -j ACCEPT", "-4 -j NETMAP --to 10.5.0.0/16", "-6 -j DNAT --to-destination 2001:db8::1",
]
MANGLE_SHAPES = [
    "-j MARK --set-xmark 0x1/0xff", "-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", {"set_dscp_mark_class": "EF", "jump": "DSCP"},
    {"set_dscp_mark": "0x0a", "jump": "DSCP"}, "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 1400", "-j TOS --set-tos 0x10/0x3f",
    "-4 -j TTL --ttl-set 64", {"gateway": "10.0.0.1", "jump": "TEE"}, "-m socket --transparent -j MARK --set-xmark 0x2/0xffffffff",
]


class Rulesets:
    """Makes one ruleset after another."""

    def __init__(self, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.grammars = {family: Grammar(family, seed + family) for family in (4, 6)}

    def _plain(self, most: int) -> list[Line]:
        # A chain of ours leaves room for what is put before its name while it changes.
        return [Line(self.grammars[family].line().replace(CHAINS[1], INNER[1]), (family,))
                for family in (4, 6) for _number in range(self.random.randint(0, most))]

    def _some(self, shapes: Sequence[object], most: int) -> list[Line]:
        chosen = [self.random.choice(shapes) for _number in range(self.random.randint(0, most))]
        return compile_rules(chosen, "rules")

    def _maybe(self, chain: Chain) -> list[Chain]:
        return [chain] if self.random.random() < 0.8 else []

    def next(self) -> DesiredState:
        """What somebody wants of a host."""
        chains = [Chain("filter", name, []) for name in INNER]
        chains += self._maybe(Chain("filter", "DB-SHAPES", self._some(SHAPES, 12)))
        chains += self._maybe(Chain("filter", "DB-USER-web", self._plain(12)))
        chains += self._maybe(Chain("mangle", "DB-GUARD", self._some(MANGLE_SHAPES, 4)))
        chains += self._maybe(Chain("nat", "DOCKER-FILTER", self._some(NAT_SHAPES, 4)))
        parents = {"DB-USER-web": ("DOCKER-USER", 500), "DB-GUARD": ("PREROUTING", None), "DOCKER-FILTER": ("PREROUTING", None)}
        hooks = [Hook(chain.table, parents[chain.name][0], chain.name, parents[chain.name][1]) for chain in chains if chain.name in parents]
        owned = [("filter", "DB-*"), ("mangle", "DB-GUARD"), ("nat", "DOCKER-FILTER")]
        return DesiredState(chains, hooks, owned, shared=[("filter", "DOCKER-USER")])
