# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the summary prints, and when a play is at its end. Real plays are in the kernel tests."""
import pytest
from ansible_collections.drawbridge.docker.plugins.action import fleet_summary
from ansible_collections.drawbridge.docker.plugins.plugin_utils import returning
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.hosts import Host, Play


@pytest.mark.parametrize("callback, is_printed", [("default", True), ("ansible.builtin.default", True), ("ansible.posix.json", False), ("jsonl", False)])
def test_programs_that_read_what_ansible_prints_get_no_table(callback, is_printed, monkeypatch, capsys):
    monkeypatch.setattr(returning.constants, "DEFAULT_STDOUT_CALLBACK", callback)
    returning.show(["web1  changed", "", "1 host"])
    assert capsys.readouterr().out == ("web1  changed\n\n1 host\n" if is_printed else "")


@pytest.mark.parametrize("results, borne, is_end", [
    (["changed", "changed"], 0, True), (["changed", "changed", "not reached"], 0, False), (["changed", "failed", "not reached"], 0, True),
    (["changed", "failed", "not reached"], 50, False), (["changed", "failed", "not reached"], 49.9, True), (["changed", "failed", "not reached"], None, False),
    # Ansible ends a play whose whole batch is lost.
    (["unreachable", "failed", "not reached"], 100, True), (["unreachable", "changed", "not reached"], 0, False),
])
def test_the_end_of_a_play(results, borne, is_end):
    hosts = [Host("web%d" % number, result) for number, result in enumerate(results)]
    assert fleet_summary._is_end(hosts, Play([], set(), {"web0", "web1"}, False), borne) == is_end
