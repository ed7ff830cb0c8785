# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What ends at a time: by the kernel alone, with real packets, after a boot, and by clocks that are wrong."""
import os
import time

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.report import _ending
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.kernel.ipset import Ipset
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.reconcile.apply import _take_sets_back
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.netfilter.rules.timed_entries import spelt
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.compile.compile import compile_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy_pipeline.pipeline import keep_policy
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

from tests.integration.kernel.support import wire
from tests.integration.kernel.support.playbook import play, why_not
from tests.integration.kernel.support.policies import no_policy
from tests.integration.kernel.support.program import DEBIAN, Program, in_each_shell
from tests.integration.kernel.support.watching import until
from tests.integration.kernel.test_denied_sources import FACTS, PUBLISHED, apply, talks
from tests.integration.kernel.test_kept_plan import params

ALLOWED, DENIED = (list(wire.SOURCES[who].values()) for who in ("allowed", "denied"))
NAMES = ("DBP-office-4a", "DBP-office-6a")


@pytest.fixture(name="program")
def boot_program(nft_host, tmp_path, request):
    return Program(tmp_path, nft_host, getattr(request, "param", DEBIAN))


def after(seconds):
    return spelt(time.time() + seconds)


def members(addresses, end):
    return [{"address": address, "until": end} for address in addresses]


def office(*items):
    """A policy that lets the set's members in everywhere."""
    everywhere = [{"port": "1-65535", "protocol": protocol, "sources": ["@office"]} for protocol in ("tcp", "udp")]
    return {"address_sets": {"office": [item for part in items for item in part]}, "published_ports": {"allow": everywhere}}


def held(host, names=NAMES):
    """What the sets hold, in our spelling."""
    found = Ipset(host.system).entries(names)
    return set().union(*found.values())


def in_kernel(host, names=NAMES):
    return [entry for name in names for entry in host.entries(name)]


def left(host, names=NAMES):
    """The seconds that are left, by address; 0 for those that stay."""
    return {entry.split(" ")[0]: int(entry.split(" ")[2]) for entry in in_kernel(host, names)}


def test_members_end_by_themselves_and_so_do_their_connections(host, client):
    policy = office(DENIED, members(ALLOWED, after(4)))
    apply(host, **policy)
    before = host.everything()[:2]
    with talks(client) as open_ones:
        of_allowed = [talk for (who, _family, port), talk in open_ones.items() if who == "allowed" and port == PUBLISHED]
        assert all(talk.arrives() for talk in of_allowed)
        assert not apply(host, **policy).is_change
        until(lambda: set(left(host)) == set(DENIED), "the end")
        assert not any(talk.arrives() for talk in of_allowed)
        assert all(talk.arrives() for (who, _family, _port), talk in open_ones.items() if who == "denied")
    assert client.deliver([PUBLISHED]) == wire.sent("denied", PUBLISHED)
    assert not apply(host, **policy).is_change and host.everything()[:2] == before
    # The set is made anew without times, beside rules that stay.
    assert apply(host, **office(DENIED)).is_change and host.everything()[:2] == before
    assert not apply(host, **office(DENIED)).is_change and set(in_kernel(host)) == set(DENIED)
    # The other way round too.
    assert apply(host, **office(DENIED, members(ALLOWED, after(900)))).is_change and host.everything()[:2] == before
    assert client.deliver([PUBLISHED]) == wire.sent("denied", PUBLISHED) | wire.sent("allowed", PUBLISHED)


def test_a_ban_ends(nft_host, client):
    policy = {"address_sets": {"abusers": members(DENIED, after(3))}, "published_ports": {"default": "allow", "deny": ["@abusers"]}}
    apply(nft_host, **policy)
    assert client.deliver([PUBLISHED]) == wire.sent("allowed", PUBLISHED)
    until(lambda: not in_kernel(nft_host, ("DBP-abusers-4a", "DBP-abusers-6a")), "the end")
    assert client.deliver([PUBLISHED]) == wire.sent("allowed", PUBLISHED) | wire.sent("denied", PUBLISHED)


