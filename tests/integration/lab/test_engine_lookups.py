# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Engine look-ups on real engines: both clients ask the same, docker_firewall_info tells what is there."""
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.lab import layout, workload
from tests.lab.api import Lab

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "plugins" / "modules" / "docker_firewall_info.py"
REMOTE = "/tmp/drawbridge-lookups"
IN_UTILS = "ansible_collections.drawbridge.docker.plugins.module_utils"

# Compared as values: engines list ports, and more, in the order of a Go map.
ASK = """
import json, sys
from %s._internal.engine.api import answers, sdk, unix_socket

def values(client):
    info, containers = client.info(), client.containers()
    return [client.version()["Version"], answers.release(info), answers.parse_backend(info),
            answers.parse_networks(client.networks(), info), answers.parse_containers(containers),
            answers.parse_published(containers)]

by_socket, by_sdk = values(unix_socket.SocketEngine()), values(sdk.SdkEngine("unix:///var/run/docker.sock"))
assert by_socket == by_sdk, (by_socket, by_sdk)
json.dump([len(value) for value in by_socket[3:]], sys.stdout)
""" % IN_UTILS


@pytest.fixture(scope="module", name="lab")
def running_lab():
    """The lab as it is up."""
    return Lab.load()


def look(host, options="", *arguments):
    """Look at a host → what the module returned, and all that Ansible printed."""
    return run_module(host, "docker_firewall_info", options, *arguments)


def run_module(host, module, options, *arguments):
    """Run a module on a host by Ansible → what it returned, and all that Ansible printed."""
    environment = dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".build" / "collections"),
                       ANSIBLE_STDOUT_CALLBACK="ansible.builtin.minimal", ANSIBLE_LOAD_CALLBACK_PLUGINS="0",
                       # By default all labs share connections that are kept, since their hosts have the same names.
                       ANSIBLE_SSH_CONTROL_PATH_DIR=str(layout.RUN / "ssh"))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible")), "-i", str(layout.INVENTORY), host.name,
         "-m", "drawbridge.docker." + module, "-a", options, *arguments],
        env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
        check=False)
    text = done.stdout.decode()
    assert done.returncode == 0 and " => {" in text, text
    told = json.JSONDecoder().raw_decode(text[text.index(" => {") + len(" => "):])[0]
    return told, " ".join(text.split())


@pytest.fixture(params=sorted(layout.DEBIANS))
def host(lab, request):
    """Each host."""
    return lab.hosts[request.param]


def firewall(host):
    """All that a run could have touched: rules of both variants, tables, sets; without counters and times."""
    script = ("for program in iptables-nft ip6tables-nft iptables-legacy ip6tables-legacy; do $program-save; done"
              " | sed -e '/^#/d' -e 's/ *\\[[0-9:]*\\]//'; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names;"
              " nft list tables; ipset list -t")
    return host.run(["sh", "-c", script + " 2>/dev/null"], check=False).stdout


def test_both_clients_answer_the_same(host):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(str(ROOT / "plugins" / "module_utils"), "/".join(IN_UTILS.split(".")),
                filter=lambda item: None if item.name.endswith("__pycache__") else item)
    host.run(["sh", "-c", "rm -rf %s && mkdir %s && tar -x -C %s" % (REMOTE, REMOTE, REMOTE)],
             input=packed.getvalue())
    try:
        done = host.run(["env", "PYTHONPATH=" + REMOTE, "python3", "-c", ASK])
    finally:
        host.run(["rm", "-rf", REMOTE])
    networks, containers, ports = json.loads(done.stdout)
    assert networks >= len(workload.networks(host.spec)) + 3
    assert containers >= len(workload.containers(host.spec))
    assert ports >= len(expected_ports(host.spec))


def expected_ports(spec):
    """(family, address, port, protocol, container, container port) as the workload publishes them."""
    found = set()
    for container in workload.containers(spec):
        for written in container.publish:
            text, _slash, protocol = written.partition("/")
            rest, _colon, inner = text.rpartition(":")
            address, _colon, outer = rest.rpartition(":")
            first, _dash, last = outer.partition("-")
            inner_first = int(inner.partition("-")[0])
            places = [(4, None), (6, None)]
            if address:
                places = [(6 if "[" in address else 4, address.strip("[]"))]
            for offset, port in enumerate(range(int(first), int(last or first) + 1)):
                for family, place in places:
                    found.add(("ipv%d" % family, place, port, protocol or "tcp", container.name, inner_first + offset))
    return found


