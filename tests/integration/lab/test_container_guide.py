# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""docs/guides/containers.md does what it says: its containers, its Compose file and its tasks, on every engine."""
import json
import re
import shlex

import pytest
import yaml

from tests.integration.lab.support import debian
from tests.integration.lab.support.following import wait_until_blocked
from tests.integration.lab.support.playbook import ROOT, play
from tests.integration.lab.support.reach import Onlooker, v4
from tests.integration.lab.support.ways import dumps, on_all
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

GUIDE = (ROOT / "docs" / "guides" / "containers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
YAML = [yaml.safe_load(text) for language, text in BLOCKS if language == "yaml"]
TASKS = {task["name"]: task for block in YAML if isinstance(block, list) for task in block}
DENIED = CLIENTS["denied"].v4
COMPOSE = "/opt/compose"
SERVER = ["answer", "ubuntu", "tcp,0.0.0.0,80"]
# 8080 is taken on the lab's hosts.
PORT = 8990


def task(start):
    """The guide's task whose name begins so."""
    (found,) = [item for name, item in TASKS.items() if name.startswith(start)]
    return found


@pytest.fixture(name="look")
def onlooker(lab, outermost):
    """Who is served on which way."""
    return Onlooker(lab, outermost)


def docker_run(host, *more):
    """The guide's docker run, with the lab's image and port."""
    (line,) = [text for language, text in BLOCKS if text.startswith("docker run -d -p")]
    *words, image = shlex.split(line.replace("8080:80", "%d:80" % PORT))
    assert image == "ubuntu" and "--cap-add" not in words
    host.run([*words, *more, IMAGE, *SERVER])


def inside(host, name, *commands):
    for command in commands:
        host.containers()[name].run(command.split())


def saved(host, name):
    text = host.containers()[name].run(["iptables-save"]).stdout
    return [line.split(" [")[0] for line in text.splitlines() if not line.startswith("#")]


def capabilities(host, name):
    """Of the container's process, as the kernel tells."""
    pid = host.containers()[name].pid
    text = host.run(["cat", "/proc/%d/status" % pid]).stdout
    return int(re.search(r"CapBnd:\s+(\w+)", text).group(1), 16)


def test_the_guide_is_all_run():
    assert len(TASKS) == 11 and DENIED in GUIDE


def test_docker_run(look):
    on_all(look.hosts, docker_run)
    for host in look.hosts:
        assert not capabilities(host, "ubuntu") >> 12 & 3
    assert look.serves("denied", v4(PORT))
    before = dumps(look.hosts)
    play(look.hosts, [task("One source is dropped inside one container")])
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))
    assert look.serves("denied", v4(8080))
    assert dumps(look.hosts) == before


def compose(host, *words):
    program = "%s/usr/libexec/docker/cli-plugins/docker-compose" % COMPOSE
    return host.run([program, "--project-name", "demo", "--file", "/tmp/compose.json", *words])


@pytest.fixture(name="composed")
def composed_project(look):
    """The guide's Compose file, started twice over beside a project of another name, on every host."""
    (content,) = [block for block in YAML if isinstance(block, dict) and "services" in block]
    service = content["services"]["ubuntu"]
    assert "cap_add" not in service
    service.update(image=IMAGE, command=SERVER, ports=["2022:22", "%d:80" % PORT])
    content["services"]["bystander"] = {"image": IMAGE, "command": SERVER, "ports": ["%d:80" % (PORT + 1)]}

    package = debian.fetched("docker-compose")

    def start(host):
        debian.unpacked(host, package, COMPOSE)
        host.run(["tee", "/tmp/compose.json"], input=json.dumps(content))
        compose(host, "up", "--detach")

    on_all(look.hosts, start)
    yield
    on_all(look.hosts, lambda host: compose(host, "down", "--timeout", "0") and host.run(["rm", "-r", COMPOSE]))