def test_a_later_and_an_earlier_time(nft_host):
    first, later = after(100), after(1000)
    apply(nft_host, **office(members(ALLOWED, first), DENIED))
    assert apply(nft_host, **office(members(ALLOWED, later), DENIED)).is_change
    assert min(left(nft_host)[address] for address in ALLOWED) > 900
    assert apply(nft_host, **office(members(ALLOWED, first), DENIED)).is_change
    assert max(left(nft_host).values()) <= 100 and held(nft_host) == {*DENIED, *("%s until %s" % (address, first) for address in ALLOWED)}
    # Check mode says the same, and changes nothing.
    everything = nft_host.everything()
    wanted = office(members(ALLOWED, later), DENIED)
    result = keep_policy(Task(params(nft_host, wanted), True, System()))
    assert result.values["changed"] and nft_host.everything()[:2] == everything[:2] and max(left(nft_host).values()) <= 100


def test_clocks_that_are_set(nft_host):
    """Neither moves what the kernel counts. A run shortens, and does not lengthen."""
    end = after(600)
    policy = office(members(ALLOWED, end))
    apply(nft_host, **policy)
    # As if it had been counted a year ago by the clock, and as if the clock were a year behind now.
    for seconds, is_change in ((30, False), (2000000, True)):
        for name, address in zip(NAMES, ALLOWED):
            nft_host.sh("ipset", "-exist", "add", name, address, "timeout", str(seconds), "comment", "until " + end)
        assert apply(nft_host, **policy).is_change == is_change
        assert not apply(nft_host, **policy).is_change
    assert 500 < max(left(nft_host).values()) <= 600
    # What is over, but is still counted, goes.
    for name, address in zip(NAMES, ALLOWED):
        nft_host.sh("ipset", "-exist", "add", name, address, "timeout", "2000", "comment", "until 2020-01-01T00:00:00Z")
    assert apply(nft_host, **office(DENIED)).is_change and set(in_kernel(nft_host)) == set(DENIED)


@in_each_shell
def test_after_a_boot_there_is_what_is_left(nft_host, program):
    soon = after(3)
    apply(nft_host, **office(members(ALLOWED[:1], after(2000)), members(ALLOWED[1:], soon), DENIED))
    program.save()
    saved = program.folder / "saved" / "current" / "sets"
    assert "until %s\n" % soon in saved.read_text(encoding="ascii") and "timeout 3" not in saved.read_text(encoding="ascii")
    until(lambda: ALLOWED[1] not in left(nft_host), "the end")
    nft_host.converge(no_policy())
    program.run()
    found = left(nft_host)
    assert set(found) == {ALLOWED[0], *DENIED} and 1900 < found[ALLOWED[0]] <= 2000 and found[DENIED[0]] == 0
    # Loaded once more, over sets that are there, and over sets without times.
    program.run()
    assert set(left(nft_host)) == {ALLOWED[0], *DENIED}
    apply(nft_host, **office(ALLOWED))
    program.run()
    assert left(nft_host).keys() == found.keys() and left(nft_host)[ALLOWED[0]] > 1900
    # A clock that is behind: the files are of a later time than it says.
    os.utime(saved, (time.time() + 1500,) * 2)
    program.run()
    assert 400 < left(nft_host)[ALLOWED[0]] <= 500
    # Ahead of the end by the files alone: nobody is let in.
    os.utime(saved, (time.time() + 5000,) * 2)
    program.run()
    assert set(left(nft_host)) == set(DENIED)


def test_a_change_of_times_is_taken_back(nft_host):
    apply(nft_host, **office(DENIED, members(["10.0.0.1"], after(900))))
    for wanted in (office(DENIED, ALLOWED), office(members(DENIED, after(500)))):
        before = held(nft_host)
        planner, plan = nft_host.planned(compile_policy(parse_policy(wanted), FACTS))
        planner.netfilter.ipset.restore(plan.before)
        assert held(nft_host) != before
        _take_sets_back(planner.netfilter, plan.sets)
        assert held(nft_host) == before and planner.netfilter.ipset.headers()[NAMES[0]].type == plan.sets[0].live.type
        assert 800 < left(nft_host)["10.0.0.1"] <= 900


