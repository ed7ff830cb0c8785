# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""container_netns_rule in real namespaces, with an engine that tells what the test says."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers import target
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.containers.select import ProcessSource
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System

from .support.containers import containers
from .support.namespace import entered

DROP = "-s 192.0.2.66 -j DROP"
DROPPED = "-s 192.0.2.66/32 -j DROP"
JUMP = '-m comment --comment "drawbridge:500" -j DB-NS-web'


@pytest.fixture(name="engine")
def engine_in_a_host(host, monkeypatch):
    """Containers of a host without rules."""
    with containers(host.variant, monkeypatch) as found:
        found.host = host
        yield found


def states(result):
    return {entry["name"]: entry["state"] for entry in result.values["containers"]}


def changed(result):
    return {entry["name"]: entry["changed"] for entry in result.values["containers"]}


def test_rules_go_into_the_chosen_container_only(engine):
    engine.start("one")
    engine.start("two")
    before = engine.host.everything(), engine.save("two")
    predicted = engine.apply(DROP, name="one", check=True)
    assert engine.rules("one") == []
    done = engine.apply(DROP, name="one")
    assert predicted.values == done.values and done.values["changed"]
    assert engine.rules("one") == [DROPPED] and engine.rules("one", "INPUT") == [JUMP]
    assert (engine.host.everything(), engine.save("two")) == before
    again = engine.apply("-s 192.0.2.66/255.255.255.255 -j DROP", name="one")
    assert not again.values["changed"] and again.values["diff"] == []
    engine.apply(name="one", state="absent")
    assert not [line for line in engine.save("one") if "DB-" in line]


def test_each_container_has_its_own_diff(engine):
    for name in ("a", "b", "c"):
        engine.start(name, labels={"tier": "web"})
    engine.apply(DROP, name="b")
    done = engine.apply(DROP, label=["tier=web"])
    assert changed(done) == {"a": True, "b": False, "c": True}
    assert [diff["after_header"] for diff in done.values["diff"]] == ["a", "c"]
    assert all(DROPPED in diff["after"] and DROPPED not in diff["before"] for diff in done.values["diff"])


def test_rules_of_the_container_stay_and_rules_come_first(engine):
    engine.start("admin")
    own = "iptables-%s -w -%s INPUT %s -s 203.0.113.9/32 -j ACCEPT"
    engine.sh("admin", own % (engine.variant, "A", ""))
    engine.apply(DROP, name="admin")
    assert engine.rules("admin", "INPUT") == [JUMP, "-s 203.0.113.9/32 -j ACCEPT"]
    engine.sh("admin", own % (engine.variant, "I", "1"))
    assert engine.apply(DROP, name="admin").values["changed"]
    assert engine.rules("admin", "INPUT") == [JUMP] + 2 * ["-s 203.0.113.9/32 -j ACCEPT"]
    assert engine.apply(DROP, name="admin", purge=True).values["changed"]
    assert engine.rules("admin", "INPUT") == [JUMP]


RESOLVER = [
    "iptables-%s -w -t nat -N DOCKER_OUTPUT", "iptables-%s -w -t nat -N DOCKER_POSTROUTING",
    "iptables-%s -w -t nat -A OUTPUT -d 127.0.0.11 -j DOCKER_OUTPUT",
    "iptables-%s -w -t nat -A POSTROUTING -d 127.0.0.11 -j DOCKER_POSTROUTING",
    "iptables-%s -w -t nat -A DOCKER_OUTPUT -d 127.0.0.11 -p udp --dport 53 -j DNAT --to-destination 127.0.0.11:40000",
]


@pytest.mark.parametrize("purge", [False, True])
def test_the_engines_resolver_is_left_alone_in_nat(engine, purge):
    engine.start("web")
    engine.sh("web", *(command % engine.variant for command in RESOLVER))
    before = engine.save("web")
    engine.apply("-p udp --dport 53 -j DNAT --to-destination 192.0.2.53", name="web", table="nat", chain="OUTPUT", purge=purge)
    assert engine.rules("web")[0] == "-d 127.0.0.11/32 -j RETURN"
    assert [line for line in engine.save("web") if "DB-" not in line] == before
    assert not engine.apply("-p udp --dport 53 -j DNAT --to-destination 192.0.2.53", name="web", table="nat", chain="OUTPUT",
                            purge=purge).values["changed"]


def test_a_section_moves_to_another_table(engine):
    engine.start("web")
    engine.apply(DROP, name="web")
    engine.apply("-s 192.0.2.66 -j DROP", name="web", table="mangle", chain="PREROUTING")
    assert [line for line in engine.save("web") if "DB-" in line] == [
        ":DB-NS-web -", "-A PREROUTING %s" % JUMP, "-A DB-NS-web %s" % DROPPED]
    engine.apply(name="web", state="absent")
    assert not [line for line in engine.save("web") if "DB-" in line]


