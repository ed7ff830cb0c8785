# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
"""Record this host's firewall, and put it back to what was recorded.

pristine.py record    remember rules, tables, kernel settings, containers and networks as they are now
pristine.py restore   take away what came since; where container addresses moved, let the engine write its rules anew

Independent of what changed the firewall: it reads and writes with the host's own tools only.
"""
from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import TypedDict

RECORD = "/var/lib/lab-pristine.json"
DAEMON_CONFIG = "/etc/docker/daemon.json"
LEFT_FILES = ("/run/drawbridge", "/run/drawbridge-*", "/run/drawbridge.*", "/etc/drawbridge", "/var/lib/drawbridge",
              "/usr/local/lib/drawbridge", "/etc/systemd/system/*.d/drawbridge.conf", "/etc/sysctl.d/*drawbridge*",
              "/etc/docker/daemon.json.*~", "/etc/xtables/connlabel.conf")
# Code that modules run from: not of the firewall, and sent again where it is missing.
KEPT_FILES = ("/run/drawbridge-code",)
LEFT_UNITS = "/etc/systemd/system/*drawbridge*"
ALTERNATIVES = ("iptables", "ip6tables")
SYSCTLS = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.default.forwarding",
           "net.ipv4.conf.all.route_localnet", "net.ipv4.conf.docker0.route_localnet")
FAMILIES = ("iptables", "ip6tables")
ENGINE_TABLES = ("ip docker-bridges", "ip6 docker-bridges")
LEGACY = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
BUILT_IN = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}


class Container(TypedDict):
    """What is remembered of one."""

    running: bool
    addresses: list[str]
    tables: list[str]


class State(TypedDict):
    """What is remembered of the host. dumps: rules by family. daemon: the text of daemon.json."""

    dumps: dict[str, str]
    tables: list[str]
    sysctls: dict[str, str]
    containers: dict[str, Container]
    networks: list[str]
    daemon: str | None
    alternatives: dict[str, str]


def run(*argv: str, text: str | None = None, check: bool = True) -> str:
    """Run a command; its output, or an exception with its words."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"pristine: {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def rules(family: str) -> list[str]:
    """The rules as the host saves them, without comments and counters."""
    saved = run(f"{family}-nft-save").splitlines()
    return [line.split(" [")[0] if line.startswith(":") else line for line in saved if not line.startswith("#")]


def dump(family: str) -> str:
    """The rules in a form that can be restored."""
    return "\n".join(f"{line} [0:0]" if line.startswith(":") else line for line in rules(family)) + "\n"


def tables() -> list[str]:
    """All nft tables."""
    listed = run("nft", "list", "tables").splitlines()
    return [line.split(maxsplit=1)[1] for line in listed if line.startswith("table ")]


def sysctls() -> dict[str, str]:
    """Kernel settings that matter to forwarding."""
    paths = {name: "/proc/sys/" + name.replace(".", "/") for name in SYSCTLS}
    return {name: open(path).read().strip() for name, path in paths.items() if os.path.exists(path)}


def containers() -> dict[str, Container]:
    """Name -> state, addresses and network tables of every container."""
    ids = run("docker", "ps", "--all", "--quiet").split()
    found = json.loads(run("docker", "inspect", *ids)) if ids else []
    seen: dict[str, Container] = {}
    for item in found:
        networks = item["NetworkSettings"]["Networks"]
        addresses = sorted(f"{net['IPAddress']} {net['GlobalIPv6Address']}" for net in networks.values())
        seen[item["Name"].lstrip("/")] = {"running": item["State"]["Running"], "addresses": addresses,
                                          "tables": inner_tables(item["State"]["Pid"])}
    return seen


def inner_tables(pid: int) -> list[str]:
    """The tables in a container's own namespace."""
    return run("nsenter", f"--net=/proc/{pid}/ns/net", "nft", "list", "tables", check=False).splitlines() if pid else []


def networks() -> list[str]:
    """The engine's networks."""
    return run("docker", "network", "ls", "--format", "{{.Name}}").split()


def daemon_config() -> str | None:
    """The text of daemon.json, None without one."""
    return open(DAEMON_CONFIG).read() if os.path.exists(DAEMON_CONFIG) else None


def alternatives() -> dict[str, str]:
    """Which variant iptables is: nft or legacy."""
    return {name: os.readlink(f"/etc/alternatives/{name}") for name in ALTERNATIVES}


def record() -> None:
    """Remember everything."""
    state: State = {
        "dumps": {family: dump(family) for family in FAMILIES}, "tables": tables(), "sysctls": sysctls(),
        "containers": containers(), "networks": networks(), "daemon": daemon_config(),
        "alternatives": alternatives(),
    }
    with open(RECORD + ".new", "w") as file:
        json.dump(state, file)
    os.replace(RECORD + ".new", RECORD)


