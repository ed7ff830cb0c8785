# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What comes from a host is never a template on the controller: whoever names a container or comments a rule there would run commands here."""
import pytest

from tests.integration.kernel.support import playbook
from tests.integration.kernel.support.containers import containers
from tests.integration.kernel.support.engine_socket import EngineSocket

OURS = "drawbridge.docker."
# As a task before has it: the kernel's own lines, the engine's labels.
TEXT = "{{ told.stdout }}"
IN_A_LINE = "-m comment --comment %s -q" % TEXT
POLICY = {"published_ports": {"allow": [{"port": 443, "sources": [TEXT]}]}}
TARGET = {"containers": [{"name": "web"}], "section": "web"}


def tasks(engine):
    """A task for each option that may be given what a host told, and for what a module reads of a host by itself."""
    rules = {"section": "web", "rules": []}
    asked = {"docker_host": engine}
    given = [
        ("address_set", {"name": TEXT, "entries": []}), ("address_set", {"name": "web", "entries": [TEXT]}),
        ("address_set", {"name": "web", "src": TEXT}), ("address_set", {"name": "web", "src": TEXT, "remote_src": True}),
        ("address_set", {"name": "web", "type": TEXT, "entries": []}), ("address_set", {"name": "web", "mode": TEXT, "entries": []}),
        ("docker_user_chain", {"section": TEXT, "rules": []}), ("docker_user_chain", {"section": "web", "rules": TEXT}),
        ("docker_user_chain", {"section": "web", "rules": [IN_A_LINE]}), ("docker_user_chain", {"section": "web", "rules": [{"jump": TEXT}]}),
        ("docker_user_chain", {"section": "web", "rules": [{"jump": "DROP", "comment": TEXT, "nosuch": TEXT}]}),
        ("docker_user_chain", {"section": "web", "rules": [{"jump": "DROP", "source": TEXT}]}),
        ("docker_user_chain", {"section": "web", "rules": [{"jump": "DROP", TEXT: 1}]}),
        ("docker_user_chain", {"section": "web", "rules_from": TEXT}), ("docker_user_chain", {"section": "web", "rules_from": "lines"}),
        ("docker_user_chain", dict(rules, ip_version=TEXT)), ("docker_user_chain", dict(rules, transport=TEXT)),
        ("container_netns_rule", dict(TARGET, rules=[IN_A_LINE], **asked)), ("container_netns_rule", dict(TARGET, rules=[{"jump": TEXT}], **asked)),
        ("container_netns_rule", dict(TARGET, rules_from="lines", **asked)), ("container_netns_rule", dict(TARGET, rules=["-j DROP"], docker_host=TEXT)),
        *[("container_netns_rule", dict(rules, containers=[{key: TEXT}], **asked))
          for key in ("name", "id", "label", "project", "query", "netns", "nosuch")],
        ("container_netns_rule", dict(rules, containers=[{"name": "twin*"}], **asked)),
        ("container_netns_info", dict(asked, containers=[{"name": "*"}])), ("container_netns_info", dict(asked, containers=[{"name": TEXT}])),
        ("container_port", dict(asked, container={"name": TEXT}, port=80)), ("container_port", dict(asked, container={"label": TEXT}, port=80)),
        ("container_port", dict(asked, container={"name": "web"}, port=80, sources=[TEXT])),
        ("container_port", dict(asked, container={"name": "web"}, port=TEXT)), ("container_port", dict(asked, container={"name": "web"}, port=80)),
        ("container_egress", dict(asked, default="deny", allow=[{"destination": TEXT}])),
        ("container_egress", dict(asked, networks={TEXT: {"default": "nosuch"}})), ("container_egress", dict(asked, containers=[{"name": TEXT}])),
        ("masquerade", dict(asked, networks={TEXT: TEXT})), ("masquerade", dict(asked, subnets={TEXT: False})), ("masquerade", dict(asked, all=TEXT)),
        ("nat_filter_chain", dict(asked, allow=[{"port": TEXT, "sources": [TEXT]}])),
        ("nat_filter_chain", dict(asked, allow=[{"port": "80", "sources": [TEXT], "protocol": TEXT}])),
        ("nat_filter_chain", dict(asked, external_interfaces=[TEXT])),
        ("host_policy", dict(asked, policy=POLICY)), ("host_policy", dict(asked, policy={TEXT: 1})), ("host_policy", dict(asked, policy=TEXT)),
        ("host_policy", dict(asked, policy={}, profile=TEXT)), ("host_policy", dict(asked, fragments=TEXT)),
        ("host_policy", dict(asked, fragments="of_host_")), ("host_policy", dict(asked, fragments="of_host_", settings="wrong_")),
        ("host_policy", {"policy": {}, "docker_host": TEXT}), ("host_policy", dict(asked, policy={}, confirm_timeout=TEXT)),
        ("host_policy", dict(asked, policy={"external_interfaces": [TEXT]})),
        ("host_policy", dict(asked, policy={"containers": [dict(TARGET, rules=[IN_A_LINE])]})),
        ("lockdown", {"sources": [TEXT]}), ("lockdown", {"sources": ["192.0.2.1"], "port": TEXT}),
        ("firewall_checkpoint", {"state": TEXT}), ("firewall_checkpoint", {"state": "armed", "timeout": TEXT}),
        ("firewall_checkpoint", {"state": "confirmed", "transport": TEXT}),
        ("docker_firewall_info", dict(asked)), ("docker_firewall_info", {"docker_host": TEXT}),
        ("firewall_audit_info", dict(asked)), ("firewall_audit_info", dict(asked, zones={TEXT: [TEXT]})), ("migration_info", dict(asked)),
        ("audit_summary", {"outcome": "outcome"}),
    ]
    return [{OURS + name: arguments} for name, arguments in given]


