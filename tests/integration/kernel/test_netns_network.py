# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Namespaces, pairs, bridges, addresses, routes and masquerading by the module's own job, on a kernel, beside a /run of the test's own."""
import contextlib
import ctypes
import json
import os
import re
import subprocess
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.network.ssh import Connection
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.wiring.keep import keep_network

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.module import run_module
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.playbook import why_not

CLONE_NEWNS = 0x20000
LIBC = ctypes.CDLL(None, use_errno=True)
FIRST = {"name": "netns0", "interfaces": [
    {"name": "ceth0", "addresses": ["172.18.0.10/16"], "peer": "veth0", "peer_addresses": ["172.18.0.11/16"]}]}
SECOND = {"name": "netns1", "interfaces": [
    {"name": "ceth1", "addresses": ["172.18.0.20/16"], "peer": "veth1", "peer_addresses": ["172.18.0.21/16"]}]}


def at_the_bridge(number):
    interface = {"name": "ceth%d" % number, "peer": "veth%d" % number, "bridge": "br0",
                 "addresses": ["172.18.0.%d0/16" % (number + 1), "fd00:18::%d0/64" % (number + 1)]}
    return {"name": "netns%d" % number, "interfaces": [interface],
            "routes": [{"to": "default", "via": "172.18.0.1"}, {"to": "default", "via": "fd00:18::1"}]}


BRIDGED = {
    "namespaces": [at_the_bridge(0), at_the_bridge(1)],
    "bridges": [{"name": "br0", "addresses": ["172.18.0.1/16", "fd00:18::1/64"]}],
    "routes": [{"to": "10.77.0.0/16", "via": "172.18.0.10"}, {"to": "fd00:77::/64", "via": "fd00:18::10"}],
}
MASQUERADED = dict(BRIDGED, masquerade=[{"source": "172.18.0.0/16"}, {"source": "fd00:18::/64"}])