def test_many_members(nft_host):
    addresses = ["10.%d.%d.1" % (high, low) for high in range(50) for low in range(200)]
    end = after(3000)
    policy = office(members(addresses, end))
    apply(nft_host, **policy)
    assert len(held(nft_host)) == 10000 and not apply(nft_host, **policy).is_change
    assert apply(nft_host, **office(members(addresses[1:], end), ALLOWED)).is_change
    assert len(held(nft_host)) == 10001


def _shown(result):
    """What --diff shows, before and after."""
    diffs = result.values["diff"]
    return ["".join(diff[side] for diff in (diffs if isinstance(diffs, list) else [diffs])) for side in ("before", "after")]


def run(host, wanted, check=False):
    return keep_policy(Task(params(host, wanted), check, System(), shows_diff=True))


def test_what_a_run_says(nft_host):
    end = after(3)
    policy = office(members(ALLOWED, end), members(["192.0.2.77"], "2020-01-01T00:00:00Z"), DENIED)
    first = run(nft_host, policy)
    told = [warning for warning in first.warnings if "over" in warning]
    assert len(told) == 1 and "policy.address_sets.office: over, and left out: 192.0.2.77 (until 2020-01-01T00:00:00Z)" in told[0]
    assert "add DBP-office-4 %s until %s\n" % (ALLOWED[0], end) in _shown(first)[1]
    (ending,) = [_ending(Ipset(nft_host.system).with_entries(Ipset(nft_host.system).headers(), NAMES)[NAMES[0]])]
    assert ending == [{"entry": ALLOWED[0], "until": end}]
    assert not run(nft_host, policy).values["changed"]
    until(lambda: not set(ALLOWED) & set(left(nft_host)), "the end")
    looked, done = run(nft_host, policy, True), run(nft_host, policy)
    texts = _shown(done)
    assert looked.values["changed"] and done.values["changed"] and looked.values["diff"] == done.values["diff"]
    assert "create DBP-office-4 hash:net timeout 0 comment\n" in texts[0] and "create DBP-office-4 hash:net\n" in texts[1]
    assert not run(nft_host, policy).values["changed"]
    everything = nft_host.everything()
    with pytest.raises(DrawbridgeError, match="too far ahead: the kernel counts 24 days") as refused:
        run(nft_host, office(members(ALLOWED, after(25 * 86400))))
    assert refused.value.path == "policy.address_sets.office" and nft_host.everything() == everything


def test_tests_of_a_policy_take_it_for_there_as_long_as_it_is(nft_host, client):
    assert client.path
    policy = office(members(ALLOWED, after(500)), members(DENIED, "2020-01-01T00:00Z"))
    policy["published_ports"]["allow"].append({"port": 9, "sources": ["any"], "until": after(500)})
    policy["host_services"] = {"default": "deny", "allow": [{"port": 7, "sources": ["any"], "until": after(500)}, {"port": 8, "sources": ALLOWED}]}
    policy["tests"] = [
        {"from": "any", "to": "7/tcp", "expect": "allow"}, *({"from": address, "to": "8/tcp", "expect": "deny"} for address in DENIED),
    ]
    assert run(nft_host, policy).values["tests"]["passed"] == 3
    policy["host_services"]["allow"][0]["until"] = "2020-01-01T00:00Z"
    with pytest.raises(DrawbridgeError):
        run(nft_host, policy)


def test_a_plan_that_is_kept_does_not_see_the_countdown(nft_host):
    end = after(600)
    run(nft_host, office(members(ALLOWED, end)))
    wanted = office(members(ALLOWED, end), members(DENIED, end))
    plan = keep_policy(Task(params(nft_host, wanted, plan_dir=""), True, System())).values["plan"]
    nft_host.sh("ipset", "-exist", "add", NAMES[0], ALLOWED[0], "timeout", "300", "comment", "until " + end)
    assert keep_policy(Task(params(nft_host, wanted, plan_dir=plan), False, System())).values["changed"]
    assert left(nft_host).keys() == {*ALLOWED, *DENIED}


