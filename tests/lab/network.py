# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""The LAN, the router and the clients: network namespaces wired to the bridge of the outer engine's network."""

from __future__ import annotations

from . import layout, processes
from .layout import CLIENTS, HOSTS, LAN_BRIDGE, OUTER_NETNS, OUTSIDE, ROUTER, ClientSpec
from .sh import LabError, in_netns, run


def exists(netns: str) -> bool:
    """Whether the namespace is there and can be entered (a stale file is not a namespace)."""
    return (layout.NETNS_DIR / netns).exists() and not run(in_netns(netns, ["true"]), check=False).returncode


def ensure_netns(netns: str) -> None:
    """A namespace with its loopback interface up."""
    if not exists(netns):
        delete_netns(netns)
        run(["ip", "netns", "add", netns])
    run(["ip", "-n", netns, "link", "set", "lo", "up"])


def delete_netns(netns: str) -> None:
    """Delete a namespace if it is there."""
    if (layout.NETNS_DIR / netns).exists():
        run(["ip", "netns", "delete", netns])


def ensure_clients() -> None:
    """The router and every client, wired, addressed and routed; those that are complete stay as they are."""
    if not _complete(ROUTER):
        _build_router()
    for client in CLIENTS.values():
        if not _complete(client):
            _build_outside() if client is OUTSIDE else _build_client(client)
    _ensure_outside_server()


def _complete(client: ClientSpec) -> bool:
    """A client's last step is its IPv6 default route (the router's: its route to the last host's network)."""
    if not exists(client.netns):
        return False
    last = list(HOSTS.values())[-1]
    wanted = [last.net6] if client is ROUTER else ["default"]
    shown = [run(["ip", "-n", client.netns, "-6", "route", "show", *wanted], check=False).stdout]
    if client not in (ROUTER, OUTSIDE):
        # Hosts that came since have no table there yet.
        shown.append(run(["ip", "-n", client.netns, "route", "show", "table", str(last.number)], check=False).stdout)
    return all(text.strip() for text in shown)


def _batch(netns: str, lines: list[str]) -> None:
    """Run lines of ip's own language in a namespace; those that start with -6 are for that family."""
    for family in ("-4", "-6"):
        chosen = [line.removeprefix("-6 ") for line in lines if line.startswith("-6 ") == (family == "-6")]
        if chosen:
            run(["ip", family, "-n", netns, "-batch", "-"], input="\n".join(chosen) + "\n")


def _fresh(client: ClientSpec, settings: tuple[str, ...] = ()) -> None:
    """A new namespace, and the kernel settings in it."""
    delete_netns(client.netns)
    run(["ip", "netns", "add", client.netns])
    run(in_netns(client.netns, ["sysctl", "-qw", "net.ipv6.conf.default.accept_ra=0", *settings]))


def _plug(client: ClientSpec) -> None:
    """A cable from the LAN's bridge to eth0 of the client, with its addresses."""
    port = f"dbl-{client.name}"[:15]
    run(["ip", "-n", OUTER_NETNS, "link", "delete", port], check=False)
    run(["ip", "-n", OUTER_NETNS, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", client.netns])
    run(["ip", "-n", OUTER_NETNS, "link", "set", port, "master", LAN_BRIDGE, "up"])
    _batch(client.netns, [
        "link set lo up",
        "link set eth0 up",
        f"address add {client.v4}/24 broadcast {layout.LAN_BROADCAST} dev eth0",
        f"-6 address add {client.v6}/64 dev eth0 nodad",
    ])


def _build_router() -> None:
    """Routes between the LAN and the outside segment, and back to what the hosts do not masquerade."""
    _fresh(ROUTER, ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"))
    _plug(ROUTER)
    run(["ip", "-n", OUTSIDE.netns, "link", "delete", "eth0"], check=False)
    delete_netns(OUTSIDE.netns)
    run(["ip", "netns", "add", OUTSIDE.netns])
    run(["ip", "-n", ROUTER.netns, "link", "add", "eth1", "type", "veth", "peer", "name", "eth0",
         "netns", OUTSIDE.netns])
    _batch(ROUTER.netns, [
        "link set eth1 up",
        f"address add {layout.ROUTER_OUTSIDE_V4}/24 dev eth1",
        f"-6 address add {layout.ROUTER_OUTSIDE_V6}/64 dev eth1 nodad",
        *(f"route add {host.vm_network} via {host.v4}" for host in HOSTS.values()),
        *(f"-6 route add {host.net6} via {host.v6}" for host in HOSTS.values()),
    ])


def _build_client(client: ClientSpec) -> None:
    """A client on the LAN: default route by the router, and by mark through a host to its container networks."""
    _fresh(client, ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0"))
    _plug(client)
    _batch(client.netns, [
        *_routes_by_mark(),
        *(f"route add {host.vm_network} via {host.v4}" for host in HOSTS.values()),
        f"route add default via {ROUTER.v4}",
        f"-6 route add default via {ROUTER.v6}",
    ])


def _routes_by_mark() -> list[str]:
    """A packet that carries a host's number as its mark goes through that host: all hosts use the same subnets."""
    lines = []
    for host in HOSTS.values():
        for family, address in (("", host.v4), ("-6 ", host.v6)):
            lines.append(f"{family}rule add fwmark {host.number} lookup {host.number}")
            lines.append(f"{family}route add default via {address} table {host.number}")
    return lines


def _build_outside() -> None:
    """The far end of the router's second cable."""
    if run(["ip", "-n", OUTSIDE.netns, "link", "show", "eth0"], check=False).returncode:
        _build_router()
    _batch(OUTSIDE.netns, [
        "link set lo up",
        "link set eth0 up",
        f"address replace {OUTSIDE.v4}/24 dev eth0",
        f"-6 address replace {OUTSIDE.v6}/64 dev eth0 nodad",
        f"route replace default via {layout.ROUTER_OUTSIDE_V4}",
        f"-6 route replace default via {layout.ROUTER_OUTSIDE_V6}",
    ])


def _ensure_outside_server() -> None:
    """The server that containers reach or not: it answers with the address that it sees."""
    listening = run(in_netns(OUTSIDE.netns, ["ss", "-Hltn", f"sport = :{layout.OUTSIDE_SERVER_TCP}"])).stdout
    if listening.strip():
        return
    places = [
        f"{protocol},{address},{port}"
        for protocol, port in (("tcp", layout.OUTSIDE_SERVER_TCP), ("udp", layout.OUTSIDE_SERVER_UDP))
        for address in ("0.0.0.0", "::")
    ]
    program = layout.STATE / "answer.py"
    program.write_bytes(layout.GUEST.joinpath("answer.py").read_bytes())
    processes.start(in_netns(OUTSIDE.netns, [layout.PYTHON, program, "outside", *places]), layout.STATE / "outside.log")


def reach_check() -> None:
    """Fail when the LAN's bridge is not there: the clients would hang in the air."""
    if run(["ip", "-n", OUTER_NETNS, "link", "show", LAN_BRIDGE], check=False).returncode:
        raise LabError(f"the bridge {LAN_BRIDGE} is missing in {OUTER_NETNS}")
