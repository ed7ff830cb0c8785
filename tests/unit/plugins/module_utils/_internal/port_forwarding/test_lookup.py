# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which container a port leads to, by what the engine tells."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineUnreachable, WholeEngine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.open_port_entries import parse_open_port
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.port_forwarding.lookup import notes, openings

WEB, OLD = "ab" * 32, "ac" * 32


class Told(WholeEngine):
    """An engine with a container that runs, and one of the same label that does not."""

    def __init__(self, **info):
        self.told = info

    def version(self):
        return {}

    def info(self):
        return self.told

    def networks(self):
        return [{"Name": "app", "Id": "n", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16"}]}}]

    def containers(self):
        return [{"Id": "other", "Names": ["/other"], "Ports": [{"IP": "0.0.0.0", "PublicPort": 9, "PrivatePort": 9, "Type": "tcp"}]}]

    def all_containers(self):
        return [{"Id": WEB, "Names": ["/web"], "Labels": {"app": "1"}}, {"Id": OLD, "Names": ["/old"], "Labels": {"app": "1"}}]

    def inspect(self, container_id):
        running = container_id == WEB
        state = {"Running": running, "Pid": os.getpid() if running else 0, "Status": "running" if running else "exited", "StartedAt": "then"}
        ends = {"app": {"NetworkID": "n", "IPAddress": "172.18.0.2"}}
        return {"Id": container_id, "Name": "/web" if running else "/old", "State": state, "HostConfig": {"NetworkMode": "app"},
                "NetworkSettings": {"Networks": ends if running else {}}}


class Crowd(Told):
    """With two that run, and that one label chooses."""

    def all_containers(self):
        return [dict(item, Labels={"all": ""}) for item in super().all_containers()]

    def inspect(self, container_id):
        return dict(super().inspect(WEB), Id=container_id, Name="/web" if container_id == WEB else "/old")


class Quiet(System):
    """A host on which nobody listens and that forwards IPv4 only."""

    def read(self, path):
        return {"/proc/sys/net/ipv4/ip_forward": "1\n"}.get(path) if path.startswith("/proc/sys") or "/net/" in path else super().read(path)


def port_of(**given):
    return parse_open_port({"port": 8080, "container_port": 80, "sources": ["any"], **given})


def in_a_task(error):
    raise error


def asked(engine=None, **given):
    return openings(Quiet(), engine or Told(), [port_of(**given)], in_a_task, lambda _port: False)[0]


def test_one_that_ended_stands_in_nobody_s_way():
    opening = asked(label=["app"])
    assert (opening.container.id, [end.address for end in opening.ends]) == (WEB, ["172.18.0.2"])
    assert notes(Quiet(), [opening]) == ["port 8080/tcp is not opened for IPv6: container 'web' has no such address"]


def test_a_beginning_of_an_id_is_the_same_selector_as_all_of_it():
    assert asked(id="abab").port.mark == asked(id=WEB).port.mark != asked(name="web").port.mark


def test_nobody_there():
    opening = asked(name="old", on_missing="ignore")
    assert (opening.container, opening.ends) == (None, ())
    assert notes(Quiet(), [opening]) == ["port 8080/tcp leads nowhere: no container that matches runs"]
    with pytest.raises(DrawbridgeError, match="no container runs that matches: 'old' is exited"):
        asked(name="old")
    with pytest.raises(DrawbridgeError, match="no container matches"):
        asked(name="nobody")


def test_a_port_that_is_published():
    with pytest.raises(DrawbridgeError, match="port 9/tcp cannot be opened: container 'other' publishes it"):
        asked(name="web", port=9)
    assert asked(name="web", port=9, protocol="udp").ends


def test_who_goes_on_without_a_port_closes_it_but_for_one_that_somebody_else_came_to_have():
    ports = [port_of(name="web"), port_of(label=["all"], port=9001), port_of(name="web", port=9), port_of(name="web", port=10)]
    for held, served in (((), [8080, 10]), ((9, 9001), [8080, 9, 10])):
        refusals = []
        found = openings(Quiet(), Crowd(), ports, refusals.append, lambda port, held=held: port.number in held)
        assert [opening.port.number for opening in found] == served and all(opening.ends for opening in found)
        assert ["publishes it" in str(error) for error in refusals] == [True, False]
        assert "2 containers match" in str(refusals[1])


def test_an_engine_that_does_not_answer_closes_nothing():
    class Silent(Told):
        def inspect(self, container_id):
            raise EngineUnreachable("gone")

    with pytest.raises(EngineUnreachable):
        openings(Quiet(), Silent(), [port_of(name="web")], [].append, lambda _port: False)


def test_an_engine_that_drops_whatever_others_accept():
    with pytest.raises(DrawbridgeError, match="nftables backend"):
        asked(Told(FirewallBackend={"Driver": "nftables"}), name="web")