@pytest.fixture(autouse=True)
def own_run(namespace):
    """A mount namespace with an empty /run: named namespaces and records of the machine's are none of the tests' business."""
    back, folder = os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC), os.getcwd()
    assert LIBC.unshare(CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
    try:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as setting:
            setting.write("0")
        yield
    finally:
        assert LIBC.setns(back, CLONE_NEWNS) == 0, os.strerror(ctypes.get_errno())
        os.chdir(folder)
        os.close(back)


def run(check=False, connection=None, system=None, **arguments):
    params = dict({"name": "lab", "state": "present", "transport": "auto", "lock_timeout": 30}, **arguments)
    return keep_network(Task(params, check, system or System(), True), lambda system: connection)


def converged(**arguments):
    """Check, do, and do again → what was done. The check predicts all of it, and changes nothing."""
    before = everything()
    predicted = run(check=True, **arguments)
    assert everything() == before
    done = run(**arguments)
    assert predicted.values == done.values and done.values["changed"]
    assert not run(**arguments).values["changed"]
    return done


def ip(*words):
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def everything():
    """All that the kernel has, but for what it numbers and counts itself."""
    found = {}
    for place in ["", *sorted(line.split()[0] for line in ip("netns", "list").splitlines())]:
        where = ["-n", place] if place else []
        links = [(item["ifname"], "UP" in item["flags"], item["mtu"], item.get("master"), item.get("linkinfo", {}).get("info_data", {}).get("stp_state"),
                  sorted("%(local)s/%(prefixlen)s" % one for one in item["addr_info"] if one["scope"] != "link"))
                 for item in json.loads(ip(*where, "-j", "-d", "address"))]
        routes = [ip(*where, "-%d" % family, "route", "show", "table", "main", "proto", "boot") for family in (4, 6)]
        found[place] = (sorted(links), routes)
    return found


NOTHING = {"": ([("lo", True, 65536, None, None, ["127.0.0.1/8", "::1/128"])], ["", ""])}


@contextlib.contextmanager
def sender(place):
    """This thread in a place that lets it send pings."""
    with entered("/run/netns/" + place) if place else contextlib.nullcontext():
        with open("/proc/sys/net/ipv4/ping_group_range", "w", encoding="ascii") as setting:
            setting.write("0 0")
        yield


def answers(place, *addresses):
    """Whether each address answers pings from a place: at once, or after the kernel has made up its mind about a new link."""
    with sender(place):
        return all(until_it_answers(address) for address in addresses)


def until_it_answers(address):
    end = time.monotonic() + 15
    while not wire.ping(6 if ":" in address else 4, address):
        if time.monotonic() > end:
            return False
    return True


def silent(place, address):
    """Whether nothing answers within a second."""
    with sender(place):
        return not wire.ping(6 if ":" in address else 4, address)


def gone(**more):
    done = converged(state="absent", **more)
    assert everything() == NOTHING and not os.path.exists("/run/drawbridge-netns")
    return done


def test_the_write_ups_wiring_step_by_step():
    one = converged(namespaces=[FIRST])
    assert "address 172.18.0.10/16 of ceth0 in netns0" in one.values["diff"]["after"].splitlines() and not one.warnings
    assert answers("netns0", "172.18.0.11") and answers("", "172.18.0.10")
    two = converged(namespaces=[FIRST, SECOND])
    assert "veth0 and veth1 have the network 172.18.0.0/16" in two.warnings[0]
    assert silent("netns1", "172.18.0.21")
    bridged = converged(**BRIDGED)
    assert "address 172.18.0.11/16 of veth0" in bridged.values["diff"]["before"].splitlines() and not bridged.warnings
    assert answers("netns0", "172.18.0.20", "fd00:18::20", "172.18.0.1", "fd00:18::1")
    assert answers("netns1", "172.18.0.10", "fd00:18::10") and answers("", "172.18.0.10", "fd00:18::20")
    assert len(json.loads(ip("-j", "link", "show", "master", "br0"))) == 2 and "fe80:" in ip("-n", "netns0", "address", "show", "dev", "ceth0")
    assert "bridge br0" in gone().values["diff"]["before"].splitlines()


def test_only_masquerading_leads_outside(host):
    """The outside has no way back to the namespaces."""
    with wire.wired():
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            with open("/proc/sys/net/" + name, "w", encoding="ascii") as setting:
                setting.write("1")
        converged(transport=host.variant, **BRIDGED)
        assert answers("netns0", "172.18.0.1", "fd00:18::1") and silent("netns0", "2001:db8::2")
        done = converged(transport=host.variant, **MASQUERADED)
        assert done.values["transport"] == host.variant and not done.warnings
        assert host.rules("DB-NETNS-lab", "nat") == ["-s 172.18.0.0/16 ! -o br0 -j MASQUERADE"]
        assert answers("netns0", "192.0.2.2", "2001:db8::2") and answers("netns1", "192.0.2.2", "2001:db8::2")
        # Docker's policy of FORWARD, and what the guide has against it.
        host.docker()
        for family in (4, 6):
            host.iptables("-P FORWARD DROP", family)
        assert silent("netns0", "192.0.2.2")
        host.section([{"in_interface": "br0", "jump": "ACCEPT"}, {"out_interface": "br0", "ctstate": ["ESTABLISHED", "RELATED"], "jump": "ACCEPT"}], "lab")
        assert answers("netns0", "192.0.2.2", "2001:db8::2")
        host.section([], "lab")
        host.iptables("-t nat -F DB-NETNS-lab", 6)
        converged(transport=host.variant, **MASQUERADED)
        out = [{"source": "172.18.0.0/16", "out_interface": "host"}]
        converged(transport=host.variant, **dict(BRIDGED, masquerade=out))
        assert host.rules("DB-NETNS-lab", "nat") == ["-s 172.18.0.0/16 -o host -j MASQUERADE"] and silent("netns0", "2001:db8::2")
        converged(transport=host.variant, state="absent")
        assert "DB-NETNS" not in "".join(host.everything()) and "br0" not in str(everything())


def test_a_host_that_does_not_forward_is_told(host):
    assert [warning[:28] for warning in run(check=True, transport=host.variant, **MASQUERADED).warnings] == [
        "the host does not forward IPv4"[:28], "the host does not forward IPv6"[:28]]


# What somebody does to it, each in one go.
DRIFT = {
    "addresses": ["-n netns0 address delete 172.18.0.10/16 dev ceth0", "-n netns1 address delete fd00:18::20/64 dev ceth1",
                  "-n netns0 address add 172.18.0.99/16 dev ceth0", "address add fd00:99::1/64 dev br0"],
    "routes": ["-n netns0 route delete default", "-n netns1 -6 route replace default via fd00:18::10", "-n netns1 route add 10.9.0.0/16 via 172.18.0.1",
               "route add 10.10.0.0/16 via 172.18.0.20", "route add 10.11.0.0/16 nexthop via 172.18.0.20 nexthop via 172.18.0.10",
               "-n netns0 route add fd00:12::/64 nexthop via fd00:18::1 nexthop via fd00:18::20"],
    "settings": ["link set dev veth1 nomaster", "link set dev veth0 mtu 1400", "link set dev br0 type bridge stp_state 1",
                 "netns exec netns0 sysctl -qw net.ipv4.ip_forward=1", "netns exec netns1 sysctl -qw net.ipv6.conf.all.forwarding=1"],
    "up and down": ["link set dev br0 down", "-n netns0 link set dev ceth0 down", "-n netns1 link set dev lo down"],
    "a pair": ["link delete dev veth0"],
    "the bridge": ["link delete dev br0"],
    "a namespace": ["netns delete netns1"],
}


def until_ends_are_gone():
    """The kernel removes what is in a namespace, and the other ends, some time after its name."""
    end = time.monotonic() + 15
    while len(ip("netns", "list").splitlines()) < len(json.loads(ip("-j", "link", "show", "type", "veth"))):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_drift_is_repaired_and_only_that():
    converged(**BRIDGED)
    whole = everything()
    for kind, damage in DRIFT.items():
        for words in damage:
            ip(*words.split())
        until_ends_are_gone()
        done = converged(**BRIDGED)
        assert everything() == whole, kind
        assert len(done.values["diff"]["after"].splitlines()) < 16, (kind, done.values["diff"])
    assert answers("netns0", "172.18.0.20", "fd00:18::20")
    gone()


def test_the_last_address_of_a_network_takes_no_other_along():
    """The kernel removes secondary addresses with the first of their network, and the routes with both."""
    pair = {"name": "a", "peer": "b", "addresses": ["10.1.0.1/24", "10.1.0.2/24"]}
    space = {"name": "n", "interfaces": [pair], "routes": [{"to": "10.2.0.0/24", "via": "10.1.0.9"}]}
    converged(namespaces=[space])
    converged(namespaces=[dict(space, interfaces=[dict(pair, addresses=["10.1.0.2/24"])])])
    assert "via 10.1.0.9" in everything()["n"][1][0]
    gone()


def test_what_is_not_asked_for_any_more_goes():
    """Other ends, other kinds, fewer namespaces; and both ways of a route."""
    converged(**BRIDGED)
    router = {"name": "router", "forwarding": True}
    left = {"name": "netns0", "interfaces": [{"name": "ceth0", "peer": "br0", "peer_namespace": "router", "mtu": 1280,
                                              "addresses": ["10.1.0.2/24", "fd00:1::2/64"], "peer_addresses": ["10.1.0.1/24", "fd00:1::1/64"]}],
            "routes": [{"to": "10.2.0.0/24", "via": "10.1.0.1", "metric": 7}, {"to": "fd00:2::/64", "via": "fd00:1::1"}]}
    right = {"name": "right", "interfaces": [{"name": "ceth0", "peer": "r", "peer_namespace": "router",
                                              "addresses": ["10.2.0.2/24", "fd00:2::2/64"], "peer_addresses": ["10.2.0.1/24", "fd00:2::1/64"]}],
             "routes": [{"to": "default", "via": "10.2.0.1"}, {"to": "::/0", "via": "fd00:2::1", "dev": "ceth0"}]}
    done = converged(namespaces=[left, right, router])
    assert "namespace netns1" in done.values["diff"]["before"] and set(everything()) == {"", "netns0", "right", "router"}
    assert answers("netns0", "10.2.0.2", "fd00:2::2") and answers("right", "10.1.0.2", "fd00:1::2")
    converged(namespaces=[left, right, dict(router, forwarding=False)])
    assert silent("netns0", "10.2.0.2") and silent("netns0", "fd00:2::2")
    derived = {"name": "ceth0", "bridge": "br1", "state": "down"}
    converged(namespaces=[{"name": "netns0", "interfaces": [derived]}], bridges=[{"name": "br1", "stp": True, "state": "down"}])
    gone()


def test_pairs_get_other_ends():
    """In namespaces of their own, four interfaces have one and the same number."""
    def across(first, second):
        return [{"name": near, "interfaces": [{"name": "eth0", "peer": "eth0", "peer_namespace": far, "addresses": ["10.1.0.%d/24" % at],
                                               "peer_addresses": ["10.1.0.%d/24" % (at + 4)]}]} for at, (near, far) in enumerate((first, second), 1)]

    four = [{"name": name} for name in "abcd"]

    def wired(first, second):
        return [*across(first, second), *(one for one in four if one["name"] in (first[1], second[1]))]

    converged(namespaces=wired("ab", "cd"))
    assert answers("a", "10.1.0.5") and answers("c", "10.1.0.6")
    done = converged(namespaces=wired("ad", "cb"))
    assert "interface eth0 in a" in done.values["diff"]["before"].splitlines()
    assert answers("a", "10.1.0.5") and answers("c", "10.1.0.6") and silent("a", "10.1.0.6")
    gone()


def test_two_wirings_know_nothing_of_each_other():
    run(name="one", namespaces=[FIRST])
    run(name="two", bridges=[{"name": "br9"}])
    with pytest.raises(DrawbridgeError, match=r"namespaces\[0\]\.name: there is a namespace 'netns0' already"):
        run(name="two", namespaces=[FIRST])
    run(name="one", state="absent")
    assert [link[0] for link in everything()[""][0]] == ["br9", "lo"]


@pytest.fixture(name="beside")
def beside_others():
    """An uplink, a bridge as Docker's, a way into a VPN, and a namespace that somebody made."""
    for words in (
        "link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0",
        "link add uplink type veth peer name far", "link set dev far up", "link set dev uplink up", "address add 10.0.0.5/16 dev uplink",
        "address add 2001:db8:7::5/64 dev uplink", "route add default via 10.0.0.1", "route add 192.168.0.0/16 via 10.0.0.9", "netns add taken",
    ):
        ip(*words.split())


ONE = {"name": "n", "interfaces": [{"name": "e", "peer": "p"}]}
REFUSED = [
    ({"namespaces": [{"name": "taken"}]}, "namespaces[0].name: there is a namespace 'taken' already"),
    ({"bridges": [{"name": "docker0"}]}, "bridges[0]: there is an interface 'docker0' already"),
    ({"namespaces": [dict(ONE, interfaces=[{"name": "e", "peer": "uplink"}])]}, "namespaces[0].interfaces[0].peer: there is an interface 'uplink'"),
    ({"bridges": [{"name": "br0", "addresses": ["172.17.9.1/24"]}]}, "bridges[0]: 172.17.9.0/24 is in use: 172.17.0.0/16 is at 'docker0'"),
    ({"bridges": [{"name": "br0", "addresses": ["10.0.0.5/32"]}]}, "bridges[0]: 10.0.0.5/32 is in use"),
    ({"bridges": [{"name": "br0", "addresses": ["2001:db8:7::9/64"]}]}, "bridges[0]: 2001:db8:7::/64 is in use: 2001:db8:7::/64 is at 'uplink'"),
    ({"bridges": [{"name": "br0", "addresses": ["192.0.0.1/4"]}]}, "bridges[0]: 192.0.0.0/4 is in use"),
    ({"bridges": [{"name": "br0", "addresses": ["10.9.0.1/24"]}], "routes": [{"to": "10.0.0.0/8", "via": "10.9.0.2"}]}, "routes[0].to: 10.0.0.0/8 is in use"),
    ({"bridges": [{"name": "br0"}], "masquerade": [{"source": "172.17.0.0/24", "out_interface": "uplink"}]}, "masquerade[0].source: 172.17.0.0/24 is in use"),
]


def test_what_others_have_is_refused_and_stays(beside):
    before = everything()
    for arguments, words in REFUSED:
        for check in (True, False):
            with pytest.raises(DrawbridgeError) as refused:
                run(check=check, **arguments)
            assert words in str(refused.value)
    assert everything() == before and not os.path.exists("/run/drawbridge-netns")
    # A part of what is behind a gateway, and what only a default route leads to, is free.
    converged(bridges=[{"name": "br0", "addresses": ["192.168.7.1/24", "10.200.0.1/16"]}])
    converged(state="absent")
    assert everything() == before


def test_others_who_take_the_name_later_keep_theirs():
    run(**BRIDGED)
    for words in ("netns delete netns0", "link delete dev br0", "netns add netns0", "link add br0 type bridge"):
        ip(*words.split())
    with pytest.raises(DrawbridgeError, match="did not make"):
        run(**BRIDGED)
    converged(state="absent")
    assert [link[0] for link in everything()[""][0]] == ["br0", "lo"] and "netns0" in everything()


def test_what_is_left_of_a_namespace_is_told():
    ip("netns", "add", "other")
    with open("/run/netns/netns0", "w", encoding="ascii"):
        pass
    with pytest.raises(DrawbridgeError, match="netns0 is not a namespace"):
        run(check=True, namespaces=[FIRST])


def test_a_namespace_with_others_in_it_stays():
    run(namespaces=[FIRST])
    ip("-n", "netns0", "link", "add", "wg{{1}}", "type", "bridge")
    with pytest.raises(DrawbridgeError, match=re.escape("did not make: 'wg{{1}}'")):
        run(state="absent")
    assert not run(namespaces=[FIRST]).values["changed"]
    ip("-n", "netns0", "link", "delete", "wg{{1}}")
    with subprocess.Popen(["ip", "netns", "exec", "netns0", "cat"], stdin=subprocess.PIPE) as inside:
        while not ip("netns", "pids", "netns0"):
            assert inside.poll() is None
        assert gone().warnings == ["the namespace netns0 is still used by processes: %d" % inside.pid]


def test_the_tasks_own_way_is_not_cut():
    """The controller is in a namespace of the wiring, and reaches the host by its bridge."""
    run(**BRIDGED)
    whole = everything()
    for family in (("172.18.0.1", "172.18.0.10"), ("fd00:18::1", "fd00:18::10")):
        connection = Connection(family[0], 22, family[1])
        port = at_the_bridge(0)["interfaces"][0]
        off = [{"name": "netns0", "interfaces": [{**port, **change}]} for change in ({"state": "down"}, {"bridge": None})]
        less = dict(BRIDGED, bridges=[{"name": "br0", "addresses": []}], routes=[], namespaces=[dict(at_the_bridge(0), routes=[]), at_the_bridge(1)])
        for arguments in ({"state": "absent"}, {"namespaces": [], "bridges": []}, less,
                          dict(BRIDGED, bridges=[dict(BRIDGED["bridges"][0], state="down")], routes=[]),
                          *(dict(BRIDGED, namespaces=[one, at_the_bridge(1)]) for one in off),
                          dict(BRIDGED, bridges=[dict(BRIDGED["bridges"][0], stp=True)]), dict(BRIDGED, namespaces=[at_the_bridge(1)], routes=[])):
            for check in (True, False):
                with pytest.raises(DrawbridgeError, match="the task's own connection from %s comes by" % family[1]):
                    run(check=check, connection=connection, **arguments)
            assert everything() == whole
        wider = {"name": "br0", "addresses": [*BRIDGED["bridges"][0]["addresses"], "10.5.0.1/24"]}
        assert run(connection=connection, **{**BRIDGED, "bridges": [wider]}).values["changed"]
        run(**BRIDGED)
    with pytest.raises(DrawbridgeError, match="own connection from fe80::2 comes by"):
        run(connection=Connection("fe80::1", 22, "fe80::2"), state="absent")


def test_the_tasks_client_is_not_led_elsewhere(beside):
    client = Connection("10.0.0.5", 22, "192.168.7.9")
    with pytest.raises(DrawbridgeError, match=r"bridges\[0\]: the task's own connection comes from 192.168.7.9, and 192.168.7.0/24 would lead there"):
        run(connection=client, bridges=[{"name": "br0", "addresses": ["192.168.7.1/24"]}])
    assert run(connection=client, bridges=[{"name": "br0", "addresses": ["192.168.8.1/24"]}]).values["changed"]


class Failing(System):
    """Its changing commands fail from one on."""

    def __init__(self, left):
        super().__init__()
        self.left = left

    def run(self, argv, stdin="", env=None):
        if {"add", "set", "delete"} & set(argv) and "-j" not in argv:
            self.left -= 1
            if self.left < 0:
                raise DrawbridgeError("the machine is out of everything")
        return super().run(argv, stdin, env)


def test_a_run_that_breaks_off_anywhere_is_finished_or_taken_back():
    for left in range(0, 24, 4):
        with pytest.raises(DrawbridgeError, match="out of everything"):
            run(system=Failing(left), **BRIDGED)
        if left % 8:
            run(**BRIDGED)
            assert not run(**BRIDGED).values["changed"]
            with pytest.raises(DrawbridgeError, match="out of everything"):
                run(system=Failing(left // 4), state="absent")
        run(state="absent")
        assert everything() == NOTHING and not os.path.exists("/run/drawbridge-netns")


def test_the_module_as_a_target_runs_it():
    if why_not():
        pytest.skip(why_not())
    arguments = dict(BRIDGED, name="lab")
    predicted, done, again = (run_module([], "netns_network", check=check, **arguments) for check in (True, False, False))
    assert predicted["changed"] and done["changed"] and predicted["diff"] == done["diff"] and not again["changed"]
    for wrong, words in (({"bridges": [{"name": "br0", "adresses": []}]}, "bridges.adresses"), ({"namespaces": [{"name": "{{ 1 }}"}]}, "namespaces[0].name: ")):
        failed = run_module([], "netns_network", **dict({"name": "lab"}, **wrong))
        assert failed["failed"] and words in failed["msg"] and "\n" not in failed["msg"], failed
    assert run_module([], "netns_network", name="lab", state="absent")["changed"] and everything() == NOTHING
