# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the code does on hosts of seven engines is what its golden files say: see tests/goldens/README.md."""
from tests.goldens import compare
from tests.goldens.cases import CASES, HOSTS, pairs


def test_nothing_is_done_otherwise():
    found = compare.differences()
    assert not found, "make goldens shows it, ACCEPT=1 make goldens accepts it:\n" + "".join(found.values())[:20000]


def test_every_host_and_case_is_shown():
    assert len(HOSTS) == 7 and {host for host, _case in pairs()} == set(HOSTS) and {case for _host, case in pairs()} == set(CASES)


def test_what_differs_is_missing_or_left_over_is_told_and_accepted(monkeypatch, tmp_path):
    now = {"same": "1\n", "other": "1\n2\n", "missing": "1\n"}
    monkeypatch.setattr(compare, "EXPECTED", tmp_path)
    monkeypatch.setattr(compare, "path_of", lambda name: tmp_path / "host" / name)
    monkeypatch.setattr(compare, "all_rendered", lambda: now)
    (tmp_path / "host").mkdir()
    for name, text in {"same": "1\n", "other": "1\n", "left-over": "1\n"}.items():
        (tmp_path / "host" / name).write_text(text, encoding="utf-8")
    found = compare.differences()
    assert {path.name: str(text).splitlines()[3:] for path, text in found.items()} == {"other": [" 1", "+2"], "missing": ["+1"], "left-over": ["-1"]}
    compare.accept(found)
    assert not compare.differences() and sorted(path.name for path in (tmp_path / "host").iterdir()) == sorted(now)