def looked_at(task):
    """The task, and all that a play does with what came of it."""
    texts = ["{{ %s }}" % each for name in ("outcome", "of_last") for each in (name, *[
        "%s.%s | default('')" % (name, key) for key in ("msg", "exception", "warnings", "diff", "findings", "containers")])]
    looks = [{"ansible.builtin.set_fact": {"of_last": "{{ outcome }}"}}, {"ansible.builtin.debug": {"msg": texts}}]
    texts += ["{{ ansible_failed_result | default('') }}", "{{ (ansible_failed_result | default({})).msg | default('') }} of it"]
    return {"block": [dict(task, register="outcome"), *looks], "rescue": looks, "ignore_errors": False}


@pytest.mark.parametrize("core", ["newest", "oldest"])
def test_nothing_that_a_host_tells_is_run_on_the_controller(core, nft_host, monkeypatch, tmp_path):
    program = playbook.of_core(core)
    if playbook.why_not(program):
        pytest.skip(playbook.why_not(program))
    # Short: messages cut what is long, and half a template is none.
    trace, told, text = tmp_path / "ran", tmp_path / "told", "{{ lookup('pipe', 'touch ran') }}"
    told.write_text(text, encoding="utf-8")
    commented = '*filter\n:DB-USER-web - [0:0]\n-A INPUT -m comment --comment "%s" -j DROP\nCOMMIT\n' % text
    nft_host.docker()
    nft_host.restore(commented)
    with containers("nft", monkeypatch) as started:
        started.start("web", labels={text: text, "com.docker.compose.project": text})
        for name in (text, "twin1", "twin2 %s" % text):
            started.start(name, network="container:web" if name == "twin1" else "default", labels={"of": text})
        socket = EngineSocket(tmp_path / "engine.sock", started.engine)
        listed = tasks(socket.address)
        first = {"ansible.builtin.command": "cat %s" % told, "register": "told", "changed_when": False}
        done = playbook.play(
            tmp_path, [first, *map(looked_at, listed)], program=program,
            lines="{{ [told.stdout] }}", of_host_policy="{{ told.stdout }}", wrong_profil="{{ told.stdout }}",
        )
        socket.stop()
    assert not trace.exists()
    # The text did come back from the modules, as text.
    messages = [str(item.get("msg")) for item in done if item["failed"]]
    assert len([message for message in messages if "lookup(" in message]) > len(listed) / 3, messages


@pytest.mark.parametrize("core", ["newest", "oldest"])
def test_what_ssh_says_of_a_host_is_not_run_either(core, nft_host, tmp_path):
    program = playbook.of_core(core)
    if playbook.why_not(program):
        pytest.skip(playbook.why_not(program))
    ssh = tmp_path / "ssh"
    ssh.write_text("""#!/bin/sh\necho "{{ lookup('pipe', 'touch ran') }}" >&2\nexit 255\n""", encoding="utf-8")
    ssh.chmod(0o755)
    unreachable = {"vars": {"ansible_connection": "ssh", "ansible_ssh_executable": str(ssh)}, "ignore_unreachable": True, "register": "outcome"}
    given = [("address_set", {"name": "web", "entries": []}), ("docker_user_chain", {"section": "web", "rules": []}), ("lockdown", {}),
             ("container_netns_rule", dict(TARGET, rules=[])), ("host_policy", {"policy": {}}), ("firewall_checkpoint", {"state": "armed"})]
    look = {"ansible.builtin.debug": {"msg": ["{{ outcome }}", "{{ outcome.msg }}"]}}
    done = playbook.play(tmp_path, [task for name, arguments in given for task in (dict({OURS + name: arguments}, **unreachable), look)], program=program)
    assert [("lookup(" in item["msg"], item["unreachable"]) for item in done[::2]] == [(True, True)] * len(given)
    assert not (tmp_path / "ran").exists()
