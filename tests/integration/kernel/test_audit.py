# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook audit by both ansible-cores, in a namespace with an engine that tells of one container: what it writes, and how it ends. Nothing is changed."""
import json
import subprocess
from types import SimpleNamespace

import pytest

from tests.integration.kernel.support import playbook
from tests.integration.kernel.support.engine_socket import EngineSocket

WIRE = ["link add eth9 type veth peer name far", "address add 192.0.2.10/24 dev eth9", "link set eth9 up", "link set far up", "route add default via 192.0.2.1",
        "link add docker0 type bridge", "address add 172.17.0.1/16 dev docker0", "link set docker0 up"]
RULES = "*nat\n-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\nCOMMIT\n" \
    "*filter\n-A FORWARD -s 192.0.2.0/24 -m comment --comment \"{{ 1 + 1 }} </script>\" -j DROP\nCOMMIT\n"
NAME = "{{ lookup('pipe', 'touch ran') }}</script>"


class Told(EngineSocket):
    """An engine with one container, which publishes a port."""

    def listed(self):
        return [{"Id": "1" * 64, "Names": ["/" + NAME], "HostConfig": {"NetworkMode": "bridge"},
                 "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]}]


@pytest.fixture
def engine(nft_host, tmp_path):
    if playbook.why_not():
        pytest.skip(playbook.why_not())
    nft_host.sh("ip", "-batch", "-", text="".join(line + "\n" for line in WIRE))
    nft_host.sh("sysctl", "-qw", "net.ipv4.ip_forward=1")
    nft_host.restore(RULES)
    details = {"HostConfig": {"Privileged": True, "NetworkMode": "bridge"}, "State": {"Pid": 0}}
    socket = Told(tmp_path / "engine.sock", SimpleNamespace(inspected={"1" * 64: details}))
    yield socket
    socket.stop()


def audit(folder, hosts, core="newest", **variables):
    """The playbook's exit status, what it printed, and what its last task returned."""
    results, inventory = folder / "results", {"docker_hosts": {"hosts": hosts, "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}}
    results.write_text("", encoding="utf-8")
    (folder / "inventory.yml").write_text(json.dumps(inventory), encoding="utf-8")
    argv = [str(playbook.of_core(core)), "-i", "inventory.yml", "-e", json.dumps(variables), "drawbridge.docker.audit"]
    done = subprocess.run([*playbook.OWN_RUN, *argv], cwd=str(folder), env=playbook.environment(results), capture_output=True, check=False)
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    return done.returncode, done.stdout.decode("utf-8"), [line["result"] for line in lines if line["task"] == "What is open"]


HERE = {"ansible_connection": "local", "ansible_become": False}
GONE = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false"}


@pytest.mark.parametrize("core", ["newest", "oldest"])
def test_the_playbook(nft_host, engine, tmp_path, core):
    if playbook.why_not(playbook.of_core(core)):
        pytest.skip(playbook.why_not(playbook.of_core(core)))
    before = nft_host.everything()
    code, printed, (told,) = audit(tmp_path, {"here": HERE}, core, audit_docker_host=engine.address, audit_page="audit.html", audit_report="audit.json",
                                   audit_zones={"office": ["198.51.100.0/24"]})
    assert code == 0, printed
    assert nft_host.everything() == before and not (tmp_path / "ran").exists()
    assert told["totals"]["audited"] == 1 and told["page"] == str(tmp_path / "audit.html") and "container_privileged" in printed
    report = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))["hosts"]["here"]
    assert report["containers"][0]["name"] == NAME and report["containers"][0]["privileged"] is True
    assert reached(report) == {
        "internet": "open", "neighbours by eth9": "closed", "neighbours by docker0": "open", "office": "open"}
    page = (tmp_path / "audit.html").read_text(encoding="ascii")
    assert page.count("</script>") == 2 and (tmp_path / "audit.html").stat().st_mode & 0o7777 == 0o600
    if core == "oldest":
        return
    # Every answer is packet_verdict's on the same host.
    cells = [cell for item in report["reachability"]["targets"] for cell in item["reach"] if cell["asked"]]
    verdicts, = playbook.play(tmp_path, [{"drawbridge.docker.packet_verdict": {"packets": [cell["asked"] for cell in cells]}}])
    assert [(item["verdict"], item["end_point"], len(item["path"])) for item in verdicts["verdicts"]] == [
        (cell["verdict"], cell["end_point"], len(report["reachability"]["paths"][cell["path"]])) for cell in cells]


def test_how_it_ends(engine, tmp_path):
    """A finding that is severe enough fails it, and so do a host that was not audited and a file that cannot be written. The rest is done all the same."""
    code, printed, (told,) = audit(tmp_path, {"gone": GONE, "here": HERE}, audit_docker_host=engine.address, audit_fail_on="high",
                                   audit_report="nowhere/audit.json", audit_page="audit.html")
    reasons = told["msg"].split("; ")
    assert code == 2 and [reason[:15] for reason in reasons] == ["report: cannot ", "1 host not audi", "findings: 2 hig"]
    assert told["totals"]["audited"] == told["totals"]["unreachable"] == 1 and "gone: unreachable: " in printed and (tmp_path / "audit.html").exists()


def test_a_policy_that_holds_and_one_that_somebody_opened(nft_host, engine, tmp_path):
    """What reaches a port is what the policy says, until somebody puts lines into its chains."""
    policy = {"address_sets": {"office": ["198.51.100.0/24"]}, "published_ports": {"allow": [{"port": 8080, "sources": ["@office"]}]}}
    look = {"drawbridge.docker.firewall_audit_info": {"docker_host": engine.address, "zones": {"partner": ["203.0.113.0/24"]}}}
    # The guard, and the chain that judges once more what was DNATed.
    added = [{"ansible.builtin.command": {"argv": ["iptables-nft", "-t", table, "-I", chain, "1", "-s", "203.0.113.0/24", "-j", "RETURN"]}}
             for table, chain in (("mangle", "DB-GUARD"), ("filter", "DB-USER-policy"))]
    apply = {"drawbridge.docker.host_policy": {"policy": policy, "docker_host": engine.address, "confirm_timeout": 0}}
    _applied, holds, *_added, opened = playbook.play(tmp_path, [apply, look, *added, look])
    everywhere = ["internet", "neighbours by eth9", "neighbours by docker0"]
    assert reached(holds) == {**dict.fromkeys([*everywhere, "partner"], "closed"), "@office": "open"}
    assert reached(opened) == {**dict.fromkeys(everywhere, "closed"), "partner": "open", "@office": "open"}
    assert not {"wider_than_policy", "open_to_internet", "unguarded_ports"} & {item["id"] for item in holds["findings"]}
    wider, = [item for item in opened["findings"] if item["id"] == "wider_than_policy"]
    assert wider["severity"] == "high" and ": from partner; " in wider["evidence"][0]


@pytest.mark.drill
def test_what_is_picked_is_not_rendered(engine, tmp_path):
    """By the oldest core: for later ones a text is a template only if it was written in a playbook."""
    if playbook.why_not(playbook.of_core("oldest")):
        pytest.skip(playbook.why_not(playbook.of_core("oldest")))
    looked, *_kept, shown = playbook.play(tmp_path, [
        {"drawbridge.docker.firewall_audit_info": {"docker_host": engine.address}, "register": "told"},
        {"ansible.builtin.set_fact": {"names": "{{ told | drawbridge.docker.pick('containers[].name') }}"}},
        {"ansible.builtin.debug": {"msg": "{{ names[0] }} {{ told | drawbridge.docker.pick(\"sort_by(reachability.targets, &name)[].name | [0]\") }}"}},
    ], program=playbook.of_core("oldest"))
    assert not looked["failed"] and shown["msg"] == "%s %s" % (NAME, NAME) and not (tmp_path / "ran").exists()


def reached(told):
    """Each zone's state at the published port."""
    target, = [item for item in told["reachability"]["targets"] if item["kind"] == "published"]
    return {cell["zone"]: cell["state"] for cell in target["reach"]}
