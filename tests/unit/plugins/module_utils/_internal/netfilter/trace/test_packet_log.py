# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines of the kernel's log."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.trace.packet_log import read_line

UDP = ("4,1234,99,-;dbt7:12 IN=docker0 OUT=eth0 PHYSIN=veth1 MAC=02:42 SRC=192.0.2.2 DST=172.17.0.2 LEN=41 TOS=0x00 PREC=0x00 TTL=63 ID=7 PROTO=UDP "
       "SPT=40000 DPT=80 LEN=21 \n SUBSYSTEM=x\n")


def test_a_probes_line():
    found = read_line(UDP, "dbt7", "udp")
    assert (found.number, found.iif, found.oif, found.header.ends[2:], found.header.family) == (12, "docker0", "eth0", (40000, 80), 4)
    tcp = UDP.replace("PROTO=UDP", "PROTO=TCP").replace("LEN=21", "WINDOW=9 RES=0x00 SYN URGP=0")
    assert read_line(tcp, "dbt7", "tcp").header.flags == {"SYN"}
    six = "4,1,1,-;dbt7:0 IN=eth0 OUT= SRC=2001:0db8:0:0:0:0:0:0002 DST=2001:db8::1 LEN=80 TC=0 HOPLIMIT=64 FLOWLBL=5 PROTO=ICMPv6 TYPE=128 CODE=0"
    assert read_line(six, "dbt7", "ipv6-icmp").header.icmp == (128, 0)


@pytest.mark.parametrize("line", [
    UDP.replace("dbt7", "dbt77"), UDP.replace("dbt7:12", "dbt7:x"), UDP.replace("SRC=192.0.2.2", "SRC=nobody"), UDP.replace("DST=", "DEST="), "", "4,1,1,-;",
    "4,1,1,-;somebody says dbt7:12 IN= SRC=192.0.2.2 DST=192.0.2.1",
])
def test_lines_of_others(line):
    assert read_line(line, "dbt7", "udp") is None
