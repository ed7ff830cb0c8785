# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which units run, from one answer of systemctl."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.boot.unit import running
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

TOLD = """Id=a.service
ActiveState=active
UnitFileState=enabled

Id=b.service
ActiveState=active
UnitFileState=disabled

Id=c.service
ActiveState=failed
UnitFileState=enabled

Id=d.service
ActiveState=inactive
UnitFileState=
"""


class Host(System):
    def __init__(self, program):
        super().__init__()
        self.program, self.asked = program, []

    def which(self, name):
        return self.program

    def run(self, argv, stdin="", env=None):
        self.asked.append(argv)
        return Output(0, TOLD, "")


def test_only_what_is_active_and_starts_at_boot_runs():
    host = Host("/usr/bin/systemctl")
    assert running(host, ["a.service", "b.service", "c.service", "d.service"]) == {"a.service"}
    assert len(host.asked) == 1 and host.asked[0][-4:] == ["a.service", "b.service", "c.service", "d.service"]


def test_without_systemd_nothing_runs():
    assert running(Host(None), ["a.service"]) == frozenset()
