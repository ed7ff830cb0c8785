# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The kernel's messages about denied packets, in every way that logs are written; and lines that only look like them."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.log_lines import Denial, denials
from hypothesis import given
from hypothesis import strategies as st

TCP = (
    "DB-GUARD-PORTS:D IN=eth0 OUT= MAC=52:54:00:12:34:56:52:54:00:65:43:21:08:00 SRC=203.0.113.9 DST=192.0.2.7 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=1 DF"
    " PROTO=TCP SPT=40000 DPT=8080 WINDOW=64240 RES=0x00 SYN URGP=0 MARK=0x1"
)
SIX = (
    "DB-INPUT:D IN=eth0 OUT= MAC=52:54 SRC=2001:0db8:0000:0000:0000:0000:0000:0009 DST=2001:0db8:0001:0000:0000:0000:0000:0001 LEN=72 TC=0 HOPLIMIT=64"
    " FLOWLBL=5 PROTO=UDP SPT=40000 DPT=53 LEN=32"
)
ERROR = (
    "DB-INPUT:D IN=eth0 OUT= SRC=203.0.113.9 DST=192.0.2.7 LEN=88 TOS=0x00 PREC=0xC0 TTL=64 ID=2 PROTO=ICMP TYPE=3 CODE=3"
    " [SRC=192.0.2.7 DST=203.0.113.9 LEN=60 PROTO=TCP SPT=22 DPT=40001 ] "
)
AT = 1798000000.25
STAMP = "2026-12-23T04:26:40Z"
FOUND = Denial(AT, STAMP, "DB-GUARD-PORTS", "eth0", "", 4, "203.0.113.9", "192.0.2.7", "tcp", 8080)


def of_json(message, **changes):
    return json.dumps({"_TRANSPORT": "kernel", "SYSLOG_FACILITY": "0", "__REALTIME_TIMESTAMP": "1798000000250000", "MESSAGE": message, **changes}) + "\n"


@pytest.mark.parametrize("line, at, stamp", [
    ("1798000000.250000 web1 kernel: %s\n", AT, STAMP),
    ("2026-12-23T04:26:40.250000+00:00 web1 kernel: [  123.456789] %s\n", AT, STAMP),
    ("2026-12-23T05:26:40,25+0100 web1 kernel: %s", AT, STAMP),
    ("2026-12-23T04:26:40.25Z web1 kernel: %s", AT, STAMP),
    ("Dec  3 04:26:40 web1 kernel: [  123.456789] %s\n", None, "Dec  3 04:26:40"),
    ("[  123.456789] %s", None, "[  123.456789]"),
    ("<6>[123.456789] %s", None, "[123.456789]"),
    ("[Wed Dec 23 04:26:40 2026] %s", None, "Wed Dec 23 04:26:40 2026"),
])
def test_texts(line, at, stamp):
    assert list(denials([line % TCP])) == [FOUND._replace(at=at, stamp=stamp)]


def test_json():
    assert list(denials([of_json(TCP), of_json(TCP, SYSLOG_FACILITY="3"), of_json([68, 66]), "{:D IN=", of_json(TCP, __REALTIME_TIMESTAMP="x")])) == [
        FOUND, FOUND._replace(at=None, stamp="")]


def test_ipv6_in_its_shortest_spelling():
    (found,) = denials(["1.5 h kernel: " + SIX])
    assert (found.family, found.source, found.destination, found.protocol, found.port) == (6, "2001:db8::9", "2001:db8:1::1", "udp", 53)


def test_what_was_only_observed():
    (found,) = denials(["1.5 h kernel: " + TCP.replace(":D ", ":O ")])
    assert found.observed and not next(denials(["1.5 h kernel: " + TCP])).observed


def test_an_icmp_error_is_not_taken_for_what_it_is_about():
    (found,) = denials(["1.5 h kernel: " + ERROR])
    assert (found.source, found.protocol, found.port) == ("203.0.113.9", "icmp", None)


@pytest.mark.parametrize("line", [
    "Dec  3 04:26:40 web1 shop[12]: %s", "Dec  3 04:26:40 web1 shop: kernel: %s", "1798000000.25 web1 shop[1]: x kernel: %s", "%s", " [1.0] %s",
    "1798000000.25 web1 kernel: x %s", "[1.0] web1 kernel: %s",
])
def test_other_programs_lines_are_left_out(line):
    assert not list(denials([line % TCP]))


@pytest.mark.parametrize("wrong", [
    TCP.replace("203.0.113.9", "{{ x }}"), TCP.replace("203.0.113.9", "2001:db8::1"), TCP.replace("PROTO=TCP", "PROTO={{"), TCP.replace("SRC=", "SRX="),
    TCP.replace("DB-GUARD-PORTS", "DOCKER"), TCP.replace("DB-GUARD-PORTS", "DB-" + "x" * 26),
])
def test_what_makes_no_sense_is_left_out(wrong):
    assert not list(denials(["1.5 h kernel: " + wrong]))


def test_values_are_checked():
    odd = TCP.replace("DPT=8080", "DPT=99999").replace("IN=eth0", "IN=../../etc").replace("PROTO=TCP", "PROTO=132")
    (found,) = denials(["1.5 h kernel: " + odd])
    assert (found.port, found.entered, found.protocol) == (None, "", "sctp")


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_line_is_too_odd(before, behind):
    for line in (before + TCP + behind, of_json(before + TCP + behind), before + ":D IN=" + behind, "{" + before + ":D" + behind):
        list(denials([line]))
