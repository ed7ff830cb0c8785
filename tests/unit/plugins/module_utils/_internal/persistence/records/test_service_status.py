# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whether the event service keeps entries by containers' names true."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records.service_status import UNIT_FILE, follows_names
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.service.install import unit_text

ENGINE = "unix:///var/run/docker.sock"


class Host:
    """A host as far as it is asked here."""

    def __init__(self, text, state):
        self.files, self.state = {UNIT_FILE: text}, state

    def read(self, path):
        return self.files.get(path)

    def which(self, name):
        return "/bin/" + name

    def run(self, _argv):
        return Output(0, self.state + "\n", "")


UNIT = unit_text(ENGINE, " --closed-until-ready").decode()


@pytest.mark.parametrize("text, state, engine, follows", [
    (UNIT, "active", ENGINE, True),
    (UNIT, "active", "unix:///other.sock", False),
    (UNIT, "active", "tcp://127.0.0.1:2375", False),
    (UNIT, "failed", ENGINE, False),
    (None, "inactive", ENGINE, False),
    ("\n".join(line for line in UNIT.splitlines() if "ExecStopPost" not in line), "active", ENGINE, False),
], ids=["it does", "another engine", "not a socket", "it ended", "none", "of an earlier release"])
def test_it_runs_follows_this_engine_and_knows_names(text, state, engine, follows):
    assert follows_names(Host(text, state), engine) == follows
