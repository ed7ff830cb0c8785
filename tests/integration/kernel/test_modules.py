# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Whole modules by ansible-playbook: what the in-process tests cannot see, from the playbook's variables to the result."""
import pytest

from tests.integration.kernel.support.playbook import of_core, play, why_not


@pytest.fixture(autouse=True)
def with_ansible():
    if why_not():
        pytest.skip(why_not())


def user_chain(check=False, **arguments):
    return {"drawbridge.docker.docker_user_chain": dict({"section": "web"}, **arguments), "check_mode": check}


def address_set(check=False, **arguments):
    return {"drawbridge.docker.address_set": dict({"name": "office"}, **arguments), "check_mode": check}


RULES = [
    {"protocol": "tcp", "published_port": 8080, "source": ["192.0.2.1/24", "2001:db8:1::/48"], "jump": "RETURN"},
    "-p TCP --dport http -m comment --comment 'x' -j DROP".replace("'", '"'),
    {"protocol": "tcp", "published_port": "{{ port }}", "jump": "DROP", "comment": "all others"},
]


def test_docker_user_chain(nft_host, tmp_path):
    nft_host.docker()
    rules = {"rules": RULES}
    predicted, done, again, by_name, absent, gone = play(tmp_path, [
        user_chain(True, **rules), user_chain(**rules), user_chain(**rules),
        user_chain(rules_from="partner_rules"), user_chain(state="absent"), user_chain(state="absent"),
    ], port=8080, partner_rules=RULES)
    assert predicted["changed"] and done["changed"] and predicted["diff"] == done["diff"]
    assert done["chain"] == "DB-USER-web" and done["transport"] == "nft"
    assert "--ctorigdstport 8080" in done["diff"]["after"] and "Docker" not in done["diff"]["after"]
    assert not again["changed"] and not by_name["changed"]
    assert absent["changed"] and not gone["changed"]
    assert nft_host.rules("DOCKER-USER") == ["-j RETURN"]


def test_what_is_left_out_empties_nothing(nft_host, tmp_path):
    """A variable that is not defined, with default(omit), would otherwise lift a block list."""
    nft_host.docker()
    made, blocked, *left_out, emptied, unblocked = play(tmp_path, [
        address_set(entries=["192.0.2.1"]), user_chain(rules=["-j DROP"]),
        address_set(), user_chain(), user_chain(rules="{{ nothing }}"),
        address_set(entries=[]), user_chain(rules=[]),
    ], nothing=None)
    assert made["changed"] and blocked["changed"] and emptied["changed"] and unblocked["changed"]
    assert [result["failed"] for result in left_out] == [True] * 3
    assert all(word in result["msg"] for word, result in zip(("entries, src", "rules_from", "rules_from"), left_out))


BAD = [
    ({"rules": [{"sorce": "192.0.2.1", "jump": "DROP"}]}, "rules[0]"),
    ({"rules": ["-j DROP", {"source": "example.com", "jump": "DROP"}]}, "rules[1].source"),
    ({"rules": ["-j DROP", "-m nosuchmatch -j DROP"]}, "rules[1]"),
    ({"rules": ["-j DROP\n-A DOCKER-USER -j ACCEPT"]}, "rules[0]"),
    ({"rules": ["-j DROP"], "section": "x" * 30}, "section"),
    ({"rules": "-j DROP"}, "rules"),
    ({"rules_from": "nosuchvariable"}, "nosuchvariable"),
    ({"rules_from": "named"}, "named[1]"),
    ({"rules": [{"source": "@nosuch", "jump": "DROP"}]}, "rules[0]"),
    ({"rules": ["-s 2001:db8::1 -j DROP"], "ip_version": "ipv4"}, "rules[0]"),
]


def test_bad_input_fails_with_its_place(nft_host, tmp_path):
    results = play(tmp_path, [user_chain(**dict({"transport": "nft"}, **arguments)) for arguments, _place in BAD],
                   named=["-j DROP", {"jump": 5}])
    for (arguments, place), result in zip(BAD, results):
        assert result["failed"] and place in result["msg"], (arguments, result["msg"])
        assert "internal error" not in result["msg"] and "\n" not in result["msg"]
    assert nft_host.everything() == ("", "", "")


