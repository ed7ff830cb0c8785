# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The SDK's client, with modules in the SDK's place: what it is asked, and what its errors become."""
import sys
import types

import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import (
    EngineError,
    EngineUnreachable,
    NoSuchContainer,
)
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.sdk import SdkEngine


class RequestException(OSError):
    pass


class DockerException(Exception):
    pass


class APIError(RequestException, DockerException):
    pass


class NotFound(APIError):
    pass


class Client:
    """In the place of docker.APIClient. ``answers`` holds values or exceptions by the method's name."""

    answers = {}
    settings = {}

    def __init__(self, **settings):
        type(self).settings = settings
        self._answer("connect")

    def _answer(self, name):
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def version(self):
        return self._answer("version")

    def info(self):
        return self._answer("info")

    def networks(self):
        return self._answer("networks")

    def containers(self, **asked):
        return self._answer("all" if asked == {"all": True} else "containers")

    def inspect_container(self, container):
        return dict(self._answer("inspect"), Id=container)


@pytest.fixture
def answers(monkeypatch):
    """The SDK, answering what the test puts into this dict."""
    docker = types.ModuleType("docker")
    docker.errors = types.SimpleNamespace(APIError=APIError, DockerException=DockerException, NotFound=NotFound)
    docker.utils = types.SimpleNamespace(
        kwargs_from_env=lambda environment: {"base_url": environment["DOCKER_HOST"]}
        if "DOCKER_HOST" in environment else {})
    docker.APIClient = Client
    requests = types.ModuleType("requests")
    requests.RequestException = RequestException
    monkeypatch.setitem(sys.modules, "docker", docker)
    monkeypatch.setitem(sys.modules, "requests", requests)
    monkeypatch.setattr(Client, "answers", {})
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return Client.answers


def test_four_questions(answers):
    answers.update(version={"a": 1}, info={"b": 1}, networks=[{"c": 1}], containers=None)
    engine = SdkEngine("tcp://192.0.2.1:2376")
    assert (engine.version(), engine.info(), engine.networks(), engine.containers()) == (
        {"a": 1}, {"b": 1}, [{"c": 1}], [])
    assert Client.settings == {"version": "auto", "timeout": 30, "base_url": "tcp://192.0.2.1:2376"}


def test_stopped_containers_too(answers):
    answers.update({"all": [{"Id": "a"}], "inspect": {"Name": "/web"}})
    engine = SdkEngine("tcp://192.0.2.1:2376")
    assert engine.all_containers() == [{"Id": "a"}]
    assert engine.inspect("a") == {"Id": "a", "Name": "/web"}


def test_a_container_that_is_gone(answers):
    answers["inspect"] = NotFound("404 Client Error")
    with pytest.raises(NoSuchContainer):
        SdkEngine("tcp://192.0.2.1:2376").inspect("a")


def test_the_environment_says_where_unless_the_caller_does(answers, monkeypatch):
    answers["info"] = {}
    SdkEngine().info()
    assert "base_url" not in Client.settings
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/one.sock")
    SdkEngine().info()
    assert Client.settings["base_url"] == "unix:///run/one.sock"
    SdkEngine("unix:///run/two.sock").info()
    assert Client.settings["base_url"] == "unix:///run/two.sock"


@pytest.mark.parametrize("name", ["docker", "requests"])
def test_a_missing_sdk_names_the_package(answers, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(EngineError, match="cannot be imported") as raised:
        SdkEngine().info()
    assert "python3-docker" in raised.value.hint


@pytest.mark.parametrize("raised, becomes", [
    (DockerException("Error while fetching server API version"), EngineUnreachable),
    (RequestException("read timed out"), EngineUnreachable),
    (PermissionError(13, "Permission denied"), EngineUnreachable),
    (APIError("500 Server Error"), EngineError),
    (ValueError("Invalid bind address format"), EngineError),
    (TypeError("unexpected keyword"), EngineError),
])
@pytest.mark.parametrize("when", ["connect", "info"])
def test_errors(answers, raised, becomes, when):
    answers[when] = raised
    with pytest.raises(becomes, match=str(raised).split(" ", 1)[0].replace("[", r"\[")) as caught:
        SdkEngine().info()
    assert caught.type is becomes


def test_an_answer_of_another_kind(answers):
    answers["info"] = ["no object"]
    with pytest.raises(EngineError, match="list instead of an object"):
        SdkEngine().info()
