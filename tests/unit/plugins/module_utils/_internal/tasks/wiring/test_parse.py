# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The arguments of netns_network: what they come to, and where a mistake is."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.wiring.model import HOST, Masquerading, Route
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.wiring.parse import parse_wiring, shared_networks


def parsed(**arguments):
    return parse_wiring(dict({"name": "lab", "state": "present"}, **arguments))


def space(*interfaces, name="n", **more):
    return dict({"name": name, "interfaces": list(interfaces)}, **more)


def pair(**more):
    return dict({"name": "e", "peer": "p"}, **more)


BRIDGES = [{"name": "br0", "addresses": ["172.18.0.1/16"]}]
ROUTED = pair(addresses=["10.1.0.2/24", "fd00::2/64"])


def with_pair(**more):
    return {"namespaces": [space(pair(**more))], "bridges": BRIDGES}


def with_route(**route):
    return {"namespaces": [space(ROUTED, routes=[route])]}


WRONG = [
    ({"name": "x" * 17}, "name: "), ({"name": "a b"}, "name: "), ({"name": ""}, "name: "), ({"name": "lab\n"}, "name: "),
    ({"namespaces": [space(), space()]}, "namespaces[1].name: the namespace 'n' is given twice"),
    *[({"namespaces": [space(name=name)]}, "namespaces[0].name: ") for name in ("", ".", "..", "a/b", "-x", "a\nb", "{{ x }}", "ünter", "a" * 65, 'a"')],
    *[(with_pair(name=name), "namespaces[0].interfaces[0].name: ") for name in ("lo", "a" * 16, "a b", "all", "-e", "e%d", "e\n", "e:1", "e@p")],
    (with_pair(peer="lo"), "namespaces[0].interfaces[0].peer: "),
    (with_pair(peer="br0"), "namespaces[0].interfaces[0].peer: br0 is given twice, in bridges[0] as well"),
    (with_pair(peer=None), "namespaces[0].interfaces[0]: the other end of the pair has no name (give peer, or bridge)"),
    (with_pair(bridge="docker0"), "namespaces[0].interfaces[0].bridge: 'docker0' is none of this task's bridges"),
    (with_pair(bridge="br0", peer_addresses=["10.0.0.1/8"]), "namespaces[0].interfaces[0].peer_addresses: the other end is a port of the bridge br0"),
    (with_pair(bridge="br0", peer_namespace="n"), "namespaces[0].interfaces[0].peer_namespace: "),
    (with_pair(peer_namespace="other"), "namespaces[0].interfaces[0].peer_namespace: 'other' is none of this task's namespaces"),
    (with_pair(peer="e", peer_namespace="n"), "namespaces[0].interfaces[0].peer: e in n is given twice"),
    (with_pair(mtu=67), "namespaces[0].interfaces[0].mtu: '67' is not from 68 to 65535"),
    (with_pair(mtu=1279, addresses=["fd00::1/64"]), "namespaces[0].interfaces[0].mtu: '1279' is not from 1280"),
    *[(with_pair(addresses=["10.0.0.1/8", text]), "namespaces[0].interfaces[0].addresses[1]: ")
      for text in ("10.0.0.2", "host/24", "10.0.0.2/33", "127.0.0.2/8", "224.0.0.1/4", "::1/128", "ff02::1/64", "fe80::1%eth0/64", "::ffff:10.0.0.1/128", "")],
    ({"namespaces": [space(pair(addresses=["172.18.0.1/24"], peer_addresses=["172.18.0.1/16"]))], "bridges": BRIDGES},
     "namespaces[0].interfaces[0].peer: 172.18.0.1/16 is an address of br0 as well"),
    (with_route(to="default"), "namespaces[0].routes[0].to: default is of which family?"),
    (with_route(to="10.9.0.0/16"), "namespaces[0].routes[0]: neither via nor dev is given"),
    (with_route(to="10.9.0.0/16", via="10.2.0.1"), "namespaces[0].routes[0].via: no interface of this task has a network with 10.2.0.1 in it"),
    (with_route(to="fd00:9::/64", via="10.1.0.1"), "namespaces[0].routes[0].via: fd00:9::/64 and 10.1.0.1 are of two families"),
    (with_route(to="default", via="10.1.0.0/24"), "namespaces[0].routes[0].via: "), (with_route(to="x", via="10.1.0.1"), "namespaces[0].routes[0].to: "),
    (with_route(to="10.9.0.0/16", dev="eth0"), "namespaces[0].routes[0].dev: 'eth0' in n is none of this task's interfaces"),
    (with_route(to="10.9.0.0/16", dev="e", metric=-1), "namespaces[0].routes[0].metric: "),
    ({"namespaces": [space(ROUTED, routes=[{"to": "default", "via": "10.1.0.1"}, {"to": "0.0.0.0/0", "dev": "e"}])]},
     "namespaces[0].routes[1]: namespaces[0].routes[0] has the same network and metric"),
    ({"namespaces": [space(dict(ROUTED, state="down"), routes=[{"to": "default", "via": "10.1.0.1"}])]}, "namespaces[0].routes[0].dev: e in n is down"),
    *[({"bridges": BRIDGES, "routes": [{"to": to, "via": "172.18.0.2"}]}, "routes[0].to: the host's default route")
      for to in ("default", "0.0.0.0/0", "128.0.0.0/1")],
    ({"bridges": BRIDGES, "routes": [{"to": "10.0.0.0/8", "dev": "eth0"}]}, "routes[0].dev: "),
    ({"bridges": BRIDGES, "masquerade": [{"source": "0.0.0.0/0"}]}, "masquerade[0].source: "),
    ({"bridges": BRIDGES, "masquerade": [{"source": "host"}]}, "masquerade[0].source: "),
    ({"bridges": BRIDGES, "masquerade": [{"source": "10.0.0.0/8"}]}, "masquerade[0]: no interface of this task on the host has an address in 10.0.0.0/8"),
    ({"bridges": BRIDGES, "masquerade": [{"source": "172.18.0.0/16", "out_interface": "eth0 -j ACCEPT"}]}, "masquerade[0].out_interface: "),
    ({"bridges": BRIDGES, "masquerade": [{"source": "172.18.0.0/16", "out_interface": "!"}]}, "masquerade[0].out_interface: "),
]


