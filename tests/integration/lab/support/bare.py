# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Hosts without some of the commands that Drawbridge uses, and a package that brings them back."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.lab.api import Host

FOLDER = "/root/hidden"
REPOSITORY = "/root/repository"
PACKAGE = "drawbridge-test-tools"
LISTS = "/etc/apt/sources.list"
# All of netfilter: plain names and those of both variants.
NETFILTER = "iptables* ip6tables* xtables* ipset* nft"

_HIDE = f"mkdir -p {FOLDER} && cd /usr/sbin && cp -a $1 {FOLDER}/ && rm -f $1"
_SHOW = f"test ! -d {FOLDER} || {{ cp -a {FOLDER}/* /usr/sbin/ && rm -r {FOLDER}; }}"
# apt gets its lists from a folder of this host, once it refreshes them.
_OFFER = f"""set -e
mkdir -p {REPOSITORY}/tree/DEBIAN {REPOSITORY}/tree/usr/sbin
cp -a {FOLDER}/* {REPOSITORY}/tree/usr/sbin/
printf 'Package: {PACKAGE}\\nVersion: 1\\nArchitecture: all\\nMaintainer: nobody\\nDescription: what was hidden\\n' > {REPOSITORY}/tree/DEBIAN/control
dpkg-deb --build --root-owner-group -Znone {REPOSITORY}/tree {REPOSITORY}/tools.deb
cd {REPOSITORY}
{{ cat tree/DEBIAN/control; echo "Filename: ./tools.deb"; echo "Size: $(stat -c %s tools.deb)"
   echo "SHA256: $(sha256sum tools.deb | cut -d' ' -f1)"; }} > Packages
mv {LISTS} {LISTS}.kept
echo 'deb [trusted=yes] copy:{REPOSITORY} ./' > {LISTS}
"""
_TAKE_BACK = f"""test ! -d {REPOSITORY} || {{
dpkg --purge --force-all {PACKAGE}; mv {LISTS}.kept {LISTS}; rm -rf {REPOSITORY} /var/lib/apt/lists/*.* /var/lib/apt/lists/_*; }}"""


@contextlib.contextmanager
def without(host: Host, commands: str) -> Iterator[None]:
    """The host without these commands, names of files in /usr/sbin as a shell's patterns."""
    host.run(["sh", "-c", _HIDE.replace("$1", commands)])
    try:
        yield
    finally:
        host.run(["sh", "-c", _SHOW])


@contextlib.contextmanager
def offered(host: Host) -> Iterator[str]:
    """A package that brings back what is hidden, by its name. apt can have it after a refresh of its lists."""
    host.run(["sh", "-c", _OFFER])
    try:
        yield PACKAGE
    finally:
        host.run(["sh", "-c", _TAKE_BACK])
