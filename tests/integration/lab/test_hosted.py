# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Code that modules run from: kept on the host once it was sent, and trusted only where it is root's alone."""
import pytest

from tests.integration.lab.support.playbook import play

CODE = "/run/drawbridge-code"
SET = {"drawbridge.docker.address_set": {"name": "office", "entries": ["192.0.2.0/25"]}}
WRONG = 'raise SystemExit("code of somebody else was run")\n'


@pytest.fixture(name="without_code")
def hosts_without_code(managed):
    core, hosts = managed
    for host in hosts:
        host.run(["rm", "-rf", CODE])
    return core, hosts


def kept(hosts):
    return {host.name: host.run(["sh", "-c", "ls %s 2>/dev/null || true" % CODE]).stdout.split() for host in hosts}


def changed(hosts, core, *tasks, **options):
    done = play(hosts, tasks or [SET], core=core, **options)
    return [[result["changed"] for result in done.of(host.name)] for host in hosts]


def test_the_code_is_sent_once_and_kept(without_code):
    core, hosts = without_code
    assert changed(hosts, core, SET, SET) == [[True, False]] * len(hosts)
    first = kept(hosts)
    assert {len(names) for names in first.values()} == {1}
    assert changed(hosts, core) == [[False]] * len(hosts)
    assert kept(hosts) == first


def logged(hosts, module):
    """How many lines each host's journal has of a module."""
    tag = "ansible-drawbridge.docker." + module
    return [host.run(["journalctl", "--no-pager", "-q", "-o", "cat", "-t", tag]).stdout.count("\n") for host in hosts]


def test_the_journal_is_told_the_module_s_options_and_no_code(without_code):
    core, hosts = without_code
    code, module = logged(hosts, "hosted"), logged(hosts, "address_set")
    assert changed(hosts, core, SET, SET) == [[True, False]] * len(hosts)
    assert logged(hosts, "address_set") == [number + 2 for number in module]
    assert logged(hosts, "hosted") == code


def test_check_mode_keeps_no_code(without_code):
    core, hosts = without_code
    assert changed(hosts, core, check=True) == [[True]] * len(hosts)
    assert not any(kept(hosts).values())


@pytest.mark.parametrize("taken", ["chmod 0777 %(code)s", "chown nobody %(code)s", "mv %(code)s /tmp/theirs && ln -s /tmp/theirs %(code)s"])
def test_code_that_others_could_have_written_is_not_run(without_code, taken):
    core, hosts = without_code
    changed(hosts, core)
    for host in hosts:
        host.run(["sh", "-c", "rm -rf /tmp/theirs; for file in %(code)s/*/modules/address_set.py; do echo '%(wrong)s' > $file; done; rm -rf"
                  " %(code)s/*/modules/__pycache__; " % {"code": CODE, "wrong": WRONG.strip()} + taken % {"code": CODE}])
    try:
        assert changed(hosts, core) == [[False]] * len(hosts)
    finally:
        for host in hosts:
            host.run(["rm", "-rf", CODE, "/tmp/theirs"])
