# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What modules that ask the engine have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Address of the engine that is asked for its networks and published ports.
      - Other addresses than C(unix://) need the Docker SDK for Python on the host.
      - An engine that cannot be reached is a warning. What the kernel knows of its ports and networks from an earlier run then stays.
    type: str
    default: unix:///var/run/docker.sock
"""
