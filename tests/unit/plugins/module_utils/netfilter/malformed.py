# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules of somebody who errs, or attacks: made up at random from a seed. Also for tests on the kernel."""
import random

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


class Malformed:
    """One attacker. ``rule`` gives the next attempt."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def _dirty(self, text):
        for _number in range(self.random.choice([0, 0, 0, 1, 2])):
            at = self.random.randint(0, len(text))
            text = text[:at] + self.random.choice(EVIL) + text[at:]
        return text

    def _noise(self):
        return "".join(chr(self.random.choice([self.random.randrange(256), self.random.randrange(0x110000)]))
                       for _number in range(self.random.randint(0, 20)))

    def _text(self):
        words = [self.random.choice(WORDS) for _number in range(self.random.randint(0, 8))]
        if self.random.random() < 0.3:
            words = ["-p", "tcp", "-m", "tcp", "--dport", "80"] + words + ["-j", "DROP"]
        return self._dirty(" ".join(words)) if self.random.random() < 0.9 else self._noise()

    def _value(self, depth=0):
        kind = self.random.random()
        if kind < 0.6:
            return self._dirty(self.random.choice(WORDS))
        if kind < 0.7:
            return self._noise()
        if kind < 0.8 and depth < 2:
            return [self._value(depth + 1) for _number in range(self.random.randint(0, 3))]
        if kind < 0.87 and depth < 2:
            return {self.random.choice(["flags", "flags_set", "x"]): self._value(depth + 1) for _number in range(2)}
        return self.random.choice([None, True, False, 0, -1, 80, 65536, 10 ** 30, 1.5, float("inf"), float("nan"), "", " ", "!", "! ", "!!",
                                   b"bytes", (), object()])

    def _dict(self):
        keys = self.random.sample(KEYS, self.random.randint(0, 4))
        rule = {key: self._value() for key in keys}
        if self.random.random() < 0.7:
            rule.setdefault("jump", "DROP")
        if self.random.random() < 0.3:
            rule.setdefault("protocol", "tcp")
        if self.random.random() < 0.1:
            rule[self.random.choice(ODD_KEYS)] = self._value()
        return rule

    def rule(self):
        kind = self.random.random()
        if kind < 0.5:
            return self._text()
        return self._dict() if kind < 0.97 else self._value()
