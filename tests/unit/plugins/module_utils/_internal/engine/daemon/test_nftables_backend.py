# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The tables of a real engine's nftables backend, read as far as others have to know them."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon.nftables_backend import (
    bridges_tables,
    has_bridges_table,
    parse_bridges_table,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

from tests.unit.support.rulesets import CAPTURES

TEXT = (CAPTURES / "docker-29.7.2-nftables.c.nft").read_text(encoding="utf-8")
FOUR = TEXT.partition("table ip6 ")[0]


class Host(System):
    """A host whose nft tells these tables, by what it is asked."""

    def __init__(self, **tables):
        super().__init__()
        self.tables = tables

    def which(self, name):
        return "/usr/sbin/nft"

    def run(self, argv, stdin="", env=None):
        if argv[1:] == ["list", "tables"]:
            return Output(0, "".join("table %s docker-bridges\n" % family for family in self.tables) + "table ip theirs\n", "")
        assert argv[1:4] == ["--stateless", "list", "table"] and argv[5] == "docker-bridges"
        return Output(0, self.tables[argv[4]], "")


def test_what_29_7_wrote():
    found = parse_bridges_table(FOUR)
    assert found.direct == [("172.17.0.2", "docker0"), ("172.18.0.2", "br-36587cf4495f")]
    assert found.dnated == [("tcp", 8080), ("tcp", 8081), ("tcp", 8082)]


def test_with_and_without_counters():
    for text in (FOUR.replace(" packets 0 bytes 0", ""), FOUR.replace("counter packets 0 bytes 0 ", "")):
        assert parse_bridges_table(text) == parse_bridges_table(FOUR)


@pytest.mark.parametrize("names", ['{ "br-36587cf4495f", "eth1" }', '{ "eth1",\n\t\t\t\t    "br-36587cf4495f" }'])
def test_trusted_interfaces_stand_beside_the_bridge(names):
    text = FOUR.replace('172.18.0.2 iifname != "br-36587cf4495f"', "172.18.0.2 iifname != " + names)
    assert set(parse_bridges_table(text).direct) == {("172.17.0.2", "docker0"), ("172.18.0.2", "br-36587cf4495f"), ("172.18.0.2", "eth1")}


def test_ipv6():
    line = '\t\tip6 daddr fd00::2 iifname != "br-6" counter drop comment "DROP DIRECT ACCESS"\n'
    text = "table ip6 docker-bridges {\n\tchain raw-PREROUTING {\n%s\t}\n}\n" % line
    assert parse_bridges_table(text).direct == [("fd00::2", "br-6")]


def test_each_family_that_there_is():
    assert bridges_tables(Host()) == {} and not has_bridges_table(Host())
    assert list(bridges_tables(Host(ip=FOUR))) == [4] and has_bridges_table(Host(ip6=TEXT))
    assert list(bridges_tables(Host(ip=FOUR, ip6=TEXT[len(FOUR):]))) == [4, 6]


def test_a_table_of_somebody_else_is_none():
    assert parse_bridges_table("table ip docker-bridges {\n}\n") == ([], [])
