# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines that are compared without asking iptables, loaded by the iptables of each host, in a throwaway namespace there."""
import pytest

from tests.integration.kernel.support.plain_lines import ipset_text, loaded_lines, plain_lines, restore_text

LOAD = """
ipset restore <<'SETS'
%sSETS
XTABLES_LOCKFILE=$(mktemp); export XTABLES_LOCKFILE
%s-restore <<'RULES'
%sRULES
%s-save
rm "$XTABLES_LOCKFILE"
"""


@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("family, program", [(4, "iptables"), (6, "ip6tables")])
def test_plain_lines_read_back_as_they_were_written(lab, variant, family, program):
    lines = plain_lines(family, 3000)
    command = "%s-%s" % (program, variant)
    script = LOAD % (ipset_text(family), command, restore_text(lines), command)
    for host in lab.hosts.values():
        saved = loaded_lines(host.run(["unshare", "--net", "sh", "-eu"], input=script).stdout)
        assert len(saved) == len(lines), host.name
        assert [(line, read) for line, read in zip(lines, saved) if line != read] == [], host.name
