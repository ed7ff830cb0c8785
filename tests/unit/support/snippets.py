# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The YAML that the documentation shows: where each piece stands, and what modules and roles make of it without a host."""
from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any, NamedTuple

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task as AnsibleTask
from ansible.plugins.loader import fragment_loader, module_loader
from ansible.utils.plugin_docs import get_docstring
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.system import System
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.tasks.task import Task

ROOT = Path(__file__).resolve().parents[3]
PAGES = (ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("roles/*/README.md")))
COLLECTION = "drawbridge.docker."
MODULES = "ansible_collections.drawbridge.docker.plugins.modules."
PLAY_KEYWORDS, BLOCK_KEYWORDS, TASK_KEYWORDS = frozenset(Play.fattributes), frozenset(Block.fattributes), frozenset(AnsibleTask.fattributes)
# The action reads the fragments from variables, and hands them to the module.
BY_THE_ACTION = {"fragments"}


class Wrong(Exception):
    """What Ansible, or a module, would refuse."""


class Reached(BaseException):
    """A module has taken its arguments and turns to the host."""


def written() -> Iterator[tuple[str, str]]:
    """Each YAML block of the documentation, with where it stands."""
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^ *```ya?ml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)):
            yield "%s-%d" % (page.relative_to(ROOT), number), dedent(block)


def documents() -> Iterator[tuple[str, object]]:
    """The same, read."""
    for where, block in written():
        yield where, yaml.safe_load(block)


class Call(NamedTuple):
    """What a module tells the boundary to Ansible: the arguments that it takes, rules between them, and its job."""

    arguments: Mapping[str, Any]
    between: Mapping[str, Any] = {}
    job: Callable[[Task], object] | None = None


@cache
def call_of(name: str) -> Call:
    """How a module is called. One of ours says it itself; of others, and of those that are an action alone, the documentation does."""
    if name.startswith(COLLECTION):
        try:
            module: Any = importlib.import_module(MODULES + name[len(COLLECTION):])
        except ModuleNotFoundError:
            raise Wrong("there is no module %s" % name) from None
        if not hasattr(module, "run_module"):
            return Call(taken(yaml.safe_load(module.DOCUMENTATION)["options"]))
        calls: list[Call] = []
        real, module.run_module = module.run_module, lambda arguments, job, **between: calls.append(Call(arguments, between, job))
        try:
            module.main()
        finally:
            module.run_module = real
        return calls[0]
    path = module_loader.find_plugin(name.rpartition(".")[2]) if name.startswith("ansible.builtin.") else None
    if path is None:
        raise Wrong("there is no module %s" % name)
    return Call(taken(get_docstring(path, fragment_loader)[0]["options"]))


def taken(options: Mapping[str, Any]) -> dict[str, Any]:
    """Documented options as an argument spec."""
    kept = ("type", "elements", "required", "choices", "aliases", "default")
    made = {}
    for name, option in options.items():
        made[name] = {key: list(option[key]) if key == "choices" else option[key] for key in kept if key in option}
        inner = option.get("options") or option.get("suboptions")
        if inner:
            made[name]["options"] = taken(inner)
    return made


def templated(value: object) -> bool:
    """Whether a template is anywhere in a value."""
    if isinstance(value, dict):
        return any(templated(item) for item in value.values())
    if isinstance(value, list):
        return any(templated(item) for item in value)
    return isinstance(value, str) and "{{" in value


# What a template may come to, by the type that the argument has to have.
_COMES_TO: Mapping[str, object] = {"bool": True, "int": 1, "float": 1.0, "list": [], "dict": {}, "raw": {}, "json": {}}


def filled(value: object, spec: Mapping[str, Any]) -> object:
    """A value as it may be when templates have been rendered."""
    if isinstance(value, str) and templated(value):
        return spec["choices"][0] if spec.get("choices") else _COMES_TO.get(spec.get("type", "str"), "text")
    inner: Mapping[str, Any] = spec.get("options") or {}
    if isinstance(value, list):
        each = dict(spec, type=spec.get("elements", "str"))
        return [filled(item, each) for item in value]
    if isinstance(value, dict):
        return {key: filled(item, inner.get(key, {})) for key, item in value.items()}
    return value


def checked(call: Call, given: object, name: str) -> dict[str, Any]:
    """The arguments as the module gets them, with defaults. Raises Wrong for what Ansible would refuse."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Wrong("%s: %r is no dictionary of arguments" % (name, given))
    values = {key: filled(value, call.arguments.get(key, {})) for key, value in given.items()}
    between = {key: value for key, value in call.between.items() if value is not None}
    result = ArgumentSpecValidator(dict(call.arguments), **between).validate(values)
    if result.error_messages:
        raise Wrong("%s: %s" % (name, "; ".join(result.error_messages)))
    return dict(result.validated_parameters)


class NoHost(System):
    """A host that nobody comes to."""

    def __getattribute__(self, name: str) -> object:
        raise Reached


def check_task(task: object, apart: Callable[[], Any]) -> None:
    """Raise Wrong for a task with unknown keywords, a module that is not there, or arguments that it would refuse.

    Modules of the collection run up to where they turn to the host, unless a template is in their arguments. apart: makes a context in
    which nothing reaches this machine.
    """
    if not isinstance(task, dict):
        raise Wrong("%r is no task" % (task,))
    if "block" in task:
        if set(task) - BLOCK_KEYWORDS:
            raise Wrong("not a block: %s" % (set(task) - BLOCK_KEYWORDS))
        for inner in (*task["block"], *task.get("rescue", []), *task.get("always", [])):
            check_task(inner, apart)
        return
    names = [key for key in task if key not in TASK_KEYWORDS]
    if len(names) != 1 or "." not in names[0]:
        raise Wrong("not one module by its whole name: %s" % ", ".join(map(str, names)))
    name, given = names[0], task[names[0]]
    call = call_of(name)
    params = checked(call, given, name)
    if call.job is None or templated(given) or BY_THE_ACTION & set(given or {}):
        return
    try:
        with apart():
            call.job(Task(params, True, NoHost()))
    except (Reached, EngineError):
        return
    except DrawbridgeError as error:
        raise Wrong("%s: %s" % (name, error)) from None


def check_play(play: object, apart: Callable[[], Any]) -> None:
    """Raise Wrong for a play with unknown keywords, or with tasks or roles that are wrong."""
    if not isinstance(play, dict) or set(play) - PLAY_KEYWORDS:
        raise Wrong("not a play: %s" % (set(play) - PLAY_KEYWORDS if isinstance(play, dict) else play))
    for task in (*play.get("pre_tasks", []), *play.get("tasks", []), *play.get("post_tasks", []), *play.get("handlers", [])):
        check_task(task, apart)
    for role in play.get("roles", []):
        told = dict(role) if isinstance(role, dict) else {"role": role}
        variables = role_variables().get(told.pop("role"))
        if variables is None:
            raise Wrong("there is no role %s" % (role,))
        # Fragments of a policy have names of their own.
        given = {name: value for name, value in {**play.get("vars", {}), **told}.items() if not name.startswith("host_policy__")}
        checked(Call(variables), given, str(role))


@cache
def role_variables() -> dict[str, dict[str, Any]]:
    """The variables of each role of the collection, as an argument spec."""
    found = {}
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        main = yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"]["main"]
        found[COLLECTION + path.parents[1].name] = taken(main["options"])
    return found