def remove_strays(state: State) -> None:
    """Remove units, files, containers and networks that came since; start what was stopped."""
    units = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "*drawbridge*").split("\n")
    names = [line.split()[0] for line in units if line.strip()] + [os.path.basename(p) for p in glob.glob(LEFT_UNITS)]
    if names:
        run("systemctl", "disable", *names, check=False)
        stop(names)
    for pattern in (*LEFT_FILES, LEFT_UNITS):
        for path in set(glob.glob(pattern)).difference(KEPT_FILES):
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    if names:
        run("systemctl", "daemon-reload")
        run("systemctl", "reset-failed", *names, check=False)
    now = containers()
    strays = [name for name in now if name not in state["containers"]]
    if strays:
        run("docker", "rm", "--force", "--volumes", *strays)
    for name in networks():
        if name not in state["networks"]:
            run("docker", "network", "rm", name)
    for name, wanted in state["containers"].items():
        if name in now and wanted["running"] and not now[name]["running"]:
            run("docker", "start", name)
        elif name in now and now[name]["tables"] != wanted["tables"]:
            run("docker", "restart", name)


def stop(names: Iterable[str]) -> None:
    """Stop units one by one: newer releases of systemd stop none where one of several was not found."""
    for name in names:
        run("systemctl", "stop", name, check=False)
        if "active" in run("systemctl", "is-active", name, check=False).split():
            raise SystemExit(f"pristine: {name} does not stop")


def clear_legacy() -> None:
    """Empty the tables of iptables-legacy, where any exist."""
    for family, listing in LEGACY.items():
        names = open(listing).read().split() if os.path.exists(listing) else []
        text = "".join(f"*{name}\n" + "".join(f":{chain} ACCEPT [0:0]\n" for chain in BUILT_IN[name]) + "COMMIT\n"
                       for name in names if name in BUILT_IN)
        if text:
            run(f"{family}-legacy-restore", text=text)


def put_back(state: State) -> None:
    """Replace the whole ruleset by the recorded one."""
    for family in FAMILIES:
        run(f"{family}-nft-restore", "-w", text=state["dumps"][family])
    clear_extras(state["tables"])


def clear_extras(kept_tables: Iterable[str]) -> None:
    """Delete tables that were not there, legacy rules, every set, tracked flows."""
    for table in tables():
        if table not in kept_tables:
            run("nft", "delete", "table", *table.split())
    clear_legacy()
    run("ipset", "destroy")
    run("conntrack", "-F", check=False)


def put_back_sysctls(recorded: Mapping[str, str]) -> None:
    """Write the recorded kernel settings."""
    for name, value in recorded.items():
        if sysctls().get(name, value) != value:
            run("sysctl", "-qw", f"{name}={value}")


def wait_for_engine(state: State) -> None:
    """Wait until the engine answers and the recorded containers run."""
    deadline = time.monotonic() + 60
    wanted = {name for name, item in state["containers"].items() if item["running"]}
    while time.monotonic() < deadline:
        if wanted <= set(run("docker", "ps", "--format", "{{.Names}}", check=False).split()):
            return
        time.sleep(0.2)
    raise SystemExit("pristine: the engine's containers do not come up again")


def start_over(state: State) -> None:
    """Let the engine write its rules anew: for a host that rebooted, or an engine with other settings."""
    run("systemctl", "stop", "docker.socket", "docker.service", check=False)
    if state["daemon"] is None and os.path.exists(DAEMON_CONFIG):
        os.unlink(DAEMON_CONFIG)
    elif state["daemon"] is not None:
        with open(DAEMON_CONFIG, "w") as file:
            file.write(state["daemon"])
    clear_extras([])
    for name, path in state["alternatives"].items():
        run("update-alternatives", "--set", name, path)
    # An engine with the nftables backend turns no forwarding on, and does not start without.
    off = dict.fromkeys(("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"), "0")
    put_back_sysctls(state["sysctls"] if '"nftables"' in (state["daemon"] or "") else off)
    run("systemctl", "reset-failed", "docker.service", "docker.socket", check=False)
    run("systemctl", "start", "docker.socket", "docker.service")
    wait_for_engine(state)
    run("systemctl", "restart", "lab-vm-accept.service")
    record()


def addresses(seen: Mapping[str, Container]) -> dict[str, list[str]]:
    """The addresses of the containers, to see whether they moved."""
    return {name: item["addresses"] for name, item in seen.items()}


def restore() -> None:
    """Put everything back, the short way when nothing moved."""
    with open(RECORD) as file:
        state: State = json.load(file)
    alive = not subprocess.run(["docker", "version"], capture_output=True, check=False).returncode
    if alive:
        remove_strays(state)
    settings = alive and daemon_config() == state["daemon"] and alternatives() == state["alternatives"]
    # A table that is the engine's own comes back with the engine.
    settings = settings and set(ENGINE_TABLES) & set(state["tables"]) <= set(tables())
    if not settings or addresses(containers()) != addresses(state["containers"]):
        start_over(state)
        return
    put_back(state)
    put_back_sysctls(state["sysctls"])
    if any(dump(family) != state["dumps"][family] for family in FAMILIES) or set(tables()) != set(state["tables"]):
        raise SystemExit("pristine: the rules are not what was recorded")


if __name__ == "__main__":
    {"record": record, "restore": restore}[sys.argv[1]]()
