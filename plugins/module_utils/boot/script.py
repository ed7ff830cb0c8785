# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The program that brings a host to a saved generation of rules without Python: at boot, and when a change is taken back."""

from __future__ import annotations

from .engine_rules import ENGINE_RULES
from .engine_script import ENGINE
from .merge import RULES, SETS
from .sentry import SENTRY
from .this_boot import SHELL
from .undo import UNDO

# A generation is a folder: variant (nft or legacy), sets (ipset restore), ipv4 and ipv6 (iptables-restore), tables and hold (nft -f),
# fallback4 and fallback6, ssh (ports), digest (sha256 of the others), boot (the one in which it was written). Loading one makes everything of ours
# what the generation says, whatever is there: one commit for each table, lines of others are not touched.
_SHELL = r"""#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# Written by the Ansible collection drawbridge.docker; changes are overwritten.
#
#   boot          load the current generation; where that fails, close what containers publish, and fail
#   again         the same for another firewall's unit that took the rules; does nothing before the first boot
#   watch         the same whenever something of the newest generation is gone, until this program is ended; meanwhile hold the table that closes
#   stopped       take that table away, unless systemd starts the program again
#   relax         have the table ask for nothing: rules are about to go on purpose
#   hold          close what containers publish, by a table of nftables, before another firewall takes the rules
#   settle        have the rules back, and open again once nobody has taken them for two seconds
#   around [FILE] have nft load a file, or flush everything, and what the generation says in the same moment
#   engine        tell the kernel the cgroup of the unit that runs this: the engine's, ahead of its first process
#   failed        close what containers publish if systemd had to end this program
#   previous      go back to what was before the last change
#   restore       go back to the newest generation
#   commit        make the prepared generation the current one
#   follow        the same, of the current state brought up to date: what was before it stays what can be gone back to
#   confirm ID    keep the change that the checkpoint ID covers
#   rollback ID   take it back
#   wait ID N     the same in N seconds
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
umask 077
ETC=/etc/drawbridge
STATE=/var/lib/drawbridge
RUN=/run/drawbridge
LOCK=/run/drawbridge.lock
moved=

say() { echo "drawbridge: $*" >&2; }

# Two texts in, what is live and what is wanted, divided by a line %%. Out: iptables-restore input that leads from one to the other.
RULES='
@RULES@'

# ipset list -t and a generation of sets in, ipset restore input out: what exists is filled by swap, a set of another type is made anew,
# and a set that is not ours is left alone where it exists.
SETS='
@SETS@'

tool() { command -v "$1-$variant-$2" || command -v "$1-$2"; }
families() { [ -e /proc/net/if_inet6 ] && echo 4 6 || echo 4; }

@THIS_BOOT@

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
    save=$(tool $program save) && restore=$(tool $program restore) || { say "$program-$variant is not installed"; return 1; }
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

load_sets() { # FILE
    [ -s "$1" ] || return 0
    live=$(ipset list -t) || { say "ipset does not work"; return 1; }
    printf '%s\n%%%%\n' "$live" | cat - "$1" | awk "$SETS" | ipset -exist restore || { say "ipset cannot load $1"; return 1; }
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
    for attempt in 1 2 3; do
        { replaced_tables "$1"; engine_element "$(unit_cgroup "$1")"; } | nft -f - && return 0
    done
    replaced_tables "$1" | nft -f - || { say "nft cannot load $1"; return 1; }
}

drop_other_sets() { # FILE
    command -v ipset >/dev/null || return 0
    for name in $(ipset list -n | grep '^DB[A-Z]*-'); do
        grep -q "^create $name " "$1" && continue
        # nft lets go of a set a moment after the rules went.
        for attempt in 1 2 3 4 5 6 7 8 9 10; do
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

# Without any file: all that is new from outside, but SSH.
last_resort() { # FAMILY
    case $1 in
        4) types=LOCAL,BROADCAST,ANYCAST,MULTICAST; sources='! -s 0.0.0.0/32'; icmp=icmp; client=68;;
        *) types=LOCAL,ANYCAST; sources=; icmp=ipv6-icmp; client=546;;
    esac
    cat <<EOT
*mangle
:DB-GUARD - [0:0]
-I PREROUTING 1 -j DB-GUARD
-A DB-GUARD -i lo -j RETURN
-A DB-GUARD $sources -m addrtype --src-type $types -m conntrack ! --ctstatus CONFIRMED -j DROP
-A DB-GUARD -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DB-GUARD -p $icmp -j RETURN
-A DB-GUARD -p udp -m udp --dport $client -j RETURN
-A DB-GUARD -p tcp -m multiport --dports $ssh -j RETURN
-A DB-GUARD -m addrtype --dst-type $types -j DROP
COMMIT
*filter
:DOCKER-USER - [0:0]
:DB-USER-policy - [0:0]
-I FORWARD 1 -j DOCKER-USER
-I DOCKER-USER 1 -j DB-USER-policy
-A DB-USER-policy -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
-A DB-USER-policy -m conntrack --ctstate DNAT -j DROP
-A DB-USER-policy -i docker+ -j RETURN
-A DB-USER-policy -i br-+ -j RETURN
-A DB-USER-policy -j DROP
COMMIT
EOT
}

fallback() { # GENERATION
    # Without a word of either variant, what plain iptables is.
    variant=$(grep -xE 'nft|legacy' "$1/variant" 2>/dev/null)
    ssh=$(grep -hxE '[0-9]+(,[0-9]+)*' "$ETC/ssh" "$1/ssh" 2>/dev/null | head -n 1)
    ssh=${ssh:-22}
    for family in $(families); do
        if whole "$1" "fallback$family" && load_rules "$1/fallback$family" "$family" 0; then
            say "IPv$family: the ports that containers are known to publish are closed"
        else
            last_resort "$family" >"$RUN/last-resort"
            load_rules "$RUN/last-resort" "$family" 0 && say "IPv$family: everything new from outside but SSH is refused"
            rm -f "$RUN/last-resort"
        fi
    done
}

load_or_close() { # GENERATION KEEP
    load "$1" "$2" && return 0
    say "the rules in $1 are not in force"
    fallback "$1"
    relax
    return 1
}

generation() { # the newest one: prepared during a change that is not confirmed yet, else the current one
    if [ -e "$ETC/next" ]; then echo "$ETC/next"; else echo "$ETC/current"; fi
}

point() { # NAME GENERATION
    ln -sfn "$2" "$ETC/$1.new" && mv -T "$ETC/$1.new" "$ETC/$1"
}

tidy() { # remove what no name points to
    for folder in "$ETC"/generations/*; do
        kept=
        for name in current previous next; do
            [ "$(readlink "$ETC/$name")" = "generations/${folder##*/}" ] && kept=1
        done
        [ -n "$kept" ] || rm -rf "$folder"
    done
}

commit() {
    if [ "$(readlink "$ETC/next")" = "$(readlink "$ETC/current")" ]; then
        rm -f "$ETC/next"
    elif [ -L "$ETC/next" ]; then
        [ ! -L "$ETC/current" ] || point previous "$(readlink "$ETC/current")"
        mv -T "$ETC/next" "$ETC/current" || return 1
        moved=1
        rm -rf "$ETC/beside"
    fi
    tidy
    # Last: who is killed before leaves it to the next run.
    rm -f "$ETC/dirty"
}

follow() {
    [ ! -L "$ETC/next" ] || mv -T "$ETC/next" "$ETC/current" || return 1
    tidy
    rm -f "$ETC/dirty"
}

forget_change() { # what a reboot did not confirm
    rm -rf "$STATE/checkpoint" "$STATE/deciding"
    rmdir "$STATE" 2>/dev/null
    rm -f "$ETC/dirty"
    if [ -L "$ETC/next" ]; then
        say "a change was not confirmed before the reboot: the rules before it are in force"
        rm -f "$ETC/next"
        tidy
    fi
}

boot() {
    mkdir -p "$RUN"
    [ -e "$RUN/loaded" ] || { forget_change; : >"$RUN/loaded"; }
    load_or_close "$(generation)" 0
    result=$?
    release
    return $result
}

missing() { # GENERATION: something of it is not in force
    variant=$(cat "$1/variant") || return 1
    if [ -s "$1/tables" ]; then
        held=$(nft list tables) || return 1
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

@SENTRY@
@ENGINE_RULES@
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

previous() {
    [ -L "$ETC/previous" ] || { say "there is no previous generation"; return 1; }
    beside=$RUN/beside
    rm -rf "$beside" && mkdir -p "$beside" || return 1
    [ ! -d "$ETC/beside" ] || cp -R "$ETC/beside/." "$beside" || return 1
    settings_now "$beside/settings" >"$beside/now"
    settings "$beside/settings" narrow
    load "$ETC/previous" 1 || { load_or_close "$ETC/current" 1; settings "$beside/now" all; return 1; }
    settings "$beside/settings" all
    result=$?
    exchange "$beside" || result=1
    mv "$beside/now" "$beside/settings"
    ln -sfn "$(readlink "$ETC/previous")" "$ETC/next" && commit || return 1
    keep_undo "$beside" || result=1
    rm -rf "$beside"
    # The event service looks at this: containers may be elsewhere by now.
    touch "$RUN/decided"
    return $result
}

@UNDO@
@ENGINE@
locked() { # another run may be in the middle of its own change; one that calls this program holds the lock itself
    [ -z "${DRAWBRIDGE_LOCKED-}" ] || { "$@"; return; }
    (
        exec 9>>"$LOCK"
        flock -w 30 9 2>/dev/null
        "$@"
    )
}

case ${1-} in
    boot) locked boot;;
    again) [ ! -e "$RUN/loaded" ] || locked boot;;
    watch) watch;;
    stopped) locked stopped;;
    relax) locked relax;;
    hold) locked hold;;
    settle) locked settle;;
    around) locked around "${2-}";;
    engine) engine;;
    failed) [ "${SERVICE_RESULT:-success}" = success ] || [ "$SERVICE_RESULT" = exit-code ] || fallback "$(generation)";;
    previous) locked previous;;
    restore) locked load_or_close "$(generation)" 1;;
    commit) locked commit;;
    follow) locked follow;;
    confirm) locked confirm "$2";;
    rollback) locked rollback "$2";;
    wait) sleep "$3"; locked rollback "$2";;
    *)
        say "what to do? boot, again, watch, stopped, relax, hold, settle, around [FILE], engine, failed, previous, restore, commit, follow," \
            "confirm ID, rollback ID, wait ID SECONDS"
        exit 2
        ;;
esac
"""

_PARTS = {
    "RULES": RULES,
    "SETS": SETS,
    "THIS_BOOT": SHELL,
    "SENTRY": SENTRY,
    "ENGINE_RULES": ENGINE_RULES,
    "ENGINE": ENGINE,
    "UNDO": UNDO,
}


def _whole() -> str:
    text = _SHELL
    for name, part in _PARTS.items():
        text = text.replace("@%s@" % name, part)
    return text


SCRIPT = _whole()
