# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""What a policy's toggles change is confirmed, or taken back, with its rules: in the kernel, for the boot, and for the engine."""
import pytest

from tests.integration.lab.support import boot, policies, toggled
from tests.integration.lab.support.confirming import killed_after_the_apply, wait_for
from tests.integration.lab.support.playbook import play, playbook

# Long enough for what is confirmed, or looked at before, however busy the machine is.
TIMEOUT = 300
TOGGLES = {
    "forwarding": {"ipv4": False, "ipv6": True, "interfaces": {"vmbr0": {"ipv6": False}}},
    "forward_policy": {"ipv4": "accept", "ipv6": "drop"},
    "daemon": {"icc": False},
}
OTHER = boot.allowing(8081, **TOGGLES)
# Nobody confirms what nobody can reach.
CUT = dict(OTHER, host_services={"default": "deny", "allow": []})
WORDS = "who reaches what"
ABOUT = "forwarding and policy of FORWARD"
CHECKPOINT = "drawbridge.docker.firewall_checkpoint"
# By interface, but for those of containers, which have others after a boot.
_STATE = """
cd /proc/sys/net; grep -H . ipv4/ip_forward ipv4/conf/all/accept_redirects ipv[46]/conf/*/forwarding | grep -vE '/(veth|br-)'
for program in iptables ip6tables; do $program -w 5 -S FORWARD | head -n 1; done
cd /etc; grep -rH '' sysctl.d docker --include='*drawbridge*' --include=daemon.json
find sysctl.d docker systemd/system '(' -name '*drawbridge*' -o -name daemon.json ')' -printf '%p %M %u %l\\n' | sort
"""

KEPT = (
    "ip_forward:0", "-P FORWARD ACCEPT", "-P FORWARD DROP", "ip_forward = 0", '"icc": false', '"ip-forward": false',
    "multi-user.target.wants/drawbridge-policy-forward-drop.service", "docker.service.wants/drawbridge-policy-forward-accept.service",
)


def state(host):
    """All that the toggles are about, without the copies that are made of daemon.json."""
    lines = host.run(["sh", "-c", _STATE], check=False).stdout.splitlines()
    return [line for line in lines if not line.endswith("~")]


def task(policy, **options):
    return policies.task(policy, allow_lockout=True, **{"confirm_timeout": TIMEOUT, **options})


@pytest.fixture(name="protected")
def protected_hosts(outermost):
    """Hosts that boot with their rules and have a policy without toggles."""
    boot.protect(outermost)
    yield outermost
    for host in outermost:
        host.run(["sh", "-c", "rm -f /etc/sysctl.d/*drawbridge* /etc/docker/daemon.json*"])
        toggled.set_by_hand(host, "net/ipv6/conf/vmbr0/forwarding", "1")


def both(hosts):
    """The toggles and everything else of Drawbridge's, by host."""
    return {host.name: (state(host), boot.owned(host)) for host in hosts}


def time_is_up(host):
    """Have systemd do at once what its timer does when the time is up."""
    host.run(["sh", "-c", "systemctl start $(systemctl show --property=Unit --value 'drawbridge-rollback-*.timer')"])


def test_nobody_confirms(protected, tmp_path):
    before = both(protected)
    assert not toggled.all_are(protected, toggled.container_reaches_outside, True)
    killed_after_the_apply(protected, tmp_path, [task(CUT)], lambda host: toggled.policy(host) == "ACCEPT")
    assert not toggled.all_are(protected, toggled.container_reaches_outside, False)
    for host in protected:
        assert toggled.sysctl(host, "net/ipv4/ip_forward") == "0"
        assert "sysctl.d" not in " ".join(state(host)), "nothing of it is booted"
    for host in protected:
        time_is_up(host)
        wait_for(lambda host=host: boot.leftovers(host) == "")
    assert both(protected) == before
    assert not toggled.all_are(protected, toggled.container_reaches_outside, True)


