# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Drop-ins for the units of other firewalls, as distributions ship these."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import install

# The lines that matter of these distributions' units, put together from what is publicly quoted of them.
NFTABLES = {
    "debian": """[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ProtectSystem=full
ProtectHome=true
ExecStart=/usr/sbin/nft -f /etc/nftables.conf
ExecReload=/usr/sbin/nft -f /etc/nftables.conf
ExecStop=/usr/sbin/nft flush ruleset
""",
    "rhel": """[Service]
Type=oneshot
ProtectSystem=full
ProtectHome=true
ExecStart=/sbin/nft -f /etc/sysconfig/nftables.conf
ExecReload=/sbin/nft 'flush ruleset; include "/etc/sysconfig/nftables.conf";'
ExecStop=/sbin/nft flush ruleset
RemainAfterExit=yes
""",
    "arch": """[Service]
Type=oneshot
ExecStart=/usr/bin/nft -f /etc/nftables.conf
""",
}
RUN = "/bin/sh /etc/drawbridge/boot.sh"
AFTERWARDS = "[Service]\nExecStartPost=-+%s again\nExecStopPost=-+%s again\n" % (RUN, RUN)


class Host(System):
    """A host with these units, by path."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def which(self, name):
        return None

    def read(self, path):
        return self.units.get(path)


@pytest.fixture(autouse=True)
def without_an_engine(monkeypatch):
    monkeypatch.setattr(install, "find_daemon", lambda _system: None)


def drop_in(name, units):
    text = install.unit_files(Host(units))["/etc/systemd/system/%s.service.d/drawbridge.conf" % name]
    return text.partition("\n")[2]


@pytest.mark.parametrize("distribution, file", [("debian", "/etc/nftables.conf"), ("rhel", "/etc/sysconfig/nftables.conf")])
@pytest.mark.parametrize("folder", ["/usr/lib/systemd/system", "/lib/systemd/system"])
def test_the_file_that_nftables_loads_is_read_from_its_unit(distribution, file, folder):
    text = drop_in("nftables", {folder + "/nftables.service": NFTABLES[distribution]})
    for verb in ("ExecStart", "ExecReload"):
        assert "%s=\n%s=+%s around %s\n" % (verb, verb, RUN, file) in text
    assert text.endswith("ExecStop=\nExecStop=+%s around\n" % RUN)


def test_a_unit_that_flushes_nothing_when_it_stops_keeps_its_commands():
    text = drop_in("nftables", {"/usr/lib/systemd/system/nftables.service": NFTABLES["arch"]})
    assert text == AFTERWARDS + "ExecReload=-+%s again\n" % RUN


@pytest.mark.parametrize("name", ["iptables", "ip6tables"])
def test_iptables_services(name):
    """Their units load by a program of their own, so that rules come back afterwards."""
    unit = "[Service]\nExecStart=/usr/libexec/iptables/%s.init start\nExecStop=/usr/libexec/iptables/%s.init stop\n" % (name, name)
    before = "ExecStartPre=-+%s sets /etc/sysconfig/%s /etc/iptables/%s.rules\n" % (RUN, name, name)
    wanted = AFTERWARDS.replace("ExecStartPost", before + "ExecStartPost", 1) + "ExecReload=-+%s again\n" % RUN
    assert drop_in(name, {"/usr/lib/systemd/system/%s.service" % name: unit}) == wanted


def test_netfilter_persistent_has_the_sets_that_its_dump_names():
    before = "ExecStartPre=-+%s sets /etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/iptables/ipsets\n" % RUN
    assert drop_in("netfilter-persistent", {}) == AFTERWARDS.replace("ExecStartPost", before + "ExecStartPost", 1)
