# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# What another firewall took, or is about to take.

missing() { # GENERATION: something of it is not in force
    # shellcheck disable=SC2034 # tool looks at it
    variant=$(cat "$1/variant") || return 1
    if [ -s "$1/tables" ]; then
        held=$(nft list tables) || return 1
        # shellcheck disable=SC2013 # a line has one word
        for table in $(sed -n 's/^table \([a-z0-9]*\) \([a-z-]*\) {$/\1@\2/p' "$1/tables"); do
            echo "$held" | grep -qxF "table ${table%@*} ${table#*@}" || return 0
        done
    fi
    for family in $(families); do
        case $family in 4) program=iptables;; *) program=ip6tables;; esac
        save=$(tool $program save) && live=$("$save" 2>/dev/null) || return 1
        [ -z "$({ printf '%s\n%%%%\n' "$live"; text_of "$1/ipv$family"; } | awk -v keep=1 "$RULES")" ] || return 0
    done
    return 1
}

# What iptables has can go at any moment and come back only after it. A table of nftables stays, unless all of nftables is flushed.
hold() {
    saved=$(generation)
    [ -e "$RUN/loaded" ] && whole "$saved" hold && [ -s "$saved/hold" ] || return 0
    { printf 'add table inet drawbridge-hold\ndelete table inet drawbridge-hold\n'; cat "$saved/hold"; } | nft -f -
}

release() { nft delete table inet drawbridge-hold 2>/dev/null; return 0; }

settle() {
    [ -e "$RUN/loaded" ] || return 0
    quiet=0
    rounds=0
    load_or_close "$(generation)" 0
    result=$?
    # What cannot be loaded is closed by then, and nobody is to wait for it.
    while [ $result -eq 0 ] && [ $quiet -lt 4 ] && [ $rounds -lt 60 ]; do
        sleep 0.5
        quiet=$((quiet + 1))
        rounds=$((rounds + 1))
        ! missing "$(generation)" || { quiet=0; load_or_close "$(generation)" 0; result=$?; }
    done
    release
    return $result
}

# Where nftables itself is flushed, that table comes in the same transaction.
around() { # [FILE]
    if [ -n "${1-}" ]; then words="include \"$1\""; else words="flush ruleset"; fi
    if [ ! -e "$RUN/loaded" ]; then
        echo "$words" | nft -f -
        return
    fi
    saved=$(generation)
    {
        echo "$words"
        ! whole "$saved" hold || cat "$saved/hold"
    } | nft -f - || return 1
    load_or_close "$saved" 0
    release
}

# A boot takes the sets. iptables-restore refuses a dump that names one, with all lines of others in it. Those that the generation does not have are empty,
# and go when it is loaded. Where a dump of sets is loaded first (ipset-persistent), nothing has to be there, and another type would be in its way.
sets() { # FILE...
    [ ! -e "$RUN/loaded" ] || return 0
    command -v ipset >/dev/null || return 0
    ! grep -qs '^create DB' "$@" || return 0
    names=$(grep -ohsE -e '--(match|add|del)-set DB[A-Z]*-[A-Za-z0-9_.-]+' "$@" | cut -d ' ' -f 2 | sort -u)
    [ -n "$names" ] || return 0
    ! whole "$ETC/current" sets || load_sets "$ETC/current/sets"
    for name in $names; do
        case $name in *-6 | *-6[ab]) family=inet6;; *) family=inet;; esac
        ipset create "$name" hash:net family $family 2>/dev/null
    done
    return 0
}
