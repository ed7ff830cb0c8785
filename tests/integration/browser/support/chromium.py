# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""A headless Chromium, told what to do over a pipe in its own protocol: no driver and no library is needed."""
from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tools import browser

_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe")
# The codes of keys that tests press.
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
_LONG = 120.0


class Chromium:
    """One browser with one page. folder: a new, empty one for its profile."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 800) -> None:
        self._said: list[dict[str, Any]] = []
        self._left, self._number, self._session = b"", 0, ""
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()
        # Chromium reads from 3 and writes to 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (to_read, to_write)]
        os.close(to_read)
        os.close(to_write)
        argv = [browser.chromium(), *_OPTIONS, "--user-data-dir=%s" % folder, "--window-size=%d,%d" % (width, height), "about:blank"]

        def place() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
                                        preexec_fn=place, env=dict(os.environ, HOME=str(folder)))
        for end in ends:
            os.close(end)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask("%s.enable" % domain)
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def close(self) -> None:
        try:
            self.ask("Browser.close")
        except (OSError, AssertionError):
            self.process.kill()
        self.process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Have something done → the answer."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        number = self._number
        answer = self._until(lambda said: said.get("id") == number)
        assert "error" not in answer, (method, answer)
        found: dict[str, Any] = answer["result"]
        return found

    def _until(self, is_it: Any) -> dict[str, Any]:
        end = time.monotonic() + _LONG
        while True:
            while b"\0" in self._left:
                text, _null, self._left = self._left.partition(b"\0")
                said: dict[str, Any] = json.loads(text)
                self._said.append(said)
                if is_it(said):
                    return said
            ready, _out, _bad = select.select([self._in], [], [], max(end - time.monotonic(), 0))
            assert ready, "Chromium says nothing"
            more = os.read(self._in, 1 << 20)
            assert more, "Chromium ended"
            self._left += more

    def open(self, path: Path, query: str = "") -> None:
        """Open a file, and wait until it is loaded. What was said before is forgotten."""
        self._said.clear()
        self.ask("Page.navigate", url="file://%s%s" % (path, query and "?" + query))
        if not any(said.get("method") == "Page.loadEventFired" for said in self._said):
            self._until(lambda said: said.get("method") == "Page.loadEventFired")

    def run(self, program: str) -> Any:
        """The value of an expression in the page. A promise is waited for."""
        answer = self.ask("Runtime.evaluate", expression=program, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys as a person does: names such as Tab, or single characters."""
        for key in keys:
            code = _KEYS.get(key, ord(key[0].upper()))
            words: Mapping[str, object] = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
            text = {"Enter": "\r", "Space": " "}.get(key, "" if key in _KEYS else key)
            self.ask("Input.dispatchKeyEvent", type="keyDown", **words, **({"text": text} if text else {}))
            self.ask("Input.dispatchKeyEvent", type="keyUp", **words)

    def media(self, **features: str) -> None:
        """Prefer dark or light colours, or print: ``media(scheme="dark")``, ``media(kind="print")``."""
        found = [{"name": "prefers-color-scheme", "value": features.get("scheme", "light")}]
        self.ask("Emulation.setEmulatedMedia", media=features.get("kind", ""), features=found)

    def screenshot(self) -> bytes:
        return base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])

    def pdf(self) -> bytes:
        return base64.b64decode(self.ask("Page.printToPDF")["data"])

    @property
    def complaints(self) -> list[object]:
        """Whatever the console would show, and exceptions."""
        self.ask("Runtime.evaluate", expression="0")
        names = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [said["params"] for said in self._said if said.get("method") in names]

    @property
    def requests(self) -> list[str]:
        """The addresses that the page asked for, its own among them."""
        return [said["params"]["request"]["url"] for said in self._said if said.get("method") == "Network.requestWillBeSent"]
