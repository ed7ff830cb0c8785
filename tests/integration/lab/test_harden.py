# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The playbook harden over an inventory: fragments of groups and hosts, merged, applied, proven by connections."""
import pytest

from tests.integration.lab.support import bare, expected, policies, ways
from tests.integration.lab.support.playbook import playbook
from tests.lab.layout import CLIENTS
from tests.lab.paths import INSIDE

HARDEN = "drawbridge.docker.harden"
STEPS = ("prerequisites", "boot_restore", "event_service", "policy")
ALLOWED = CLIENTS["allowed"]
WEB = {"published_ports": {"allow": [{"port": port, "sources": ["@friends"]} for port in (8080, 8081, 8083)]}}
MORE = {
    "address_sets": {"friends": ["{{ friend_v4 }}"]},
    "published_ports": {"allow": [{"port": "8100-8103", "sources": ["@friends"]},
                                  {"port": 5300, "protocol": "UDP", "sources": ["@friends"]}]},
}


def groups(hosts):
    """Two groups of the same hosts, each with its fragment."""
    names = {host.name: {} for host in hosts}
    return {
        "webservers": {"hosts": names, "vars": {"host_policy__web": WEB}},
        "more": {"hosts": names, "vars": {"host_policy__more": MORE, "friend_v4": ALLOWED.v4}},
    }


def own(hosts):
    """Each host's own fragment: the other half of the set, and its port on its second addresses."""
    return {host.name: {"host_policy__own": {
        "address_sets": {"friends": [ALLOWED.v6]},
        "published_ports": {"allow": [{"port": 8082, "address": address, "sources": ["@friends"]}
                                      for address in (host.spec.v4_second, host.spec.v6_second)]},
    }} for host in hosts}


def hardened(run, host):
    """What the one task returned."""
    (result,) = [result for result in run.of(host.name) if "steps" in result]
    return result


def policy_diff(run, host):
    """The policy's part of the diff, which is the last one. Without the lines that set labels (and their set), which need what boot_restore sets up
    in the same run."""
    *_before, words, rules = hardened(run, host)["diff"]
    return words, {side: [line for line in text.splitlines() if "unflushed" not in line and "--label" not in line] for side, text in rules.items()}


def test_fragments_become_who_reaches_what(lab, managed):
    core, hosts = managed
    options = {"core": core, "groups": groups(hosts), "host_vars": own(hosts)}
    before = ways.dumps(hosts)
    predicted = playbook(hosts, HARDEN, check=True, **options)
    assert ways.dumps(hosts) == before
    done = playbook(hosts, HARDEN, **options)
    assert set(done.changed().values()) == {True}
    for host in hosts:
        assert policy_diff(done, host) == policy_diff(predicted, host)
        words, _rules = policy_diff(predicted, host)
        was, will = [[line for line in words[side].splitlines() if line.startswith(("port", "every other pub"))] for side in ("before", "after")]
        assert {line.rpartition(": ")[2] for line in was} == {"anybody"}
        assert {line.split(" ")[1] for line in will if line.endswith(": @friends")} == {
            "5300/udp", "8080/tcp", "8081/tcp", "8082/tcp", "8083/tcp", "8100-8103/tcp"}
        assert will[-1] == "every other published port: nobody"
    cells = ways.plain(lab, hosts, expected.one_client_allowed)
    assert expected.differences(cells, expected.one_client_allowed) == []
    again = playbook(hosts, HARDEN, **options)
    assert set(again.changed().values()) == {False}, again.output
    for host in hosts:
        assert {step: told["changed"] for step, told in hardened(again, host)["steps"].items()} == dict.fromkeys(STEPS, False)


def on_one(host):
    """The host's policy alone."""
    return {"host_vars": {host.name: {**own([host])[host.name], "host_policy__web": WEB}}}


def test_check_mode_on_a_host_without_the_tools(one):
    whole = playbook([one], HARDEN, check=True, **on_one(one))
    before = ways.dumps([one])
    with bare.without(one, bare.NETFILTER):
        files = everything(one)
        run = playbook([one], HARDEN, check=True, **on_one(one))
        assert everything(one) == files
    assert ways.dumps([one]) == before
    steps = hardened(run, one)["steps"]
    assert steps["prerequisites"]["packages"] == ["ipset", "iptables", "nftables"] and steps["prerequisites"]["changed"]
    assert all(steps[step]["changed"] for step in STEPS)
    assert policy_diff(run, one)[0] == policy_diff(whole, one)[0]
    assert [text.split(",")[0] for text in hardened(run, one)["warnings"]] == ["packages would be installed first"]
    ours = [line for line in policy_diff(whole, one)[1]["after"] if line.startswith("-A DB-GUARD-PORTS")]
    assert ours and set(ours) <= set(policy_diff(run, one)[1]["after"])


