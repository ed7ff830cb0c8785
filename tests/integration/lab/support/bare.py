# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts without some of the commands that Drawbridge uses."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.api import Host

FOLDER = "/root/hidden"
# All of netfilter: plain names and those of both variants.
NETFILTER = "iptables* ip6tables* xtables* ipset* nft"

_HIDE = f"mkdir -p {FOLDER} && cd /usr/sbin && cp -a $1 {FOLDER}/ && rm -f $1"
_SHOW = f"test ! -d {FOLDER} || {{ cp -a {FOLDER}/* /usr/sbin/ && rm -r {FOLDER}; }}"


@contextlib.contextmanager
def without(host: Host, commands: str) -> Iterator[None]:
    """The host without these commands, names of files in /usr/sbin as a shell's patterns."""
    host.run(["sh", "-c", _HIDE.replace("$1", commands)])
    try:
        yield
    finally:
        host.run(["sh", "-c", _SHOW])
