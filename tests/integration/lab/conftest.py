# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The lab's hosts for tests: up, and as Docker leaves them."""
import subprocess
import warnings

import pytest

from tests.integration.lab.support.playbook import NEWEST, OLDEST, ROOT, core_version
from tests.integration.lab.support.ways import on_all
from tests.lab import layout
from tests.lab.api import Lab
from tests.lab.sh import LabError


def manages(core, name):
    """Whether an environment's ansible-core supports the Python of a host: forky's is 3.14, from 2.20 on."""
    return core_version(core) >= ((2, 20) if name == "forky" else (2, 18))


@pytest.fixture(scope="session", name="lab")
def running_lab():
    """The lab with all hosts that the newest ansible-core here supports, as Docker leaves them; brought up if need be."""
    needed = {name for name in layout.HOSTS if manages(NEWEST, name)}
    for name in set(layout.HOSTS) - needed:
        warnings.warn("%s is left out: the newest ansible-core here does not support its Python" % name, stacklevel=1)
    try:
        lab = Lab.load()
    except LabError:
        lab = None
    if lab is None or not needed <= set(lab.hosts):
        subprocess.run([layout.PYTHON, "-m", "tests.lab", "up", *sorted(needed)], cwd=str(ROOT), check=True)
        lab = Lab.load()
    all_pristine(lab.hosts.values())
    return lab


def all_pristine(hosts):
    """Put all these hosts back at once."""
    on_all(list(hosts), lambda host: host.pristine())


@pytest.fixture(name="hosts")
def pristine_hosts(lab):
    """All hosts, as Docker leaves them: every test finds them so, and they are put back behind it."""
    yield list(lab.hosts.values())
    all_pristine(lab.hosts.values())


@pytest.fixture(params=[NEWEST, OLDEST], name="managed")
def managed_by_each_core(request, hosts):
    """(core, the hosts that it supports), for the newest and the oldest ansible-core."""
    core = request.param
    if core_version(core) == (0, 0):
        pytest.skip("there is no environment %s: run make env" % core)
    supported = [host for host in hosts if manages(core, host.name)]
    assert {host.name for host in supported} >= {"bookworm", "trixie"}
    return core, supported


@pytest.fixture(name="manageable")
def managed_by_the_newest(hosts):
    """The hosts that the newest ansible-core supports, as Docker leaves them."""
    supported = [host for host in hosts if manages(NEWEST, host.name)]
    assert {host.name for host in supported} >= {"bookworm", "trixie"}
    return supported


@pytest.fixture(name="tell")
def telling(capsys):
    """Prints figures to whoever runs the tests."""
    def tell(*words):
        with capsys.disabled():
            print("   ", *words, flush=True)
    return tell


@pytest.fixture(name="one")
def one_host(lab):
    """One host, as Docker leaves it."""
    host = lab.hosts["trixie"]
    host.pristine()
    yield host
    host.pristine()
