# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A root who may not do everything, as SELinux, AppArmor and containers make one: said in a sentence, the old rules in force."""
import os
import subprocess
import sys

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths

from tests.integration.kernel.support.namespace import missing
from tests.integration.kernel.support.playbook import COLLECTIONS
from tests.integration.kernel.support.program import Program

# ETC LOCK VARIANT: a change of one section, with boot files; prints what comes of it.
_CHANGE = """
import sys
sys.path.insert(0, sys.argv[4])
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.user_chain import Section, section_wanted
paths.ETC = sys.argv[1]
converge.HostLock = lambda timeout: HostLock(timeout, sys.argv[2])
wanted = section_wanted(Section("web", 500, False, (4, 6), False, True), ["-s 192.0.2.9 -j DROP"], "rules")
try:
    converge.converge(System(), converge.Settings(sys.argv[3], 1, False), lambda _netfilter: wanted)
    print("done")
except DrawbridgeError as error:
    print(error)
"""


@pytest.fixture(name="program")
def boot_files(host, tmp_path, monkeypatch):
    """A host with a section and boot files."""
    reason = missing("setpriv")
    if reason:
        pytest.skip(reason)
    monkeypatch.setattr(paths, "ETC", str(tmp_path / "saved"))
    program = Program(tmp_path, host)
    host.section(["-s 192.0.2.1 -j DROP"])
    return program


def change(host, tmp_path, *without):
    """What a change says that is made without some capabilities."""
    lacking = ",".join("-" + name for name in without) or "+net_admin"
    argv = ["setpriv", "--bounding-set", lacking, "--inh-caps", lacking, sys.executable, "-c", _CHANGE,
            str(tmp_path / "saved"), str(tmp_path / "drawbridge.lock"), host.variant, str(COLLECTIONS)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def files(tmp_path):
    """Names and contents of all that is kept."""
    return {str(path.relative_to(tmp_path)): path.read_text(encoding="utf-8") for path in (tmp_path / "saved").rglob("*") if path.is_file()}


def test_nothing_is_denied(host, program, tmp_path):
    """What the others fail at can be done."""
    assert change(host, tmp_path) == "done\n"
    assert host.rules("DB-USER-web") == ["-s 192.0.2.9/32 -j DROP"]


def test_the_kernel_s_rules(host, program, tmp_path):
    before = host.everything(), files(tmp_path)
    words = change(host, tmp_path, "net_admin")
    assert "ermission denied" in words or "peration not permitted" in words, words
    assert "tables-" in words or "ipset" in words
    assert (host.everything(), files(tmp_path)) == before


def test_files_before_the_change(host, program, tmp_path):
    before = host.everything(), files(tmp_path)
    os.chmod(tmp_path / "saved", 0o500)
    words = change(host, tmp_path, "dac_override", "dac_read_search")
    assert words.startswith("cannot write to %s: Permission denied" % (tmp_path / "saved")), words
    assert (host.everything(), files(tmp_path)) == before


def test_files_after_the_change(host, program, tmp_path):
    before = host.everything()
    os.chmod(tmp_path / "saved" / "generations", 0o500)
    os.chown(tmp_path / "saved" / "generations", 65534, 65534)
    words = change(host, tmp_path)
    os.chown(tmp_path / "saved" / "generations", 0, 0)
    assert "generations" in words and "the rules from before are in force again" in words, words
    assert host.everything() == before
