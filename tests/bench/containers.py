# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Rules inside 50 containers in one task, against a bare ping task, and against nsenter and iptables for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab.api import Host
from tests.lab.workload import IMAGE

from .measure import Finding, compare, milliseconds, timed
from .playbooks import FOLDER, Subject

COUNT = 50
LABEL = "drawbridge-bench"
# What seed 000 does by hand.
_ENTER = "nsenter -t $(docker inspect -f '{{.State.Pid}}' %s) -n iptables -w"
_EACH = f"for name in $(docker ps -q -f label={LABEL}); do {_ENTER % '$name'} %s || exit 1; done"
_DROP = "-A INPUT -s 192.0.2.66 -j DROP"
OURS = [{"name": "Rules", "drawbridge.docker.container_netns_rule": {
    "label": [LABEL], "section": "bench", "rules": [{"source": "192.0.2.66", "jump": "DROP"}]}}]
GONE = [{"name": "Rules", "drawbridge.docker.container_netns_rule": {"label": [LABEL], "section": "bench", "state": "absent"}}]
LOOP = [{"name": "Enter", "loop": [f"bench{number}" for number in range(COUNT)],
         "ansible.builtin.shell": "{% raw %}" + _ENTER % "{% endraw %}{{ item }}" + " " + _DROP}]


def findings(host: Host, count: int) -> list[Finding]:
    """Every measurement of rules inside containers."""
    shutil.rmtree(FOLDER / "containers", ignore_errors=True)
    subject = Subject(host, "containers", {})
    for name, tasks in (("ours", OURS), ("gone", GONE), ("loop", LOOP)):
        subject.playbook(name, tasks)
    with _containers(host):
        subject.seconds("ping", False)
        rounds = [_round(subject) for _number in range(count)]
        host.run(["sh", "-c", _EACH % "-F"])
        loops = [{"ping": rounds[0]["ping"], "loop": subject.seconds("loop", True)}]
    what = f"{COUNT} containers in one task"
    by_hand = f"  {COUNT} x nsenter iptables"
    return [
        compare(f"{what}, first apply", rounds, "first", "ping", note=milliseconds(rounds)),
        compare(f"{what}, no change", rounds, "again", "ping"),
        compare(f"{by_hand} in one shell on the host, without Ansible", rounds, "by hand", "ping"),
        compare(f"{by_hand} as a loop of tasks", loops, "loop", "ping"),
    ]


def _round(subject: Subject) -> dict[str, float]:
    host = subject.host
    found = {"ping": subject.seconds("ping", False), "first": subject.seconds("ours", True),
             "again": subject.seconds("ours", False)}
    subject.seconds("gone", True)
    found["by hand"] = timed(lambda: host.run(["sh", "-c", _EACH % _DROP]))
    host.run(["sh", "-c", _EACH % "-F"])
    return found


@contextmanager
def _containers(host: Host) -> Iterator[None]:
    """So many containers that do nothing."""
    script = f"for number in $(seq 0 {COUNT - 1}); do docker run --detach --label {LABEL} --name bench$number " \
        f"--network none {IMAGE} sleep 3600 || exit 1; done"
    try:
        host.run(["sh", "-c", script], timeout=300)
        yield
    finally:
        host.run(["sh", "-c", f"docker rm --force $(docker ps -aq -f label={LABEL})"], timeout=300, check=False)
