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
    return core_version(core) >= ((2, 20) if layout.HOSTS[name].suite == "forky" else (2, 18))


@pytest.fixture(scope="session", name="lab")
def running_lab():
    """The lab with all Debian's engines that the newest ansible-core here supports, as Docker leaves them; brought up if need be."""
    needed = {name for name in layout.DEBIANS if manages(NEWEST, name)}
    for name, reason in layout.LEFT_OUT.items():
        warnings.warn("%s is left out: %s" % (name, reason), stacklevel=1)
    for name in set(layout.DEBIANS) - needed:
        warnings.warn("%s is left out: the newest ansible-core here does not support its Python" % name, stacklevel=1)
    lab = up_with(needed)
    all_pristine(of_debian(lab))
    return lab


def up_with(needed):
    """The lab with these hosts in it, brought up if need be."""
    try:
        lab = Lab.load()
    except LabError:
        lab = None
    if lab is None or not needed <= set(lab.hosts):
        subprocess.run([layout.PYTHON, "-m", "tests.lab", "up", *sorted(needed)], cwd=str(ROOT), check=True)
        lab = Lab.load()
    return lab


def of_debian(lab):
    """The hosts with engines of Debian's."""
    return [host for name, host in lab.hosts.items() if name in layout.DEBIANS]


@pytest.fixture(params=layout.own_engine.NAMES, name="own")
def with_an_engine_of_its_own(request):
    """(the lab, a host with the engine that the environment names, in a list), as Docker leaves it; skipped by name where there is none."""
    name = request.param
    if name in layout.LEFT_OUT:
        pytest.skip("%s is left out: %s" % (name, layout.LEFT_OUT[name]))
    if not manages(NEWEST, name):
        pytest.skip("%s is left out: the newest ansible-core here does not support its Python" % name)
    lab = up_with({name})
    host = lab.hosts[name]
    host.pristine()
    yield lab, [host]
    host.pristine()


def all_pristine(hosts):
    """Put all these hosts back at once."""
    on_all(list(hosts), lambda host: host.pristine())


@pytest.fixture(name="hosts")
def pristine_hosts(lab):
    """All hosts, as Docker leaves them: every test finds them so, and they are put back behind it."""
    yield of_debian(lab)
    all_pristine(of_debian(lab))


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


@pytest.fixture(name="outermost")
def oldest_and_newest_engine(lab):
    """The hosts with the oldest and the newest engine, as Docker leaves them: for what no engine between them does in another way."""
    supported = [host for host in of_debian(lab) if manages(NEWEST, host.name)]
    found = [supported[0], supported[-1]]
    yield found
    all_pristine(found)


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
