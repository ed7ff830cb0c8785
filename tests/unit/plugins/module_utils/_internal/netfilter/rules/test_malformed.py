# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whatever a user writes as a rule: either an error that names the place, or exactly one line of iptables-restore's input for each rule."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.judge import restore_text
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.packed import pack, unpack
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.structured import compile_rules
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.support.malformed_rules import RULES
from tests.unit.support.strategies import several

CHAIN = ("filter", "DB-USER-web")
# Every option of iptables-restore's own, which getopt_long takes in any unambiguous abbreviation.
COMMANDS = ("append check delete insert replace list list-rules flush zero new-chain delete-chain policy rename-chain table modprobe wait"
            " wait-interval verbose numeric exact line-numbers version help set-counters noflush counters test").split()
HARMLESS = ("--pol", "--set")


def words_of(line):
    """A line as iptables-restore splits it: bytes, white space as the C library has it, double quotes, backslashes within them."""
    words, current, quoted, escaped = [], b"", False, False
    for code in line.encode("utf-8"):
        char = bytes([code])
        if quoted:
            if escaped:
                current, escaped = current + char, False
            elif char == b"\\":
                escaped = True
            elif char == b'"':
                quoted = False
            else:
                current += char
        elif char == b'"':
            quoted = True
        elif char in (b" ", b"\t", b"\n"):
            if current:
                words.append(current)
            current = b""
        else:
            current += char
    assert not quoted, line
    return words + ([current] if current else [])


def assert_harmless(texts):
    text = restore_text({CHAIN: texts}, [])
    lines = text.encode("utf-8").split(b"\n")
    assert lines[:2] == [b"*filter", b":DB-USER-web - [0:0]"] and lines[-2:] == [b"COMMIT", b""]
    assert len(lines) == 4 + len(texts)
    for line in lines[2:-2]:
        assert not set(line) & set(range(32)) and b"\x7f" not in line
        chain, *words = words_of(line.decode("utf-8"))[1:]
        assert line.startswith(b"-A DB-USER-web ") and chain == b"DB-USER-web"
        for word in words:
            word = word.decode("utf-8")
            if word.startswith("--") and word not in HARMLESS:
                name = word[2:].split("=")[0]
                assert not any(command.startswith(name) for command in COMMANDS), line
            elif word.startswith("-") and word not in HARMLESS + ("-",):
                assert word[1] in "sdpiojgmf46" or word[1:].isdigit(), line


@settings(max_examples=700)
@given(several(RULES))
def test_malformed_rules(rules):
    """What was packed is unpacked as the same, or refused with its place."""
    for rule in rules:
        try:
            lines = compile_rules([rule], "rules")
        except DrawbridgeError as error:
            assert error.path is not None and error.path.startswith("rules[0]")
            assert "\n" not in str(error) and str(error).isprintable() and len(str(error)) < 500
            continue
        assert lines and all(line.path == "rules[0]" and line.families for line in lines)
        assert_harmless([line.text for line in lines])
        assert_arrives(["-j DROP", rule])


def assert_arrives(rules):
    try:
        unpacked = unpack(pack(rules, "rules"), "rules")
    except DrawbridgeError as error:
        assert error.path.startswith("rules[1]")
        return
    compiled = compile_rules(rules, "rules")
    assert [line[1:3] for line in unpacked] == [line[1:3] for line in compiled]
    assert [words_of(line.text) for line in unpacked] == [words_of(line.text) for line in compiled]


@settings(max_examples=210)
@given(several(st.tuples(st.sampled_from(["4", "6", "46", "64", "", "x", "\n"]), st.sampled_from(["0", "", "x"]), RULES)))
def test_the_hosts_side_believes_no_packed_text(packed):
    """What arrives is checked again, as if nobody had compiled it."""
    for words in packed:
        try:
            lines = unpack("%s %s %s" % words, "rules")
        except DrawbridgeError as error:
            assert error.path.startswith("rules[")
            continue
        assert_harmless([line.text for line in lines])


