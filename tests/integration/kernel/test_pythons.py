# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Modules under each Python that a target may have, with the module_utils of an ansible-core that supports it."""
import functools

import pytest

from tests.integration.kernel.support.containers import Engine
from tests.integration.kernel.support.engine_socket import EngineSocket
from tests.integration.kernel.support.module import run_module
from tests.integration.kernel.support.playbook import OWN_RUN, of_core, why_not
from tests.tools import env

# Those of the oldest ansible-core and of the newest.
PYTHONS = {(3, 8): "oldest", (3, 9): "newest", (3, 10): "newest", (3, 11): "newest", (3, 12): "newest", (3, 13): "newest", (3, 14): "newest"}
POLICY = {
    "address_sets": {"office": ["192.0.2.0/25", "2001:db8:1::/64"]},
    "published_ports": {"allow": [{"port": "8080-8081", "sources": ["@office"]}]},
    "host_services": {"default": "deny", "allow": [{"port": 443, "sources": ["any"]}]},
    "egress": {"default": "deny", "allow": [{"destination": ["@office"]}]},
}
LOGGED = "2026-05-01T10:00:00.25+0200 web1 kernel: DB-INPUT:D IN=eth0 OUT= SRC=192.0.2.9 DST=192.0.2.1 PROTO=TCP SPT=1 DPT=22 \n"
ENGINE = {"docker_host": "unix:///nowhere"}


@functools.cache
def found():
    return env.pythons()


@pytest.fixture(params=PYTHONS, ids=lambda version: "%d.%d" % version, name="run")
def on_each_python(request):
    """Runs a module on it → what the module returned."""
    if request.param not in found():
        pytest.skip("Python %d.%d is not here" % request.param)
    core = PYTHONS[request.param]
    if why_not(of_core(core)):
        pytest.skip(why_not(of_core(core)))
    python = str(found()[request.param])

    def run(name, /, **arguments):
        result = run_module(OWN_RUN, name, python=python, core=core, **arguments)
        assert not result.get("failed"), result
        return result

    return run


def test_modules(nft_host, run, tmp_path):
    log = tmp_path / "kern.log"
    log.write_text(LOGGED, encoding="utf-8")
    policy = dict(ENGINE, policy=POLICY, confirm_timeout=0)
    predicted, done, again = run("host_policy", check=True, **policy), run("host_policy", **policy), run("host_policy", **policy)
    assert predicted["changed"] and done["changed"] and predicted["diff"] == done["diff"] and not again["changed"]
    assert nft_host.rules("DB-GUARD", "mangle") and nft_host.rules("DB-INPUT")
    assert run("docker_user_chain", section="web", rules=[{"source": "192.0.2.1/24", "jump": "DROP"}])["changed"]
    assert isinstance(run("docker_firewall_info", **ENGINE)["findings"], list)
    assert run("denied_info", path=str(log), **ENGINE)["denied"][0]["source"] == "192.0.2.9"
    assert isinstance(run("firewall_audit_info", **ENGINE)["reachability"]["targets"], list)
    engine = EngineSocket(tmp_path / "engine.sock", Engine())
    waiting = run("quarantine", check=True, docker_host=engine.address, compose_project="shop", reason="INC-1", on_missing="ignore")
    proposed = run("migration_info", docker_host=engine.address)
    engine.stop()
    assert proposed["policy"]["published_ports"]["default"] == "deny" and proposed["wider"] == 0
    assert waiting["changed"] and waiting["holds"] == "until_restart" and waiting["quarantine"]["selector"] == {"compose_project": "shop"}
    assert isinstance(run("prerequisites_info", parts=["policy"])["missing"], list)
    nft_host.sh("ip", "link", "set", "lo", "up")
    assert run("packet_probe", to="127.0.0.1", expect="allow")["probes"][0]["outcome"] == "answered"
    assert run("packet_trace", packet={"from": "host", "to": "127.0.0.1"}, seconds=1)["seen"] == []
    assert "bridge br0" in run("netns_network", check=True, name="lab", bridges=[{"name": "br0", "addresses": ["172.18.0.1/16"]}])["diff"]["after"]
