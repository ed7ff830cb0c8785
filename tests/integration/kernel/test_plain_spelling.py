# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines that are compared without asking iptables: it prints them exactly as they stand.

tests/integration/lab/test_plain_spelling.py asks the other releases of iptables.
"""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.canonical import is_plain

from tests.integration.kernel.support.plain_lines import ipset_text, loaded_lines, plain_lines, restore_text
from tests.integration.kernel.support.policies import POLICIES, policy


@pytest.mark.parametrize("family", [4, 6])
def test_plain_lines_read_back_as_they_were_written(host, family):
    lines = plain_lines(family, 4000)
    assert [line for line in lines if not is_plain(line)] == []
    host.sh("ipset", "restore", text=ipset_text(family))
    host.restore(restore_text(lines), family)
    saved = loaded_lines(host.save(family))
    assert len(saved) == len(lines)
    assert [(line, read) for line, read in zip(lines, saved) if line != read] == []


def test_nearly_all_lines_of_a_policy_are_plain():
    for name in POLICIES:
        lines = [line.text for chain in policy(name).chains for line in chain.lines]
        odd = [line for line in lines if not is_plain(line) and not has_comment_of_a_user(line)]
        assert odd == [], name


def has_comment_of_a_user(line):
    """Whether the line carries what a user wrote: in letters of any language, and beside a comment of ours."""
    return not line.isascii() or line.count("-m comment ") > 1