def test_compose(look, composed):
    before = dumps(look.hosts)
    assert look.serves("denied", v4(PORT))
    done = play(look.hosts, [task("One source is dropped in all containers of a Compose service")])
    for host in look.hosts:
        assert [item["name"] for item in done.last(host.name)["containers"]] == ["demo-ubuntu-1"]
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))
    assert look.serves("denied", v4(PORT + 1))
    assert dumps(look.hosts) == before
    resolve = ["docker", "exec", "demo-ubuntu-1", "python3", "-c", "import socket; print(socket.gethostbyname('bystander'))"]
    names = on_all(look.hosts, lambda host: host.run(resolve).stdout)
    for _run in range(2):
        done = play(look.hosts, [task("A service reaches its database")])
    assert not any(done.changed().values())
    # The bystander is out of reach, its name is not.
    assert on_all(look.hosts, lambda host: host.run(resolve).stdout) == names
    reach = ["docker", "exec", "demo-ubuntu-1", "python3", "-c",
             "import socket; socket.create_connection(('bystander', 80), 2)"]
    for host in look.hosts:
        assert "refused" in host.run(reach, check=False).stderr
        host.run([word.replace("ubuntu", "bystander").replace("'bystander'", "'ubuntu'") for word in reach])


def test_compose_makes_it_anew(look, composed):
    play(look.hosts, [task("Rules follow containers"), task("One source is dropped in all containers of a Compose service")])
    before = on_all(look.hosts, lambda host: host.containers()["demo-ubuntu-1"].pid)
    on_all(look.hosts, lambda host: compose(host, "up", "--detach", "--force-recreate", "--timeout", "0", "ubuntu"))
    on_all(look.hosts, lambda host: wait_until_blocked(host, "demo-ubuntu-1"))
    assert not set(on_all(look.hosts, lambda host: host.containers()["demo-ubuntu-1"].pid).items()) & set(before.items())
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))


def test_its_own_rules_move_to_the_host(look):
    on_all(look.hosts, lambda host: docker_run(host, "--cap-add", "NET_ADMIN"))
    for host in look.hosts:
        inside(host, "ubuntu", "iptables -A INPUT -s %s -j DROP" % DENIED, "iptables -P FORWARD DROP")
    tasks = [task("Look into all containers"), task("Keep from the host")]
    done = play(look.hosts, tasks)
    for host in look.hosts:
        (entry,) = [item for item in done.of(host.name)[0]["containers"] if item["name"] == "ubuntu"]
        assert [found["code"] for found in entry["findings"]] == ["net_admin"]
        inside(host, "ubuntu", "iptables -D INPUT -s %s -j DROP" % DENIED, "iptables -P FORWARD ACCEPT")
        assert saved(host, "ubuntu").count("-A DB-NS-own-filter-input-4 -s %s/32 -j DROP" % DENIED) == 1
        assert "-A DB-NS-own-filter-forward-4 -j DROP" in saved(host, "ubuntu")
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))


def test_a_port_that_was_not_published(look):
    """Seed 001's container, by the guide's command, with the lab's image."""
    (line,) = [text for language, text in BLOCKS if text.startswith("docker run -d --name nginx")]
    *words, image = shlex.split(line)
    assert image == "nginx"
    on_all(look.hosts, lambda host: host.run([*words, IMAGE, "answer", "nginx", "tcp,0.0.0.0,80"]))
    before = dumps(look.hosts)
    assert look.turns_away("denied", v4(8990))
    play(look.hosts, [task("Open a port")])
    assert look.peers("denied", v4(8990)) == {DENIED}
    play(look.hosts, [task("Close a port")])
    assert dumps(look.hosts) == before
    assert look.turns_away("denied", v4(8990))


def test_rules_that_return(look):
    on_all(look.hosts, docker_run)
    play(look.hosts, [task("Rules follow containers"), task("One source is dropped inside one container")])
    assert all(play(look.hosts, [task("Containers are closed until")]).changed().values())
    on_all(look.hosts, lambda host: host.run(["docker", "restart", "--time", "0", "ubuntu"]))
    assert look.serves("allowed", v4(PORT))
    assert look.turns_away("denied", v4(PORT))


def test_quarantine(look):
    cut_off = task("Cut a container off")
    play(look.hosts, [cut_off])
    assert look.turns_away("allowed", v4(8080))
    play(look.hosts, [dict(cut_off, **{"drawbridge.docker.quarantine": {"name": "web", "state": "absent"}})])
    assert look.serves("allowed", v4(8080))
