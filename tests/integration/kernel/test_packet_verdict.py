# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The module packet_verdict as ansible-playbook runs it: on the host, and elsewhere by the host's texts."""
import pytest

from tests.integration.kernel.support.playbook import play, why_not

WIRE = ["link add eth9 type veth peer name far", "address add 192.0.2.10/24 dev eth9", "address add 2001:db8::10/64 dev eth9 nodad", "link set eth9 up",
        "link set far up"]
RULES = "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 22 -m comment --comment \"{{ 1 + 1 }} a: b\" -j DROP\nCOMMIT\n"


def asked(**arguments):
    return {"drawbridge.docker.packet_verdict": arguments}


def test_packets_are_judged_on_the_host_and_by_its_texts(host, tmp_path):
    if why_not():
        pytest.skip(why_not())
    host.sh("ip", "-batch", "-", text="".join(line + "\n" for line in WIRE))
    for family in (4, 6):
        host.restore(RULES, family)
    before = host.everything()
    packets = [{"from": "192.0.2.7", "to": "192.0.2.10:22"}, {"from": "2001:db8::7", "to": "[2001:db8::10]:23"}]
    here, bad = play(tmp_path, [asked(packets=packets, return_snapshot=True), asked(packets=[packets[0], {"from": "192.0.2.7", "to": "192.0.2.10:0x"}])])
    assert not here["changed"] and [item["verdict"] for item in here["verdicts"]] == ["dropped", "accepted"]
    assert here["verdicts"][0]["path"][-1]["text"].startswith("-p tcp -m tcp --dport 22") and here["verdicts"][1]["end_point"]["kind"] == "nobody"
    assert bad["failed"] and "packets[1].to" in bad["msg"]
    assert host.everything() == before
    elsewhere, = play(tmp_path, [asked(packets=packets, snapshot=here["snapshot"])])
    # A playbook that holds the comment itself renders it. What a task returned is not rendered.
    assert "{{ 1 + 1 }} a: b" in here["verdicts"][0]["reason"]
    assert [(item["verdict"], item["end_point"]) for item in elsewhere["verdicts"]] == [(item["verdict"], item["end_point"]) for item in here["verdicts"]]
