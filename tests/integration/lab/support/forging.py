# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Attackers with forged packets in the lab: on the LAN, and in a container with the capability that Docker gives all of them.

The attacker sends through the host a packet that claims to come from what he wants to reach, so that his own is taken for its reply.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import CompletedProcess

# Runs anywhere: the kernel tests' packets, made there by this text.
PACKETS = Path(__file__).resolve().parents[2] / "kernel" / "support" / "forge.py"
FIRST_PORT, LAST_PORT = 31000, 31999
_TABLE = "forging"
# Whatever of a flow comes to the attacker himself is seen, and answered by nobody.
_SILENCE = "table inet %s { chain input { type filter hook input priority -300; meta l4proto { tcp, udp } th dport { 9999, %d-%d } drop; }; }" % (
    _TABLE, FIRST_PORT, LAST_PORT)


@dataclass(frozen=True)
class Forgery:
    """claims, claims_port: whom the first packet claims to come from. own, own_port: the attacker. target, port: where his own
    packet goes. via: whom both are handed to, an address on the attacker's link."""

    name: str
    protocol: str
    claims: str
    claims_port: int
    own: str
    own_port: int
    target: str
    port: int
    via: str


# Reads the attacks from its input; writes which of them were answered.
_PROGRAM = r"""
import fcntl, json, os, re, select, subprocess, sys, time

def link(address, sender):
    socket.socket(AF[6 if ":" in address else 4], socket.SOCK_DGRAM).sendto(b"", (address, 9))
    end = time.monotonic() + 10
    while time.monotonic() < end:
        shown = subprocess.run(["ip", "neighbour", "show", address], capture_output=True, text=True).stdout
        found = re.search(r"dev (\S+) .*lladdr (\S+)", shown)
        if found:
            return found.groups()
        time.sleep(0.02)
    sys.exit("no link address of " + address)

def own_mac(device):
    return fcntl.ioctl(sender, 0x8927, struct.pack("256s", device.encode()))[18:24].hex(":")

def ports_of(frame):
    if frame[0] >> 4 == 4:
        start = (frame[0] & 15) * 4
        return socket.inet_ntop(AF[4], frame[12:16]), frame[9], frame[start:]
    return socket.inet_ntop(AF[6], frame[8:24]), frame[6], frame[40:]

def is_answer(attack, frame):
    if len(frame) < 40:
        return False
    source, number, body = ports_of(frame)
    if number != NUMBERS[attack["protocol"]] or len(body) < 8:
        return False
    near, far = struct.unpack("!HH", body[:4])
    if far != attack["own_port"] or source not in (attack["target"], attack["claims"]):
        return False
    if number == 6:
        return body[13] & 18 == 18
    return not body[8:].startswith(b"forged") and not body[8:].startswith(b"probe-")

attacks = json.load(sys.stdin)
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
links = {via: link(via, sender) for via in {attack["via"] for attack in attacks}}

def send(attack, forged):
    device, mac = links[attack["via"]]
    family = 6 if ":" in attack["own"] else 4
    own = (attack["own"], attack["own_port"])
    ends = ((attack["claims"], attack["claims_port"]), own) if forged else (own, (attack["target"], attack["port"]))
    text = b"forged" if forged else ("probe-" + attack["name"]).encode()
    text += bytes(-len(text) % 4)
    packet = Packet(family, attack["protocol"], ends[0][0], ends[1][0], (ends[0][1], ends[1][1]), text)
    sender.sendto(link_head(mac, own_mac(device), ETHERTYPE[family]) + packed(packet), (device, 0))

answered = set()
for attack in attacks:
    send(attack, True)

def hear(seconds):
    end = time.monotonic() + seconds
    while len(answered) < len(attacks) and select.select([tap], [], [], max(0.0, end - time.monotonic()))[0]:
        frame, address = tap.recvfrom(4000)
        if address[2] != socket.PACKET_OUTGOING:
            answered.update(number for number, attack in enumerate(attacks) if is_answer(attack, frame))

# What the host sends back of the first ones is no answer: it is on its way long before this is over.
hear(0.5)
for attempt in range(3):
    for attack in attacks:
        send(attack, False)
    hear(1.0)
json.dump(sorted(answered), sys.stdout)
"""


def got_in(runner: Callable[..., CompletedProcess[str]], attacks: Sequence[Forgery]) -> set[str]:
    """Names of the attacks that were answered, made where the runner runs commands."""
    program = PACKETS.read_text(encoding="utf-8") + _PROGRAM
    runner(["nft", "-f", "-"], input=_SILENCE)
    try:
        done = runner(["/usr/bin/python3", "-c", program], input=json.dumps([asdict(attack) for attack in attacks]))
    finally:
        runner(["nft", "delete", "table", "inet", _TABLE])
    return {attacks[number].name for number in json.loads(done.stdout)}
