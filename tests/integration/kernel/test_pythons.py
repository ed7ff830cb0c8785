# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Modules under each Python that a target may have, with the module_utils of an ansible-core that supports it."""
import functools
import json
import subprocess

import pytest

from tests.integration.kernel.support.playbook import COLLECTIONS, OWN_RUN, of_core, why_not
from tests.tools import env

# Those of the oldest ansible-core and of the newest.
PYTHONS = {(3, 8): "oldest", (3, 9): "newest", (3, 10): "newest", (3, 11): "newest", (3, 12): "newest", (3, 13): "newest", (3, 14): "newest"}
POLICY = {
    "address_sets": {"office": ["192.0.2.0/25", "2001:db8:1::/64"]},
    "published_ports": {"allow": [{"port": "8080-8081", "sources": ["@office"]}]},
    "host_services": {"default": "deny", "allow": [{"port": 443, "sources": ["any"]}]},
    "egress": {"default": "deny", "allow": [{"destination": ["@office"]}]},
}
ENGINE = {"docker_host": "unix:///nowhere"}
# As the wrapper does that Ansible sends.
RUN = """
import importlib, json, sys
folders, name, arguments = json.loads(sys.argv[1])
sys.path[:0] = folders
from ansible.module_utils import basic
basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
basic._ANSIBLE_PROFILE = "legacy"
importlib.import_module("ansible_collections.drawbridge.docker.plugins.modules." + name).main()
"""


@functools.cache
def found():
    return env.pythons()


@functools.cache
def library(core):
    """The folder that an environment's ansible-core is in."""
    code = "import ansible, os; print(os.path.dirname(os.path.dirname(ansible.__file__)))"
    return subprocess.run([of_core(core).with_name("python"), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(params=PYTHONS, ids=lambda version: "%d.%d" % version, name="run")
def on_each_python(request):
    """Runs a module on it → what the module returned."""
    if request.param not in found():
        pytest.skip("Python %d.%d is not here" % request.param)
    core = PYTHONS[request.param]
    if why_not(of_core(core)):
        pytest.skip(why_not(of_core(core)))
    python, folders = str(found()[request.param]), [str(COLLECTIONS), library(core)]

    def run(name, check=False, **arguments):
        words = json.dumps([folders, name, dict(arguments, _ansible_check_mode=check, _ansible_diff=True)])
        done = subprocess.run([*OWN_RUN, python, "-I", "-W", "error::SyntaxWarning", "-c", RUN, words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not done.stderr, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


def test_modules(nft_host, run):
    policy = dict(ENGINE, policy=POLICY, confirm_timeout=0)
    predicted, done, again = run("host_policy", check=True, **policy), run("host_policy", **policy), run("host_policy", **policy)
    assert predicted["changed"] and done["changed"] and predicted["diff"] == done["diff"] and not again["changed"]
    assert nft_host.rules("DB-GUARD", "mangle") and nft_host.rules("DB-INPUT")
    assert run("docker_user_chain", section="web", rules=[{"source": "192.0.2.1/24", "jump": "DROP"}])["changed"]
    assert isinstance(run("docker_firewall_info", **ENGINE)["findings"], list)
    assert isinstance(run("prerequisites_info", parts=["policy"])["missing"], list)
