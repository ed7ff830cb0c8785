# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a change did beside rules: remembered, taken back with them, or put in place by the confirmation."""
import os

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.daemon import forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.boot import sysctl
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.folder import Folder
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings import forward_policy, ip_forward
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host_settings.forwarding import Forwarding
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.netfilter import Live, Netfilter
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence import checkpoint
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.checkpointed_system import CheckpointedSystem
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.persistence.undo_preview import beside_diffs

from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell

V4, V6 = "net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"
REDIRECTS = "net/ipv4/conf/all/accept_redirects"
ON = ["net/%s/conf/%s/forwarding" % (family, name) for family in ("ipv4", "ipv6") for name in ("all", "default", "lo", "a0", "b0.100")]
ID = "00c0ffee"


class Waiting:
    """A host under a checkpoint, in folders of the test's own."""

    def __init__(self, folder, program):
        self.host, self.program, self.files = program.host, program, folder / "files"
        self.files.mkdir()
        self.state = Folder(str(folder / "state"))
        self.beside = folder / "state" / "checkpoint" / "beside"

    def arm(self):
        netfilter = Netfilter(self.host.system, self.host.variant)
        saved = self.program.files.texts(netfilter, Live(netfilter.rulesets(), {}))
        armed = checkpoint.Armed(ID, checkpoint.BY_TASK, 9e9)
        self.state.make()
        self.state.write_folder("checkpoint", checkpoint.Checkpoint(self.host.system, self.state.path)._files(saved, armed))
        return CheckpointedSystem(armed, self.state.path)

    def forward(self, system, *wanted):
        return ip_forward.keep(ip_forward.Host(system, "set", False, str(self.files / "99-drawbridge.conf")), list(wanted))

    def policies(self, system, wanted):
        netfilter = Netfilter(system, self.host.variant)
        forward_policy.apply(netfilter, forward_policy.compare(netfilter, wanted, {}))

    def now(self):
        system = self.host.system
        values = {name: sysctl.value_now(system, name) for name in (V4, V6, REDIRECTS, *ON)}
        policies = [self.host.iptables("-S FORWARD", family).splitlines()[0] for family in (4, 6)]
        return values, policies, self.host.rules("DB-USER-web"), {path.name: path.read_text() for path in self.files.iterdir()}


@pytest.fixture(name="program")
def boot_program(host, tmp_path, request):
    return Program(tmp_path, host, getattr(request, "param", DEBIAN))


@pytest.fixture(name="waiting")
def a_host_that_can_wait(host, program, tmp_path, monkeypatch):
    monkeypatch.setattr(forwarding, "has_engine", lambda system: False)
    monkeypatch.setattr(sysctl, "LATER", ())
    monkeypatch.setattr(forward_policy, "_stops", lambda system, families: [])
    host.sh("ip", "link", "add", "a0", "type", "veth", "peer", "name", "b0.100")
    return Waiting(tmp_path, program)


@pytest.mark.parametrize("before, wanted", [
    ({V4: "1", V6: "1", "net/ipv4/conf/a0/forwarding": "0", REDIRECTS: "1"}, [Forwarding({4: False, 6: False})]),
    ({V4: "0", V6: "0", "net/ipv4/conf/b0.100/forwarding": "1", REDIRECTS: "0"}, [Forwarding({4: True, 6: True})]),
    ({V4: "1"}, [Forwarding({4: False}, ("b0.100",)), Forwarding({4: False})]),
    ({V4: "1", V6: "1"}, [Forwarding({4: False, 6: False}), Forwarding({4: True, 6: True}, ("a0",))]),
])
@pytest.mark.parametrize("policy", [("DROP", "ACCEPT"), ("ACCEPT", "DROP")])
def test_all_of_it_comes_back(waiting, before, wanted, policy):
    for name, value in before.items():
        sysctl.set_now(name, value)
    waiting.host.section(["-s 192.0.2.1 -j DROP"], "web")
    waiting.policies(waiting.host.system, {4: policy[0], 6: policy[0]})
    was = waiting.now()
    covered = waiting.arm()
    for item in wanted:
        waiting.forward(covered, item)
    waiting.policies(covered, {4: policy[1], 6: policy[1]})
    waiting.host.section(["-s 192.0.2.2 -j DROP"], "web")
    now = waiting.now()
    assert all(now[part] != was[part] for part in range(3)) and now[3] == was[3]
    waiting.program.run("rollback", ID)
    assert waiting.now() == was
    with pytest.raises(DrawbridgeError, match="taken back"):
        covered.refuse_if_over()


