# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every test that asks for ``host`` or ``namespace`` runs in a network namespace of its own, which ends with it."""
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system import paths
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.lock import HostLock
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.records import records
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.transaction import converge

from tests.integration.kernel.support import behind_bridge, forge_rules, forge_stage, wire
from tests.integration.kernel.support.forge_cases import Cases
from tests.integration.kernel.support.host import PROGRAMS, Host
from tests.integration.kernel.support.namespace import VARIANTS, entered, missing, tools_of


@pytest.fixture(autouse=True)
def no_boot_files(monkeypatch, tmp_path):
    """The machine's own boot files and records are none of the tests' business."""
    monkeypatch.setattr(paths, "ETC", str(tmp_path / "etc"))
    monkeypatch.setattr(records, "FOLDER", str(tmp_path / "records"))


@pytest.fixture
def namespace(monkeypatch, tmp_path):
    """This process in a new network namespace, with locks that are not the machine's."""
    reason = missing("ip")
    if reason:
        pytest.skip(reason)
    monkeypatch.setenv("XTABLES_LOCKFILE", str(tmp_path / "xtables.lock"))
    monkeypatch.setattr(converge, "HostLock", lambda timeout: HostLock(timeout, str(tmp_path / "drawbridge.lock")))
    with entered():
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield


@pytest.fixture
def client(namespace):
    """The other end of a wire from that namespace."""
    with wire.wired() as other_end:
        yield other_end


@pytest.fixture(name="inner")
def container_behind_a_bridge(client):
    """The path of a namespace behind the host, which the client reaches."""
    with behind_bridge.container(client) as path:
        yield path


@pytest.fixture(params=VARIANTS)
def variant(request):
    """Each variant of iptables that is installed."""
    reason = missing(*tools_of(request.param))
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture
def host(variant, namespace):
    """A host without any rules."""
    return Host(variant)


@pytest.fixture(params=["nft"])
def nft_host(request, namespace):
    """A host for what does not depend on the variant."""
    reason = missing(*tools_of(request.param))
    if reason:
        pytest.skip(reason)
    return Host(request.param)


@pytest.fixture(name="stage")
def stage_with_an_engine(host):
    """Around the host: the outside, two bridges and containers, with the rules that an engine makes."""
    reason = missing("ip", "conntrack")
    if reason:
        pytest.skip(reason)
    with forge_stage.staged() as found:
        for family in PROGRAMS:
            host.restore(forge_rules.engines_rules(family), family)
        yield found


@pytest.fixture(name="cases")
def cases_of(host, stage, tmp_path):
    """Ways to get chains that exempt replies on the stage's host."""
    return Cases(host, stage, tmp_path)


@pytest.fixture(name="tell")
def telling(capsys, host):
    """Prints what a case came to."""
    def tell(case, found):
        with capsys.disabled():
            print("\n    %s, %s: %s" % (case, host.variant, found), end=" ")
    return tell