def test_those_that_share_a_namespace_are_handled_once(engine):
    engine.start("app", labels={"p": "1"})
    engine.start("sidecar", "container:app", labels={"p": "1"})
    done = engine.apply(DROP, label="p")
    assert len(done.values["diff"]) == 1 and done.values["diff"][0]["after_header"] == "app, sidecar"
    assert [entry["shared_with"] for entry in done.values["containers"]] == [["sidecar"], ["app"]]
    assert engine.rules("sidecar") == [DROPPED]
    assert not engine.apply(DROP, name="sidecar").values["changed"]


def test_the_hosts_network_is_refused_before_anything_is_changed(engine):
    engine.start("app", labels={"p": "1"})
    engine.start("hosted", host=True, labels={"p": "1"})
    before = engine.host.everything()
    with pytest.raises(DrawbridgeError, match="'hosted'.*host's network"):
        engine.apply(DROP, label="p")
    with pytest.raises(DrawbridgeError, match="host's network"):
        engine.apply(DROP, pid=engine.pid("hosted"))
    assert engine.rules("app") == [] and engine.host.everything() == before


def test_stopped_ones_are_reported(engine):
    engine.start("app", labels={"p": "1"})
    engine.start("old", labels={"p": "1"})
    engine.stop("old")
    done = engine.apply(DROP, label="p")
    assert states(done) == {"app": "running", "old": "exited"} and changed(done) == {"app": True, "old": False}


def after_entry(engine, event):
    """Let something happen when the engine is asked again, while the namespace is held open."""
    engine.engine.before_inspect = lambda container_id, times: event() if times == 2 else None


def test_a_container_that_ends_before_its_namespace_is_opened(engine):
    identity = engine.start("app")
    engine.start("other", labels={"p": "1"})

    def ended(container_id, times):
        # The look-up of the other one comes after the look-up of this one.
        if container_id != identity and times == 1:
            engine.stop("app")

    engine.engine.before_inspect = ended
    done = engine.apply(DROP, query="[]")
    assert done.failure is None
    assert states(done) == {"app": "exited", "other": "running"} and changed(done) == {"app": False, "other": True}


def test_a_container_that_ends_after_its_namespace_was_opened(engine):
    engine.start("app")
    after_entry(engine, lambda: engine.stop("app"))
    done = engine.apply(DROP, name="app")
    assert states(done) == {"app": "exited"} and not done.values["changed"] and done.failure is None


def test_a_container_that_starts_anew_meanwhile(engine):
    engine.start("app")
    after_entry(engine, lambda: engine.tell("app", StartedAt="2026-01-01T00:00:09Z"))
    done = engine.apply(DROP, name="app")
    assert states(done) == {"app": "exited"} and engine.rules("app") == []


def test_a_process_id_that_another_process_has_got(engine, monkeypatch):
    """The engine has not noticed; the kernel's start time of the process tells."""
    engine.start("app")
    real, times = target.started, []

    def later(system, pid):
        times.append(pid)
        return real(system, pid) + (1 if len(times) > 1 else 0)

    monkeypatch.setattr(target, "started", later)
    done = engine.apply(DROP, name="app")
    assert states(done) == {"app": "exited"} and engine.rules("app") == []


def test_a_namespace_that_is_now_another_one(engine):
    engine.start("app")
    engine.start("thief", host=True)
    engine.start("other")
    found = ProcessSource(System(), engine.pid("app")).find()[0]
    for name, error, words in (("thief", DrawbridgeError, "host's network"), ("other", target.ContainerGone, "something else")):
        moved = found._replace(path="/proc/%d/ns/net" % engine.pid(name))
        with pytest.raises(error, match=words):
            with target.held(System(), moved):
                pytest.fail("entered")
    with target.held(System(), found) as number:
        assert number > 2


def test_by_process_and_by_path_no_engine_is_asked(engine):
    engine.start("app")
    engine.engine = None
    done = engine.apply(DROP, pid=engine.pid("app"))
    assert done.values["changed"] and engine.rules("app") == [DROPPED]
    assert not engine.apply(DROP, path="/proc/%d/ns/net" % engine.pid("app")).values["changed"]
    with pytest.raises(DrawbridgeError, match="no network namespace"):
        engine.apply(DROP, path="/etc/passwd")


def test_selectors_of_several_kinds_have_to_meet(engine):
    engine.start("one", labels={"p": "1"})
    engine.start("two", labels={"p": "1"})
    done = engine.apply(DROP, label="p", pid=engine.pid("two"))
    assert states(done) == {"two": "running"} and engine.rules("one") == []
    with pytest.raises(DrawbridgeError, match="no container matches"):
        engine.apply(DROP, name="one", pid=engine.pid("two"))
    assert engine.apply(DROP, name="none", on_missing="ignore").values["containers"] == []


