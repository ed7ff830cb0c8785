# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Code that a host keeps: root's alone, whole or not at all, and never taken from under a run that uses it."""
import base64
import io
import os
import resource
import threading
import time
import zipfile

import pytest
from ansible_collections.drawbridge.docker.plugins.modules import hosted

from tests.integration.kernel.support.namespace import missing

DIGEST = "0" * 64


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    if missing():
        pytest.skip(missing())
    monkeypatch.setattr(hosted, "FOLDER", str(tmp_path / "code"))
    return tmp_path / "code"


def archive(text="1"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        files.writestr("modules/one.py", text)
        files.writestr("module_utils/two.py", text)
    return base64.b64encode(buffer.getvalue())


def used(digest=DIGEST, code=None, check_mode=False):
    """Where a run with these options finds its code; None where it finds none."""
    with hosted.code(digest, code, check_mode) as found:
        if found is not None:
            assert os.path.exists(os.path.join(found, "module_utils", "two.py"))
        return found


def test_sent_once(folder):
    assert used() is None
    assert used(code=archive()) == used() == str(folder / DIGEST)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_check_mode_keeps_none(folder):
    assert not used(code=archive(), check_mode=True).startswith(str(folder))
    assert not folder.exists()


def test_what_others_could_write_to_is_not_used(folder, tmp_path):
    used(code=archive())
    folder.chmod(0o777)
    assert used() is None
    assert not used(code=archive("2")).startswith(str(folder))
    folder.chmod(0o700)
    os.chown(folder / DIGEST, 1, 1)
    assert used() is None
    os.rename(folder, tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert used() is None
    assert not used(code=archive("2")).startswith(str(tmp_path / "elsewhere"))


def test_code_of_runs_under_way_stays(folder):
    others = [str(number) * 64 for number in range(1, 6)]
    for digest in others:
        used(digest, archive())
    under_way = [folder / "new-a", folder / "new-b"]
    for path in under_way:
        path.mkdir()
    assert used(code=archive()) == str(folder / DIGEST)
    assert all(used(digest) for digest in [DIGEST, *others]) and all(path.exists() for path in under_way)


def test_what_nobody_has_used_for_long_goes(folder):
    for name in ("new-killed", "1" * 64, "2" * 64):
        (folder / name).mkdir(parents=True)
    long_ago = time.time() - 2 * hosted.UNUSED_SECONDS
    for name in ("new-killed", "1" * 64):
        os.utime(folder / name, (long_ago, long_ago))
    folder.chmod(0o700)
    used(code=archive())
    assert sorted(os.listdir(folder)) == [DIGEST, "2" * 64]


def test_many_runs_at_once(folder):
    found = []
    runs = [threading.Thread(target=lambda: found.append(used(code=archive()))) for _run in range(12)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert found == [str(folder / DIGEST)] * 12 and os.listdir(folder) == [DIGEST]


def test_no_room(folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        assert not hosted.keep(str(folder / DIGEST), archive("2" * 5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(folder) == []
    assert not used() and used(code=archive()) == str(folder / DIGEST)
