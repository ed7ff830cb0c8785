# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What fail2ban, CrowdSec and the administrator keep in DOCKER-USER stays theirs, byte for byte, also during a run."""
from contextlib import ExitStack

from tests.integration.lab.support import expected, firewall, policies, ways
from tests.integration.lab.support.background import on_host
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all

# As fail2ban's iptables-allports action and CrowdSec's firewall bouncer write them.
FAIL2BAN = [
    "iptables -N f2b-docker",
    "iptables -A f2b-docker -s 198.18.0.1/32 -j REJECT --reject-with icmp-port-unreachable",
    "iptables -A f2b-docker -j RETURN",
    "iptables -I DOCKER-USER -p tcp -j f2b-docker",
]
CROWDSEC = [
    "iptables -I DOCKER-USER -m set --match-set crowdsec-blacklists src -j DROP",
]
ADMIN = [
    "iptables -I DOCKER-USER -s 198.18.0.2/32 -m comment --comment \"it's \\\"drawbridge\\\", -j DB-USER-x\" -j DROP",
    "iptables -t nat -I PREROUTING -s 198.18.0.3/32 -p tcp -m tcp --dport 1 -j ACCEPT",
    "iptables -t mangle -A PREROUTING -s 198.18.0.4/32 -j MARK --set-xmark 0x7/0x7",
    "iptables -A INPUT -s 198.18.0.5/32 -j DROP",
]

# Bans one address after the other, as long as it is left to run, while another address comes and goes.
BANNING = """
i=0
while [ ! -e /run/lab-enough ] && [ $i -lt 9999 ]; do
  i=$((i + 1))
  iptables -w 10 -I DOCKER-USER -s 198.19.$((i / 100)).$((i % 100))/32 -j DROP || exit 1
  iptables -w 10 -I DOCKER-USER -s 198.18.9.9/32 -j DROP || exit 1
  iptables -w 10 -D DOCKER-USER -s 198.18.9.9/32 -j DROP || exit 1
  sleep 0.05
done
rm -f /run/lab-enough
echo $i
"""


def foreign(host):
    """The lines in shared chains, and the whole chain f2b-docker, that are not Drawbridge's."""
    places = [("DOCKER-USER", "filter"), ("INPUT", "filter"), ("PREROUTING", "nat"), ("PREROUTING", "mangle"),
              ("f2b-docker", "filter")]
    return [line for chain, table in places for line in firewall.rules(host, chain, table)
            if not line.split(" -j ")[-1].startswith("DB-") and not line.endswith("-j DOCKER-FILTER")]


def prepare(host):
    host.run(["ipset", "create", "crowdsec-blacklists", "hash:ip", "timeout", "300"])
    host.run(["ipset", "add", "crowdsec-blacklists", "198.18.1.1", "timeout", "200"])
    firewall.by_hand(host, *FAIL2BAN, *CROWDSEC, *ADMIN)


CHANGES = [
    policies.POLICY,
    {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": [{"source": policies.DENIED, "jump": "DROP"}]}},
    {"drawbridge.docker.nat_filter_chain": {"allow": [{"port": 8080, "sources": policies.ALLOWED}]}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "rules": ["-s 192.0.2.7/32 -j DROP"], "priority": 10}},
    {"drawbridge.docker.nat_filter_chain": {"state": "absent"}},
    {"drawbridge.docker.docker_user_chain": {"section": "web", "state": "absent"}},
]


def test_lines_that_were_there_before(lab, manageable):
    on_all(manageable, prepare)
    before = on_all(manageable, foreign)
    assert all("crowdsec-blacklists" in str(lines) and len(lines) > 8 for lines in before.values())
    run = play(manageable, CHANGES, host_vars=policies.for_hosts(manageable, policies.one_client))
    assert set(run.changed().values()) == {True}
    assert on_all(manageable, foreign) == before
    kept = on_all(manageable, lambda host: host.run(["ipset", "list", "crowdsec-blacklists"]).stdout)
    assert all("198.18.1.1 timeout" in text for text in kept.values())
    assert ways.differing({"": ways.plain(lab, manageable, expected.one_client_allowed)},
                          expected.one_client_allowed) == []


def banned(host):
    return [line for line in firewall.rules(host, "DOCKER-USER") if " 198.19." in line]


def test_lines_that_come_and_go_during_runs(manageable):
    on_all(manageable, prepare)
    before = on_all(manageable, foreign)
    with ExitStack() as stack:
        bans = {host.name: stack.enter_context(on_host(host, ["sh", "-c", BANNING])) for host in manageable}
        run = play(manageable, CHANGES, host_vars=policies.for_hosts(manageable, policies.one_client))
        assert all(ban.poll() is None for ban in bans.values())
        on_all(manageable, lambda host: host.run(["touch", "/run/lab-enough"]))
        counts = {name: int(ban.communicate(timeout=20)[0]) for name, ban in bans.items()}
    assert set(run.changed().values()) == {True}
    for host in manageable:
        count = counts[host.name]
        assert count > 10
        assert banned(host) == ["-A DOCKER-USER -s 198.19.%d.%d/32 -j DROP" % divmod(number, 100)
                                for number in range(count, 0, -1)]
        assert [line for line in foreign(host) if " 198.19." not in line] == before[host.name]


def test_purge_takes_foreign_lines_away_and_nothing_else(manageable):
    on_all(manageable, prepare)
    before = on_all(manageable, firewall.dump)
    task = {"drawbridge.docker.docker_user_chain": {
        "section": "web", "rules": ["-s 192.0.2.7/32 -j DROP"], "purge": True}}
    run = play(manageable, [task])
    for host in manageable:
        gone = {line for line in firewall.written(before[host.name]) - firewall.written(firewall.dump(host))
                if line.startswith("-A")}
        assert {line.split()[1] for line in gone} == {"DOCKER-USER"} and len(gone) == 3
        assert gone <= set(run.last(host.name)["diff"]["before"].splitlines())
        assert [line for line in firewall.rules(host, "DOCKER-USER") if "DB-USER-web" not in line] in (
            [], ["-A DOCKER-USER -j RETURN"])
    assert not any(play(manageable, [task]).changed().values())
