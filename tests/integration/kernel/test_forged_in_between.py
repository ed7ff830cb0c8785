# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Who forges while somebody has flushed the rules gets in neither then nor when they are back."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.boot_program.sentry_support import reason_against
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge

from tests.integration.kernel.support import forge_matrix
from tests.integration.kernel.support.namespace import missing
from tests.integration.kernel.support.program import Program
from tests.integration.kernel.support.watching import until, watching

REVERSED = [attack for attack in forge_matrix.ATTACKS if attack.kind == forge_matrix.REVERSED]


@pytest.fixture(name="program")
def boot_program(host, cases, monkeypatch):
    """What is kept for a boot, with the table that closes while rules are gone."""
    reason = missing("nft") or reason_against(host.system, host.variant, (4, 6))
    if reason:
        pytest.skip(reason)
    program = Program(cases.folder, host)
    monkeypatch.setattr(paths, "ETC", program.files.folder.path)
    # One lock for tasks and the program, as on a host.
    monkeypatch.setattr(converge, "HostLock", lambda timeout: HostLock(timeout, str(cases.folder / "lock")))
    program.files.folder.write("sentry", "connlabel\n")
    program.files.folder.write("ssh", "22\n")
    program.save()
    return program


@pytest.mark.parametrize("case", ["both", "everything"])
def test_nobody_is_one_who_replies_by_the_time_that_the_rules_are_back(stage, cases, program, case, tell):
    cases.apply(case)
    with watching(program) as watch:
        until(watch.asked, "the table that closes")
        found = forge_matrix.outcome_over(stage, REVERSED, cases.flushed(watch))
    tell(case, found)
    assert found.got_in == [], "\n".join(forge_matrix.by_kind(found.got_in))