def test_address_set(nft_host, tmp_path):
    (tmp_path / "list.txt").write_text("# the office\n192.0.2.1/24\n2001:db8::/32 # both\n\n", encoding="utf-8")
    (tmp_path / "bad.txt").write_text("192.0.2.1\nexample.com\n", encoding="utf-8")
    predicted, carried, remote, inline, added, used, refused, bad, missing, both = play(tmp_path, [
        address_set(True, src="list.txt"), address_set(src="list.txt"), address_set(src=str(tmp_path / "list.txt"), remote_src=True),
        address_set(entries=["192.0.2.0/24", "2001:db8::/32"]), address_set(entries=["198.51.100.7"], mode="add"),
        user_chain(rules=[{"source": "@office", "jump": "DROP"}], transport="nft"), address_set(state="absent"),
        address_set(src="bad.txt"), address_set(src="nosuchfile"), address_set(src="list.txt", entries=[]),
    ])
    assert predicted["changed"] and carried["changed"] and predicted["diff"] == carried["diff"]
    assert carried["sets"] == {"ipv4": "DB-office-4", "ipv6": "DB-office-6"}
    assert not remote["changed"] and not inline["changed"] and added["changed"] and used["changed"]
    assert refused["failed"] and "in use" in refused["msg"]
    assert bad["failed"] and "bad.txt" in bad["msg"] and "example.com" in bad["msg"]
    assert missing["failed"] and "nosuchfile" in missing["msg"]
    assert both["failed"] and "mutually exclusive" in both["msg"]
    assert nft_host.entries("DB-office-4") == {"192.0.2.0/24", "198.51.100.7"}


def test_a_set_and_its_rules_in_check_mode(nft_host, tmp_path):
    """The set is not there yet when the rules are looked at."""
    made, rules = play(tmp_path, [address_set(True, entries=["192.0.2.1"]),
                                  user_chain(True, rules=[{"source": "@office", "jump": "DROP"}], transport="nft")])
    assert made["changed"] and rules["changed"] and any("@office" in warning for warning in rules["warnings"])
    assert nft_host.everything() == ("", "", "")


def test_nat_filter_chain_without_an_engine(nft_host, tmp_path):
    def nat_filter(**arguments):
        return {"drawbridge.docker.nat_filter_chain": dict(arguments, transport="nft", docker_host="unix://%s/nosuch.sock" % tmp_path)}

    bad_port, bad_source, absent = play(tmp_path, [
        nat_filter(allow=[{"port": 70000, "sources": ["any"]}]), nat_filter(allow=[{"port": 80, "sources": ["any", "example.com"]}]),
        nat_filter(state="absent"),
    ])
    assert bad_port["failed"] and "allow[0].port" in bad_port["msg"]
    assert bad_source["failed"] and "allow[0].sources[1]" in bad_source["msg"]
    assert not absent["changed"]


@pytest.mark.parametrize("core", ["newest", "oldest"])
def test_a_policy_is_confirmed_unless_told_otherwise(nft_host, tmp_path, core):
    """Over a connection that is always there, too."""
    if why_not(of_core(core)):
        pytest.skip(why_not(of_core(core)))
    policy = {"policy": {"host_services": {"default": "deny"}}, "docker_host": "unix:///nowhere"}
    task = {"drawbridge.docker.host_policy": policy}
    unconfirmed = {"drawbridge.docker.host_policy": dict(policy, state="absent", confirm_timeout=0)}
    done, again, gone = play(tmp_path, [task, task, unconfirmed], program=of_core(core))
    assert done["changed"] and 0 < done["confirm_seconds"] < 60 and "checkpoint" not in done
    assert not again["changed"] and "confirm_seconds" not in again
    assert gone["changed"] and "confirm_seconds" not in gone
    assert nft_host.rules("DB-INPUT") is None