@pytest.mark.parametrize("arguments, words", WRONG, ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_mistakes_are_named_by_their_place(arguments, words):
    with pytest.raises(DrawbridgeError) as error:
        parsed(**arguments)
    assert str(error.value).startswith(words) and str(error.value).isprintable()


def test_absent_looks_at_the_name_alone():
    assert parsed(state="absent", namespaces=[{"name": "a/b"}]).interfaces == {}
    with pytest.raises(DrawbridgeError):
        parsed(state="absent", name="a b")


def test_addresses_are_spelt_as_the_kernel_does():
    found = parsed(namespaces=[space(pair(addresses=["172.18.0.10/255.255.0.0", "FD00:0::1/64", "fd00::1/64"]))])
    assert found.interfaces[("n", "e")].addresses == ("172.18.0.10/16", "fd00::1/64")
    assert list(found.interfaces) == [("n", "e"), (HOST, "p")]


def test_routes_find_their_interface_and_the_kernels_metric():
    found = parsed(namespaces=[space(ROUTED, routes=[{"to": "default", "via": "10.1.0.1"}, {"to": "default", "via": "fd00::1"}])])
    assert list(found.routes["n"]) == [Route(4, "0.0.0.0/0", "10.1.0.1", "e", 0), Route(6, "::/0", "fd00::1", "e", 1024)]


@pytest.mark.parametrize("given, out, not_by", [(None, "", "br0"), ("eth0", "eth0", ""), ("!br0", "", "br0"), ("! br0", "", "br0")])
def test_masquerading_never_is_about_what_stays_on_the_bridge(given, out, not_by):
    found = parsed(bridges=BRIDGES, masquerade=[{"source": "172.18.0.9/16", "out_interface": given}]).masquerade[0]
    assert isinstance(found, Masquerading) and (str(found.source), found.out_interface, found.not_by) == ("172.18.0.0/16", out, not_by)


def test_an_end_that_nobody_named_keeps_its_name():
    def names(**arguments):
        return {name for _place, name in parsed(bridges=BRIDGES, **arguments).interfaces}

    first = space({"name": "e", "bridge": "br0"})
    assert names(namespaces=[first]) < names(namespaces=[first, space({"name": "e", "bridge": "br0"}, name="m")])
    assert all(len(name) <= 15 for name in names(namespaces=[first]))


def test_a_network_on_two_interfaces_of_the_host_is_told():
    ends = [pair(name="e%d" % at, peer="p%d" % at, peer_addresses=["10.1.0.%d/24" % at]) for at in (1, 2)]
    assert ["p1 and p2 have the network 10.1.0.0/24" in text for text in shared_networks(parsed(namespaces=[space(*ends)]))] == [True]
    assert shared_networks(parsed(namespaces=[space(*ends[:1])])) == []
