# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The guide's action of fail2ban, by the real program: whom it bans gets nothing on any way in, and everything again when the ban is over."""
import contextlib
import os
import re
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.watching import until
from tests.integration.kernel.test_denied_sources import EVERYTHING, FACTS, OPEN_TO_ALL, PORTS
from tests.integration.lab.support import debian
from tests.tools.env import ROOT

# It is fetched from a mirror.
pytestmark = pytest.mark.drill
POLICY = {"published_ports": {"allow": OPEN_TO_ALL, "deny": ["@abusers"]}, "host_services": {"deny": ["@abusers"]}}
# Its own filter, and the jail as the guide says.
FILTER = "[Definition]\nfailregex = ^ refused <ADDR>$\ndatepattern = ^EPOCH\n"
JAIL = "[probe]\nenabled = true\nbackend = polling\nlogpath = %s\nmaxretry = 3\nbantime = 1h\nusedns = no\naction = drawbridge[set=abusers]\n"


class Fail2ban:
    """The server runs in this namespace, from a folder of its own."""

    def __init__(self, package, folder):
        self.folder, self.log = folder, folder / "seen.log"
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
        settings = folder / "root/etc/fail2ban"
        guide = (ROOT / "docs/guides/policy.md").read_text(encoding="utf-8")
        (settings / "action.d/drawbridge.conf").write_text(re.search(r"```ini\n(\[Definition\]\nactionban.*?)```", guide, re.DOTALL)[1], encoding="utf-8")
        (settings / "filter.d/probe.conf").write_text(FILTER, encoding="utf-8")
        (settings / "jail.d/defaults-debian.conf").unlink()
        (settings / "jail.local").write_text(JAIL % self.log, encoding="utf-8")
        (settings / "fail2ban.local").write_text("[Definition]\ndbfile = None\n", encoding="utf-8")
        self.log.touch()
        self._options = ["-c", str(settings), "-s", str(folder / "socket"), "-p", str(folder / "pid"), "--logtarget", str(folder / "log")]
        self._variables = dict(os.environ, PYTHONPATH=str(folder / "root/usr/lib/python3/dist-packages"))

    def argv(self, program, *words):
        return ["/usr/bin/python3", str(self.folder / "root/usr/bin" / program), *self._options, *words]

    def ask(self, *words):
        return subprocess.run(self.argv("fail2ban-client", *words), capture_output=True, text=True, env=self._variables, check=False)

    def refuse(self, address):
        """Have its log say that this address was refused often enough."""
        with open(self.log, "a", encoding="ascii") as log:
            log.write("".join("%.3f refused %s\n" % (time.time(), address) for _time in range(3)))

    @contextlib.contextmanager
    def running(self):
        with subprocess.Popen(self.argv("fail2ban-server", "-f"), env=self._variables, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as server:
            try:
                until(lambda: self.ask("status", "probe").returncode == 0, "the jail")
                yield
            finally:
                server.terminate()


@pytest.fixture(name="package", scope="module")
def fetched_from_outside_the_namespace():
    return debian.fetched("fail2ban")


def banned(host):
    return {address for family in (4, 6) for address in host.entries("DB-abusers-%d" % family)}


def test_whom_it_bans_gets_nothing(package, nft_host, client, tmp_path, tell):
    program = Fail2ban(package, tmp_path)
    nft_host.address_set("abusers", [], mode="add")
    assert nft_host.converge(compile_policy(parse_policy(POLICY), FACTS)).is_change
    abusers = set(wire.SOURCES["denied"].values())
    with program.running():
        assert client.deliver(PORTS) == EVERYTHING
        for address in abusers:
            program.refuse(address)
        begun = time.monotonic()
        until(lambda: banned(nft_host) == abusers, "the ban")
        tell("seconds from the log's line to the ban", round(time.monotonic() - begun, 1))
        assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)
        # A run of ours meanwhile changes nothing.
        assert not nft_host.address_set("abusers", [], mode="add").is_change
        assert not nft_host.converge(compile_policy(parse_policy(POLICY), FACTS)).is_change
        assert client.deliver(PORTS) == wire.sent("allowed", *PORTS)
        for address in abusers:
            assert program.ask("set", "probe", "unbanip", address).returncode == 0
        until(lambda: banned(nft_host) == set(), "the end of the ban")
        assert client.deliver(PORTS) == EVERYTHING