def test_what_is_published(host):
    told, _printed = look(host)
    ports = [port for port in told["published_ports"] if not port["container"].startswith("lookups-")]
    keys = ("family", "address", "port", "protocol", "container", "container_port")
    assert {tuple(port[key] for key in keys) for port in ports} == expected_ports(host.spec)
    assert {port["container"] for port in ports if port["loopback"]} == {"local"}
    assert told["changed"] is False


def test_engine_and_networks(host):
    told, _printed = look(host)
    assert told["engine"]["version"].split("+")[0] == host.engine_version()
    assert told["engine"]["reachable"] and told["engine"]["error"] is None
    assert (told["engine"]["backend"], told["engine"]["userland_proxy"]) == ("iptables", "on")
    assert told["iptables"] == {"variant": "nft", "other_variant": "legacy", "other_variant_rules": 0}
    names = host.run(["docker", "network", "ls", "--format", "{{.Name}}"]).stdout.split()
    assert sorted(names) == [network["name"] for network in told["networks"]]
    interfaces = host.run(["ls", "/sys/class/net"]).stdout.split()
    bridges = [network["bridge"] for network in told["networks"] if network["driver"] == "bridge"]
    assert bridges and set(bridges) <= set(interfaces)


def test_check_mode_answers_the_same_and_nothing_is_touched(host):
    before = firewall(host)
    assert look(host, "", "--check")[0] == look(host)[0]
    assert firewall(host) == before


def documented(contents):
    """The keys of a RETURN section, nested as they are documented."""
    return {key: documented(value["contains"]) if "contains" in value else None for key, value in contents.items()}


def matches(value, keys, place):
    """Whether a returned value has exactly the documented keys, everywhere."""
    if keys is None:
        return
    for item in value if isinstance(value, list) else [value]:
        assert set(item) == set(keys), place
        for key, inner in keys.items():
            matches(item[key], inner, "%s.%s" % (place, key))


def test_every_returned_key_is_documented(host):
    text = MODULE.read_text(encoding="utf-8")
    keys = documented(yaml.safe_load(text.split('RETURN = r"""')[1].split('"""')[0]))
    told, _printed = look(host)
    for added in ("changed", "warnings", "invocation", "deprecations"):
        told.pop(added, None)
    matches(told, keys, "RETURN")
    assert told["findings"] or told["owned"]["hooks"]


def test_an_engine_that_does_not_answer(host):
    told, printed = look(host, "docker_host=unix:///run/none.sock")
    assert told["engine"]["reachable"] is False and told["engine"]["version"] is None
    assert "No such file" in told["engine"]["error"] and told["engine"]["error"][:60] in printed
    assert told["published_ports"] == [] and told["networks"] == []
    assert any(chain["chain"] == "DOCKER-USER" for chain in told["chains"])


def test_what_escapes(lab):
    host = lab.hosts["forky"]
    web = json.loads(host.run(["docker", "inspect", "web"]).stdout)[0]["Config"]
    host.run(["docker", "run", "--detach", "--name", "lookups-host", "--network", "host", web["Image"], web["Cmd"][0],
              "lookups", "tcp,127.0.0.1,9998"])
    try:
        told, _printed = look(host)
    finally:
        host.run(["docker", "rm", "--force", "lookups-host"])
    assert ("host_network", "lookups-host") in {(item["kind"], item["container"]) for item in told["escapes"]}


def test_a_policy_guards_every_exposed_port(host):
    host.pristine()
    before, _printed = look(host)
    assert "unguarded_ports" in {found["code"] for found in before["findings"]}
    policy = {"policy": {"published_ports": {"allow": [{"port": 8080, "sources": ["192.0.2.101"]}]}}}
    try:
        run_module(host, "host_policy", json.dumps(policy))
        told, _printed = look(host)
    finally:
        host.pristine()
    assert all(port["guarded"] != port["loopback"] for port in told["published_ports"])
    assert all(port["sources"] is None for port in before["published_ports"])
    let_in = {(port["port"], port["family"]): port["sources"] for port in told["published_ports"] if port["guarded"]}
    assert let_in.pop((8080, "ipv4")) == ["192.0.2.101"] and len(let_in) > 8 and set(map(tuple, let_in.values())) == {()}
    assert not {found["code"] for found in told["findings"]} - {"ipv6_by_proxy", "late_ports_open"}
    assert {(hook["family"], hook["parent"], hook["position"]) for hook in told["owned"]["hooks"]} >= {
        ("ipv4", "PREROUTING", 1), ("ipv6", "PREROUTING", 1), ("ipv4", "DOCKER-USER", 1)}
    assert {"bitmap:port", "hash:ip,port"} <= {item["type"] for item in told["owned"]["sets"]}
