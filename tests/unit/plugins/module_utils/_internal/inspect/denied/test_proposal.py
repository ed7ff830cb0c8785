# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The proposed policy: everybody who would be denied gets in by it, nobody else does, and it is always the same."""
import yaml
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.log_lines import Denial
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.named_sets import NamedSets
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.proposal import as_policy, as_yaml, proposed
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.inspect.denied.who import Names, grouped
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.language.schema import parse_policy
from hypothesis import given
from hypothesis import strategies as st

CHAINS = {"DB-GUARD-PORTS": "published_ports", "DB-INPUT": "host_services", "DB-INPUT-OUT": "host_services", "DB-SOURCE": "", "DB-EGP-all": "", "DB-GUARD": "",
          "DB-GUARD-DENIED": "", "DB-INPUT-DENIED": "", "DB-LATE-DENIED": ""}
DENIALS = st.builds(
    lambda chain, source, protocol, port, observed: Denial(
        None, "", chain, "eth0", "", 6 if ":" in source else 4, source, "192.0.2.1", protocol, port, observed),
    st.sampled_from(sorted(CHAINS)), st.sampled_from(["10.0.0.9", "10.0.0.10", "2001:db8::1", "192.0.2.9"]), st.sampled_from(["tcp", "udp", "icmp", "47"]),
    st.sampled_from([None, 1, 2, 3, 80]), st.booleans())


def let_in(policy):
    """(section, protocol, port, source) of everything that a policy lets in."""
    return {
        (section, entry["protocol"], port, source) for section, held in policy.items() for entry in held["allow"]
        for first, _dash, last in [str(entry["port"]).partition("-")] for port in range(int(first), int(last or first) + 1) for source in entry["sources"]
    }


@given(st.lists(DENIALS, max_size=30))
def test_nobody_else_and_nobody_less(found):
    proposal = proposed(grouped(found, Names()))
    wanted = {(CHAINS[each.chain], each.protocol, each.port, each.source) for each in found
              if each.observed and CHAINS[each.chain] and each.protocol in ("tcp", "udp") and each.port}
    policy = as_policy(proposal)
    assert let_in(policy) == wanted
    assert parse_policy(policy)
    assert (yaml.safe_load(as_yaml(proposal)) or {}) == policy
    assert as_yaml(proposed(grouped(reversed(found), Names()))) == as_yaml(proposal)


def test_neighbouring_ports():
    found = [Denial(None, "", "DB-INPUT", "", "", 4, source, "192.0.2.1", "tcp", port, True)
             for port, sources in ((80, "ab"), (81, "ba"), (82, "a"), (84, "a")) for source in ("10.0.0.%d" % ord(each) for each in sources)]
    assert [line.split(",")[0] for line in as_yaml(proposed(grouped(found, Names()))).splitlines()[2:]] == [
        "    - {port: 80-81", "    - {port: 82", "    - {port: 84"]


def test_sets():
    sets = NamedSets([("office", 4, ["10.0.0.0/8", "10.1.0.0/16 nomatch"]), ("office", 6, ["2001:db8::/32"]), ("lab", 4, ["10.0.0.1"]), ("empty", 4, [])])
    assert sets.of(4, "10.0.0.1") == ["lab", "office"] and sets.of(6, "2001:db8::1") == ["office"] and sets.of(4, "192.0.2.1") == []
