# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Our table that closes the engine's sockets, as the verdict sees it: between its chains, iptables' table mangle takes the mark off what may pass."""
import json

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.blocks import engine_table

from tests.unit.support.verdict_hosts import host, judged, saved

LISTENS = 'tcp LISTEN 0 4096 0.0.0.0:%d 0.0.0.0:* %s\n'
MARK = "0x20000000/0x20000000"
TABLE = json.dumps({"nftables": engine_table.as_json()})
LATE = saved(mangle__INPUT=["-j DB-LATE"], mangle__DB_LATE=["-m mark ! --mark %s -j RETURN" % MARK, "-s 203.0.113.0/24 -j MARK --set-xmark 0x0/0x20000000"])


def on(process, **texts):
    return host(iptables=LATE, nftables=TABLE, sockets=LISTENS % (8080, process), **texts)


@pytest.mark.parametrize(("process", "source", "verdict"), [
    ('users:(("docker-proxy",pid=1,fd=4))', "203.0.113.9", "accepted"), ('users:(("docker-proxy",pid=1,fd=4))', "198.51.100.9", "dropped"),
    ('users:(("dockerd",pid=1,fd=4))', "198.51.100.9", "dropped"), ('users:(("sshd",pid=1,fd=4))', "198.51.100.9", "accepted"),
    ("", "198.51.100.9", "unknown"),
])
def test_what_no_rule_allows_is_stopped_at_the_engines_sockets(process, source, verdict):
    assert judged(on(process), source=source, to="192.0.2.10:8080").verdict == verdict


def test_other_ports_other_packets_and_the_host_itself_pass():
    snapshot = on('users:(("docker-proxy",pid=1,fd=4))')
    assert judged(snapshot, to="192.0.2.10:8081").verdict == "accepted"
    assert judged(snapshot, to="192.0.2.10:8080", tcp_flags=["ACK"], state="invalid").verdict == "accepted"
    assert judged(snapshot, source="host", to="127.0.0.1:8080").verdict == "accepted"
    assert judged(snapshot, to="192.0.2.10").verdict == "accepted"


def test_without_sockets_it_is_not_known():
    texts = {name: text for name, text in on("").texts.items() if name != "sockets"}
    answer = judged(on("")._replace(texts=texts), source="198.51.100.9", to="192.0.2.10:8080")
    # Whoever is allowed is let in, whosever the socket is.
    assert judged(on("")._replace(texts=texts), to="192.0.2.10:8080").verdict == "accepted"
    assert answer.verdict == "unknown" and "drawbridge-engine" in str(answer.decided[0])
