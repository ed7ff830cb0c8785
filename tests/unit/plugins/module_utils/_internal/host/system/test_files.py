# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Files replaced as a whole."""
import os
import stat

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import files


def test_a_new_file_in_a_new_folder(tmp_path):
    path = tmp_path / "a" / "b.conf"
    files.replace(str(path), b"x\n", 0o640)
    assert path.read_bytes() == b"x\n" and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(str(path.parent)) == ["b.conf"]


def test_mode_is_kept_and_readers_of_the_old_file_keep_it(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    path.chmod(0o604)
    with open(path, "rb") as reader:
        files.replace(str(path), b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == 0o604


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir(mode=0o755)
    target = tmp_path / "real" / "f"
    target.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(target)
    files.replace(str(link), b"new")
    assert link.is_symlink() and target.read_bytes() == b"new"


def test_a_link_into_a_folder_of_everybody_is_refused(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to(folder / "f")
    with pytest.raises(DrawbridgeError, match="others may write"):
        files.replace(str(tmp_path / "link"), b"new")
    assert (folder / "f").read_bytes() == b"old"


def test_what_fails_leaves_nothing(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(DrawbridgeError):
        files.replace(str(tmp_path / "f"), b"new")
    assert os.listdir(str(tmp_path)) == ["f"]


def test_a_fifo_is_no_file(tmp_path):
    os.mkfifo(str(tmp_path / "f"))
    with pytest.raises(DrawbridgeError, match="regular"):
        files.look(str(tmp_path / "f"))


def test_backups_have_names_of_their_own(tmp_path):
    path = tmp_path / "f"
    assert files.back_up(str(path)) is None
    path.write_bytes(b"1")
    first, second = files.back_up(str(path)), files.back_up(str(path))
    assert first != second and all(open(name, "rb").read() == b"1" and name.endswith("~") for name in (first, second))


def test_remove(tmp_path):
    files.remove(str(tmp_path / "none"))
    (tmp_path / "f").write_bytes(b"1")
    files.remove(str(tmp_path / "f"))
    assert not (tmp_path / "f").exists()
