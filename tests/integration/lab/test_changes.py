# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""From one policy to the next while packets flow: who is revoked is cut off, and never passes more than either lets."""
import json
from contextlib import ExitStack

from tests.integration.lab.support import policies, senders
from tests.integration.lab.support.background import from_client, talk
from tests.integration.lab.support.playbook import play
from tests.integration.lab.support.ways import on_all
from tests.lab.layout import CLIENTS
from tests.lab.workload import IMAGE

ECHO = 8300


def policy(sources):
    entries = [{"port": port, "sources": sources} for port in (8080, ECHO)]
    return {"published_ports": {"default": "deny", "allow": entries}}


def apply(hosts, sources):
    return play(hosts, [policies.task(policy(sources))])


def echo_server(host):
    host.run(["docker", "run", "--detach", "--name", "echo", "--publish", "%d:80" % ECHO, IMAGE,
              "python3", "-IS", "-c", senders.ECHO, "80"])


def places(hosts, *ports):
    """By DNAT and by docker-proxy."""
    return ["%s,%d" % (address, port) for host in hosts for address in (host.spec.v4, host.spec.v6) for port in ports]


def test_a_revoked_client_is_cut_off_at_once(lab, manageable):
    on_all(manageable, echo_server)
    apply(manageable, policies.ALLOWED + policies.DENIED)
    ways = places(manageable, ECHO)
    with talk(lab.clients["allowed"], ways) as kept, talk(lab.clients["denied"], ways) as revoked:
        assert revoked.answered("before") == kept.answered("before") == set(ways)
        apply(manageable, policies.ALLOWED)
        assert revoked.answered("after") == set()
        assert kept.answered("after") == set(ways)
        # Nor does it come back with what the containers send again.
        assert revoked.answered("later") == set()


def test_nobody_slips_through_while_policies_change(lab, manageable):
    """Every policy of these denies the client, each for another reason, with other sets and other lines."""
    several = ["192.0.2.200", "2001:db8:1::200"]
    changes = [policies.ALLOWED, policies.ALLOWED + several, several, [], policies.ALLOWED]
    apply(manageable, several)
    with ExitStack() as stack:
        hammer = stack.enter_context(from_client(lab.clients["denied"], senders.HAMMER, *places(manageable, 8080, 8081)))
        assert hammer.stdout.readline() == "ready\n"
        for sources in changes:
            assert set(apply(manageable, sources).changed().values()) == {True}
        tried, found = json.loads(hammer.communicate("end\n", timeout=10)[0])
    assert found == []
    assert tried > 100 * len(manageable)
    assert CLIENTS["denied"].v4 not in str(changes)
