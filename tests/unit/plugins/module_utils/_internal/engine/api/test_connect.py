# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Which client an address gets."""
import pytest
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.client import EngineError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.connect import connect
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.sdk import SdkEngine
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.engine.api.unix_socket import SocketEngine


def test_a_unix_socket_needs_no_library():
    assert isinstance(connect("unix:///var/run/docker.sock"), SocketEngine)


@pytest.mark.parametrize("host", ["tcp://192.0.2.1:2376", "ssh://root@host.example", "https://[2001:db8::1]:2376"])
def test_what_is_far_away_takes_the_sdk_and_is_not_asked_yet(host):
    assert isinstance(connect(host), SdkEngine)


@pytest.mark.parametrize("host", ["", "foo", "/var/run/docker.sock", "unix://x", "unix:/x", "http://", "tcp:///x",
                                  "file:///etc/passwd", "\ntcp://x"])
def test_what_is_no_address_is_an_error_at_once(host):
    with pytest.raises(EngineError, match="docker_host: .* is not the address of an engine"):
        connect(host)
