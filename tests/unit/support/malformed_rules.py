# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules of somebody who errs, or attacks. Also for tests on the kernel."""
from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

WORDS = [
    "-A", "-I", "-D", "-X", "-F", "-t", "-wA", "-c", "-n", "-v", "-h", "-N", "-P", "-E", "-Z", "-R", "-4", "-6", "-f", "-s", "-d", "-p", "-i",
    "-o", "-j", "-g", "-m", "--modprobe=/tmp/x", "--modp", "--modprobe", "--tab", "--table", "--table=nat", "--app", "--flush", "--fl", "--del",
    "--delete-chain", "--noflush", "--wait", "--set-counters", "--set-c", "--line", "--ver", "--policy", "--pol", "--rep", "--ins", "--zero", "--ex",
    "-tnat", "-t nat", "-MX", "-w", "-S", "-L", "-C", "-", "--", "---", "!", "DB-USER-web", "DOCKER-USER", "X", "nat", "filter", "COMMIT", "*nat",
    ":X", "#", "ACCEPT", "DROP", "RETURN", "REJECT", "LOG", "DNAT", "tcp", "udp", "icmp", "ipv6-icmp", "TCP", "all", "0", "80", "http", "99999", "-1",
    "80:90", "90:80", "1:2:3", ":", "10.0.0.1", "10.0.0.0/8", "10.0.0.0/33", "10.0.0.256", "0.0.0.0/0", "2001:db8::1", "2001:db8::/129", "::/0",
    "::ffff:1.2.3.4", "localhost", "example.com", "1.2.3", "1.2.3.4/255.0.255.0", "10.0.0.1,10.0.0.2", "10.0.0.1,localhost", "eth0", "eth+", "+",
    "an-interface-too-long", "conntrack", "comment", "multiport", "set", "limit", "recent", "state", "addrtype", "nosuchmatch", "../../tmp/x",
    "--dport", "--sport", "--dports", "--ctstate", "--comment", "--match-set", "--log-prefix", "--reject-with", "--to-destination", "--syn",
    "--tcp-flags", "--limit", "--ctorigdst", "--source", "--sou", "--source=localhost", "-slocalhost", "--ctorigdst=localhost", "--comment=x",
    "NEW", "ESTABLISHED,RELATED", "@nosuchset", "nosuchset", "@", "src", "dst", "tcp-reset", '"', "'", "\\", '""', '"two words"', '"a\\"b"', '"a',
    'a"', "a\\", "$(id)", "`id`", ";", "|", "&&", "%s", "%n", "{{ x }}", "",
]
EVIL = ["\n", "\r", "\r\n", "\t", "\0", "\x0b", "\x0c", "\x1c", "\x1b[2J", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\u200b", "\ufeff", "\ud800", "😀",
        "\n-A DOCKER-USER -j ACCEPT", "\nCOMMIT\n*nat\n:X - [0:0]", '" -j ACCEPT\n', "\\\n", '"', "\\", "'", " "]
KEYS = ["protocol", "source", "destination", "in_interface", "out_interface", "source_port", "destination_port", "destination_ports", "tcp_flags",
        "syn", "fragment", "icmp_type", "ctstate", "published_port", "published_address", "match_set", "match_set_flags", "src_range",
        "dst_range", "limit", "limit_burst", "uid_owner", "gid_owner", "match", "comment", "jump", "goto", "log_prefix", "log_level",
        "reject_with", "to_destination", "to_source", "to_ports", "set_dscp_mark", "set_dscp_mark_class", "gateway", "ip_version"]
ODD_KEYS = ["sorce", "chain", "table", "action", "Source", "", "-A", 1, None, True, "jump\n"]
_ODD = [None, True, False, 0, -1, 80, 65536, 10 ** 30, 1.5, float("inf"), float("nan"), "", " ", "!", "! ", "!!", b"bytes", (), object()]
_AROUND = [("", ""), ("", ""), ("-p tcp -m tcp --dport 80 ", " -j DROP")]
_BESIDE: list[dict[object, object]] = [{"jump": "DROP"}, {"jump": "DROP"}, {"jump": "DROP", "protocol": "tcp"}, {}]


def _dirty(text: str, dirt: Iterable[tuple[int, str]]) -> str:
    for at, evil in dirt:
        text = text[:at] + evil + text[at:]
    return text


_DIRT = st.lists(st.tuples(st.integers(0, 60), st.sampled_from(EVIL)), max_size=2)
_NOISE = st.one_of(st.text(max_size=20), st.binary(max_size=20).map(lambda raw: raw.decode("latin-1")))
_SCALARS: st.SearchStrategy[object] = st.one_of(st.builds(_dirty, st.sampled_from(WORDS), _DIRT), _NOISE, st.sampled_from(_ODD))
_VALUES: st.SearchStrategy[object] = st.one_of(
    _SCALARS, _SCALARS, st.lists(_SCALARS, max_size=3), st.dictionaries(st.sampled_from(["flags", "flags_set", "x"]), _SCALARS, max_size=2)
)
_TEXTS = st.builds(
    lambda words, around, dirt: _dirty(around[0] + " ".join(words) + around[1], dirt),
    st.lists(st.sampled_from(WORDS), max_size=8), st.sampled_from(_AROUND), _DIRT,
)
_KEYS: st.SearchStrategy[object] = st.sampled_from([*KEYS, *KEYS, *KEYS, *ODD_KEYS])
_DICTS = st.builds(lambda beside, given: {**beside, **given}, st.sampled_from(_BESIDE), st.dictionaries(_KEYS, _VALUES, max_size=4))
# One attempt.
RULES: st.SearchStrategy[object] = st.one_of(_TEXTS, _TEXTS, _NOISE, _DICTS, _DICTS, _VALUES)
