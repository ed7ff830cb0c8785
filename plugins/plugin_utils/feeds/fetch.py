# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Fetch a feed: https, or http where that is asked for; bounded in bytes, in time, and in redirects, none of which leads from https to http."""

from __future__ import annotations

import http.client
import threading
import time
from typing import Any, List
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from ansible.module_utils.urls import open_url
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.policy.values.addresses import PLAIN_HTTP, URL, FeedSource
from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.content import MOST_BYTES

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_CHUNK = 65536
_MOST_WORDS = 200


def body_of(source: FeedSource) -> bytes:
    """Return what the feed's server answers. Raises DrawbridgeError with what went wrong. Its words name the server, never the rest of the URL.

    A thread asks: whatever a server sends byte by byte, its answer is waited for no longer than the feed says.
    """
    found: List[bytes | Exception] = []

    def ask() -> None:
        try:
            found.append(_asked(source, time.monotonic() + source.seconds))
        except Exception as error:  # pylint: disable=broad-exception-caught
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(source.seconds)
    if not found:
        raise DrawbridgeError("%s did not answer in full within %d seconds" % (_server(source.url or ""), source.seconds))
    answer = found[0]
    if isinstance(answer, DrawbridgeError):
        raise answer
    if isinstance(answer, Exception):
        raise DrawbridgeError("%s cannot be asked: %s" % (_server(source.url or ""), _short(answer)))
    return answer


def _asked(source: FeedSource, deadline: float) -> bytes:
    url = source.url or ""
    for _redirect in range(_MOST_REDIRECTS + 1):
        try:
            response = open_url(
                url, timeout=source.seconds, validate_certs=True, ca_path=source.ca_path, follow_redirects="none", decompress=False, use_netrc=False,
                http_agent="drawbridge.docker",
            )  # fmt: skip
        except HTTPError as error:
            if error.code not in _REDIRECTS:
                raise DrawbridgeError("%s answers %d" % (_server(url), error.code)) from None
            url = _next(url, error.headers.get("Location", ""))
            continue
        try:
            return _read(response, _server(url), deadline)
        finally:
            response.close()
    raise DrawbridgeError("%s leads to somewhere else more than %d times" % (_server(source.url or ""), _MOST_REDIRECTS))


def _next(url: str, location: str) -> str:
    """Return where a redirect leads. Raises DrawbridgeError for what is no page, and for a way from https to http."""
    leads_to = urljoin(url, location)
    if not location or not URL.match(leads_to):
        raise DrawbridgeError("%s leads to what is no address of a page" % _server(url))
    if PLAIN_HTTP.match(leads_to) and not PLAIN_HTTP.match(url):
        raise DrawbridgeError("%s leads from https to http, to %s" % (_server(url), _server(leads_to)))
    return leads_to


def _read(response: Any, server: str, deadline: float) -> bytes:
    if response.getcode() != 200:
        raise DrawbridgeError("%s answers %d" % (server, response.getcode()))
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise DrawbridgeError("%s answers in an encoding that nobody asked for" % server)
    parts: List[bytes] = []
    size = 0
    while True:
        try:
            part = response.read(_CHUNK)
        except http.client.HTTPException:
            raise DrawbridgeError("%s ends its answer ahead of time" % server) from None
        if not part:
            break
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise DrawbridgeError("the answer of %s is longer than %d bytes" % (server, MOST_BYTES))
        if time.monotonic() > deadline:
            raise DrawbridgeError("the answer of %s takes too long" % server)
    # Python takes an answer that ends early for a whole one.
    declared = response.headers.get("Content-Length")
    if declared is not None and declared != str(size):
        raise DrawbridgeError("%s ends its answer ahead of time" % server)
    return b"".join(parts)


def _server(url: str) -> str:
    """Return the server's part of a URL: what stands behind it may be a key."""
    parts = urlsplit(url)
    return "%s://%s" % (parts.scheme, parts.netloc)


def _short(error: Exception) -> str:
    return ascii(str(error) or type(error).__name__)[1:-1][:_MOST_WORDS]