def test_a_boot_before_the_confirmation(protected, tmp_path):
    before = {host.name: (state(host), boot.rules(host)) for host in protected}
    killed_after_the_apply(protected, tmp_path, [task(CUT, confirm_timeout=600)], lambda host: toggled.policy(host) == "ACCEPT")
    for host in protected:
        host.reboot()
        assert (state(host), boot.rules(host)) == before[host.name]
        assert boot.leftovers(host) == ""


@pytest.mark.parametrize("timeout", [TIMEOUT, pytest.param(0, marks=pytest.mark.drill)])
def test_confirmed_it_stays_and_goes_back_on_demand(protected, timeout):
    before = both(protected)
    assert set(play(protected, [task(OTHER, confirm_timeout=timeout)], check=True).changed().values()) == {True}
    assert both(protected) == before
    done = play(protected, [task(OTHER, confirm_timeout=timeout)])
    assert {"confirm_seconds" in done.last(host.name) for host in protected} == {timeout > 0}
    after = {host.name: (state(host), boot.in_kernel(host)) for host in protected}
    for host in protected:
        assert boot.leftovers(host) == ""
        assert not [words for words in KEPT if words not in " ".join(state(host))]
    assert set(play(protected, [task(OTHER, confirm_timeout=timeout)]).changed().values()) == {False}
    earlier = {name: (toggles, owned.partition("== files")[0]) for name, (toggles, owned) in before.items()}
    for expected in (earlier, after):
        run = playbook(protected, "drawbridge.docker.rollback")
        assert set(run.changed().values()) == {True}
        assert {tuple(part["before_header"] for part in run.last(host.name)["diff"]) for host in protected} == {(WORDS, "netfilter", ABOUT, "files")}
        assert {host.name: (state(host), boot.in_kernel(host)) for host in protected} == expected
    play(protected, [{"drawbridge.docker.host_policy": {"state": "absent", "confirm_timeout": timeout}}])
    assert not any("policy-forward" in line or "ip_forward = 0" in line for host in protected for line in state(host))
    playbook(protected, "drawbridge.docker.rollback")
    assert {host.name: (state(host), boot.in_kernel(host)) for host in protected} == after


def test_toggles_alone_are_a_change(protected):
    """No rule changes: it is confirmed all the same, and going back leaves the rules."""
    before = {host.name: (state(host), boot.in_kernel(host)) for host in protected}
    done = play(protected, [task(boot.allowing(**TOGGLES))])
    assert all(done.last(host.name)["confirm_seconds"] > 0 for host in protected)
    assert {host.name: boot.in_kernel(host) for host in protected} == {name: rules for name, (_toggles, rules) in before.items()}
    playbook(protected, "drawbridge.docker.rollback")
    assert {host.name: (state(host), boot.in_kernel(host)) for host in protected} == before


def test_modules_of_their_own_under_a_checkpoint(protected):
    before = both(protected)
    tasks = [
        {CHECKPOINT: {"state": "armed", "timeout": 2 * TIMEOUT}},
        {"drawbridge.docker.forward_policy": {"ipv4": "ACCEPT", "ipv6": "DROP"}},
        {"drawbridge.docker.ip_forward": {"ipv4": False, "interfaces": ["vmbr0"]}},
        {"drawbridge.docker.ip_forward": {"ipv4": False}},
        {"drawbridge.docker.ip_forward": {"ipv4": False}},
        task(OTHER),
        task(OTHER),
        {CHECKPOINT: {"state": "rolled_back"}},
    ]
    run = play(protected, tasks)
    for host in protected:
        results = run.of(host.name)
        assert [result["changed"] for result in results[:6]] == [True, True, True, True, False, True]
        # What the task before has prepared counts as being there.
        assert isinstance(results[6]["diff"], dict)
    assert both(protected) == before
    assert {boot.leftovers(host) for host in protected} == {""}
