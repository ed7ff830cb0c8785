# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""README's first page does what it says: its commands and its playbook, as they are written, on a host of the lab."""
import re

from tests.integration.lab.support import expected, ways
from tests.integration.lab.support.as_written import block, typed, user
from tests.integration.lab.support.playbook import ROOT
from tests.lab.paths import DIRECT, PUBLISHED
from tests.tools import gatelist

README = ROOT / "README.md"
HOST = "docker.example.org"
SUMMARY = re.compile(r"^%s +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0" % re.escape(HOST), re.MULTILINE)


def only_the_office(cell):
    """README's policy on the lab's workload: the office reaches 8080, nobody another published port."""
    if cell.path.kind == PUBLISHED:
        return cell.who == "allowed" and cell.result.probe.port == 8080
    return cell.path.kind != DIRECT and expected.as_docker_leaves_it(cell)


def test_one_host_as_it_is_written(lab, one, tmp_path):
    install, look, apply = block(README, "", "ansible-galaxy").splitlines()
    variables = user(tmp_path, one, HOST)
    with gatelist.copy() as collection:
        typed(install, collection, variables)
    (tmp_path / "firewall.yml").write_text(block(README, "yaml", "# firewall.yml"), encoding="utf-8")
    before = ways.dumps([one])
    looked = typed(look, tmp_path, variables)
    assert ways.dumps([one]) == before
    assert "-port 8080/tcp ('web'): anybody\n" in looked and "+port 8080/tcp ('web'): @office\n" in looked
    for command, changed in ((apply, True), (apply, False)):
        (found,) = SUMMARY.findall(typed(command, tmp_path, variables))
        assert bool(int(found)) == changed
        cells = ways.plain(lab, [one], only_the_office)
        assert expected.differences(cells, only_the_office) == []