def test_rules_of_the_other_variant_stay_and_are_told(engine):
    other = "legacy" if engine.variant == "nft" else "nft"
    engine.start("app")
    engine.sh("app", "iptables-%s -w -A INPUT -s 203.0.113.9/32 -j DROP" % other)
    before = engine.save("app", other)
    done = engine.apply(DROP, name="app")
    assert ["iptables-%s" % other in warning and "app" in warning for warning in done.warnings] == [True]
    assert engine.save("app", other) == before and engine.rules("app") == [DROPPED]


HOSTILE = ["a\nb", 'x"; rm -rf / #', "../../etc", "$(reboot)", "`id`", "n" * 4096, "-A INPUT -j ACCEPT", "é\u202e", "\x1b[2J", "a b"]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_and_labels_do_no_harm(engine, text):
    labels = {"com.docker.compose.project": text, "com.docker.compose.service": text, text: text}
    engine.start("app", labels=labels)
    engine.start(text, labels={"p": text})
    before = engine.host.everything()
    for selector in ({"compose_project": text, "compose_service": text}, {"label": ["p=" + text]}, {"name": text},
                     {"query": "[?Name=='/app']"}):
        done = engine.apply(DROP, **selector)
        assert len(done.values["containers"]) == 1 and done.failure is None
        shown = "".join(diff["after_header"] for diff in done.values["diff"]) + "".join(done.warnings)
        assert shown.isascii() and shown.isprintable() and len(shown) < 200
    assert engine.rules("app") == [DROPPED] and engine.host.everything() == before
    with pytest.raises(DrawbridgeError) as caught:
        engine.apply(DROP, name="app", pod_namespace=text, query="[?" + text)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_rules_that_one_container_cannot_take(engine):
    """The others have theirs; the task fails and says where."""
    engine.start("good", labels={"p": "1"})
    engine.start("bad", labels={"p": "1"})
    engine.sh("good", "iptables-%s -w -N LOCAL" % engine.variant)
    done = engine.apply("-s 192.0.2.66 -j LOCAL", label="p", ip_version="ipv4")
    assert "1 of 2 failed: bad: " in done.failure
    assert states(done) == {"good": "running", "bad": "failed"} and changed(done) == {"good": True, "bad": False}


def entries(engine, name):
    with entered("/proc/%d/ns/net" % engine.pid(name)):
        text = engine.host.sh("ipset", "save")
    return {line.split(" ", 2)[2] for line in text.splitlines() if line.startswith("add ")}, text.count("create ")


def test_address_sets_of_the_host_are_copied_in(engine):
    engine.start("one", labels={"p": "1"})
    engine.start("two", labels={"p": "1"})
    name = "office.of-24-characters."
    rule = {"source": "@" + name, "jump": "DROP"}
    with pytest.raises(DrawbridgeError, match="unknown address set") as caught:
        engine.apply(rule, label="p")
    assert caught.value.path == "rules[0]"
    assert "rules[0]: there is no address set '@office.of-24-characters.' yet" in engine.apply(rule, label="p", check=True).warnings[0]
    engine.host.address_set(name, ["192.0.2.0/24", "2001:db8::1"])
    before = engine.host.everything()
    predicted = engine.apply(rule, label="p", check=True)
    done = engine.apply(rule, label="p")
    assert predicted.values == done.values and all(changed(done).values())
    assert entries(engine, "one") == entries(engine, "two") == ({"192.0.2.0/24", "2001:db8::1"}, 2)
    assert engine.host.everything() == before
    assert not engine.apply(rule, label="p").values["changed"]
    # Another section with the same set has a copy of its own.
    engine.apply(rule, name="one", section="other")
    engine.host.address_set(name, ["198.51.100.7"])
    assert engine.apply(rule, label="p").values["changed"]
    assert entries(engine, "two") == ({"198.51.100.7"}, 2)
    assert not engine.apply(rule, label="p").values["changed"]
    engine.apply(DROP, name="one", section="other")
    assert entries(engine, "one") == ({"198.51.100.7"}, 2)
    engine.apply(label="p", state="absent")
    assert entries(engine, "one") == entries(engine, "two") == (set(), 0)


def test_fifty(engine):
    for number in range(50):
        engine.start("app%d" % number, labels={"p": "1"})
    done = engine.apply(DROP, "-p tcp --dport http -j DROP", label="p")
    assert all(changed(done).values()) and len(changed(done)) == 50
    assert not engine.apply(DROP, "-p tcp --dport http -j DROP", label="p").values["changed"]
