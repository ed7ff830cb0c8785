# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""README's first page does what it says: its commands and its playbook, as they are written, on a host of the lab."""
import os
import re
import subprocess
from pathlib import Path

from tests.integration.lab.support import expected, ways
from tests.integration.lab.support.playbook import NEWEST, ROOT
from tests.lab import layout
from tests.lab.paths import DIRECT, PUBLISHED
from tests.tools import gatelist

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
HOST = "docker.example.org"
SUMMARY = re.compile(r"^%s +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0" % re.escape(HOST), re.MULTILINE)


def first_block(language, begins):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    (found,) = [block for of, block in blocks if of == language and block.startswith(begins)]
    return found


def only_the_office(cell):
    """README's policy on the lab's workload: the office reaches 8080, nobody another published port."""
    if cell.path.kind == PUBLISHED:
        return cell.who == "allowed" and cell.result.probe.port == 8080
    return cell.path.kind != DIRECT and expected.as_docker_leaves_it(cell)


def environment(home, host):
    """A user's, whose SSH knows the host by README's name for it."""
    config = Path(layout.SSH_CONFIG).read_text(encoding="utf-8").replace("Host %s\n" % host.name, "Host %s\n    HostKeyAlias %s\n" % (HOST, host.name))
    (home / "ssh_config").write_text(config, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return dict(kept, HOME=str(home), PATH="%s:%s" % (gatelist.venv(NEWEST).parent, kept["PATH"]), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1",
                ANSIBLE_SSH_COMMON_ARGS="-F %s" % (home / "ssh_config"), ANSIBLE_SSH_CONTROL_PATH_DIR=str(layout.RUN / "ssh"))


def test_one_host_as_it_is_written(lab, one, tmp_path):
    install, look, apply = first_block("", "ansible-galaxy").splitlines()
    variables = environment(tmp_path, one)

    def run(command, folder):
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=str(folder), env=variables, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    with gatelist.copy() as collection:
        run(install, collection)
    (tmp_path / "firewall.yml").write_text(first_block("yaml", "# firewall.yml"), encoding="utf-8")
    before = ways.dumps([one])
    looked = run(look, tmp_path)
    assert ways.dumps([one]) == before
    assert "-port 8080/tcp ('web'): anybody\n" in looked and "+port 8080/tcp ('web'): @office\n" in looked
    for command, changed in ((apply, True), (apply, False)):
        (found,) = SUMMARY.findall(run(command, tmp_path))
        assert bool(int(found)) == changed
        cells = ways.plain(lab, [one], only_the_office)
        assert expected.differences(cells, only_the_office) == []
