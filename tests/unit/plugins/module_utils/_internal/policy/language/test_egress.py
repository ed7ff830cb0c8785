# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The ways out of containers as users say them, and the chains and sets that they come to."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.answers import Network
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.endpoints import container_facts
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.facts.facts import (
    ContainerFacts,
    HostFacts,
    NetworkFacts,
    unknown_host,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.desired import MAX_CHAIN_NAME
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.chains.egress import (
    compile_egress,
    unmatched,
    without_effect,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.egress import parse_egress
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.preflight.bridged import refuse_unseen_peers

from tests.unit.support.policy_data import egress_data

HOST = HostFacts(
    [], ["docker0", "br-1"], {4: [], 6: []}, [], False,
    networks=[NetworkFacts("bridge", "docker0", ["172.17.0.0/16"]), NetworkFacts("backend", "br-1", ["172.18.0.0/16", "fd00:1::/64"])],
    containers=[
        ContainerFacts("web", {"role": "front", "bare": ""}, [("docker0", "172.17.0.2"), ("br-1", "fd00:1::2")]),
        ContainerFacts("db", {"role": "back"}, [("br-1", "172.18.0.3")]),
    ],
    foreign_bridges=["br-lan"],
)
FIRST = ["-m conntrack --ctdir REPLY -j RETURN", "-m conntrack --ctstate RELATED -j RETURN"]
SAME = ["-m set --match-set @same-network dst,src -j RETURN", "-d 224.0.0.0/4 -j RETURN", "-d 255.255.255.255/32 -j RETURN"]


def wanted(host=HOST, **said):
    return compile_egress(parse_egress(said, "egress"), host)


def texts(result, name, family=4):
    (chain,) = [chain for chain in result.chains if chain.name == name]
    return [line.text for line in chain.lines if family in line.families]


def names(result):
    return [chain.name for chain in result.chains]


def refused(**said):
    with pytest.raises(DrawbridgeError) as caught:
        parse_egress(said, "egress")
    return str(caught.value)


def test_what_limits_nothing_is_nothing():
    for result in (wanted(), wanted(default="allow"), wanted(networks={"backend": {"default": "allow"}}), wanted(dns=True)):
        assert (result.chains, result.hooks, result.shared, result.sets) == ([], [], [], {})


def test_a_network_with_an_exception():
    result = wanted(networks={"backend": {"default": "deny", "allow": [{"destination": "10.0.5.0/24", "port": 5432}]}})
    assert names(result) == ["DB-USER-egress", "DB-EGT-n-backend", "DB-HOST-egress", "DB-EGT-hn-backend", "DB-SOURCE-egress"]
    entry, = [line for line in texts(result, "DB-USER-egress") if "-g" in line]
    name = entry.split("@")[1].split()[0]
    assert texts(result, "DB-USER-egress") == [*FIRST, "-m set --match-set @%s src,src -g DB-EGT-n-backend" % name]
    assert result.sets[name].entries == {4: {"0.0.0.0/0,br-1"}, 6: {"::/0,br-1"}}
    assert texts(result, "DB-EGT-n-backend") == [*SAME, "-d 10.0.5.0/24 -p tcp -m tcp --dport 5432 -j RETURN", "-j DROP"]
    assert texts(result, "DB-EGT-n-backend", 6)[-1] == "-j DROP"
    assert texts(result, "DB-EGT-hn-backend")[-1] == "-j DROP"
    assert [hook[1:4] for hook in result.hooks] == [
        ("DOCKER-USER", "DB-USER-egress", 40), ("INPUT", "DB-HOST-egress", 40), ("PREROUTING", "DB-SOURCE-egress", None)]


def test_the_subnets_with_the_interface_they_are_behind_tell_neighbours():
    result = wanted(default="deny")
    assert result.sets["same-network"].entries == {
        4: {"172.17.0.0/16,docker0", "172.18.0.0/16,br-1"}, 6: {"fd00:1::/64,br-1"}}


@pytest.mark.parametrize("said, chain", [
    ({"default": "deny"}, "DB-USER-egress"), ({"default": "deny"}, "DB-HOST-egress"), ({"deny": [{"port": 25}]}, "DB-USER-egress"),
    ({"host": "deny"}, "DB-HOST-egress"), ({"peers": "deny"}, "DB-USER-egress"),
])
def test_what_is_said_for_all_holds_for_networks_to_come_but_not_for_other_bridges(said, chain):
    result = compile_egress(parse_egress(said, "egress"), HOST)
    target = "DB-EGT-all" if chain == "DB-USER-egress" else "DB-EGT-hall"
    assert texts(result, chain)[2:] == [
        "-m set --match-set @bridges src,src -g " + target,
        "-i br-+ -m set ! --match-set @other-bridges src,src -g " + target,
    ]
    assert result.sets["other-bridges"].entries[4] == {"0.0.0.0/0,br-lan"}


def test_deny_before_allow_before_names_before_the_default():
    result = wanted(default="deny", deny=[{"destination": "169.254.169.254"}], allow=[{"port": 443}, {"protocol": "icmp"}], dns=["192.0.2.53"])
    assert texts(result, "DB-EGT-all") == [
        *SAME, "-d 169.254.169.254/32 -j DROP", "-p tcp -m tcp --dport 443 -j RETURN", "-p icmp -m icmp --icmp-type 8 -j RETURN",
        "-d 192.0.2.53/32 -p udp -m udp --dport 53 -j RETURN", "-d 192.0.2.53/32 -p tcp -m tcp --dport 53 -j RETURN", "-j DROP"]


def test_destinations_of_every_kind():
    many = ["10.0.%d.0/24" % number for number in range(9)]
    result = wanted(default="deny", allow=[
        {"destination": ["@mirrors", "2001:db8::/32"], "port": "8000-8010", "protocol": "udp"}, {"destination": many},
        {"protocol": "sctp"}, {"destination": []},
    ])
    lines = texts(result, "DB-EGT-all")[3:]
    assert lines[0] == "-p udp -m udp --dport 8000:8010 -m set --match-set @mirrors dst -j RETURN"
    assert lines[1].startswith("-m set --match-set @src-") and lines[1].endswith(" dst -j RETURN")
    assert lines[2:] == ["-p sctp -j RETURN", "-j DROP"]
    assert "-d 2001:db8::/32 -p udp -m udp --dport 8000:8010 -j RETURN" in texts(result, "DB-EGT-all", 6)


def test_the_host_is_denied_with_the_rest_unless_it_is_said_otherwise():
    assert texts(wanted(default="deny"), "DB-EGT-hall")[-1] == "-j DROP"
    assert names(compile_egress(parse_egress({"default": "deny", "host": "allow"}, "egress"), HOST)) == ["DB-USER-egress", "DB-EGT-all", "DB-SOURCE-egress"]
    result = compile_egress(parse_egress({"host": [{"port": 3128}, {"protocol": "icmp"}]}, "egress"), HOST)
    assert names(result) == ["DB-HOST-egress", "DB-EGT-hall", "DB-SOURCE-egress"]
    assert texts(result, "DB-EGT-hall")[3:] == [
        "-p tcp -m tcp --dport 3128 -j RETURN", "-p icmp -m icmp --icmp-type 8 -j RETURN", "-j DROP"]
    assert "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN" in texts(result, "DB-EGT-hall", 6)


def test_neighbours():
    result = wanted(networks={"backend": {"peers": [{"port": 80}]}})
    assert texts(result, "DB-EGT-n-backend") == [line.replace("-j RETURN", "-g DB-EGT-pn-backend") for line in SAME]
    assert texts(result, "DB-EGT-pn-backend") == ["-p tcp -m tcp --dport 80 -j RETURN", "-j DROP"]
    assert "-p ipv6-icmp -m icmp6 --icmpv6-type 135 -j RETURN" in texts(result, "DB-EGT-pn-backend", 6)


def test_containers_come_before_networks_and_take_from_the_general_block():
    result = wanted(default="deny", dns=True, networks={"backend": {"default": "allow"}}, containers=[
        {"label": "role=back", "allow": [{"port": 1}]}, {"label": "bare", "default": "allow"}, {"name": "web"},
        {"address": "172.18.4.0/24"}, {"address": "fd00:1::9"},
    ])
    sets = [line.split("@")[1].split()[0] for line in texts(result, "DB-USER-egress") if "-g DB-EGT-c-" in line]
    assert [result.sets[name].entries for name in sets] == [
        {4: {"172.18.0.3,br-1"}, 6: set()}, {4: {"172.17.0.2,docker0"}, 6: {"fd00:1::2,br-1"}},
        {4: {"172.17.0.2,docker0"}, 6: {"fd00:1::2,br-1"}},
        {4: {"172.18.4.0/24,br-1", "172.18.4.0/24,drawbridge-none"}, 6: set()}, {4: set(), 6: {"fd00:1::9,br-1", "fd00:1::9,drawbridge-none"}},
    ]
    back = [name for name in names(result) if name.startswith("DB-EGT-c-label-r")]
    assert texts(result, back[0])[3:] == [
        "-p tcp -m tcp --dport 1 -j RETURN", "-p udp -m udp --dport 53 -j RETURN", "-p tcp -m tcp --dport 53 -j RETURN", "-j DROP"]


def test_chain_names_fit_whatever_a_network_is_called():
    strange = {name: {"default": "deny", "peers": "deny"} for name in ("n" * 200, "ünï", "a b", "-x", "same", "same-P", "x" * 16, "x" * 17)}
    found = names(wanted(networks=strange))
    assert len(set(found)) == len(found) == 3 + 3 * len(strange)
    assert max(map(len, found)) <= MAX_CHAIN_NAME
    assert all(name.isascii() and " " not in name for name in found)


def test_an_engine_that_cannot_be_asked_leaves_the_sets_as_they_are():
    said = {"default": "deny", "networks": {"backend": {"default": "allow"}}, "containers": [{"name": "web"}]}
    known, unknown = wanted(**said), compile_egress(parse_egress(said, "egress"), unknown_host(False))
    assert unknown.chains == known.chains
    assert all(entries is None for item in unknown.sets.values() for entries in item.entries.values())


def test_in_a_policy_the_chains_are_the_policys_own():
    result = compile_policy(parse_policy({"egress": {"default": "deny"}, "unmanaged_interfaces": ["br-vpn", "tun+"]}), HOST)
    assert names(result) == ["DB-USER-policy-EGRESS", "DB-EGP-all", "DB-HOST-policy", "DB-EGP-hall", "DB-SOURCE"]
    assert result.shared == [("filter", "DOCKER-USER")]
    assert result.sets["other-bridges"].entries[4] == {"0.0.0.0/0,br-lan", "0.0.0.0/0,br-vpn"}


def test_what_is_not_there_is_a_warning():
    egress = parse_egress({"networks": {"backend": {}, "gone": {}}, "containers": [{"name": "web"}, {"label": "role=none"}]}, "egress")
    first, second = unmatched(egress, HOST)
    assert first.startswith("egress.networks.gone: ") and second.startswith("egress.containers[1]: ")
    assert unmatched(egress, unknown_host(False)) == []


def test_an_allow_list_that_nothing_is_denied_beside_is_a_warning():
    def about(**said):
        return without_effect(parse_egress(said, "egress"))

    entry = [{"destination": "10.0.5.0/24"}]
    assert about(allow=entry) == ["egress.allow: has no effect, since its default is allow; say default: deny"]
    assert about(networks={"n": {"allow": entry, "default": "allow"}})[0].startswith("egress.networks.n.allow: ")
    assert about(containers=[{"name": "web", "allow": entry, "deny": entry}])[0].startswith("egress.containers[0].allow: ")
    assert about(default="deny", allow=entry, networks={"n": {"allow": entry}}) == about(default="allow", deny=entry) == []


class Kernel(System):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings

    def read(self, path):
        return self.settings.get(path.rpartition("-")[2])


def test_neighbours_are_limited_only_where_the_kernel_shows_them():
    egress = parse_egress({"networks": {"backend": {"peers": "deny"}}}, "egress")
    refuse_unseen_peers(Kernel(iptables="1\n", ip6tables="1\n"), egress, HOST)
    refuse_unseen_peers(Kernel(), parse_egress({"default": "deny", "peers": "allow"}, "egress"), HOST)
    for kernel, words in ((Kernel(), "bridge-nf-call-iptables is not there"), (Kernel(iptables="0\n"), "is 0"),
                          (Kernel(iptables="1\n", ip6tables="0\n"), "bridge-nf-call-ip6tables is 0")):
        with pytest.raises(DrawbridgeError, match=words) as caught:
            refuse_unseen_peers(kernel, egress, HOST)
        assert caught.value.path == "egress.networks.backend.peers"


@pytest.mark.parametrize("said, words", [
    ({"networks": []}, "egress.networks: expected a mapping"),
    ({"containers": {}}, "egress.containers: expected a list"),
    ({"defualt": "deny"}, "did you mean default?"),
    ({"networks": {"b": {"alow": []}}}, "egress.networks.b: unknown key 'alow' (did you mean allow?)"),
    ({"default": "drop"}, "egress.default: 'drop' is not one of allow, deny"),
    ({"allow": [{}]}, "egress.allow[0]: an entry needs one of"),
    ({"allow": [{"port": 0}]}, "egress.allow[0].port: '0': ports are from 1 to 65535"),
    ({"allow": [{"port": 1, "protocol": "any"}]}, "a port needs the protocol"),
    ({"allow": [{"destination": "example.org"}]}, "egress.allow[0].destination[0]: 'example.org' is not an IP address"),
    ({"allow": [{"destination": 5}]}, "egress.allow[0].destination: expected a list"),
    ({"host": [{"destination": "any"}]}, "unknown key 'destination'"),
    ({"host": "maybe"}, "is not one of allow, deny"),
    ({"peers": 5}, "egress.peers"),
    ({"dns": 53}, "egress.dns: expected a list"),
    ({"containers": [{"default": "deny"}]}, "exactly one of name, label, address"),
    ({"containers": [{"name": "a", "label": "b"}]}, "exactly one of"),
    ({"containers": [{"name": "a\nb"}]}, "is not a container's name"),
    ({"containers": [{"address": "any"}]}, "expected an address"),
    ({"containers": [{"name": "a"}, {"name": "a"}]}, "the same containers as in egress.containers[0]"),
])
def test_errors_name_the_place(said, words):
    assert words in refused(**said)


def test_as_data_and_back():
    said = {
        "default": "deny", "dns": True, "host": [{"port": 1}], "peers": "allow", "deny": [{"destination": ["@a", "10.1.1.1/8"]}],
        "networks": {"n": {"allow": [{"port": "1-2", "protocol": "UDP"}], "dns": ["192.0.2.1"], "host": "deny"}},
        "containers": [{"label": "x=y", "peers": [{"destination": "@a", "port": 3}]}, {"name": "z", "dns": False}],
    }
    once = parse_egress(said, "here")
    data = egress_data(once)
    assert data["deny"] == [{"protocol": "any", "destination": ["10.0.0.0/8", "@a"]}]
    assert data["networks"]["n"]["allow"] == [{"protocol": "udp", "port": "1-2", "destination": ["any"]}]
    assert egress_data(parse_egress(data, "there")) == data
    assert once.general.deny[0].sources.sets[0].path == "here.deny[0].destination[0]"
    assert list(once.containers.values())[0].peers.entries[0].path == "here.containers[0].peers[0]"


def test_where_the_engine_says_containers_are():
    networks = [Network("backend", "id1", "bridge", "br-1", [], False, {}, {}), Network("host", "id2", "host", None, [], False, {}, {})]
    answer = [
        {"Names": ["/b"], "Labels": {"k": "v"}, "NetworkSettings": {"Networks": {
            "backend": {"NetworkID": "id1", "IPAddress": "172.18.0.2", "GlobalIPv6Address": "fd00::2"}, "host": {"NetworkID": "id2", "IPAddress": ""}}}},
        {"Names": ["/a"], "Labels": None, "NetworkSettings": {"Networks": {"backend": {"NetworkID": "id1", "IPAddress": "nonsense"}, "odd": None}}},
        {},
    ]
    assert [(item.name, item.labels, item.ends) for item in container_facts(answer, networks)] == [
        ("", {}, []), ("a", {}, []), ("b", {"k": "v"}, [("br-1", "172.18.0.2"), ("br-1", "fd00::2")])]