def test_a_time_that_yaml_makes(nft_host, tmp_path):
    if why_not():
        pytest.skip(why_not())
    end = after(500)
    tmp_path.joinpath("p.yml").write_text(
        "host_policy__web:\n  address_sets: {office: [{address: %s, until: %s}]}\n  published_ports: {allow: [{port: 443, sources: ['@office']}]}\n"
        % (ALLOWED[0], end), encoding="ascii",
    )
    _loaded, done, again = play(tmp_path, [
        {"ansible.builtin.include_vars": {"file": str(tmp_path / "p.yml")}},
        *({"drawbridge.docker.host_policy": {**policy, "docker_host": "unix:///run/nothing.sock", "allow_lockout": True}}
          for policy in ({"policy": "{{ host_policy__web }}"}, {"fragments": "host_policy__"})),
    ])
    assert done["changed"] and not again["changed"] and not again["failed"], (done, again)
    assert held(nft_host) == {"%s until %s" % (ALLOWED[0], end)}


# Entries.

def entries(end, *more, **keys):
    """Everybody until then at the published port, and others for good."""
    return {"published_ports": {"allow": [{"port": PUBLISHED, "protocol": "udp", "sources": ["any"], "until": end, **keys}, *more]}}


def test_an_entry_ends_beside_one_that_stays(host, client):
    end = after(4)
    stays = [{"port": PUBLISHED, "protocol": protocol, "sources": DENIED} for protocol in ("udp", "tcp")]
    policy = entries(end, *stays, {"port": PUBLISHED, "sources": ALLOWED, "interfaces": ["host"], "until": end})
    apply(host, **policy)
    rules = host.everything()[:2]
    with talks(client) as open_ones:
        mine = {who: [talk for (its, _family, port), talk in open_ones.items() if its == who and port == PUBLISHED] for who in wire.SOURCES}
        assert all(talk.arrives() for talks_of in mine.values() for talk in talks_of)
        assert not apply(host, **policy).is_change
        names = [name for name in host.sh("ipset", "list", "-n").split() if "-until-" in name]
        assert len(names) == 2
        until(lambda: not in_kernel(host, names), "the end")
        assert not any(talk.arrives() for talk in mine["allowed"]) and all(talk.arrives() for talk in mine["denied"])
    assert client.deliver([PUBLISHED]) == wire.sent("denied", PUBLISHED)
    assert host.everything()[:2] == rules


def test_what_a_run_says_of_entries(nft_host, program):
    end = after(3)
    policy = entries(end, {"port": 443, "sources": ["192.0.2.0/24"], "interfaces": ["wg0"], "until": end, "comment": "Jane"})
    policy["host_services"] = {"default": "deny", "allow": [{"protocol": "icmp", "sources": ["any"], "until": end}]}
    first = run(nft_host, policy)
    words = _shown(first)[1]
    assert "port %d/udp: anybody until %s\n" % (PUBLISHED, end) in words and "port 443/tcp: 192.0.2.0/24 by wg0 until %s  # Jane\n" % end in words
    assert "ping: anybody until %s\n" % end in words and not [warning for warning in first.warnings if "over" in warning]
    assert not run(nft_host, policy).values["changed"]
    program.save()
    names = [name for name in nft_host.sh("ipset", "list", "-n").split() if "-until-" in name]
    until(lambda: not in_kernel(nft_host, names), "the end")
    program.run()
    assert not in_kernel(nft_host, names)
    looked, done = run(nft_host, policy, True), run(nft_host, policy)
    assert looked.values["changed"] and done.values["changed"] and looked.values["diff"] == done.values["diff"]
    before, now = _shown(done)
    assert "port 443/tcp: 192.0.2.0/24 by wg0 until %s  # Jane\n" % end in before and "port 443/tcp: nobody\n" in now and "ping: nobody\n" in now
    over = [warning for warning in done.warnings if "it was over at %s, and lets nobody in" % end in warning]
    assert [warning.partition(":")[0] for warning in over] == [
        "policy.published_ports.allow[0]", "policy.published_ports.allow[1]", "policy.host_services.allow[0]",
    ]
    assert "-until-" not in "".join(nft_host.everything()) and not run(nft_host, policy).values["changed"]
    with pytest.raises(DrawbridgeError, match="too far ahead") as refused:
        run(nft_host, entries(after(25 * 86400)))
    assert refused.value.path == "policy.published_ports.allow[0].until"
