# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Controller side of docker_user_chain: rules are compiled before they are sent."""

from __future__ import annotations

from ansible_collections.drawbridge.docker.plugins.plugin_utils.rules_action import RulesAction


class ActionModule(RulesAction):
    """Runs the module of the same name."""

    module = "docker_user_chain"
