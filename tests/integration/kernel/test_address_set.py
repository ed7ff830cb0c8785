# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""address_set: both twins, entries as ipset spells them, patched or swapped, never half changed."""
import re
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel import ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import MAX_SET_NAME

from tests.integration.kernel.support.listing import ENTRIES, listing


def numbered(start, count):
    """So many addresses."""
    return ["10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255) for number in range(start, start + count)]


def test_each_family_has_its_twin(nft_host):
    nft_host.address_set("office", ["192.0.2.0/24", "2001:db8::/32", "198.51.100.7"])
    assert nft_host.entries("DB-office-4") == {"192.0.2.0/24", "198.51.100.7"}
    assert nft_host.entries("DB-office-6") == {"2001:db8::/32"}


def test_an_empty_set_is_there_in_both_families(nft_host):
    assert nft_host.address_set("office", []).is_change
    assert nft_host.entries("DB-office-4") == nft_host.entries("DB-office-6") == set()
    assert not nft_host.address_set("office", []).is_change


SPELLINGS = {
    "hash:net": (["192.0.2.77/24", "192.0.2.1/32", "10.0.0.0/255.0.0.0", "0.0.0.0/0", "2001:DB8:0::/32", "2001:db8::0:1/128", "::/0"],
                 {"192.0.2.0/24", "192.0.2.1", "10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1"}, {"2001:db8::/32", "2001:db8::1", "::/1", "8000::/1"}),
    "hash:ip": (["192.0.2.1", "192.0.2.8/30", "198.51.100.1-198.51.100.3", "2001:DB8::0:1"],
                {"192.0.2.1", "192.0.2.8", "192.0.2.9", "192.0.2.10", "192.0.2.11", "198.51.100.1", "198.51.100.2", "198.51.100.3"}, {"2001:db8::1"}),
    "hash:ip,port": (["192.0.2.1,http", "192.0.2.1,udp:53", "192.0.2.2,tcp:80-82", "2001:DB8::1,tcp:https", "192.0.2.9,icmp:echo-request",
                      "192.0.2.5/32,udp:053", "192.0.2.6,sctp:65535", "2001:DB8:0::5/128,udp:1"],
                     {"192.0.2.1,tcp:80", "192.0.2.1,udp:53", "192.0.2.2,tcp:80", "192.0.2.2,tcp:81", "192.0.2.2,tcp:82", "192.0.2.9,icmp:echo-request",
                      "192.0.2.5,udp:53", "192.0.2.6,sctp:65535"},
                     {"2001:db8::1,tcp:443", "2001:db8::5,udp:1"}),
    "hash:net,port": (["192.0.2.1/24,80", "2001:db8::/32,udp:53"], {"192.0.2.0/24,tcp:80"}, {"2001:db8::/32,udp:53"}),
    "hash:net,net": (["192.0.2.1/24,198.51.100.1/32", "2001:db8::/32,2001:db8:1::/48"], {"192.0.2.0/24,198.51.100.1"}, {"2001:db8::/32,2001:db8:1::/48"}),
    "hash:net,iface": (["192.0.2.1/24,eth0", "0.0.0.0/0,br-1", "10.0.0.0/8,physdev:eth1", "::/0,eth0",
                        "192.0.2.7/32,veth1@if2", "2001:DB8::1/128,a_b.7", "128.0.0.0/1,br-1"],
                       {"192.0.2.0/24,eth0", "0.0.0.0/0,br-1", "10.0.0.0/8,physdev:eth1", "192.0.2.7,veth1@if2", "128.0.0.0/1,br-1"},
                       {"::/0,eth0", "2001:db8::1,a_b.7"}),
}


@pytest.mark.parametrize("kind", sorted(SPELLINGS))
def test_entries_in_any_spelling_are_the_same_entries(nft_host, kind):
    entries, four, six = SPELLINGS[kind]
    if subprocess.run(["ipset", "create", "probe", kind], capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no %s" % kind)
    assert nft_host.address_set("x", entries, kind).is_change
    assert nft_host.entries("DB-x-4") == four and nft_host.entries("DB-x-6") == six
    assert not nft_host.address_set("x", entries, kind).is_change
    assert not nft_host.address_set("x", four | six, kind).is_change
    assert nft_host.address_set("x", entries, kind, mode="remove").is_change
    assert nft_host.entries("DB-x-4") == nft_host.entries("DB-x-6") == set()


@pytest.mark.parametrize("kind, entry", [
    ("hash:net", "localhost"), ("hash:net", "facebook.com"), ("hash:net", "cafe"), ("hash:net", "debian"), ("hash:net", "10.0.0.0/33"),
    ("hash:net", "10.0.0.256"), ("hash:net", "10.0.0.1 10.0.0.2"), ("hash:net", "10.0.0.1\nadd DB-x-4 0.0.0.0/1"), ("hash:net", "-exist"),
    ("hash:net", "10.0.0.1,80"), ("hash:net", ""), ("hash:net", "10.0.0.1 timeout 5"), ("hash:net", "10.0.0.1-localhost"),
    ("hash:net", "2001:db8::/129"), ("hash:net", "[2001:db8::1]"), ("hash:ip", "10.0.0.0/7,localhost"), ("hash:ip", "debian"),
    ("hash:ip,port", "10.0.0.1"), ("hash:ip,port", "10.0.0.1,99999"), ("hash:ip,port", "10.0.0.1,nosuchservice"), ("hash:ip,port", "debian,80"),
    ("hash:net,net", "10.0.0.0/8,localhost"), ("hash:net,net", "10.0.0.0/8,2001:db8::1"), ("hash:net,iface", "10.0.0.0/8,sixteen-letters-"),
    ("hash:net,iface", "10.0.0.0/8,a b"), ("hash:net,iface", "debian,eth0"),
])
def test_what_is_no_entry_is_named_and_changes_nothing(nft_host, kind, entry):
    nft_host.address_set("x", ["192.0.2.1"])
    before = nft_host.everything()
    with pytest.raises(DrawbridgeError) as error:
        nft_host.address_set("x", ["198.51.100.1,80" if "port" in kind else "198.51.100.1", entry], kind)
    assert error.value.path == "entries" and "\n" not in str(error.value)
    assert nft_host.everything() == before


@pytest.mark.parametrize("name", ["", "x" * 25, "a b", "a\nb", "-x", "@x", "x/y", "x;y"])
def test_names_that_cannot_be(nft_host, name):
    with pytest.raises(DrawbridgeError) as error:
        nft_host.address_set(name, [])
    assert error.value.path == "name"
    assert nft_host.sh("ipset", "save") == ""


def test_the_longest_name_can_be_filled_patched_and_swapped(nft_host):
    name = "x" * 24
    nft_host.address_set(name, numbered(0, 100))
    nft_host.address_set(name, numbered(1, 100))
    plan = nft_host.address_set(name, numbered(5000, 200))
    assert any(line.startswith("swap ") for line in plan.before)
    names = {line.split(" ")[1] for line in plan.before}
    assert max(map(len, names)) <= MAX_SET_NAME
    assert nft_host.entries("DB-%s-4" % name) == set(numbered(5000, 200))


def test_a_small_difference_is_patched_adding_first(nft_host):
    old, new = numbered(0, 100_000), numbered(50, 100_000)
    nft_host.address_set("x", old)
    plan = nft_host.address_set("x", new)
    assert plan.before == (["add DB-x-4 %s" % entry for entry in sorted(set(new) - set(old))]
                           + ["del DB-x-4 %s" % entry for entry in sorted(set(old) - set(new))])
    assert len(plan.before) == 100
    assert nft_host.entries("DB-x-4") == set(new)


def test_a_large_difference_is_swapped_in_at_once(nft_host):
    nft_host.address_set("x", numbered(0, 1000))
    plan = nft_host.address_set("x", numbered(500, 1000))
    assert [line.split(" ")[0] for line in plan.before] == ["create"] + ["add"] * 1000 + ["swap", "destroy"]
    assert nft_host.entries("DB-x-4") == set(numbered(500, 1000))
    assert "DBT-" not in nft_host.sh("ipset", "save")


def test_a_set_that_somebody_lists_is_swapped_when_he_ends(nft_host, monkeypatch):
    nft_host.address_set("x", ENTRIES)
    refused = []
    with listing("DB-x-4") as lister:
        def run(*arguments, **named):
            output = System().run(*arguments, **named)
            if output.rc:
                refused.append(output.stderr)
                lister.kill()
            return output

        monkeypatch.setattr(nft_host.system, "run", run)
        nft_host.address_set("x", numbered(0, 1000))
    assert "busy" in refused[0]
    assert nft_host.entries("DB-x-4") == set(numbered(0, 1000))
    assert "DBT-" not in nft_host.sh("ipset", "save")


def test_a_set_that_somebody_lists_too_long_is_an_error_that_says_so(nft_host, monkeypatch):
    nft_host.address_set("x", ENTRIES)
    monkeypatch.setattr(ipset, "_BUSY_SECONDS", 0)
    with listing("DB-x-4"), pytest.raises(DrawbridgeError, match="ipset refuses 'swap .*busy.*somebody lists it"):
        nft_host.address_set("x", numbered(0, 1000))
    assert nft_host.entries("DB-x-4") == set(ENTRIES)


def test_a_set_grows_beyond_what_it_was_made_for(nft_host):
    nft_host.address_set("x", numbered(0, 65_500))
    plan = nft_host.address_set("x", numbered(0, 65_600))
    assert any(line.startswith("swap ") for line in plan.before)
    header = nft_host.sh("ipset", "list", "-t", "DB-x-4")
    assert int(re.search(r"maxelem (\d+)", header).group(1)) >= 65_600
    assert int(re.search(r"entries: (\d+)", header).group(1)) == 65_600


def test_a_scratch_set_that_a_killed_run_left_is_in_nobodys_way(nft_host):
    nft_host.address_set("x", numbered(0, 1000))
    plan = nft_host.address_set("x", numbered(2000, 1000), check=True)
    ipset.Ipset(nft_host.system).restore(plan.before[:700])
    assert "DBT-" in nft_host.sh("ipset", "save")
    nft_host.address_set("x", numbered(2000, 1000))
    assert nft_host.entries("DB-x-4") == set(numbered(2000, 1000))
    assert "DBT-" not in nft_host.sh("ipset", "save")


def test_adding_and_removing(nft_host):
    nft_host.address_set("x", ["192.0.2.1", "192.0.2.2"])
    assert nft_host.address_set("x", ["192.0.2.3", "192.0.2.1/32"], mode="add").is_change
    assert nft_host.entries("DB-x-4") == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert not nft_host.address_set("x", ["192.0.2.3"], mode="add").is_change
    assert nft_host.address_set("x", ["192.0.2.2", "203.0.113.1"], mode="remove").is_change
    assert nft_host.entries("DB-x-4") == {"192.0.2.1", "192.0.2.3"}
    assert not nft_host.address_set("x", ["192.0.2.2"], mode="remove").is_change


def test_adding_to_a_set_that_is_not_there_makes_it(nft_host):
    assert nft_host.address_set("x", ["192.0.2.1"], mode="add").is_change
    assert nft_host.entries("DB-x-4") == {"192.0.2.1"} and nft_host.entries("DB-x-6") == set()


def test_another_type_makes_the_set_anew(nft_host):
    nft_host.address_set("x", ["192.0.2.1", "2001:db8::1"])
    assert nft_host.address_set("x", ["192.0.2.1,tcp:80"], "hash:ip,port").is_change
    assert nft_host.entries("DB-x-4") == {"192.0.2.1,tcp:80"} and nft_host.entries("DB-x-6") == set()
    assert not nft_host.address_set("x", ["192.0.2.1,80"], "hash:ip,port").is_change


@pytest.mark.parametrize("mode", ["add", "remove"])
def test_a_few_entries_of_another_type_do_not_make_the_set_anew(nft_host, mode):
    nft_host.address_set("x", ["192.0.2.1", "2001:db8::1"])
    before = nft_host.everything()
    with pytest.raises(DrawbridgeError, match=r"^type: DB-x-4 is a hash:net .*mode exact"):
        nft_host.address_set("x", ["192.0.2.1"], "hash:ip", mode)
    assert nft_host.everything() == before


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("arguments", [{"entries": ["192.0.2.1,80"], "kind": "hash:ip,port"}, {"entries": [], "present": False}], ids=["type", "absent"])
def test_a_set_that_rules_name_is_kept_with_its_twin(host, arguments, family, monkeypatch):
    host.address_set("x", ["192.0.2.1", "2001:db8::1"])
    host.section([{"source": "@x", "jump": "DROP"}], families=(family,))
    before = host.everything()
    with monkeypatch.context() as patch, pytest.raises(DrawbridgeError, match="in use.*remove them first"):
        patch.setattr(ipset, "_BUSY_SECONDS", 0)
        host.address_set("x", **arguments)
    assert host.everything() == before
    # Right after the rules are gone it works, however long nft takes to let go.
    host.section([], present=False)
    assert host.address_set("x", **arguments).is_change


def test_a_set_in_use_can_be_patched_and_swapped(host):
    host.address_set("x", ["192.0.2.1"])
    host.section([{"source": "@x", "jump": "DROP"}])
    rules = host.save(4)
    host.address_set("x", ["192.0.2.2"])
    host.address_set("x", numbered(0, 500))
    assert host.save(4) == rules and host.entries("DB-x-4") == set(numbered(0, 500))
    assert not host.section([{"source": "@x", "jump": "DROP"}]).plan.is_change


def test_other_peoples_sets_stay_as_they_are(nft_host):
    nft_host.sh("ipset", "restore", text="create theirs hash:ip timeout 300 comment\nadd theirs 192.0.2.1 comment \"it is: theirs\"\n"
                                         "create lists list:set\nadd lists theirs\ncreate ports bitmap:port range 1-9\n")
    before = re.sub(r" timeout \d+", "", nft_host.sh("ipset", "save"))
    nft_host.address_set("x", ["192.0.2.1"])
    assert nft_host.address_set("x", [], present=False).is_change
    assert re.sub(r" timeout \d+", "", nft_host.sh("ipset", "save")) == before


@pytest.mark.parametrize("name", ["theirs", "lists", "ports"])
def test_rules_may_name_other_peoples_sets_of_any_type(host, name):
    host.sh("ipset", "restore", text="create theirs hash:ip timeout 300 comment\ncreate lists list:set\nadd lists theirs\n"
                                     "create ports bitmap:port range 1-9\n")
    rule = "-p tcp -m set --match-set %s src -m limit --limit 5/sec -j DROP" % name
    assert host.section([rule]).plan.is_change
    assert not host.section([rule]).plan.is_change
    assert "--match-set %s src" % name in host.rules("DB-USER-web")[0]
