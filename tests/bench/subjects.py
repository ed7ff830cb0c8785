# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What is measured: a realistic policy, and lists of rules, as users write them."""

from __future__ import annotations

PORTS = 60
SETS = 10
ADDRESSES = 10_000


def address(number: int) -> str:
    """The n-th of many different IPv4 addresses."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def policy() -> dict[str, object]:
    """A host's policy: 60 published ports in 40 entries, 10 sets of 10,000 addresses in all; about 100 rules a family."""
    share = ADDRESSES // SETS
    sets = {f"site{index}": [address(index * share + item) for item in range(share)] for index in range(SETS)}
    singles = [{"port": 8000 + index, "sources": [f"@site{index % SETS}"]} for index in range(30)]
    ranges = [{"port": f"{9000 + 10 * index}-{9002 + 10 * index}", "sources": [f"@site{index}"]} for index in range(10)]
    return {"address_sets": sets, "published_ports": {"default": "deny", "allow": singles + ranges}}


def tests(count: int) -> list[dict[str, object]]:
    """Tests of that policy: who is let in reaches a port, and nobody else does."""
    found: list[dict[str, object]] = []
    for index in range(count // 2):
        port, site = 8000 + index, f"@site{index % SETS}"
        found += [{"from": site, "to": port, "expect": "allow"}, {"from": "any", "except": site, "to": port, "expect": "deny"}]
    return found


def rules(count: int) -> list[dict[str, str]]:
    """Rules whose keys are also those of ansible.builtin.iptables."""
    return [{"protocol": "tcp", "source": address(index * 7) + "/32", "destination_port": str(1024 + index % 60_000),
             "comment": f"rule {index}", "jump": "RETURN"} for index in range(count)]


def lines(count: int) -> list[str]:
    """The same rules as iptables-save prints them."""
    return [f'-s {rule["source"]} -p tcp -m tcp --dport {rule["destination_port"]} -m comment '
            f'--comment "{rule["comment"]}" -j RETURN' for rule in rules(count)]


def restore_text(chain: str, content: list[str]) -> str:
    """iptables-restore's input for one chain of the filter table."""
    return "\n".join(["*filter", f":{chain} - [0:0]", *(f"-A {chain} {line}" for line in content), "COMMIT", ""])
