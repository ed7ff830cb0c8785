# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Packets that a task sends, from the host or from inside containers, and whether what came back is what the user expects."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ..address import parse_network, quoted
from ..engine.api.client import Inspector
from ..engine.containers.select import nothing_matches, select
from ..engine.containers.selector import SELECTOR_ARGUMENTS, parse_selector
from ..engine.containers.target import RUNNING, Target, held
from ..errors import DrawbridgeError
from ..host.network.probe import ANSWERED, ICMP, REFUSED, SENT, TCP, UDP, Answer, Probe, send
from ..host.system.netns import in_netns
from ..host.system.parallel import on_all
from ..host.system.system import System

ALLOW, DENY = "allow", "deny"
_MOST_SECONDS = 60
_HOST = "the host"


def probed(system: System, params: Mapping[str, Any], engine: Callable[[], Inspector]) -> Tuple[List[Dict[str, object]], Optional[str]]:
    """Send as the arguments say. Return what came of each probe, and in words what was expected and is not so. Raises DrawbridgeError."""
    probe, status = _probe(params)
    chosen = {key: params[key] for key in SELECTOR_ARGUMENTS if params[key] is not None}
    targets: List[Optional[Target]] = [None]
    if chosen:
        targets = list(select(parse_selector(chosen), system, engine))
        if not targets and params["on_missing"] == "fail":
            raise nothing_matches()
    for target in targets:
        if target is not None and target.state != RUNNING:
            raise DrawbridgeError("%s is not running" % quoted(target.name or target.id), None, "a container without processes sends nothing")
    answers = on_all(lambda target: _sent(system, target, probe), targets)
    probes = [_shown(_name(target), probe, answer, status) for target, answer in zip(targets, answers)]
    wrong = [words for words in (_wrong(item, params["expect"]) for item in probes) if words]
    return probes, "; ".join(wrong[:5]) or None


def _name(target: Optional[Target]) -> str:
    return _HOST if target is None else target.name or target.id or target.path


def _sent(system: System, target: Optional[Target], probe: Probe) -> Answer:
    if target is None or target.is_host_network:
        return send(probe)
    with held(system, target) as fd:
        return in_netns(fd, lambda: send(probe))


def _probe(params: Mapping[str, Any]) -> Tuple[Probe, Optional[List[int]]]:
    """The packet, and the HTTP status that is expected, None for any."""
    address = _address(params["to"], "to")
    protocol = params["protocol"] or (ICMP if params["port"] is None else TCP)
    if (protocol == ICMP) != (params["port"] is None):
        raise DrawbridgeError("icmp has no ports" if protocol == ICMP else "%s needs a port" % protocol, "port")
    for name in ("port", "source_port"):
        if params[name] is not None and not 1 <= params[name] <= 65535:
            raise DrawbridgeError("%d: ports are from 1 to 65535" % params[name], name)
    source = "" if params["source"] is None else _address(params["source"], "source")
    if source and (":" in source) != (":" in address):
        raise DrawbridgeError("%s is of another family than %s" % (source, address), "source")
    if not 0 < params["timeout"] <= _MOST_SECONDS:
        raise DrawbridgeError("%g is no number of seconds up to %d" % (params["timeout"], _MOST_SECONDS), "timeout")
    _refuse_unfit(params, protocol)
    probe = Probe(
        6 if ":" in address else 4, protocol, address, params["port"] or 0, source, params["source_port"] or 0, params["interface"] or "",
        params["timeout"], params["payload"].encode(), params["answer"], _request(params, address),
    )  # fmt: skip
    return probe, params["http_status"]


def _refuse_unfit(params: Mapping[str, Any], protocol: str) -> None:
    if params["http_path"] is None and (params["http_status"] or params["http_host"]):
        raise DrawbridgeError("http_status and http_host go with http_path only", "http_path")
    if params["http_path"] is not None and protocol != TCP:
        raise DrawbridgeError("HTTP is not spoken over %s" % protocol, "http_path")
    if protocol == ICMP and params["source_port"] is not None:
        raise DrawbridgeError("icmp has no ports", "source_port")
    if not params["answer"] and protocol != UDP:
        raise DrawbridgeError("only datagrams can do without an answer", "answer")
    if not params["answer"] and params["expect"] == DENY:
        hint = "let something answer there, or watch it by packet_trace"
        raise DrawbridgeError("silence proves nothing about a receiver that does not answer", "expect", hint)


def _address(text: str, path: str) -> str:
    network = parse_network(text, path)
    if not network.is_host or "/" in text:
        raise DrawbridgeError("%s is not one address" % quoted(text), path, "names are not looked up: write the address")
    return network.address


def _request(params: Mapping[str, Any], address: str) -> Optional[bytes]:
    path, host = params["http_path"], params["http_host"] or ("[%s]" % address if ":" in address else address)
    if path is None:
        return None
    for name, text in (("http_path", path), ("http_host", host)):
        if any(ord(letter) <= 32 or ord(letter) > 126 for letter in text) or not text:
            raise DrawbridgeError("%s cannot stand in a request" % quoted(text), name, "write spaces and other letters with percent signs")
    if not path.startswith("/"):
        raise DrawbridgeError("%s does not begin with a slash" % quoted(path), "http_path")
    return ("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: drawbridge\r\nConnection: close\r\n\r\n" % (path, host)).encode()


def _shown(name: str, probe: Probe, answer: Answer, status: Optional[List[int]]) -> Dict[str, object]:
    right = status is None or answer.status in status
    verdict = ALLOW if answer.outcome in (ANSWERED, SENT) and right else DENY
    where = probe.address if not probe.port else "%s:%d" % (probe.address if probe.family == 4 else "[%s]" % probe.address, probe.port)
    return {
        "from": name,
        "to": "%s/%s" % (where, probe.protocol),
        "sender": answer.sender or None,
        "outcome": answer.outcome,
        "verdict": verdict,
        "reason": answer.words if right else "%s, expected is %s" % (answer.words, " or ".join(map(str, status or []))),
        "http_status": answer.status,
        "seconds": answer.seconds,
    }


def _wrong(item: Mapping[str, object], expected: Optional[str]) -> str:
    if expected is None or item["verdict"] == expected:
        return ""
    return "from %s to %s: expected %s, and it is %s: %s" % (quoted(item["from"]), item["to"], expected, item["verdict"], item["reason"])


def doubts(probes: Sequence[Mapping[str, object]], expected: Optional[str]) -> List[str]:
    """Return warnings about what proves less than it seems to."""
    if expected != DENY:
        return []
    words = "from %s to %s: a refusal may come from a firewall, or from a receiver where nobody listens"
    return [words % (quoted(item["from"]), item["to"]) for item in probes if item["outcome"] == REFUSED]