def test_others_keep_what_the_change_did_not_touch(waiting):
    covered = waiting.arm()
    waiting.forward(covered, Forwarding({4: True}, ("a0",)))
    sysctl.set_now(V6, "1")
    sysctl.set_now("net/ipv4/conf/b0.100/forwarding", "1")
    waiting.host.iptables("-P FORWARD DROP")
    waiting.program.run("rollback", ID)
    values, policies, _rules, _files = waiting.now()
    assert values["net/ipv4/conf/a0/forwarding"] == "0"
    assert values[V6] == values["net/ipv4/conf/b0.100/forwarding"] == "1" and policies[0] == "-P FORWARD DROP"


def test_an_interface_that_is_gone(waiting):
    sysctl.set_now(V4, "1")
    waiting.forward(waiting.arm(), Forwarding({4: False}))
    waiting.host.sh("ip", "link", "del", "a0")
    waiting.program.run("rollback", ID)
    assert sysctl.value_now(waiting.host.system, V4) == "1"


# An iptables-restore that tells what there is beside the rules before it does its work.
TELLING = r"""#!/bin/sh
text=$(cat)
case $text in
    *DB-USER-web*) echo "$(cat /proc/sys/net/ipv4/ip_forward) $(%(save)s -t filter | sed -n 's/^:FORWARD \([A-Z]*\).*/\1/p')" >>%(seen)s;;
esac
printf '%%s\n' "$text" | exec %(restore)s "$@"
"""


@in_each_shell
@pytest.mark.parametrize("old", ["open", "closed"])
def test_no_moment_is_wider_than_both(waiting, tmp_path, old):
    """What narrows is there before the first rule changes, what widens after the last one."""
    host = waiting.host
    rule = {"open": "-s 192.0.2.1 -j DROP", "closed": "-j DROP"}
    states = {"open": ("1", "ACCEPT"), "closed": ("0", "DROP")}
    new = {"open": "closed", "closed": "open"}[old]
    for name in (old, new):
        covered = waiting.arm() if name == new else host.system
        value, policy = states[name]
        host.section([rule[name]], "web")
        waiting.forward(covered, Forwarding({4: value == "1"}))
        waiting.policies(covered, {4: policy})
    seen = tmp_path / "seen"
    tools = waiting.program.tools
    real = host.sh("sh", "-c", "command -v iptables-%s-restore" % host.variant).strip()
    told = {"save": real.replace("restore", "save"), "restore": real, "seen": seen}
    (tools / os.path.basename(real)).write_text(TELLING % told, encoding="utf-8")
    (tools / os.path.basename(real)).chmod(0o755)
    waiting.program.run("rollback", ID)
    assert seen.read_text().splitlines() == ["0 DROP"]
    values, policies, _rules, _files = waiting.now()
    assert (values[V4], policies[0]) == (states[old][0], "-P FORWARD " + states[old][1])


TTL = "net/ipv4/ip_default_ttl"
WRONG = [
    TTL + " 9", "net/ipv4/../ipv4/ip_default_ttl 9", "net/ipv4/conf/../ip_default_ttl 9", "net/ipv4/conf/a0/../../ip_forward 0",
    "net/ipv4/ip_forward 1;touch FILE", "net/ipv4/ip_forward $(touch FILE)", "net/ipv4/ip_forward 10", "net/ipv4/ip_forward", "",
    "$(touch FILE) 1", "`touch FILE` 0", "forward/nft/4 $(touch FILE)", "forward/nft/4;touch FILE", "forward/nft/5 DROP",
    "forward/../4 DROP", "-n 1", "* 1",
]


def test_what_is_no_setting_is_left_out_and_told(waiting, tmp_path):
    sysctl.set_now(V4, "1")
    before = sysctl.value_now(waiting.host.system, TTL)
    waiting.forward(waiting.arm(), Forwarding({4: False}))
    settings = waiting.beside / "settings"
    settings.write_text("\n".join([*WRONG, settings.read_text()]).replace("FILE", str(tmp_path / "made")), encoding="utf-8")
    assert waiting.program.run("rollback", ID, fails=True).count("no setting") >= len(WRONG)
    assert not (tmp_path / "made").exists() and sysctl.value_now(waiting.host.system, TTL) == before
    assert sysctl.value_now(waiting.host.system, V4) == "1"


