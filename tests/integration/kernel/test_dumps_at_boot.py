# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A dump of another firewall's that names sets of ours: a boot takes the sets, and the dump is to be loaded all the same."""
import pytest

from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell

DUMP = """*filter
:DB-INPUT - [0:0]
-A INPUT -s 192.0.2.66/32 -j DROP
-A INPUT -m set ! --match-set DBP-kept-4a src -m set --match-set DBP-gone-4b src,dst -j DB-INPUT
-A DB-INPUT -m set --match-set theirs src -j DROP
COMMIT
"""
# iptables refuses a set of the other family.
DUMP_6 = "*filter\n:DB-INPUT - [0:0]\n-A DB-INPUT -m set --match-set DBP-gone-6b src -m set --match-set DB-abusers-6 src -j DROP\nCOMMIT\n"


@pytest.fixture(name="program")
def boot_program(host, tmp_path, request):
    """Before the first boot, with a generation that has one set."""
    program = Program(tmp_path, host, getattr(request, "param", DEBIAN))
    host.sh("ipset", "create", "DBP-kept-4a", "hash:net,port")
    program.save()
    host.sh("ipset", "destroy", "DBP-kept-4a")
    (program.folder / "run" / "loaded").unlink()
    return program


@in_each_shell
def test_sets_of_ours_are_there_before_the_dump(host, program, tmp_path):
    dump = tmp_path / "rules'v4 x"
    dump.write_text(DUMP.replace(" theirs ", " DBT-0badcafe "), encoding="utf-8")
    (tmp_path / "v6").write_text(DUMP_6, encoding="utf-8")
    program.run("sets", "/nonexistent", str(dump), str(tmp_path / "v6"))
    assert set(host.sh("ipset", "list", "-n").split()) == {"DBP-kept-4a", "DBP-gone-4b", "DBP-gone-6b", "DB-abusers-6", "DBT-0badcafe"}
    assert "Type: hash:net,port" in host.sh("ipset", "list", "DBP-kept-4a")
    host.restore(dump.read_text(encoding="utf-8"))
    assert host.rules("INPUT")[0] == "-s 192.0.2.66/32 -j DROP"
    host.restore(DUMP_6, 6)
    program.run("boot")
    # What the generation does not have is gone, and the line of others is not.
    assert host.rules("INPUT") == ["-s 192.0.2.66/32 -j DROP"] and host.rules("DB-INPUT") is None
    assert host.sh("ipset", "list", "-n").split() == ["DBP-kept-4a"]


@pytest.mark.parametrize("case", ["later", "sets are dumped", "nothing of ours"])
def test_nothing_is_made_where_nothing_is_missing(host, program, tmp_path, case):
    files = [tmp_path / "rules.v4", tmp_path / "ipsets"]
    text = DUMP
    if case == "later":
        (program.folder / "run" / "loaded").touch()
    elif case == "sets are dumped":
        files[1].write_text("create DBP-kept-4a hash:ip\ncreate theirs hash:ip\n", encoding="utf-8")
    else:
        text = "*filter\n-A INPUT -m set --match-set theirs src -j DROP\nCOMMIT\n"
    files[0].write_text(text, encoding="utf-8")
    program.run("sets", *map(str, files))
    assert host.sh("ipset", "list", "-n") == ""
