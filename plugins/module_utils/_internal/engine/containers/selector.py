# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options that users choose containers with."""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from ...address import quoted
from ...errors import DrawbridgeError

# The options that an engine can answer. Documented in the fragment containers.
ENGINE_SELECTORS: Dict[str, Dict[str, object]] = {
    "name": {"type": "str"},
    "id": {"type": "str"},
    "label": {"type": "list", "elements": "str"},
    "compose_project": {"type": "str"},
    "compose_service": {"type": "str"},
    "query": {"type": "str"},
}
# All options of modules that choose network namespaces. The additional ones are documented in the fragment's part namespaces.
SELECTOR_ARGUMENTS: Dict[str, Dict[str, object]] = {
    **ENGINE_SELECTORS,
    "pod": {"type": "str"},
    "pod_namespace": {"type": "str"},
    "cri_socket": {"type": "path"},
    "pid": {"type": "int"},
    "path": {"type": "path"},
}

# These options choose nothing by themselves.
WITH_POD = frozenset(("pod_namespace", "cri_socket"))
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"


class Selector(NamedTuple):
    """Chooses containers. All given fields have to match.

    name: exact. id: whole, or a prefix that fits only one container.
    labels: pairs of a label and its value, None for any value.
    query: a jmespath expression over the list of inspect objects.
    pod, pod_namespace: a Kubernetes pod, looked up by the CRI. cri_socket: the CRI's socket, None to find it.
    pid: a process in the namespace. path: the file of a namespace, as ``/run/netns/blue``.
    """

    name: Optional[str] = None
    id: Optional[str] = None
    labels: Tuple[Tuple[str, Optional[str]], ...] = ()
    query: Optional[str] = None
    pod: Optional[str] = None
    pod_namespace: Optional[str] = None
    cri_socket: Optional[str] = None
    pid: Optional[int] = None
    path: Optional[str] = None

    @property
    def asks_engine(self) -> bool:
        """Tell whether only a container engine can answer the selector."""
        return bool(self.name or self.id or self.labels or self.query)


def parse_selector(data: Mapping[str, object], path: str = "") -> Selector:
    """Turn the keys of SELECTOR_ARGUMENTS into a Selector. ``path``: their place in the user's data, for errors.

    A key with the value None was not given. An empty value is refused: an empty variable must not choose everything.
    Raises DrawbridgeError.
    """
    given = {key: value for key, value in data.items() if value is not None}
    for key, value in given.items():
        place = "%s.%s" % (path, key) if path else key
        if key not in SELECTOR_ARGUMENTS:
            raise DrawbridgeError(
                "unknown key %s" % quoted(key), path or None, "keys are %s" % ", ".join(SELECTOR_ARGUMENTS)
            )
        _check(key, value, place)
    if WITH_POD.issuperset(given):
        raise DrawbridgeError(
            "no container is chosen", path or None, "give one or more of %s" % ", ".join(SELECTOR_ARGUMENTS)
        )
    if "pod" not in given and not WITH_POD.isdisjoint(given):
        raise DrawbridgeError("%s goes with pod only" % " and ".join(sorted(WITH_POD.intersection(given))), path or None)
    pid = given.get("pid")
    return Selector(
        name=_text(given, "name"),
        id=_text(given, "id"),
        labels=_labels(given),
        query=_text(given, "query"),
        pod=_text(given, "pod"),
        pod_namespace=_text({"pod_namespace": "default", **given}, "pod_namespace") if "pod" in given else None,
        cri_socket=_text(given, "cri_socket"),
        pid=pid if isinstance(pid, int) else None,
        path=_text(given, "path"),
    )


def selector_data(selector: Selector) -> Dict[str, object]:
    """Return the selector as users write it. Compose projects and services are written as Compose's labels."""
    given = {key: value for key, value in selector._asdict().items() if key != "labels" and value is not None}
    labels = [key if value is None else "%s=%s" % (key, value) for key, value in selector.labels]
    return dict(given, label=labels) if labels else given


def _check(key: str, value: object, place: str) -> None:
    if key == "pid":
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DrawbridgeError("%s is not the id of a process" % quoted(value), place)
        return
    items = value if key == "label" and isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str) and item]
    if not texts or len(texts) < len(items):
        raise DrawbridgeError("%s chooses nothing" % quoted(value), place, "leave it out, or give it a value")
    if any("\0" in text for text in texts):
        raise DrawbridgeError("a NUL character in %s" % quoted(value), place)
    if key in ("path", "cri_socket") and not texts[0].startswith("/"):
        raise DrawbridgeError("%s is not an absolute path" % quoted(value), place)


def _labels(given: Mapping[str, object]) -> Tuple[Tuple[str, Optional[str]], ...]:
    written = given.get("label", [])
    labels: List[Tuple[str, Optional[str]]] = []
    for text in written if isinstance(written, list) else [str(written)]:
        key, equals, value = text.partition("=")
        labels.append((key, value if equals else None))
    labels += [(label, _text(given, key)) for key, label in (("compose_project", _PROJECT), ("compose_service", _SERVICE)) if key in given]
    return tuple(labels)


def _text(given: Mapping[str, object], key: str) -> Optional[str]:
    value = given.get(key)
    return value if isinstance(value, str) else None
