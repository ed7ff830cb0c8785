# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The recorded rules of other firewalls, loaded on a host: others/README.md says what they are told."""
from __future__ import annotations

import re
from pathlib import Path

from tests.lab.api import Host

RECORDED = Path(__file__).parent / "others"


def load(host: Host, name: str) -> None:
    """Load what was recorded of a firewall, as its own program does."""
    for end, program in (("v4", "iptables"), ("v6", "ip6tables")):
        rules = RECORDED / ("%s.%s" % (name, end))
        if rules.exists():
            host.run(["%s-restore" % program, "--noflush"], input=rules.read_text(encoding="utf-8"))
        if name.startswith("ufw"):
            for chain in ("INPUT", "FORWARD"):
                host.run([program, "-P", chain, "DROP"])
    table = RECORDED / ("%s.nft" % name)
    if table.exists():
        host.run(["nft", "-f", "-"], input=_for_bridges(host, table.read_text(encoding="utf-8")))


def _for_bridges(host: Host, table: str) -> str:
    """The table with each line about docker0 once for every bridge of the engine's."""
    links = host.run(["ip", "-o", "link", "show", "type", "bridge"]).stdout
    bridges = re.findall(r"^\d+: (br-\w+|docker0):", links, re.MULTILINE)
    assert len(bridges) > 1
    return re.sub(r".*\"docker0\".*\n", lambda line: "".join(line[0].replace("docker0", bridge) for bridge in bridges), table)