@pytest.mark.parametrize("rule", [
    "-A X -j DROP", "--append X -j DROP", "-t nat -j DROP", "-tnat -j DROP", "--table nat -j DROP", "--tab nat -j DROP", "--table=nat -j DROP",
    "-X", "-F", "-wA X", "-j DROP --modprobe=/tmp/x", "-j DROP --modp /tmp/x", "-j DROP --mo=/tmp/x", "-j DROP -M/tmp/x", "-c 1 1 -j DROP",
    "-j DROP --set-counters 1 1", "-j DROP\n-A X -j ACCEPT", "-j DROP\r", "-j DROP \\\n", '-m comment --comment "a\n-A X" -j DROP', "-j DROP\0",
    '-m comment --comment "a -j DROP', '-m comment --comment a" -j DROP', '-m comment --comment "a\\" -j DROP', "", "   ", '""',
    '-m comment --comment "" -j DROP', "-s example.com -j DROP", "-s localhost -j DROP", "--source=localhost -j DROP", "-slocalhost -j DROP",
    "-s 10.0.0.1,localhost -j DROP", "-m conntrack --ctorigdst localhost -j DROP", "-m conntrack --ctorigds=localhost -j DROP",
    "-d 10.0.0.1 -s 2001:db8::1 -j DROP", "-j DROP \ud800", "-m comment --comment -x -j DROP", "-j DROP " + "x" * 1000,
])
def test_strings_that_are_no_rule(rule):
    with pytest.raises(DrawbridgeError) as error:
        compile_rules(["-j DROP", rule], "rules")
    assert error.value.path.startswith("rules[1]")


