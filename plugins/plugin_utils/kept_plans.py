# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Files of plans that are kept on the controller, one for each host. The host makes the plan and compares it; here it is only stored.

A file is what somebody reviews, so it has the whole plan. Names of hosts are not trusted as paths.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any, Dict
from urllib.parse import quote

from ansible_collections.drawbridge.docker.plugins.module_utils._internal.address import quoted
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.host.system.files import look, remove
from ansible_collections.drawbridge.docker.plugins.plugin_utils.fleet.report import write_text
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import code_digest

# Counts up when a key goes or means something else.
VERSION = 1
_KEYS = frozenset(("version", "host", "made", "collection", "restarts_engine", "plan", "fingerprint"))
# In bytes; most file systems take 255.
_LONGEST_NAME = 200
_ANEW = "have a new plan made by a run with --check, and review it"


class KeptPlan:
    """One host's plan, in one run, which makes it or keeps it.

    asked: what the module is given, the plan to keep as JSON, or no text to make one.
    """

    def __init__(self, path: str, place: str, host: str, restarts_engine: bool) -> None:
        """path: of its file. place: the option or variable that names the folder. restarts_engine: whether the play may restart the engine."""
        self.path = path
        self.place = place
        self.host = host
        self.restarts_engine = restarts_engine
        self.asked = ""
        self._fingerprint = ""

    def make(self) -> KeptPlan:
        """Begin to make a plan: remove the file of an earlier one. Raises DrawbridgeError if that fails."""
        remove(self.path)
        return self

    def keep(self) -> KeptPlan:
        """Begin to keep a plan. Raises DrawbridgeError if there is none for this host, or none that could be kept."""
        content = self._read()
        self.asked, self._fingerprint = json.dumps(content["plan"]), content["fingerprint"]
        return self

    def settled(self, result: Dict[str, Any]) -> Dict[str, Any]:
        """Return the module's result with the file's name and fingerprint in place of the plan. A plan that was made is written first.

        Raises DrawbridgeError if that fails.
        """
        made = result.pop("plan", None)
        if not self.asked:
            if not isinstance(made, str) or result.get("failed"):
                return result
            self._fingerprint = self._written(made)["fingerprint"]
        return dict(result, plan={"file": self.path, "fingerprint": self._fingerprint})

    def _written(self, made: str) -> Dict[str, Any]:
        content: Dict[str, Any] = {
            "version": VERSION,
            "host": self.host,
            "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "collection": code_digest(),
            "restarts_engine": self.restarts_engine,
            "plan": json.loads(made),
        }
        content["fingerprint"] = _fingerprint(content)
        try:
            os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
            write_text(self.path, json.dumps(content, indent=1, ensure_ascii=True) + "\n")
        except OSError as error:
            raise DrawbridgeError("cannot write %s: %s" % (self.path, error.strerror), self.place) from None
        return content

    def _read(self) -> Dict[str, Any]:
        held = look(self.path)
        if held is None:
            raise self._refused("there is no plan for this host, %s" % self.path)
        try:
            content = json.loads(held.data)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("version"), int):
            raise self._refused("%s is not a plan" % self.path)
        if content["version"] != VERSION:
            raise self._refused("%s is a plan of version %d, and this collection keeps those of version %d" % (self.path, content["version"], VERSION))
        self._check(content)
        return content

    def _check(self, content: Dict[str, Any]) -> None:
        if set(content) != _KEYS or content["fingerprint"] != _fingerprint(content):
            raise self._refused("%s was changed after it was made" % self.path)
        if content["host"] != self.host:
            raise self._refused("%s is the plan of another host, %s" % (self.path, quoted(content["host"])))
        if content["collection"] != code_digest():
            raise self._refused("%s was made by another version of this collection" % self.path)
        if content["restarts_engine"] != self.restarts_engine:
            raise self._refused("host_policy_restart_engine is not what it was when %s was made" % self.path)

    def _refused(self, words: str) -> DrawbridgeError:
        return DrawbridgeError(words, self.place, _ANEW)


def kept_plan(folder: object, place: str, host: str, restarts_engine: bool) -> KeptPlan:
    """Return a host's plan in this folder; a relative path starts where Ansible was started. Raises DrawbridgeError for what names no folder."""
    if not isinstance(folder, str) or not folder.strip() or "\0" in folder:
        raise DrawbridgeError("this names no folder", place, "leave it out to apply what no plan says")
    return KeptPlan(os.path.join(os.path.abspath(os.path.expanduser(folder)), file_name(host)), place, host, restarts_engine)


def file_name(host: str) -> str:
    """Return the name of a host's file: no two hosts have the same one, and none leads out of the folder."""
    data = host.encode("utf-8", "surrogateescape")
    name = quote(data, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > _LONGEST_NAME:
        name = "%s-%s" % (name[:_LONGEST_NAME // 2], hashlib.sha256(data).hexdigest())
    return name + ".json"


def _fingerprint(content: Dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "fingerprint"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode("ascii")).hexdigest()