@pytest.fixture(name="kept")
def a_change_with_files(waiting):
    """One file that there was, one that there was not, one that goes."""
    (waiting.files / "daemon.json").write_text("{}", encoding="utf-8")
    (waiting.files / "daemon.json").chmod(0o640)
    (waiting.files / "gone-drawbridge.conf").write_text("x = 1\n", encoding="utf-8")
    sysctl.set_now(V4, "1")
    waiting.program.save()
    waiting.before = waiting.now()
    covered = waiting.arm()
    covered.write(str(waiting.files / "daemon.json"), b'{"icc": false}')
    covered.remove(str(waiting.files / "gone-drawbridge.conf"))
    waiting.forward(covered, Forwarding({4: False}))
    assert covered.read(str(waiting.files / "daemon.json")) == '{"icc": false}' and covered.read(str(waiting.files / "gone-drawbridge.conf")) is None
    again = CheckpointedSystem(covered._armed, waiting.state.path)
    assert again.look(str(waiting.files / "daemon.json")).data == b'{"icc": false}' and not waiting.forward(again, Forwarding({4: False})).changed
    return waiting


@in_each_shell
def test_files_come_with_the_confirmation_and_go_back_and_forth(kept):
    assert kept.now()[3] == kept.before[3]
    kept.program.run("confirm", ID)
    after = kept.now()
    copy = [name for name in after[3] if name.endswith("~")]
    assert len(copy) == 1 and after[3].pop(copy[0]) == "{}"
    assert sorted(after[3]) == ["99-drawbridge.conf", "daemon.json"] and after[3]["daemon.json"] == '{"icc": false}'
    assert (kept.files / "daemon.json").stat().st_mode & 0o777 == 0o640
    assert not os.path.lexists(kept.state.path)
    for expected in (kept.before, after, kept.before):
        kept.program.run("previous")
        for path in kept.files.glob("*~"):
            path.unlink()
        assert kept.now() == expected
    # Whatever is changed after it, going back is about that.
    kept.host.section(["-s 192.0.2.1 -j DROP"], "web")
    kept.program.save()
    kept.program.run("previous")
    assert kept.now() == kept.before


def test_what_going_back_would_change_is_shown(kept, tmp_path):
    covered = CheckpointedSystem(checkpoint.Armed(ID, checkpoint.BY_TASK, 9e9), kept.state.path)
    kept.policies(covered, {6: "DROP"})
    assert beside_diffs(kept.host.system, str(tmp_path / "saved")) == []
    kept.program.run("confirm", ID)
    settings, files = beside_diffs(kept.host.system, str(tmp_path / "saved"))
    for side, value, policy in (("before", "0", "DROP"), ("after", "1", "ACCEPT")):
        assert {"net/ipv4/ip_forward = " + value, "forward/%s/6 = %s" % (kept.host.variant, policy)} <= set(settings[side].splitlines())
    lines = {side: dict(line.split(" = ") for line in files[side].splitlines()) for side in ("before", "after")}
    assert lines["before"][str(kept.files / "gone-drawbridge.conf")] == lines["after"][str(kept.files / "99-drawbridge.conf")] == "no file"
    assert "icc" not in str(files)
    kept.program.run("previous")
    settings, files = beside_diffs(kept.host.system, str(tmp_path / "saved"))
    assert "net/ipv4/ip_forward = 0" in settings["after"].splitlines() and files["before"] == "".join(
        "%s = %s\n" % item for item in lines["after"].items())


def test_what_somebody_else_wrote_meanwhile_stays(kept):
    (kept.files / "daemon.json").write_text('{"debug": true}', encoding="utf-8")
    assert "daemon.json was changed by somebody else" in kept.program.run("confirm", ID, fails=True)
    assert (kept.files / "daemon.json").read_text() == '{"debug": true}'
    assert (kept.files / "99-drawbridge.conf").exists() and not (kept.files / "gone-drawbridge.conf").exists()


def test_a_file_that_cannot_be_written_is_told_and_stays_whole(kept):
    path = kept.files / "daemon.json.drawbridge"
    path.mkdir()
    (path / "x").touch()
    assert "daemon.json cannot be written" in kept.program.run("confirm", ID, fails=True)
    assert (kept.files / "daemon.json").read_text() == "{}"


@pytest.mark.parametrize("line", ["x FILES/daemon.json", "1 FILES/../files/daemon.json", "1 daemon.json", "1 FILES/", "1"])
def test_what_is_no_file_is_left_out_and_told(kept, line):
    (kept.beside / "paths").write_text(line.replace("FILES", str(kept.files)) + "\n", encoding="utf-8")
    assert "no file" in kept.program.run("confirm", ID, fails=True)
    assert kept.now()[3] == kept.before[3]


def test_nothing_is_confirmed_after_a_boot(kept):
    kept.state.write("checkpoint/armed", "%s task 9e9 another-boot\n" % ID)
    assert "no checkpoint" in kept.program.run("confirm", ID, fails=True)
    kept.program.run("rollback", ID, fails=True)
    assert kept.now()[3] == kept.before[3]
