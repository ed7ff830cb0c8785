# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The filter pick: what it picks, and that neither its errors nor its results hand on hosts' words as templates."""
import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.drawbridge.docker.plugins.filter import pick as module

from tests.unit.support.audit_data import audited

pick = module.FilterModule().filters()["pick"]


def test_what_the_documentation_shows():
    told = audited("28.5.2")
    found = pick(told, "reachability.targets[?reach[?zone=='internet' && state=='open']].{port: port, container: name}")
    assert {"port": 8082, "container": "db"} in found and {"port": 8081, "container": "db"} not in found
    assert pick(told, "findings[?severity=='high'].id") == ["open_to_internet", "engine_api_reachable"]
    assert pick(told, "nothing.here") is None


class Tagged(str):
    """As ansible-core's own texts are: a class of another name."""


def test_texts_of_ansible_are_texts():
    told = {Tagged("names"): [Tagged("b"), Tagged("a")], "numbers": (1, 2.5, True, None)}
    assert pick(told, "sort(names)") == ["a", "b"] and pick(told, "join('-', names)") == "b-a"
    assert pick(told, "numbers") == [1, 2.5, True, None] and pick(told, "sum(numbers[:2])") == 3.5


def test_what_is_picked_stays_untrusted():
    found = pick({"name": "{{ 1 + 1 }}"}, "name")
    assert found == "{{ 1 + 1 }}" and type(found) is type(wrap_var("{{ 1 + 1 }}"))


@pytest.mark.parametrize("expression, words", [
    ("a[", "is no jmespath expression"), ("nosuch(@)", "UnknownFunctionError"), ("sum(name)", "function sum() does not take a value of type string"),
    ("length()", "is no jmespath expression|cannot be applied"),
])
def test_errors_do_not_quote_hosts(expression, words):
    with pytest.raises(AnsibleFilterError) as raised:
        pick({"name": "{{ secret }}"}, expression)
    assert any(word in str(raised.value) for word in words.split("|")) and "secret" not in str(raised.value)


def test_a_controller_without_jmespath(monkeypatch):
    monkeypatch.setattr(module, "HAS_JMESPATH", False)
    with pytest.raises(AnsibleFilterError, match="python3-jmespath"):
        pick({}, "a")
