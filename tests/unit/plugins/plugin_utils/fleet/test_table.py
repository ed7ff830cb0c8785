# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The summary of a play: a line a host, or groups of many hosts."""
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import (
    CHANGED,
    FAILED,
    NOT_REACHED,
    UNCHANGED,
    UNREACHABLE,
    WOULD_CHANGE,
    Change,
    Host,
)
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.table import in_between, table

OFFICE = Change("port 8080/tcp", ("api",), "anybody", "@office")
CLOSED = Change("every other published port", (), "anybody", "nobody")
PORTS = "policy.published_ports.allow[3].port: ports are from 1 to 65535 (write 8000-8010 for a range)"
ONE = """\
web1  would change  port 8080/tcp ('api'): anybody → @office
                    every other published port: anybody → nobody
                    2 open connections to be cut

1 host: 1 would change"""
FIVE = """\
web1  changed      port 8080/tcp ('api'): anybody → @office
                   every other published port: anybody → nobody
web2  unchanged
web3  failed       policy.published_ports.allow[3].port: ports are from 1 to 65535 (write 8000-8010 for a range)
db1   unreachable  Failed to connect to the host via ssh: timed out
db2   not reached

5 hosts: 1 changed, 1 unchanged, 1 failed, 1 unreachable, 1 not reached"""
HUNDRED = """\
changed: 96 hosts, web1 … web49, web51 … web97
  port 8080/tcp: anybody → @office                                on 95, all but web61
  every other published port: anybody → nobody                    on 95, all but web61
  port 9000/tcp: nobody → anybody                                 on 10 hosts, web1 … web10
  port 81/tcp, opened to 172.17.0.2:80: now 192.0.2.1             on web7
  the engine has to be restarted for the rest (restart_required)  on web7
  rules, sets or settings only: --diff shows them                 on web61
  12 open connections cut
unchanged: web50
failed: db1, db2: policy.published_ports.allow[3].port: ports are from 1 to 65535 (write 8000-8010 for a range)
unreachable: db3: Failed to connect to the host via ssh: timed out

100 hosts: 96 changed, 1 unchanged, 2 failed, 1 unreachable"""


def lost(name):
    return Host(name, UNREACHABLE, "Failed to connect to the host via ssh: timed out\nand so on")


def hundred():
    hosts = []
    for number in range(1, 98):
        changes = (OFFICE._replace(of=("api%d" % number,)), CLOSED)
        if number <= 10:
            changes += (Change("port 9000/tcp", (), "nobody", "anybody"),)
        if number == 7:
            changes += (Change("port 81/tcp, opened to 172.17.0.2:80", (), None, "192.0.2.1"),)
        hosts.append(Host("web%d" % number, CHANGED, "", changes, {"connections_closed": int(number <= 12), "restart_required": number == 7}))
    hosts[49], hosts[60] = Host("web50", UNCHANGED), Host("web61", CHANGED)
    return hosts + [Host("db1", FAILED, PORTS), Host("db2", FAILED, PORTS), lost("db3")]


def test_one_host():
    assert "\n".join(table([Host("web1", WOULD_CHANGE, "", (OFFICE, CLOSED), {"connections_closed": 2})])) == ONE


def test_five_hosts():
    hosts = [Host("web1", CHANGED, "", (OFFICE, CLOSED)), Host("web2", UNCHANGED), Host("web3", FAILED, PORTS), lost("db1"), Host("db2", NOT_REACHED)]
    assert "\n".join(table(hosts)) == FIVE


def test_a_hundred_hosts():
    assert "\n".join(table(hundred())) == HUNDRED


def test_a_hundred_hosts_that_are_as_they_should_be_are_one_line():
    assert table([Host("web%d" % number, UNCHANGED) for number in range(100)]) == [
        "unchanged: 100 hosts, web0 … web99", "", "100 hosts: 100 unchanged"]


def test_hosts_that_all_differ_are_counted_in_the_end():
    def ports(number):
        return tuple(Change("port %d/tcp" % (number * 20 + more), (), "anybody", None) for more in range(20))

    few = table([Host("web", CHANGED, "", ports(0))])
    assert few[11:13] == ["              port 11/tcp: no more anybody", "              and 8 more"] and len(few) == 15
    many = table([Host("web%d" % number, CHANGED, "", ports(number)) for number in range(50)])
    assert many[30:] == ["  port 29/tcp: no more anybody  on web1", "  and 970 more changes on fewer hosts; the report has them", "", "50 hosts: 50 changed"]
    failed = table([Host("web%d" % number, FAILED, "reason %d" % number) for number in range(50)])
    assert failed[29:] == ["failed: web29: reason 29", "and 20 more messages; the report has them", "", "50 hosts: 50 failed"]


def test_a_batch_says_what_failed_and_how_far_it_is():
    assert in_between([Host("web1", CHANGED, "", (OFFICE,)), Host("web2", FAILED, PORTS), lost("db1")], 97) == [
        "failed: web2: " + PORTS, "unreachable: db1: Failed to connect to the host via ssh: timed out",
        "3 hosts: 1 changed, 1 failed, 1 unreachable; 97 to go"]


HOSTILE = "a\x1b[2J\x1b]0;owned\x07\r\nweb2  unchanged\u202e\u2028\x9b31m{{ 1 + 1 }}\ud800"


def test_what_hosts_tell_moves_nothing_on_the_terminal():
    """Neither a container, nor a message, nor what is said to have changed."""
    hosts = [Host(HOSTILE, CHANGED, "", (Change(HOSTILE, (HOSTILE,), HOSTILE, HOSTILE),)), Host("web", FAILED, HOSTILE), Host("db", NOT_REACHED, HOSTILE)]
    for lines in (table(hosts), table(hosts * 10), in_between(hosts, 1)):
        assert all(line.isprintable() for line in lines), lines
        assert not any(line.startswith("web2  unchanged") for line in lines)
    assert "{{ 1 + 1 }}" in "".join(table(hosts))
