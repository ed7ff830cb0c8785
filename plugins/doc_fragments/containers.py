# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What modules that choose containers have in common."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Exact name of a container.
      - A container has to match every selector that is given, and one at least has to be given. An empty one is an error.
    type: str
  id:
    description: Id of a container, or a beginning of it that fits no other.
    type: str
  label:
    description: Labels that a container has to have, each as C(key), whatever its value, or C(key=value).
    type: list
    elements: str
  compose_project:
    description: Name of the Compose project that a container belongs to.
    type: str
  compose_service:
    description: Name of the Compose service that a container belongs to.
    type: str
  query:
    description:
      - A jmespath expression over the list of what C(docker inspect) tells of all containers that match the other selectors.
      - It has to give containers, whole or by their C(Id).
      - Needs C(jmespath) for Python on the host.
    type: str
  on_missing:
    description: Whether it is an error that no container matches.
    type: str
    choices: [fail, ignore]
    default: fail
  docker_host:
    description: Address of the engine, as the Docker command takes it.
    type: str
    default: unix:///var/run/docker.sock
requirements:
  - the Docker SDK for Python on the host, where containers are chosen by what the engine knows of them
"""

    # For modules that enter namespaces, whoever made them.
    NAMESPACES = r"""
options:
  pod:
    description:
      - Name of a Kubernetes pod on this node. Its sandbox is found through the node's container runtime (CRI), by C(crictl) where that is
        installed, else at the runtime's socket.
    type: str
  pod_namespace:
    description: The Kubernetes namespace of O(pod). V(default) where it is not given.
    type: str
  cri_socket:
    description:
      - Socket of the container runtime that O(pod) is looked up at, as C(/run/k3s/containerd/containerd.sock). C(crictl) is then not used.
      - Without it and without C(crictl), the usual sockets of containerd, CRI-O, cri-dockerd and k3s are tried.
    type: path
  pid:
    description: A process in the network namespace. On its own, it needs no engine.
    type: int
  path:
    description: File of a network namespace, as C(/run/netns/blue). On its own, it needs no engine.
    type: path
"""
