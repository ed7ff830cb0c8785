# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# What makes the kernel hold a generation: rules, sets, tables.

# Two texts in, what is live and what is wanted, divided by a line %%. Out: iptables-restore input that leads from one to the other.
RULES=$(cat awk/target.awk awk/rules.awk)

# ipset list -t and a generation of sets in, ipset restore input out: what exists is filled by swap, a set of another type is made anew,
# and a set that is not ours is left alone where it exists. Entries end when they were to end.
SETS=$(cat awk/sets.awk)

tool() { command -v "$1-$variant-$2" || command -v "$1-$2"; }
families() { [ -e /proc/net/if_inet6 ] && echo 4 6 || echo 4; }

this_boot() {
    echo "$(cat /proc/sys/kernel/random/boot_id || echo unknown) $(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20)"
}

# Since a boot, containers may have other addresses than those that ports opened for them lead to.
text_of() { # FILE
    if [ "$(cat "${1%/*}/boot" 2>/dev/null)" = "$(this_boot)" ]; then
        cat "$1"
    else
        sed -E '/^(:|-A |-I .* -j )DB-(PUBLISH|HAIRPIN)-/d' "$1"
    fi
}

load_rules() { # FILE FAMILY KEEP
    case $2 in 4) program=iptables;; *) program=ip6tables;; esac
    { save=$(tool $program save) && restore=$(tool $program restore); } || { say "$program-$variant is not installed"; return 1; }
    for pause in 0.1 0.2 0.4 0; do
        live=$("$save") || return 1
        text=$({ printf '%s\n%%%%\n' "$live"; text_of "$1"; } | awk -v keep="$3" "$RULES") || return 1
        [ -n "$text" ] || return 0
        # What is live may change between both commands.
        printf '%s\n' "$text" | "$restore" --noflush --wait 30 && return 0
        sleep $pause
    done
    say "$program cannot load $1"
    return 1
}

# A clock that says an earlier time than when the file was written is wrong, and so is nobody let in for longer than was left then.
now() { # FILE
    clock=$(date +%s) saved=$(date -r "$1" +%s 2>/dev/null || echo 0)
    [ "$clock" -gt "$saved" ] && echo "$clock" || echo "$saved"
}

load_sets() { # FILE
    [ -s "$1" ] || return 0
    for pause in 0.1 0.2 0.4 0.8 0; do
        live=$(ipset list -t) || { say "ipset does not work"; return 1; }
        printf '%s\n%%%%\n' "$live" | cat - "$1" | awk -v now="$(now "$1")" "$SETS" | ipset -exist restore && return 0
        # The kernel does not swap a set that somebody lists at this moment.
        sleep $pause
    done
    say "ipset cannot load $1"
    return 1
}

replaced_tables() { # FILE
    { nft list tables; cat "$1"; } | grep -oE '^table (ip6? drawbridge[a-z-]*|inet drawbridge-engine)' | sort -u | while read -r _ table; do
        printf 'add table %s\ndelete table %s\n' "$table" "$table"
    done
    cat "$1"
}

load_tables() { # FILE
    if ! command -v nft >/dev/null; then
        [ ! -s "$1" ] || { say "nft is not installed"; return 1; }
        return 0
    fi
    # A unit that is started anew in this moment has no cgroup for an instant, and tells its new one itself.
    for _ in 1 2 3; do
        { replaced_tables "$1"; engine_element "$(unit_cgroup <"$1")"; } | nft -f - && return 0
    done
    replaced_tables "$1" | nft -f - || { say "nft cannot load $1"; return 1; }
}

drop_other_sets() { # FILE
    command -v ipset >/dev/null || return 0
    for name in $(ipset list -n | grep '^DB[A-Z]*-'); do
        grep -q "^create $name " "$1" && continue
        # nft lets go of a set a moment after the rules went.
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            ipset destroy "$name" 2>/dev/null && break
            sleep 0.2
        done
    done
}

whole() { # GENERATION [FILE]: nothing is missing, nothing is damaged
    if [ $# -eq 1 ]; then
        (cd "$1" && sha256sum --check --status --strict digest) 2>/dev/null && return 0
        say "$1 is missing or damaged"
        return 1
    fi
    (cd "$1" && grep "  $2\$" digest | sha256sum --check --status --strict) 2>/dev/null
}

load() { # GENERATION KEEP
    whole "$1" || return 1
    relax "$1"
    variant=$(cat "$1/variant")
    load_sets "$1/sets" || return 1
    for family in $(families); do load_rules "$1/ipv$family" "$family" "$2" || return 1; done
    load_tables "$1/tables" || return 1
    drop_other_sets "$1/sets"
}
