# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Lines about who reaches what, where no kernel is needed to tell: published ports, opened ones, states as saved."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import PublishedPort
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.state import TableState
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.ownership import called
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.difference import states
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.readback.policy_diff import in_words

GUARDED = TableState({"DB-GUARD": ("-i lo -j RETURN",), "DB-GUARD-PORTS": ("-j DROP",)}, {"PREROUTING": ("-j DB-GUARD",)})
LONG = "-p tcp -m tcp --dport 443 -m set --match-set DBP-src-111111111111-4b src -j RETURN"
LIST = "-p tcp -m tcp --dport 443 -m set --match-set DBP-src-0123456789ab-4a src -j RETURN"


def port(number, container="web", protocol="tcp", family=4, address=None, loopback=False):
    return PublishedPort(family, address, number, protocol, container, container, 80, loopback)


def lines(after, published=(), before=None, lists=None, families=(4,)):
    states = [dict.fromkeys(families, state) for state in (before or {}, after)]
    diff = in_words(*states, lists or {}, [(each, True) for each in published], {}).as_diff()
    return [line for line in diff["after"].splitlines() if not line.startswith("from ")]


def guarded(*rules):
    return {"mangle": GUARDED._replace(chains=dict(GUARDED.chains, **{"DB-GUARD-PORTS": rules}))}


def test_neighbouring_ports_of_the_same_containers_are_one_line():
    published = [port(number, family=family) for number in range(8000, 8003) for family in (4, 6)]
    published += [port(8003, "other"), port(8001, protocol="udp"), port(8002, address="192.0.2.7"), port(8003, address="192.0.2.7"), port(9000, loopback=True)]
    assert lines(guarded("-j DROP"), published)[1:-3] == [
        "port 8000-8002/tcp ('web'): nobody", "port 8001/udp ('web'): nobody", "port 8002-8003/tcp at 192.0.2.7 ('web'): nobody",
        "port 8003/tcp ('other'): nobody"]


def test_a_port_of_two_containers_names_both():
    assert "port 80/tcp ('a', 'b'): nobody" in lines(guarded("-j DROP"), [port(80, "b"), port(80, "a", address=None, family=6)])


def test_a_hostile_name_stays_on_its_line():
    assert "port 80/tcp ('a\\n+port 22/tcp: nobody'): nobody" in lines(guarded("-j DROP"), [port(80, "a\n+port 22/tcp: nobody")])


@pytest.mark.parametrize("rules, who", [
    (("-p tcp -m tcp --dport 443 -j RETURN", "-j DROP"), "anybody"),
    (("-p tcp -m tcp --dport 400:500 -j RETURN", "-j DROP"), "anybody"),
    (("-p tcp -m tcp --dport 443:444 -j DROP", "-p tcp -m tcp --dport 443 -j RETURN"), "nobody"),
    (("-d 192.0.2.7/32 -p tcp -m tcp --dport 443 -j RETURN", "-j DROP"), "nobody"),
    (("-s 192.0.2.1/32 -p udp -m udp --dport 443 -j RETURN", "-j DROP"), "nobody"),
    (("-s 192.0.2.1/32 -p tcp -m tcp --dport 443 -j RETURN", "-s 192.0.2.1/32 -p tcp -m tcp --dport 443 -j RETURN", "-j DROP"), "192.0.2.1"),
    (("-s 0.0.0.0/1 -p tcp -m tcp --dport 443 -j RETURN", "-s 128.0.0.0/1 -p tcp -m tcp --dport 443 -j RETURN", "-j DROP"), "anybody"),
    (("-p tcp -m tcp --dport 443 -m set --match-set DB-office-4 src -j RETURN", "-j DROP"), "@office"),
    (("-p tcp -m tcp --dport 443 -m set --match-set theirs src -j RETURN", "-j DROP"), "@theirs"),
    (("! -s 192.0.2.1/32 -p tcp -m tcp --dport 443 -j RETURN", "-j DROP"), "nobody"),
    ((LIST, "-j DROP"), "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5"),
    ((LONG, "-j DROP"), "300 addresses in DBP-src-111111111111-4"),
    ((LONG.replace("-p", "-i wg0 -p", 1), "-j DROP"), "300 addresses in DBP-src-111111111111-4 by wg0"),
    (("-i wg0 -p tcp -m tcp --dport 443 -j RETURN", "-s 10.0.0.0/8 -i eth1 -p tcp -m tcp --dport 443 -j RETURN", "-j DROP"),
     "anybody by wg0, 10.0.0.0/8 by eth1"),
])
def test_who(rules, who):
    lists = {"DBP-src-%s-4" % name: frozenset("10.0.%d.%d" % divmod(number, 256) for number in range(1, size + 1))
             for name, size in (("0123456789ab", 5), ("111111111111", 300))}
    assert "port 443/tcp ('web'): " + who in lines(guarded(*rules), [port(443)], lists=lists)


