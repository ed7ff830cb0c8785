# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Every kind of line that a policy compiles to, loaded by the real tools and read back: the very same text.

Each case runs in a network namespace of its own; nothing of the machine's firewall is touched.
"""
import os
import re
import shutil
import subprocess

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import HostFacts, Published
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks.engine_sets import bridge_entries
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy

TOOLS = ["ipset", "unshare"] + [
    "%s-%s-%s" % (program, variant, verb)
    for program in ("iptables", "ip6tables") for variant in ("nft", "legacy") for verb in ("restore", "save")
]
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason="not installed: %s" % ", ".join(MISSING)),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

HOST = HostFacts(
    published=[
        Published(family, address, port, protocol)
        for family, addresses in ((4, (None, "192.0.2.7")), (6, (None, "2001:db8::7")))
        for address in addresses for port, protocol in ((80, "tcp"), (53, "udp"), (9899, "sctp"))
    ],
    bridges=["br-%012d" % number for number in range(130)],
    closed_bridges={4: ["docker0"], 6: ["docker0"]},
    subnets=["172.17.0.0/16", "fd00:1::/64"],
    swarm=True,
    swarm_nodes=["192.0.2.9", "2001:db8::9"],
    vrfs=["blue"],
)
MANY = ["10.0.0.%d" % number for number in range(1, 9)] + ["2001:db8::%d" % number for number in range(1, 9)]
ALLOW = [
    {"port": 443, "sources": ["any"]},
    {"port": 80, "sources": ["@office", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "::/0"]},
    {"port": "8000-8010", "protocol": "udp", "address": "192.0.2.7", "sources": ["@office", "10.0.0.0/8"]},
    {"port": "8000-8010", "protocol": "udp", "address": "2001:db8::7", "sources": ["any"]},
    {"port": 9899, "protocol": "sctp", "sources": MANY},
    {"port": "9000-9010", "protocol": "sctp", "sources": ["10.0.0.1"]},
    {"port": 53, "protocol": "udp", "address": "0.0.0.0", "sources": ["any"]},
]
PING = [{"protocol": "icmp", "sources": ["any"]}, {"protocol": "icmp", "address": "192.0.2.7", "sources": ["@office"]},
        {"protocol": "icmp", "address": "2001:db8::7", "sources": ["2001:db8::/32"]}]
SETS = {"office": ["203.0.113.0/24", "2001:db8:1::/48", "0.0.0.0/0"]}


def _policy(default, **more):
    return dict({
        "address_sets": SETS,
        "published_ports": {"default": default, "allow": ALLOW},
        "host_services": {"default": default, "allow": ALLOW + PING, "swarm": ["@office", "10.0.0.0/8", "2001:db8::/32"]},
    }, **more)


POLICIES = {
    "deny": _policy("deny", unmanaged_interfaces=["virbr0", "wg+"]),
    "allow": _policy("allow"),
    "interfaces": _policy("deny", external_interfaces=["eth0", "wan+"]),
    "direct-only": {"published_ports": {"default": "allow"}},
    "direct-open": {"published_ports": {"direct": "allow"}},
}


def _isolated(command, text, tmp_path):
    """Run a shell script of ours in a throwaway namespace, with a lock that is not the machine's."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-euc", command], input=text, capture_output=True, text=True, check=False,
        env=dict(os.environ, XTABLES_LOCKFILE=str(tmp_path / "lock")),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _ipset_text(wanted, family):
    lines = []
    for item in wanted.sets.values():
        of_family = " family inet6" if family == 6 and item.type.has_family else ""
        lines.append(" ".join(("create %s %s%s" % (item.name, item.type.name, of_family), item.type.options)).strip())
        lines += ["add %s %s" % (item.name, entry) for entry in sorted(item.entries[family])]
    return "\n".join(lines) + "\n"


def _rules(wanted, family):
    return [
        (chain.table, "-A %s %s" % (chain.name, line.text.replace("@", "")))
        for chain in wanted.chains for line in chain.lines if family in line.families
    ]


def _restore_text(wanted, family):
    text = []
    for table in sorted({chain.table for chain in wanted.chains}):
        text.append("*" + table)
        text += [":%s - [0:0]" % chain.name for chain in wanted.chains if chain.table == table]
        text += [rule for of_table, rule in _rules(wanted, family) if of_table == table]
        text.append("COMMIT")
    return "\n".join(text) + "\n"


def _tables(saved):
    table, found = None, []
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            found.append((table, line))
    return found


@pytest.mark.parametrize("name", sorted(POLICIES))
@pytest.mark.parametrize("variant", ["nft", "legacy"])
@pytest.mark.parametrize("family, program", [(4, "iptables"), (6, "ip6tables")])
def test_lines_read_back_as_they_were_written(name, variant, family, program, tmp_path):
    wanted = compile_policy(parse_policy(POLICIES[name]), HOST)
    sets = tmp_path / "sets"
    sets.write_text(_ipset_text(wanted, family))
    command = "ipset restore < %s; %s-%s-restore --noflush; %s-%s-save" % (sets, program, variant, program, variant)
    saved = _tables(_isolated(command, _restore_text(wanted, family), tmp_path))
    # A save groups by table and prints chains by name; within a chain, order is what counts.
    assert sorted(saved, key=_chain) == sorted(_rules(wanted, family), key=_chain)


def _chain(rule):
    return rule[0], rule[1].split()[1]


@pytest.mark.parametrize("family", [4, 6])
def test_entries_of_the_host_sets_read_back_as_they_were_written(family, tmp_path):
    wanted = compile_policy(parse_policy(POLICIES["deny"]), HOST)
    saved = _isolated("ipset restore; ipset save", _ipset_text(wanted, family), tmp_path)
    found = {}
    for set_name, entry in re.findall(r"^add (\S+) (\S+)$", saved, re.MULTILINE):
        found.setdefault(set_name, set()).add(entry)
    assert found == {item.name: set(item.entries[family]) for item in wanted.sets.values() if item.entries[family]}


def _add_all(entries, tmp_path):
    """How many of the entries a new set takes."""
    text = "".join("add b %s\n" % entry for entry in entries)
    saved = _isolated("ipset create b hash:net,iface; ipset restore 2>&1 || true; ipset save b", text, tmp_path)
    return saved.count("add b ")


def test_64_interfaces_on_one_prefix_block_every_other_prefix(tmp_path):
    """The reason for bridge_entries: if a kernel ever takes these, its detour can go."""
    entries = ["0.0.0.0/0,br-%d" % number for number in range(64)]
    assert _add_all(entries, tmp_path) == 64
    entries += ["%s,br-%d" % (prefix, number) for number in range(64, 70) for prefix in ("0.0.0.0/1", "128.0.0.0/1")]
    assert _add_all(entries, tmp_path) < len(entries)


@pytest.mark.parametrize("count", [33, 200])
def test_new_bridges_fit_beside_the_old_ones(count, tmp_path):
    old = bridge_entries(4, ["br-%03d" % number for number in range(count)])
    new = bridge_entries(4, ["br-%03d" % number for number in range(20, count + 20)])
    entries = sorted(old) + sorted(new - old)
    assert _add_all(entries, tmp_path) == len(entries)
