# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of address_set: it fetches a feed. A file of entries is copied to the host, not sent as an argument of the task."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping

from ansible.errors import AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.drawbridge.docker.plugins.module_utils._internal.errors import DrawbridgeError
from ansible_collections.drawbridge.docker.plugins.plugin_utils.hosted import execute
from ansible_collections.drawbridge.docker.plugins.plugin_utils.returning import ReturningAction


class ActionModule(ReturningAction):
    """Copies ``src`` from the controller, unless ``remote_src`` says that it is on the host."""

    TRANSFERS_FILES = True

    def act(self, task_vars: Mapping[str, object]) -> Dict[str, Any]:
        arguments: Dict[str, Any] = dict(self._task.args)
        shown: Any = arguments.get("src")
        remote = boolean(arguments.get("remote_src", False), strict=False)
        if shown is not None and not remote:
            arguments["src"] = self._carried(shown)
        if arguments.get("feed") is not None and arguments.get("state") != "absent":
            # Imported here: most tasks have no feed.
            from ansible_collections.drawbridge.docker.plugins.plugin_utils.feeds.feeds import fed  # pylint: disable=import-outside-toplevel

            arguments["feed"] = fed(arguments["feed"], "feed", self)
        try:
            result = execute(self, "address_set", arguments, task_vars)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        if result.get("failed") and arguments.get("src") != shown:
            result["msg"] = str(result.get("msg")).replace(arguments["src"], shown)
        return result

    def _carried(self, src: str) -> str:
        try:
            local = self._loader.get_real_file(self._find_needle("files", src), decrypt=True)
        except AnsibleError as error:
            raise DrawbridgeError(str(error), "src") from error
        remote: str = self._connection._shell.join_path(self._connection._shell.tmpdir, os.path.basename(src))
        self._transfer_file(local, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return remote