def test_what_the_user_wrote_about_an_entry():
    rule = "-s 192.0.2.%d/32 -p tcp -m tcp --dport 443 -m comment --comment %s -j RETURN"
    rules = (rule % (1, "shop"), rule % (2, '"the shop, too"'), rule % (2, "shop"), "-p tcp -m tcp --dport 400:500 -m comment --comment wider -j RETURN",
             "-j DROP")
    assert "port 443/tcp ('web'): anybody  # shop  # the shop, too" in lines(guarded(*rules), [port(443)])


def test_ports_that_are_opened_by_name():
    rules = ("-d 127.0.0.0/8 -m comment --comment \"drawbridge:for:policy\" -j RETURN",
             "-p tcp -m tcp --dport 81 -m addrtype --src-type LOCAL --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80",
             "-s 192.0.2.1/32 -p tcp -m tcp --dport 81 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80",
             "-s 192.0.2.2/32 -p tcp -m tcp --dport 81 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.2:80",
             "-d 192.0.2.7/32 -p udp -m udp --dport 53 -m addrtype --dst-type LOCAL -j DNAT --to-destination 172.17.0.3:53")
    opened = {"nat": TableState({"DB-PUBLISH-policy": rules}, {"PREROUTING": ("-j DB-PUBLISH-policy",)})}
    assert lines(opened)[2:-1] == [
        "port 53/udp at 192.0.2.7, opened to 172.17.0.3:53: anybody", "port 81/tcp, opened to 172.17.0.2:80: 192.0.2.1, 192.0.2.2"]


@pytest.mark.parametrize("direct, before", [((), "anybody"), (("-m set --match-set DBP-container-nets-4a dst -j DROP",), "nobody")])
def test_containers_on_routed_networks(direct, before):
    rules = ("-m conntrack --ctstate RELATED -j RETURN", "-s 192.0.2.1/32 -p tcp -m tcp --dport 80 -j RETURN", "-j DROP")
    chains = {"DB-GUARD": ("-m set --match-set DBP-routed-nets-4a dst -g DB-GUARD-ROUTED", *direct), "DB-GUARD-ROUTED": rules}
    after = {"mangle": GUARDED._replace(chains={**GUARDED.chains, **chains})}
    was = {"mangle": GUARDED._replace(chains={**GUARDED.chains, "DB-GUARD": direct})}
    assert "port 80/tcp of containers on routed networks: 192.0.2.1" in lines(after, before=was)
    assert "port 80/tcp of containers on routed networks: " + before in lines(was, before=after)


def test_states_as_they_were_saved():
    texts = ["*mangle\n:DB-GUARD - [0:0]\n:DB-GUARD-PORTS - [0:0]\n-I PREROUTING 1 -j DB-GUARD\n-A DB-GUARD -i lo -j RETURN\n"
             "%s-A DB-GUARD-PORTS -j DROP\nCOMMIT\n" % allowed for allowed in ("", "-A DB-GUARD-PORTS -p tcp -m tcp --dport 80 -j RETURN\n")]
    now, then = [states({"ipv4": text, "ipv6": text, "variant": "nft\n"}) for text in texts]
    diff = in_words(now, then, {}, [], {}).as_diff()
    assert diff["before"].splitlines()[1] == "port 80/tcp: nobody" and diff["after"].splitlines()[1] == "port 80/tcp: anybody"
    assert in_words(now, now, {}, [], {}).as_diff() is None and in_words(states({}), states({}), {}, [], {}).as_diff() is None


@pytest.mark.parametrize("name, wanted", [
    ("DBP-office-4a", "office"), ("DBP-office-6b", "office"), ("DB-office-6", "office"), ("DBP-a-4-4a", "a-4"), ("office-4", "office-4"),
])
def test_a_set_is_called_what_its_user_calls_it(name, wanted):
    assert called(name) == wanted


def test_denied_sources_are_said_ahead_of_the_ports():
    denying = ("-s 198.51.100.0/24 -j DB-GUARD-DENIED", "-m set --match-set DB-abusers-4 src -j DB-GUARD-DENIED", "-j DROP")
    state = guarded(*denying)
    state["mangle"].chains["DB-GUARD-DENIED"] = ("-m set --match-set DBP-bridges-4a src,src -j RETURN", "-j DROP")
    assert lines(state)[1] == "denied at every published port: 198.51.100.0/24, @abusers"
    # Named interfaces say the same source once for each.
    services = ("-s 198.51.100.7/32 -i eth0 -j DB-INPUT-DENIED", "-s 198.51.100.7/32 -i eth1 -j DB-INPUT-DENIED")
    host = {"filter": TableState({"DB-INPUT": services, "DB-INPUT-DENIED": ("-j DROP",)}, {"INPUT": ("-j DB-INPUT",)})}
    assert "denied at every service of the host: 198.51.100.7" in lines(host)
    # What only observes denies nobody.
    state["mangle"].chains["DB-GUARD-DENIED"] = ("-j RETURN",)
    assert not any("denied at" in line for line in lines(state))
