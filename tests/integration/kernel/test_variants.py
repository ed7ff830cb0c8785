# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which of iptables' two variants a run uses, and that it does not guess."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.iptables import detect, path_variant

from tests.integration.kernel.support.host import Host
from tests.integration.kernel.support.namespace import VARIANTS, missing, tools_of

OTHER = {"nft": "legacy", "legacy": "nft"}
DOCKERS = "*nat\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n"
RULE = "*filter\n-A INPUT -s 192.0.2.1 -j DROP\nCOMMIT\n"


class Defaulting(System):
    """A host on which plain iptables is of one variant."""

    def __init__(self, variant, folder):
        super().__init__()
        os.symlink(self.which("iptables-" + variant), os.path.join(folder, "iptables"))
        self.path = folder + ":" + self.path


@pytest.fixture(params=VARIANTS, name="default")
def default_variant(request, namespace):
    reason = missing(*(tool for variant in VARIANTS for tool in tools_of(variant)))
    if reason:
        pytest.skip(reason)
    return request.param


@pytest.fixture(name="system")
def of_that_default(default, tmp_path):
    system = Defaulting(default, str(tmp_path))
    assert path_variant(system) == default
    return system


def test_a_host_without_rules_uses_its_default(system, default):
    found = detect(system, "auto")
    assert (found.variant, found.warning) == (default, None)


@pytest.mark.parametrize("text", [RULE, DOCKERS])
def test_rules_in_the_default_only(system, default, text):
    Host(default).restore(text)
    found = detect(system, "auto")
    assert (found.variant, found.warning) == (default, None)


def test_docker_in_the_other_one_only(system, default):
    Host(OTHER[default]).restore(DOCKERS)
    assert detect(system, "auto").variant == OTHER[default]


def test_dockers_chains_decide_and_the_rest_is_told(system, default):
    Host(default).restore(RULE)
    Host(OTHER[default]).restore(DOCKERS)
    found = detect(system, "auto")
    assert found.variant == OTHER[default]
    assert "iptables-%s holds rules too" % default in found.warning


def test_dockers_chains_in_the_default_and_rules_in_the_other(system, default):
    Host(default).restore(DOCKERS)
    Host(OTHER[default]).restore(RULE)
    found = detect(system, "auto")
    assert found.variant == default
    assert "iptables-%s holds rules too" % OTHER[default] in found.warning


@pytest.mark.parametrize("text, where", [(RULE, "neither"), (DOCKERS, "both")])
def test_what_would_be_a_guess_is_refused_with_the_option_that_decides(system, default, text, where):
    for variant in VARIANTS:
        Host(variant).restore(text)
    with pytest.raises(DrawbridgeError, match="in %s.*set transport to nft or legacy" % where):
        detect(system, "auto")
    for variant in VARIANTS:
        assert detect(system, variant).variant == variant


OURS = "*filter\n:DB-USER-policy - [0:0]\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j DB-USER-policy\nCOMMIT\n"


@pytest.mark.parametrize("beside", [RULE, DOCKERS])
def test_where_dockers_chains_tell_nothing_ours_decide(system, default, beside):
    """An engine with the nftables backend has none; one that was moved between the variants leaves them in both."""
    for variant in VARIANTS:
        Host(variant).restore(beside)
    for variant in VARIANTS:
        Host(variant).restore(OURS)
        found = detect(system, "auto")
        assert found.variant == variant and "where Drawbridge's chains are" in found.warning
        Host(variant).iptables("-D DOCKER-USER -j DB-USER-policy")
        Host(variant).iptables("-X DB-USER-policy")


def test_one_foreign_rule_in_the_other_variant_is_no_reason_to_refuse_the_second_run(system, default):
    """The first run says what is so, and what it made decides from then on."""
    Host(OTHER[default]).restore(RULE)
    first = detect(system, "auto")
    assert first.variant == default and "which plain iptables is" in first.warning
    Host(default).restore(OURS)
    assert detect(system, "auto").variant == default


def test_looking_makes_no_legacy_tables(system, default):
    detect(system, "auto")
    for name in ("ip", "ip6"):
        with open("/proc/net/%s_tables_names" % name, encoding="ascii") as names:
            assert names.read() == ""
