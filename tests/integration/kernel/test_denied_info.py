# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""denied_info as a task, on files and with a hostile engine; nothing of it is rendered or breaks the task."""
import pytest
import yaml

from tests.integration.kernel.support.module import run_module
from tests.integration.kernel.support.playbook import OWN_RUN

MESSAGE = "DB-GUARD-PORTS:D IN=eth0 OUT= MAC= SRC=%s DST=192.0.2.1 LEN=60 PROTO=TCP SPT=1 DPT=8080 "
LINES = ["%d.5 h kernel: %s\n" % (1798000000 + number, MESSAGE % source) for number, source in enumerate(["203.0.113.9", "203.0.113.8", "203.0.113.9"])]


@pytest.fixture(name="log")
def written(tmp_path):
    path = tmp_path / "{{ x }} kern.log"
    path.write_text("".join(LINES) + "{{ 1 }}:D IN= \n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("check", [False, True])
def test_a_file(namespace, log, check):
    found = run_module(OWN_RUN, "denied_info", path=log, resolve=False, check=check)
    assert not found["changed"] and found["packets"] == 3 and found["log"] == "file" and found["left_out"] == 0
    assert [each["words"] for each in found["denied"]] == [
        "203.0.113.9 was denied 8080/tcp at 192.0.2.1, 2 times, last at 2026-12-23T04:26:42Z: no entry of published_ports lets it in",
        "203.0.113.8 was denied 8080/tcp at 192.0.2.1, once, last at 2026-12-23T04:26:41Z: no entry of published_ports lets it in",
    ]


def test_the_limit_and_an_engine_that_does_not_answer(namespace, log):
    found = run_module(OWN_RUN, "denied_info", path=log, limit=1, docker_host="unix:///nowhere")
    assert len(found["denied"]) == found["left_out"] == 1
    assert "the engine cannot be asked, so no container is named" in str(found["warnings"])


def test_mistakes(namespace, log):
    assert "limit: 0 is not from 1 to 100000" in run_module(OWN_RUN, "denied_info", path=log, limit=0)["msg"]
    assert "minutes: 0 is not" in run_module(OWN_RUN, "denied_info", minutes=0)["msg"]
    assert "path: cannot read" in run_module(OWN_RUN, "denied_info", path=log + ".1")["msg"]


def test_a_report_of_what_is_observed(nft_host, tmp_path):
    """The sets are the kernel's. What was dropped is not proposed."""
    nft_host.address_set("office", ["203.0.113.8/31"])
    path = tmp_path / "kern.log"
    observed = [line.replace(":D ", ":O ").replace("DB-GUARD-PORTS", chain) for line in LINES for chain in ("DB-GUARD-PORTS", "DB-INPUT")]
    more = [observed[0].replace("DPT=8080", "DPT=%d" % port) for port in (8081, 80)] + [LINES[0].replace("8080", "22")]
    path.write_text("".join(observed + more), encoding="utf-8")
    found = run_module(OWN_RUN, "denied_info", path=str(path), docker_host="unix:///nowhere")
    first = found["denied"][0]
    assert (first["source"], first["source_sets"], first["observed"], first["packets"]) == ("203.0.113.9", ["office"], True, 2)
    assert first["words"].startswith("203.0.113.9 would be denied 8080/tcp at 192.0.2.1, 2 times")
    assert found["proposal_yaml"] == (
        'published_ports:\n  allow:\n    - {port: 80, protocol: tcp, sources: ["203.0.113.9"]}\n'
        '    - {port: 8080, protocol: tcp, sources: ["203.0.113.8", "203.0.113.9"]}\n    - {port: 8081, protocol: tcp, sources: ["203.0.113.9"]}\n'
        'host_services:\n  allow:\n    - {port: 8080, protocol: tcp, sources: ["203.0.113.8", "203.0.113.9"]}\n')
    assert yaml.safe_load(found["proposal_yaml"]) == found["proposal"]


def test_an_empty_file(namespace, tmp_path):
    path = tmp_path / "empty"
    path.write_text("", encoding="utf-8")
    assert run_module(OWN_RUN, "denied_info", path=str(path), resolve=False)["denied"] == []
