# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What the controller makes of a change that waits to be confirmed."""
import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase
from ansible_collections.drawbridge.docker.plugins.plugin_utils import confirmation

ID = "0123456789abcdef"


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Connection:
    """An SSH connection's options."""

    transport = "ssh"

    def __init__(self):
        self.options = {"ssh_args": "-C -o ControlMaster=auto", "timeout": 10}
        self.resets = 0

    def get_option(self, name):
        return self.options[name]

    def set_option(self, name, value):
        self.options[name] = value

    def reset(self):
        self.resets += 1


class Action:
    """An action plugin whose host answers, or not, by a list: None for a connection that cannot be opened, else (rc, output)."""

    def __init__(self, clock, answers):
        self._connection = Connection()
        self.clock, self.answers, self.commands, self.seen = clock, answers, [], []

    def _low_level_execute_command(self, command):
        self.commands.append(command)
        self.seen.append(dict(self._connection.options))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            self.clock.sleep(self._connection.options["timeout"])
            raise AnsibleConnectionFailure("Connection timed out")
        return {"rc": answer[0], "stdout": answer[1], "stderr": ""}


@pytest.fixture(name="clock")
def fake_clock(monkeypatch):
    """The module's clock."""
    clock = Clock()
    monkeypatch.setattr(confirmation, "time", clock)
    return clock


def confirm(clock, *answers, seconds=30.0):
    """The action after the task, and the task's result."""
    action = Action(clock, list(answers))
    return action, confirmation.confirmed(action, {"changed": True, "checkpoint": {"id": ID, "seconds": seconds}})


def test_nothing_to_confirm_no_connection(clock):
    action = Action(clock, [None])
    assert confirmation.confirmed(action, {"changed": False}) == {"changed": False}
    assert action.commands == []


def test_confirmed_over_a_connection_of_its_own(clock):
    action, result = confirm(clock, (0, ""))
    assert result == {"changed": True, "confirm_seconds": 0.0}
    assert action.commands == ["/bin/sh /var/lib/drawbridge/checkpoint/boot.sh confirm " + ID]
    assert action.seen[0]["ssh_args"].startswith("-o ControlMaster=no -o ControlPath=none ")
    assert action._connection.options == {"ssh_args": "-C -o ControlMaster=auto", "timeout": 10}


def test_a_host_that_comes_back_late_has_taken_it_back(clock):
    action, result = confirm(clock, None, None, None, (2, "cannot open"), (0, ID + " taken back\n"))
    assert result["failed"] and not result["changed"]
    assert "took the change back" in result["msg"] and "Connection timed out" in result["msg"]
    assert action._connection.options["timeout"] == 10


def test_a_try_that_hangs_leaves_the_host_its_time_to_come_back(clock):
    action, result = confirm(clock, None, (2, "cannot open"), (0, ID + " taken back\n"), seconds=8.0)
    assert [seen["timeout"] for seen in action.seen[:2]] == [8, 3]
    assert "took the change back" in result["msg"]


def test_a_host_that_stays_away_fails_in_time(clock):
    started = clock.now
    _action, result = confirm(clock, None)
    assert result["failed"] and not result["changed"] and "by itself" in result["msg"]
    assert clock.now - started < 30 + 5
    assert result["confirm_seconds"] == pytest.approx(clock.now - started, abs=0.01)


def test_an_answer_that_was_lost_still_counts(clock):
    _action, result = confirm(clock, None, (3, "there is no checkpoint"), (0, ID + " confirmed\n"))
    assert "failed" not in result and result["changed"]


def test_a_host_that_was_booted_knows_nothing(clock):
    _action, result = confirm(clock, (2, "cannot open"), (1, ""))
    assert result["failed"] and "booted" in result["msg"]


def test_boot_files_that_could_not_follow_are_told(clock):
    _action, result = confirm(clock, (4, "drawbridge: the change is in force, but not in the boot files"))
    assert result["failed"] and result["changed"] and "boot files" in result["msg"]


def test_other_connections_are_reset(clock):
    action = Action(clock, [(0, "")])
    action._connection.transport = "paramiko"
    confirmation.confirmed(action, {"changed": True, "checkpoint": {"id": ID, "seconds": 9.0}})
    assert action._connection.resets == 1


def test_a_connection_that_crosses_no_network_is_not_asked_to_reset(monkeypatch):
    class Local(ConnectionBase):
        transport = "local"

    Local.__abstractmethods__ = frozenset()
    monkeypatch.setattr(ConnectionBase, "reset", None)
    with confirmation.new_connection(Local.__new__(Local), 9):
        pass
    other = Connection()
    other.transport = "community.general.something"
    with confirmation.new_connection(other, 9):
        assert other.resets == 1