@pytest.mark.parametrize("rule, place", [
    ({"jump": "DROP", "sorce": "10.0.0.1"}, "rules[0]"),
    ({"source": "10.0.0.1"}, "rules[0]"),
    ({"jump": "DROP", "goto": "X"}, "rules[0]"),
    ({"jump": "DROP\n-A X"}, "rules[0].jump"),
    ({"jump": "X" * 29}, "rules[0].jump"),
    ({"jump": "-X"}, "rules[0].jump"),
    ({"jump": "DROP", "source": "example.com"}, "rules[0].source"),
    ({"jump": "DROP", "source": ["10.0.0.1", "example.com"]}, "rules[0].source[1]"),
    ({"jump": "DROP", "source": ["10.0.0.1", "! 10.0.0.2"]}, "rules[0].source[1]"),
    ({"jump": "DROP", "source": []}, "rules[0].source"),
    ({"jump": "DROP", "source": "! 0.0.0.0/0"}, "rules[0].source"),
    ({"jump": "DROP", "source": "2001:db8::1", "ip_version": "ipv4"}, "rules[0].source"),
    ({"jump": "DROP", "source": "10.0.0.1", "destination": "2001:db8::1"}, "rules[0].destination"),
    ({"jump": "DROP", "source": "10.0.0.1", "protocol": "ipv6-icmp"}, "rules[0].source"),
    ({"jump": "DROP", "ip_version": ["ipv4"]}, "rules[0].ip_version"),
    ({"jump": "DROP", "ip_version": "4"}, "rules[0].ip_version"),
    ({"jump": "DROP", "protocol": "tcp", "destination_port": 65536}, "rules[0].destination_port"),
    ({"jump": "DROP", "protocol": "tcp", "destination_port": "90-80"}, "rules[0].destination_port"),
    ({"jump": "DROP", "protocol": "tcp", "destination_port": -1}, "rules[0].destination_port"),
    ({"jump": "DROP", "protocol": "tcp", "destination_port": True}, "rules[0].destination_port"),
    ({"jump": "DROP", "protocol": "tcp", "published_port": "1-2-3"}, "rules[0].published_port"),
    ({"jump": "DROP", "published_port": 80}, "rules[0].published_port"),
    ({"jump": "DROP", "published_address": "0.0.0.0/0"}, "rules[0].published_address"),
    ({"jump": "DROP", "destination_port": 80}, "rules[0].destination_port"),
    ({"jump": "DROP", "protocol": "tcp", "destination_ports": list(range(16))}, "rules[0].destination_ports"),
    ({"jump": "DROP", "protocol": "tcp", "destination_ports": [80, "!81"]}, "rules[0].destination_ports[1]"),
    ({"jump": "DROP", "protocol": "! all"}, "rules[0].protocol"),
    ({"jump": "DROP", "protocol": "tcp udp"}, "rules[0].protocol"),
    ({"jump": "DROP", "in_interface": "sixteen-letters-"}, "rules[0].in_interface"),
    ({"jump": "DROP", "in_interface": "-t"}, "rules[0].in_interface"),
    ({"jump": "DROP", "in_interface": "eth0 -j ACCEPT"}, "rules[0].in_interface"),
    ({"jump": "DROP", "ctstate": ["NEW", "OLD"]}, "rules[0].ctstate[1]"),
    ({"jump": "DROP", "ctstate": []}, "rules[0].ctstate"),
    ({"jump": "DROP", "comment": "a\nb"}, "rules[0].comment"),
    ({"jump": "DROP", "comment": 'a"b'}, "rules[0].comment"),
    ({"jump": "DROP", "comment": "a\\"}, "rules[0].comment"),
    ({"jump": "DROP", "comment": "it's"}, "rules[0].comment"),
    ({"jump": "DROP", "comment": ""}, "rules[0].comment"),
    ({"jump": "DROP", "comment": "-j ACCEPT"}, "rules[0].comment"),
    ({"jump": "DROP", "comment": "x" * 256}, "rules[0].comment"),
    ({"jump": "LOG", "log_prefix": "a\nb"}, "rules[0].log_prefix"),
    ({"jump": "LOG", "log_prefix": "x" * 30}, "rules[0].log_prefix"),
    ({"jump": "LOG", "log_prefix": "é" * 15}, "rules[0].log_prefix"),
    ({"jump": "LOG", "log_level": "info debug"}, "rules[0].log_level"),
    ({"jump": "REJECT", "reject_with": "tcp-rst"}, "rules[0].reject_with"),
    ({"jump": "REJECT", "reject_with": "port-unreach"}, "rules[0].reject_with"),
    ({"jump": "DROP", "match_set": "x"}, "rules[0]"),
    ({"jump": "DROP", "match_set": "x y", "match_set_flags": "src"}, "rules[0].match_set"),
    ({"jump": "DROP", "source": "@" + "x" * 31}, "rules[0].source"),
    ({"jump": "DROP", "src_range": "10.0.0.1"}, "rules[0].src_range"),
    ({"jump": "DROP", "src_range": "10.0.0.1-2001:db8::1"}, "rules[0].src_range"),
    ({"jump": "DNAT", "to_destination": "example.com:80"}, "rules[0].to_destination"),
    ({"jump": "DROP", "tcp_flags": "SYN"}, "rules[0].tcp_flags"),
    ({"jump": "DROP", "protocol": "tcp", "tcp_flags": {"flags": ["XYZ"], "flags_set": []}}, "rules[0].tcp_flags.flags"),
    ({"jump": "DROP", "protocol": "udp", "syn": "match"}, "rules[0]"),
    ({"jump": "DROP", "syn": "yes"}, "rules[0].syn"),
    ({"jump": "DROP", "icmp_type": 8}, "rules[0].icmp_type"),
    ({"jump": "DROP", "limit": ["1/s"]}, "rules[0].limit"),
    ({"jump": "DROP", "fragment": "yes"}, "rules[0].fragment"),
    (["-j", "DROP"], "rules[0]"),
    (None, "rules[0]"),
    (5, "rules[0]"),
])
def test_dicts_that_are_no_rule(rule, place):
    with pytest.raises(DrawbridgeError) as error:
        compile_rules([rule], "rules")
    assert error.value.path == place


@pytest.mark.parametrize("rules", ["-j DROP", {"jump": "DROP"}, None, 5])
def test_rules_are_a_list(rules):
    with pytest.raises(DrawbridgeError) as error:
        compile_rules(rules, "rules")
    assert error.value.path == "rules"


def test_an_unknown_key_is_told_what_was_meant():
    with pytest.raises(DrawbridgeError, match="did you mean source"):
        compile_rules([{"sorce": "10.0.0.1", "jump": "DROP"}], "rules")