def everything(host):
    """What a run could leave behind on the host."""
    return host.run(["sh", "-c", "ls -lR /etc/drawbridge /etc/systemd/system /usr/local/lib /var/lib/drawbridge /run/drawbridge 2>&1; true"]).stdout


@pytest.mark.parametrize("tags, steps", [
    (["--tags", "host_policy"], {"policy"}),
    (["--skip-tags", "boot_restore,event_service"], {"prerequisites", "policy"}),
])
def test_tags_choose_among_the_steps(one, tags, steps):
    run = playbook([one], HARDEN, check=True, arguments=tags, **on_one(one))
    assert set(hardened(run, one)["steps"]) == steps


def test_a_fragment_whose_name_lacks_a_letter_is_told(manageable):
    hosts = manageable[:1]
    run = playbook(hosts, HARDEN, check=True, extra={"drawbridge_prerequisites": False},
                   host_vars={host.name: {"host_policy__more": {}, "host_policy_web": WEB, "host_policy_mine": 1} for host in hosts})
    (told,) = [text for result in run.of(hosts[0].name) for text in result.get("warnings", ()) if "host_policy_" in text]
    assert told == "host_policy_web is read by nothing: names of fragments begin with host_policy__"


def without_fragments(hosts):
    """bookworm has none; the others are in their groups."""
    return groups([host for host in hosts if host.name != "bookworm"])


def test_a_host_without_a_fragment_is_an_error_and_left_alone(manageable):
    before = ways.dumps(manageable)
    run = playbook(manageable, HARDEN, groups=without_fragments(manageable), fails=True,
                   extra={"drawbridge_prerequisites": False},
                   host_vars={name: values for name, values in own(manageable).items() if name != "bookworm"})
    assert set(run.failed()) == {"bookworm"}
    assert "host_policy__" in run.failed()["bookworm"]
    after = ways.dumps(manageable)
    assert {name for name, text in after.items() if text != before[name]} == {
        host.name for host in manageable if host.name != "bookworm"}


@pytest.mark.parametrize("profile", ["isolated", "lockdown"])
def test_a_profile_that_would_shut_ssh_out_is_refused(manageable, profile):
    before = ways.dumps(manageable)
    run = playbook(manageable, HARDEN, groups=groups(manageable), host_vars=own(manageable), fails=True,
                   extra={"drawbridge_prerequisites": False, "host_policy_profile": profile})
    assert len(run.failed()) == len(manageable)
    assert all("22" in message for message in run.failed().values()), run.failed()
    assert ways.dumps(manageable) == before


def lockdown(cell):
    """The profile lockdown under these fragments."""
    return expected.without_egress(cell) if cell.path.kind == INSIDE else expected.services_closed(cell)


def test_lockdown_with_ssh_allowed(lab, manageable):
    ssh = {"host_services": {"allow": [{"port": 22, "sources": policies.CONTROLLER}]}}
    several = {"admin": {"hosts": {host.name: {} for host in manageable}, "vars": {"host_policy__admin": ssh}}}
    options = {"groups": {**groups(manageable), **several}, "host_vars": own(manageable),
               "extra": {"drawbridge_prerequisites": False, "host_policy_profile": "lockdown"}}
    playbook(manageable, HARDEN, **options)
    cells = ways.plain(lab, manageable, lockdown)
    assert expected.differences(cells, lockdown) == []
    assert not any(playbook(manageable, HARDEN, **options).changed().values())


def test_a_contradiction_names_both_fragments(manageable):
    before = ways.dumps(manageable)
    against = {"host_policy__against": {"published_ports": {"default": "allow"}},
               "host_policy__for": {"published_ports": {"default": "deny"}}}
    run = playbook(manageable, HARDEN, groups=groups(manageable), fails=True,
                   extra={"drawbridge_prerequisites": False}, host_vars={host.name: against for host in manageable})
    for message in (run.failed()[host.name] for host in manageable):
        assert "host_policy__against" in message and "host_policy__for" in message
    assert ways.dumps(manageable) == before
