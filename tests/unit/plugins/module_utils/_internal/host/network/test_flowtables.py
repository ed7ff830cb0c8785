# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Flowtables as nft prints them: tables without one are printed too."""
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.flowtables import flowtables, parse_flowtables
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import Output, System

LISTED = """table ip nat {
}
table inet firewalld {
\tflowtable fastpath {
\t\thook ingress priority filter
\t\tdevices = { br-x, eth0 }
\t\tflags offload
\t}
\tflowtable later {
\t\thook ingress priority filter + 1
\t}
}
table ip6 t {
\tflowtable f {
\t\thook ingress priority filter
\t\tdevices = { wan }
\t\tcounter
\t}
}
"""


class Host(System):
    def __init__(self, output=None):
        super().__init__()
        self.output = output

    def which(self, name):
        return None if self.output is None else "/sbin/" + name

    def run(self, argv, stdin="", env=None):
        return self.output


def test_each_with_its_devices():
    assert parse_flowtables(LISTED) == ["inet firewalld fastpath: br-x, eth0", "inet firewalld later: no device", "ip6 t f: wan"]
    assert parse_flowtables("") == []


def test_a_host_that_does_not_tell_has_none():
    assert flowtables(Host()) == flowtables(Host(Output(1, LISTED, "no"))) == []
    assert len(flowtables(Host(Output(0, LISTED, "")))) == 3
