# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# Has the kernel know the engine's cgroup, see policy/blocks/engine_table.py.

named_cgroup() { # PATH: as nft names it; nothing where there is none now
    tree=/sys/fs/cgroup
    if [ -e $tree/cgroup.controllers ]; then named=$1; else named=unified/$1; fi
    [ -n "$1" ] && [ -d "$tree/$named" ] && echo "$named"
}

engine_element() { # PATH
    named=$(named_cgroup "$1") || return 0
    printf 'flush set inet drawbridge-engine engine\nadd element inet drawbridge-engine engine { "%s" }\n' "$named"
}

unit_cgroup() { sed -n 's/.* drop comment "\([^"]*\)".*/\1/p'; }

# The unit may have been moved to another slice since the table was made. No lock: whoever has it may be waiting for the engine.
engine() {
    table=$(nft --stateless --terse list table inet drawbridge-engine 2>/dev/null) || return 0
    path=$(sed -n 's|^0::/||p' /proc/self/cgroup)
    path=${path%/.control}
    case $path in
        ""|*[!A-Za-z0-9_.@:/-]*) say "the engine's cgroup cannot be told: ports that are published later are open until host_policy has run"; return 1;;
    esac
    if [ "$(echo "$table" | unit_cgroup)" != "$path" ]; then
        level=$(echo "$path" | awk -F/ '{ print NF }')
        table=$(echo "$table" | sed "s|cgroupv2 level [0-9]* |cgroupv2 level $level |; s|drop comment \".*\"|drop comment \"$path\"|")
        table=$(printf 'delete table inet drawbridge-engine\n%s' "$table")
    else
        table=
    fi
    { echo "$table"; engine_element "$path"; } | nft -f - || { say "ports that are published later are open until host_policy has run"; return 1; }
}
