# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The copy of an engine's own rules: whole, of nobody else's lines, and put back only where a table lost them all."""
import fcntl
import re
import subprocess

import pytest

from tests.integration.kernel.support.host import CAPTURES
from tests.integration.kernel.support.namespace import entered
from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell
from tests.integration.kernel.support.watching import until, watching
from tests.tools.boot_program import SOURCES

ENGINES = [path.name[len("docker-"):-len(".c.iptables-save")] for path in sorted(CAPTURES.glob("docker-*.c.iptables-save")) if "nftables" not in path.name]
OTHERS = ("-A FORWARD -i wg0 -j ACCEPT", "-A INPUT -p tcp -m tcp --dport 25 -j DROP", "-A DOCKER-USER -s 192.0.2.9/32 -j DROP")

# /sys shows the interfaces of the namespace that mounts it.
OWN_SYS = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", 'mount -t sysfs sysfs /sys; exec "$@"', "sh"]


def copy(only, before, live):
    """What the boot program's awk makes of a copy and what is live."""
    bridges = "|".join(sorted(set(re.findall(r"(?:docker0|br-[0-9a-f]{12})", before + live)))) or "docker0"
    argv = ["awk", "-v", "only=" + only, "-v", "bridges=" + bridges, "-f", "target.awk", "-f", "engine_rules.awk"]
    done = subprocess.run(argv, input="%s\n%%%%\n%s" % (before, live), cwd=SOURCES / "awk", capture_output=True, text=True, check=True)
    return done.stdout


def of_engine(text):
    """By table the lines of each chain in order, but DOCKER-USER's, which are its users'."""
    found = {}
    for part in text.split("COMMIT\n")[:-1]:
        table, *lines = part.splitlines()
        mine = [line for line in lines if line.startswith(("-A", ":DOCKER", ":FORWARD")) and "-A DOCKER-USER" not in line and line not in OTHERS]
        found[table] = sorted(mine, key=lambda line: line.split(" ")[1] if line.startswith("-A") else line)
    return {table: lines for table, lines in found.items() if table != "*mangle"}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_was_flushed_comes_back_as_it_was(host, engine):
    host.restore((CAPTURES / ("docker-%s.c.iptables-save" % engine)).read_text(encoding="utf-8").partition("# ip6tables-save")[0])
    host.iptables("-P FORWARD DROP")
    for line in OTHERS:
        host.iptables(line)
    whole = host.save(4)
    kept = copy("kept", "", whole)
    assert not any(line in kept for line in OTHERS)
    assert copy("lost", kept, whole) == ""
    with entered():
        host.restore(copy("lost", kept, host.save(4)))
        assert of_engine(host.save(4)) == of_engine(whole)
        assert copy("lost", kept, host.save(4)) == ""
        # What others put there meanwhile stays, behind the engine's as it would have it.
        host.iptables("-F")
        host.iptables("-A FORWARD -i wg0 -j ACCEPT")
        host.restore(copy("lost", kept, host.save(4)))
        assert of_engine(host.save(4)) == of_engine(whole)
        assert host.rules("FORWARD")[-1] == "-i wg0 -j ACCEPT"


def test_a_container_that_went_does_not_come_back(host):
    """Of a table that has its jumps nothing is put back."""
    host.docker()
    kept = copy("kept", "", host.save(4))
    host.iptables("-t nat -F DOCKER")
    assert copy("lost", kept, host.save(4)) == ""


@pytest.fixture(name="program")
def boot_program(host, tmp_path, request):
    """On a host whose engine is said to be the first process, which lives as long as the test."""
    program = Program(tmp_path, host, getattr(request, "param", DEBIAN))
    program.command = OWN_SYS + program.command
    for tool, words in {"pidof": 1, "docker": "containers do not live through a restart"}.items():
        (program.tools / tool).write_text("#!/bin/sh\necho %s\n" % words, encoding="ascii")
        (program.tools / tool).chmod(0o755)
    program.files.folder.write("engine-rules", "put_back\n")
    return program


@in_each_shell
def test_the_watch_puts_them_back(host, program):
    host.docker()
    # By this name the program knows it for one of the engine's.
    host.sh("ip", "link", "add", re.search("br-[0-9a-f]{12}", host.save(4)).group(), "type", "bridge")
    program.save()
    before = of_engine(host.save(4))
    kept = program.folder / "run" / "engine"
    with watching(program):
        until(kept.is_dir, "the copy")
        for table in ("filter", "nat"):
            host.iptables("-t %s -F" % table)
        until(lambda: of_engine(host.save(4)) == before, "what was flushed")
        # An interface comes: what is flushed then may lead elsewhere by now. The watch sees both at once.
        with open(program.folder / "lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            host.sh("ip", "link", "add", "br-0123456789ab", "type", "bridge")
            host.iptables("-t nat -F")
        until((program.folder / "run" / "engine.waits").exists, "the word that the engine has to be restarted")
        assert of_engine(host.save(4)) != before and not kept.exists()
