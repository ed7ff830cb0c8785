# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The program that brings a host to a saved generation of rules without Python: at boot, and when a change is taken back.

Written by "make shell" from the files in source/: change those.
"""

from __future__ import annotations

SCRIPT = r"""#!/bin/sh
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
#   sets FILE...  before the first boot: have the sets of ours that another firewall's dump names, which is refused as a whole without them
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
function target(rule,   words, count, i) {
    gsub(/"([^"\\]|\\.)*"/, "", rule)
    count = split(rule, words, " ")
    for (i = 1; i < count; i++) if (words[i] == "-j" || words[i] == "-g") return words[i + 1]
    return ""
}
function ours(chain) { return chain ~ /^DBX?-/ || chain == "DOCKER-FILTER" }
function remember_table(name) { table = name; if (!(name in known)) { known[name] = 1; order[++tables] = name } }
function remember_chain(name, policy) {
    exists[side, table, name] = 1
    if (!ours(name)) { if (side == "want") declared[table] = declared[table] " " name }
    else chains[side, table] = chains[side, table] " " name
}
function remember_rule(line,   parent, rule) {
    rule = line; sub(/^-[AI] /, "", rule)
    parent = rule; sub(/ .*/, "", parent); sub(/^[^ ]+ ?/, "", rule)
    if (line ~ /^-I/) sub(/^[0-9]+ /, "", rule)
    if (ours(parent)) { body[side, table, parent] = body[side, table, parent] "-A " parent " " rule "\n"; return }
    if (side == "live") length_of[table, parent]++
    if (side == "live" && table == "filter") lines_of[parent] = lines_of[parent] rule "\n"
    if (ours(target(rule))) {
        if (!((table, parent) in hooked)) { hooked[table, parent] = 1; parents[table] = parents[table] " " parent }
        jumps[side, table, parent] = jumps[side, table, parent] rule "\n"
        if (side == "live" && ++on_top[table, parent] != length_of[table, parent]) displaced[table, parent] = 1
    } else if (parent == "FORWARD" && target(rule) == "DOCKER-USER" && side == "want") enters[table] = 1
}
function restricts(rule, depth,   name, lines, count, i) {
    name = target(rule)
    if (name == "" || name ~ /^(AUDIT|CONNMARK|CT|DROP|DSCP|LOG|MARK|NFLOG|NOTRACK|REJECT|SET|TCPMSS|TOS|TRACE)$/) return 1
    if (!(("live", table, name) in exists) || name ~ /^(INPUT|FORWARD|OUTPUT)$/ || depth > 16 || (" " rule) ~ / -g /) return 0
    count = split(lines_of[name], lines, "\n")
    for (i = 1; i < count; i++) if (target(lines[i]) != "RETURN" && !restricts(lines[i], depth + 1)) return 0
    return 1
}
function takes_everything(rule) {
    sub(/^-m comment --comment ("([^"\\]|\\.)*"|[^ "]+) /, "", rule)
    return rule == "-j DOCKER-USER"
}
function enter(   lines, count, i, first, leading, passed) {
    count = split(lines_of["FORWARD"], lines, "\n")
    first = ""
    for (i = 1; i < count; i++) {
        if (target(lines[i]) == "DOCKER-USER") {
            leading++
            if (first == "" && takes_everything(lines[i])) first = lines[i]
        } else if (first == "" && !ours(target(lines[i])) && !restricts(lines[i], 0)) passed = 1
    }
    if (first == "") return "-I FORWARD 1 -j DOCKER-USER\n"
    if (!passed) return ""
    return (leading == 1 ? "-D FORWARD " first "\n" : "") "-I FORWARD 1 " first "\n"
}
function rehook(parent,   before, after, lines, count, i) {
    before = jumps["live", table, parent]; after = jumps["want", table, parent]
    if (before == after && (keep || !((table, parent) in displaced))) return
    count = split(before, lines, "\n")
    for (i = 1; i < count; i++) text = text "-D " parent " " lines[i] "\n"
    count = split(after, lines, "\n")
    for (i = 1; i < count; i++) text = text "-I " parent " " i " " lines[i] "\n"
}
function commit(   names, count, i, gone, rules) {
    text = rules = gone = ""
    count = split(declared[table], names, " ")
    for (i = 1; i <= count; i++) if (!(("live", table, names[i]) in exists)) text = text ":" names[i] " - [0:0]\n"
    count = split(chains["want", table], names, " ")
    for (i = 1; i <= count; i++) {
        if ((("live", table, names[i]) in exists) && body["live", table, names[i]] == body["want", table, names[i]]) continue
        text = text ":" names[i] " - [0:0]\n"
        rules = rules body["want", table, names[i]]
    }
    count = split(chains["live", table], names, " ")
    for (i = 1; i <= count; i++) if (!(("want", table, names[i]) in exists)) {
        text = text ":" names[i] " - [0:0]\n"
        gone = gone "-X " names[i] "\n"
    }
    if (enters[table]) text = text enter()
    count = split(parents[table], names, " ")
    for (i = 1; i <= count; i++) rehook(names[i])
    if (text rules gone != "") printf "*%s\n%s%s%sCOMMIT\n", table, text, rules, gone
}
BEGIN { side = "live" }
$0 == "%%" { side = "want"; next }
/^\*/ { remember_table(substr($0, 2)) }
/^:/ { remember_chain(substr($1, 2)) }
/^-[AI] / { remember_rule($0) }
END { for (at = 1; at <= tables; at++) { table = order[at]; commit() } }
'

# ipset list -t and a generation of sets in, ipset restore input out: what exists is filled by swap, a set of another type is made anew,
# and a set that is not ours is left alone where it exists. Entries end when they were to end.
SETS='
# Days since 1970 of a date.
function days(year, month, day) {
    if (month < 3) { year--; month += 12 }
    return 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * month - 457) / 5) + day - 719469
}
# 2026-12-01T18:00:00Z
function seconds(time,  day) {
    day = days(substr(time, 1, 4) + 0, substr(time, 6, 2) + 0, substr(time, 9, 2) + 0)
    return day * 86400 + substr(time, 12, 2) * 3600 + substr(time, 15, 2) * 60 + substr(time, 18, 2)
}
BEGIN { side = "live" }
$0 == "%%" { side = "want"; next }
side == "live" {
    if ($1 == "Name:") name = $2
    if ($1 == "Type:") kind[name] = $2
    if ($1 == "Header:") { family[name] = $2 == "family" ? $3 : ""; timed[name] = / timeout / }
    next
}
$1 == "create" && ($2 in kind) {
    if ($2 ~ /^DBT-/) print "flush " $2
    if ($2 !~ /^DB[A-Z]*-/) { foreign[$2] = 1; next }
    # A set whose entries end and one whose entries stay may be swapped, but the scratch set has to be of the right one.
    if (kind[$2] == $3 && (family[$2] == "" || family[$2] == $5) && ($2 !~ /^DBT-/ || timed[$2] == / timeout /)) next
    print "destroy " $2
}
$1 == "add" && ($2 in foreign) { next }
$1 == "add" && $4 == "until" {
    left = seconds($5) - now
    if (left > 0) printf "%s timeout %d comment \"until %s\"\n", $1 " " $2 " " $3, left < 2147483 ? left : 2147483, $5
    next
}
{ print }
'

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

# iptables-save in. Out: the family, and each label that is set, by a line that all packets come to or that some pass by.
ANSWERS='
function target(rule,   words, count, i) {
    gsub(/"([^"\\]|\\.)*"/, "", rule)
    count = split(rule, words, " ")
    for (i = 1; i < count; i++) if (words[i] == "-j" || words[i] == "-g") return words[i + 1]
    return ""
}
# Whether packets can leave by this line before they come to a later one of the same chain.
function leaves(rule, depth,   to, i) {
    to = target(rule)
    if (to == "ACCEPT" || (to == "RETURN" && depth == 0)) return 1
    if (depth > 8) return 1
    for (i = 1; i <= count[table_of, to]; i++) if (leaves(lines[table_of, to, i], depth + 1)) return 1
    return 0
}
function reached(table, parent, chain,   i, passed) {
    table_of = table
    for (i = 1; i <= count[table, parent]; i++) {
        if (target(lines[table, parent, i]) == chain) return passed ? "passed" : "stands"
        if (leaves(lines[table, parent, i], 0)) passed = 1
    }
    return ""
}
function tell(label, table, parent, chain,   way) {
    if (answer[table, chain] != label) return
    way = reached(table, parent, chain)
    if (way == "stands" && parent == "DOCKER-USER") way = reached(table, "FORWARD", parent)
    if (way != "") print family, label, way
}
/^\*/ { table = substr($0, 2) }
/^-A / {
    rule = $0
    sub(/^-A [^ ]+ ?/, "", rule)
    lines[table, $2, ++count[table, $2]] = rule
    if (rule ~ /-m connlabel --label "?[0-9]+"? --set$/) {
        sub(/.*--label "?/, "", rule)
        sub(/"? --set$/, "", rule)
        answer[table, $2] = rule
    }
}
END {
    tell(127, "mangle", "PREROUTING", "DB-SOURCE")
    tell(126, "filter", "INPUT", "DB-INPUT")
    tell(125, "filter", "DOCKER-USER", "DB-USER-policy")
    tell(124, "filter", "DOCKER-USER", "DB-USER-policy-EGRESS")
    tell(123, "filter", "INPUT", "DB-HOST-policy")
}
'
ASKED=$RUN/sentry.asked

answers() { # GENERATION: what its variant of iptables holds of them
    variant=$(cat "$1/variant") || return 1
    for family in $(families); do
        case $family in 4) program=iptables;; *) program=ip6tables;; esac
        save=$(tool $program save) && "$save" 2>/dev/null | awk -v family="$family" "$ANSWERS"
    done
}

has_answer() { # GENERATION FAMILY LABEL
    grep -qE -- "-m connlabel --label \"?$3\"? --set\$" "$1/ipv$2"
}

listed() { # names, one a line → for nft
    sed 's/+$/*/' | grep -xE '[A-Za-z0-9_.@:-]{1,15}\*?' | sort -u | sed 's/.*/"&"/' | paste -sd, -
}

bridges() {
    for name in $(ipset list -n 2>/dev/null | grep -xE 'DB[A-Z]+-bridges-[46][ab]'); do
        ipset list "$name" | sed -n 's/^[^ ]*,\([^ ,]*\)$/\1/p'
    done
}

demand() { # LABELS ASKED: lines that send on who lacks one of the labels, as far as they are asked for, each as FAMILY:LABEL
    for pair in $2; do
        case " $1 " in *" ${pair#*:} "*) echo "meta nfproto ipv${pair%:*} jump not${pair#*:}";; esac
    done
}

satisfied() { # LABELS ASKED: lines that let by at once who has all of the labels, as far as they are asked for
    for family in 4 6; do
        tests=
        for pair in $2; do
            case " $1 " in *" ${pair#"$family":} "*) tests="$tests ct label ${pair#*:}";; esac
        done
        [ -z "$tests" ] || echo "meta nfproto ipv$family$tests accept"
    done
}

table_text() { # ASKED OUTSIDE: what is in the table
    inside=$(bridges | listed)
    ports=$(grep -hxE '[0-9]+(,[0-9]+)*' "$ETC/ssh" | head -n 1)
    for label in 123 124 125 126 127; do echo "chain not$label { ct label $label return; drop; }"; done
    printf 'chain contained {\n%s\naccept\n}\n' "$(demand '127 123' "$1")"
    printf 'chain leaving {\n%s\naccept\n}\n' "$(demand '127 124' "$1")"
    printf 'chain entering {\n%s\n}\n' "$(demand '127 125' "$1")"
    echo 'chain input {
type nat hook input priority 90; policy accept;
iifname "lo" accept
ct state related accept
meta l4proto { icmp, ipv6-icmp } accept
udp dport { 68, 546 } accept'
    echo "fib saddr type != local tcp dport { ${ports:-22} } accept"
    [ -z "$inside" ] || echo "iifname { $inside } goto contained"
    satisfied '127 126' "$1"
    [ -z "$2" ] || echo "iifname != { $2 } accept"
    printf '%s\n}\n' "$(demand '127 126' "$1")"
    echo 'chain forward {
type nat hook postrouting priority 90; policy accept;
ct state related accept'
    [ -z "$inside" ] || echo "iifname { $inside } goto leaving"
    satisfied '127 125' "$1"
    echo 'iif 0 accept'
    [ -z "$2" ] || echo "iifname != { $2 } accept"
    # Whatever it goes to: somebody may forge what is to make him one who replies once the rules are back.
    demand 127 "$1"
    echo 'ct status dnat jump entering'
    [ -z "$inside" ] || echo "oifname { $inside } jump entering"
    echo '}'
}

stands() { # VERSION: a chain that says which text it is; nothing for no table at all
    if [ -n "$1" ]; then nft list chain inet drawbridge-sentry "$1"; else ! nft list table inet drawbridge-sentry; fi >/dev/null 2>&1
}

holder() { # its process id, if it lives
    read -r pid 2>/dev/null <"$RUN/sentry.pid" && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = nft ] && echo "$pid"
}

# Whoever holds the table has to change it. Without a holder it is anybody's, or gone.
order() { # VERSION
    if holder >/dev/null; then
        echo "include \"$RUN/sentry.nft\"" 1<>"$RUN/sentry.orders"
        for pause in 0 0.01 0.02 0.05 0.1 0.2 0.3 0.5 0.8; do
            sleep $pause
            ! stands "$1" || return 0
        done
        pid=$(holder) && kill -9 "$pid"
        say "the table that closes while rules are gone could not be written: $(tail -n 3 "$RUN/sentry.words" 2>/dev/null)"
    fi
    # A process that was killed takes a moment to let go of it.
    for pause in 0 0.05 0.2 0.5 1; do
        sleep $pause
        nft delete table inet drawbridge-sentry 2>/dev/null
        ! stands "" || break
    done
    rm -f "$ASKED"
    [ -z "$1" ]
}

ask_for() { # LABELS OUTSIDE [again]
    version=
    flags=$(cat "$RUN/sentry.flags" 2>/dev/null)
    if [ "$flags" = owner ]; then
        words="table inet drawbridge-sentry { flags owner; }
delete table inet drawbridge-sentry"
    else
        words="destroy table inet drawbridge-sentry"
    fi
    if [ -n "$1" ]; then
        text=$(table_text "$1" "$2")
        version=v$(printf '%s%s' "$flags" "$text" | sha256sum | cut -c 1-16)
        words="$words
table inet drawbridge-sentry {
flags $flags
$text
chain $version { }
}"
    fi
    [ -n "${3-}" ] || ! stands "$version" || return 0
    # Asked for less from here on, whatever becomes of this program.
    printf '%s\n' "$words" >"$RUN/sentry.nft"
    order "$version" || return 1
    if [ -n "$1" ]; then printf '%s\n%s\n' "$1" "$2" >"$ASKED"; else rm -f "$ASKED"; fi
}

# Asked for is what the newest generation says, and what was seen in force since. Not what lines of others let packets pass by: they would be
# closed out for good.
sentry() { # [again]
    holder >/dev/null || return 0
    saved=$(generation)
    seen=$(answers "$saved") || return 1
    before=$(head -n 1 "$ASKED" 2>/dev/null)
    labels=
    for family in $(families); do
        for label in 123 124 125 126 127; do
            has_answer "$saved" "$family" "$label" || continue
            case $seen in *"$family $label passed"*) continue;; esac
            case "$seen $before" in *"$family $label stands"*|*"$family:$label"*) labels="$labels $family:$label";; esac
        done
    done
    ask_for "${labels# }" "$(cat "$saved/ipv4" "$saved/ipv6" | sed -nE 's/^-A DB-(GUARD|INPUT) -i ([^ ]+) -g .*-OUT$/\2/p' | listed)" "${1-}"
}

relax() { # [GENERATION]: ask for what it has, at most
    [ -e "$ASKED" ] || return 0
    { read -r before; read -r outside; } <"$ASKED"
    labels=
    for pair in $before; do
        [ $# -gt 0 ] && has_answer "$1" "${pair%:*}" "${pair#*:}" && labels="$labels $pair"
    done
    [ "${labels# }" = "$before" ] || ask_for "${labels# }" "$outside"
}

# What the kernel and nft can: the table stays when its process ends, or not, or there is none.
flags() {
    for words in "owner, persist" owner; do
        echo "table inet drawbridge-probe { flags $words; }" | nft -c -f - 2>/dev/null && echo "$words" && return
    done
    return 1
}

hold_socket() {
    rm -f "$RUN/sentry.pid" "$RUN/sentry.orders"
    [ -e "$ETC/sentry" ] && flags >"$RUN/sentry.flags" && mkfifo "$RUN/sentry.orders" || return 0
    exec 8<>"$RUN/sentry.orders"
    {
        nft -i <&8 >/dev/null 2>"$RUN/sentry.words" 7>&- &
        echo $! >"$RUN/sentry.pid"
        wait
        echo ended >&7
    } &
    while [ ! -s "$RUN/sentry.pid" ]; do sleep 0.01; done
    locked sentry again
}

EMPTIED='
FNR == NR { if ($1 == "Name:") name = $2; if ($0 == "Number of entries: 0") empty[name] = 1; next }
$1 == "add" { filled[$2] = 1 }
$1 == "create" && / timeout / { timed[$2] = 1 }
$1 == "swap" && ($2 in filled) { filled[$3] = 1 }
END { for (name in empty) if ((name in filled) && !(name in timed)) exit 0; exit 1 }
'

wake() {
    [ -e "$RUN/woken" ] || { : >"$RUN/woken"; echo woken >&7; }
}

listen() {
    # "nft monitor destroy" would do, but is a syntax error in some releases.
    nft monitor 2>/dev/null | while read -r line; do
        case $line in
            "delete table"*|"delete chain"*" DB-"*|"delete chain"*" DOCKER-"*) ;;
            *" rule "*" PREROUTING "*|*" rule "*" INPUT "*|*" rule "*" FORWARD "*|*" rule "*" DOCKER-USER "*|*" rule "*" DB-"*|*" rule "*" DOCKER-FILTER "*) ;;
            # The engine is at work.
            *" rule "*" DOCKER "*|*" rule "*" POSTROUTING "*) ;;
            *) continue;;
        esac
        wake
    done
    # Too much at once, perhaps: begin anew, and the table stays.
    sleep 1
    kill -9 $$
}

emptied() { # GENERATION: a set of ours is empty that has entries there
    command -v ipset >/dev/null && [ -s "$1/sets" ] || return 1
    ipset list -t 2>/dev/null | awk "$EMPTIED" - "$1/sets"
}

# Nobody tells of sets, nor of legacy rules.
tick() {
    count=0
    while sleep 1; do
        saved=$(generation)
        count=$(((count + 1) % 10))
        if [ $count -eq 0 ] && [ -e "$RUN/refused" ]; then
            rm -f "$RUN/refused"
            wake
        fi
        if [ "$(cat "$saved/variant" 2>/dev/null)" = legacy ] || emptied "$saved"; then wake; fi
    done
}

look() {
    [ -e "$RUN/loaded" ] || return 0
    saved=$(generation)
    if missing "$saved" || emptied "$saved"; then
        # What cannot be loaded is closed, and tried again every ten seconds.
        [ ! -e "$RUN/refused" ] || return 0
        say "somebody took rules of ours"
        if [ -e "$ASKED" ]; then
            load_or_close "$saved" 1 || : >"$RUN/refused"
        else
            hold
            settle || : >"$RUN/refused"
        fi
        # Who takes them may not be through with it.
        ! missing "$saved" || wake
    fi
    sentry
    engine_rules
}

watch() {
    mkdir -p "$RUN"
    rm -f "$RUN/wake" "$RUN/woken" "$RUN/refused"
    mkfifo "$RUN/wake" || return 1
    exec 7<>"$RUN/wake"
    hold_socket
    # Where nftables is not what holds the rules, or is not there, each tick looks.
    if [ "$(cat "$(generation)/variant" 2>/dev/null)" != legacy ] && nft list tables >/dev/null 2>&1; then listen & fi
    tick &
    wake
    while read -r word <&7; do
        rm -f "$RUN/woken"
        if [ "$word" = ended ]; then
            sleep 0.05
            hold_socket
        fi
        locked look
    done
}

stopped() {
    # Who was killed is started again at once, and takes the table over.
    [ "${SERVICE_RESULT:-success}" = success ] || return 0
    rm -f "$RUN/sentry.pid"
    [ ! -e "$ASKED" ] || order ""
}

# The engine's own rules, and which of them somebody took.
COPY='
function target(rule,   words, count, i) {
    gsub(/"([^"\\]|\\.)*"/, "", rule)
    count = split(rule, words, " ")
    for (i = 1; i < count; i++) if (words[i] == "-j" || words[i] == "-g") return words[i + 1]
    return ""
}
function engines(chain) { return chain ~ /^DOCKER(-[A-Z0-9-]+)?$/ && chain != "DOCKER-USER" && chain != "DOCKER-FILTER" }
function built_in(chain) { return chain ~ /^(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)$/ }
# A line of the engine in a chain that it shares: a jump, what names a bridge, masquerading of a container for itself.
function its(chain, rule,   to, words) {
    if (engines(chain)) return 1
    if (!built_in(chain)) return 0
    to = target(rule)
    if (engines(to) || to == "DOCKER-USER") return 1
    if (to !~ /^(ACCEPT|DROP|MASQUERADE)$/) return 0
    if (rule ~ bridge) return 1
    if (table == "raw" && rule ~ / -d 127\.[0-9.]+\/32 ! -i lo /) return 1
    split(rule, words, " ")
    return to == "MASQUERADE" && words[3] == "-s" && words[5] == "-d" && words[4] == words[6]
}
BEGIN { side = "copy"; bridge = "-[io] (" bridges ")( |$)" }
$0 == "%%" { side = "live"; next }
/^\*/ { table = substr($0, 2); if (!(table in known)) { known[table] = 1; order[++tables] = table } next }
/^:/ {
    chain = substr($1, 2)
    has[side, table, chain] = 1
    if (chain == "FORWARD" && table == "filter") policy[side] = $2
    if (engines(chain)) { names[side, table] = names[side, table] " " chain }
    next
}
/^-A / {
    if (!its($2, $0)) next
    line = $0
    if (side == "live") live[table, line] = 1
    lines[side, table, ++count[side, table]] = line
    if (built_in($2) && engines(target(line))) jumps[side, table]++
    if (side == "live" && $2 == "FORWARD" && target(line) == "DOCKER-USER") entered = 1
}
function print_kept(   i, parts, n) {
    printf "*%s\n", table
    if (table == "filter" && policy["live"] != "") printf ":FORWARD %s [0:0]\n", policy["live"]
    n = split(names["live", table], parts, " ")
    for (i = 1; i <= n; i++) printf ":%s - [0:0]\n", parts[i]
    for (i = 1; i <= count["live", table]; i++) print lines["live", table, i]
    print "COMMIT"
}
function print_lost(   i, parts, n, line, place) {
    # In raw it has no jumps, only lines that drop.
    if (jumps["copy", table] ? jumps["live", table] : count["live", table] || !count["copy", table]) return
    printf "*%s\n", table
    if (table == "filter" && policy["copy"] == "DROP") print ":FORWARD DROP [0:0]"
    n = split(names["copy", table], parts, " ")
    for (i = 1; i <= n; i++) printf ":%s - [0:0]\n", parts[i]
    place = entered ? 1 : 0
    for (i = 1; i <= count["copy", table]; i++) {
        line = lines["copy", table, i]
        if (line ~ /^-A FORWARD .*-j DOCKER-USER$/ && !(("live", table, "DOCKER-USER") in has)) print ":DOCKER-USER - [0:0]"
        if ((table, line) in live) continue
        # Ahead of what others let pass or stop, where the engine puts them.
        if (sub(/^-A FORWARD /, "", line)) line = "-I FORWARD " (++place) " " line
        print line
    }
    print "COMMIT"
}
END {
    for (at = 1; at <= tables; at++) {
        table = order[at]
        if (only == "kept") { if (count["live", table]) print_kept() } else print_lost()
    }
}
'
NFT_OF_ENGINE="ip docker-bridges
ip6 docker-bridges"

engine_pid() { pidof dockerd 2>/dev/null | tr " " "\n" | sort -n | head -n 1 | grep .; }

# Who the engine is, and each interface by a number that no other one ever has.
engine_state() {
    engine_pid
    grep -s . /sys/class/net/*/ifindex
}

docker_bridges() { # for awk
    {
        echo docker0
        bridges
        printf '%s\n' /sys/class/net/* | sed -nE 's#.*/(br-[0-9a-f]{12}|docker_gwbridge)$#\1#p'
    } | grep -xE '[A-Za-z0-9_-]+' | sort -u | paste -sd'|' -
}

beside_copy() { # FAMILY kept|lost: what is live comes in
    { cat "$RUN/engine/ipv$1" 2>/dev/null; echo %%; cat; } | awk -v only="$2" -v bridges="$(docker_bridges)" "$COPY"
}

engine_tables() { # kept|lost: for each family, into engine.new
    for family in $(families); do
        case $family in 4) program=iptables;; *) program=ip6tables;; esac
        save=$(tool $program save) && "$save" 2>/dev/null | beside_copy "$family" "$1" >"$RUN/engine.new/ipv$family" || return 1
    done
}

keep_engine_rules() {
    rm -rf "$RUN/engine.new"
    mkdir "$RUN/engine.new" && engine_state >"$RUN/engine.new/state" && engine_tables kept || return 1
    # Somebody may take them at any moment, and then this is none.
    for family in $(families); do
        [ -z "$(beside_copy "$family" lost <"$RUN/engine.new/ipv$family")" ] || { wake; return 1; }
    done
    echo "$NFT_OF_ENGINE" | while read -r family table; do nft list table "$family" "$table" 2>/dev/null; done >"$RUN/engine.new/nft"
    # What came or went while this was written makes another copy.
    engine_state | cmp -s - "$RUN/engine.new/state" || return 1
    rm -rf "$RUN/engine"
    mv "$RUN/engine.new" "$RUN/engine"
}

engine_lost() { # leaves what is lost in engine.new
    rm -rf "$RUN/engine.new"
    mkdir "$RUN/engine.new" && engine_tables lost || return 1
    echo "$NFT_OF_ENGINE" | while read -r family table; do
        grep -q "^table $family $table " "$RUN/engine/nft" && ! nft list table "$family" "$table" >/dev/null 2>&1 && echo lost
    done >"$RUN/engine.new/nft"
    cat "$RUN/engine.new/ipv4" "$RUN/engine.new/nft" "$RUN/engine.new/ipv6" 2>/dev/null | grep -q .
}

put_engine_rules_back() { # 2 where somebody else is at work in the same chains
    engine_state | cmp -s - "$RUN/engine/state" || return 1
    for family in $(families); do
        case $family in 4) program=iptables;; *) program=ip6tables;; esac
        [ -s "$RUN/engine.new/ipv$family" ] || continue
        restore=$(tool $program restore) && "$restore" --noflush --wait 30 <"$RUN/engine.new/ipv$family" 2>/dev/null || return 2
    done
    [ ! -s "$RUN/engine.new/nft" ] || nft -f "$RUN/engine/nft"
}

engine_rules() { # after each look, with the lock
    how=$(cat "$ETC/engine-rules" 2>/dev/null) || return 0
    [ "$how" != leave ] && engine_pid >/dev/null || return 0
    variant=$(cat "$(generation)/variant") || return 0
    # An engine that was started anew has written its own, and may have been told to write none.
    [ "$(engine_pid)" = "$(head -n 1 "$RUN/engine/state" 2>/dev/null)" ] || rm -rf "$RUN/engine"
    if [ -d "$RUN/engine" ] && engine_lost; then
        came=1
        if [ "$how" = put_back ]; then
            put_engine_rules_back
            came=$?
        fi
        if [ $came -eq 0 ]; then
            rm -f "$RUN/engine.tries"
            say "Docker's own rules were taken as well, and are put back as they were"
            return 0
        fi
        echo again >>"$RUN/engine.tries"
        if [ $came -eq 2 ] && [ "$(grep -c again "$RUN/engine.tries")" -le 5 ]; then
            sleep 0.2
            wake
            return 0
        fi
        # Not again and again: the next copy is one of another process.
        rm -rf "$RUN/engine" "$RUN/engine.tries"
        engine_pid >"$RUN/engine.waits"
        if [ "$(docker info --format '{{.LiveRestoreEnabled}}' 2>/dev/null)" = true ]; then
            say "Docker's own rules were taken as well: the engine is restarted, containers go on (live-restore)"
            systemctl --no-block restart docker.service
        else
            say "Docker's own rules were taken as well: they come back by systemctl restart docker"
        fi
        return 0
    fi
    # Half of its rules is no copy.
    [ "$(engine_pid)" != "$(cat "$RUN/engine.waits" 2>/dev/null)" ] || return 0
    keep_engine_rules
}

# In a folder: settings (a setting and its value before the change, one a line), paths (a number and a file, one a line), NUMBER.old and
# NUMBER.new (that file before the change and after it; not there for no file).
is_setting() { # SETTING VALUE
    case "$1 $2" in
        */../*) return 1;;
        forward/nft/[46]" "ACCEPT|forward/nft/[46]" "DROP|forward/legacy/[46]" "ACCEPT|forward/legacy/[46]" "DROP) return 0;;
        net/ipv4/ip_forward" "[0-9]|net/ipv4/conf/all/accept_redirects" "[0-9]|net/ipv[46]/conf/*/forwarding" "[0-9]) return 0;;
    esac
    return 1
}

forward_tool() { # forward/VARIANT/FAMILY save|restore
    variant=${1#*/}
    variant=${variant%/*}
    case $1 in */4) tool iptables "$2";; *) tool ip6tables "$2";; esac
}

value_of() { # SETTING
    case $1 in
        net/*) cat "/proc/sys/$1" 2>/dev/null;;
        *) save=$(forward_tool "$1" save) && "$save" -t filter </dev/null | sed -n 's/^:FORWARD \([A-Z]*\) .*/\1/p';;
    esac
}

set_value() { # SETTING VALUE
    case $1 in
        # An interface may be gone.
        net/*) [ ! -e "/proc/sys/$1" ] || echo "$2" >"/proc/sys/$1";;
        *) restore=$(forward_tool "$1" restore) && printf '*filter\n:FORWARD %s [0:0]\nCOMMIT\n' "$2" | "$restore" --noflush --wait 30;;
    esac
}

settings() { # FILE narrow|all: those that let less pass go ahead of rules, all after them
    [ -e "$1" ] || return 0
    refused=0
    while read -r name value; do
        case $2$value in narrow[1-9]|narrowACCEPT) continue;; esac
        is_setting "$name" "$value" || { say "$1 holds what is no setting"; refused=1; continue; }
        [ "$(value_of "$name")" = "$value" ] || set_value "$name" "$value" || { say "$name cannot be set to $value"; refused=1; }
    done <"$1"
    return $refused
}

settings_now() { # FILE: the same settings with the values that they have
    [ -e "$1" ] || return 0
    while read -r name value; do
        is_setting "$name" "$value" && value=$(value_of "$name") && [ -n "$value" ] && echo "$name $value"
    done <"$1"
    return 0
}

same_file() { # FILE FILE
    [ -e "$1" ] || { [ ! -e "$2" ]; return; }
    [ -e "$2" ] && [ "$(sha256sum <"$1")" = "$(sha256sum <"$2")" ]
}

put_file() { # FILE PATH: whole or not at all, as who may read the one that is there
    [ -e "$1" ] || { rm -f "$2"; return; }
    { (umask 022 && mkdir -p "${2%/*}") && cp "$1" "$2.drawbridge" && chmod 644 "$2.drawbridge"; } || { rm -f "$2.drawbridge"; return 1; }
    if [ -e "$2" ]; then
        { chown --reference="$2" "$2.drawbridge" && chmod --reference="$2" "$2.drawbridge"; } || { rm -f "$2.drawbridge"; return 1; }
        chcon --reference="$2" "$2.drawbridge" 2>/dev/null
    fi
    sync "$2.drawbridge"
    mv -T "$2.drawbridge" "$2"
}

exchange_file() { # FOLDER NUMBER PATH: what it is after the change for what it was before
    case $2:$3 in
        *[!0-9]*:*|:*|*/../*|*/) false;;
        *:/*) ;;
        *) false;;
    esac || { say "$1 holds what is no file"; return 1; }
    ! same_file "$1/$2.new" "$1/$2.old" || return 0
    same_file "$3" "$1/$2.old" || { say "$3 was changed by somebody else, and is left as it is"; return 1; }
    case $3 in
        */drawbridge-*.service) [ -e "$1/$2.new" ] || systemctl --quiet disable "${3##*/}";;
        *drawbridge*.conf) ;;
        # The engine's, which has other things in it.
        *) [ ! -e "$3" ] || cp -p "$3" "$3.$(date +%F@%T)~";;
    esac
    put_file "$1/$2.new" "$3" || { say "$3 cannot be written"; return 1; }
    [ ! -e "$1/$2.old" ] || mv "$1/$2.old" "$1/$2.was"
    [ ! -e "$1/$2.new" ] || mv "$1/$2.new" "$1/$2.old"
    [ ! -e "$1/$2.was" ] || mv "$1/$2.was" "$1/$2.new"
}

exchange() { # FOLDER: all its files, so that a second time brings back what was there
    [ -e "$1/paths" ] || return 0
    refused=0
    units=
    while read -r number path; do
        exchange_file "$1" "$number" "$path" </dev/null || { refused=1; continue; }
        case $path in */drawbridge-*.service) units="$units $path";; esac
    done <"$1/paths"
    [ -z "$units" ] || systemctl daemon-reload || refused=1
    for path in $units; do
        [ ! -e "$path" ] || systemctl --quiet reenable "${path##*/}" || refused=1
    done
    return $refused
}

keep_undo() { # FOLDER: for going back on demand
    [ -L "$ETC/current" ] || return 0
    [ -s "$1/settings" ] || [ -e "$1/paths" ] || return 0
    # The rules before a change that was about other things are those that are in force.
    [ -n "$moved" ] || { point previous "$(readlink "$ETC/current")" && tidy; }
    rm -rf "$ETC/beside" "$ETC/beside.new"
    cp -R "$1" "$ETC/beside.new" && mv -T "$ETC/beside.new" "$ETC/beside"
}

since_boot() { # the change went with the boot, where it was made before that
    read -r _ _ _ boot <"$STATE/checkpoint/armed" && [ "$boot" = "$(cat /proc/sys/kernel/random/boot_id || echo unknown)" ]
}

# Confirming and taking back exclude each other: whoever renames the checkpoint's folder decides.
decide() { # ID
    [ "$(cat "$STATE/checkpoint/id" 2>/dev/null)" = "$1" ] && since_boot && mv -T "$STATE/checkpoint" "$STATE/deciding" 2>/dev/null && return 0
    say "there is no checkpoint $1: it was confirmed, or its change was taken back"
    return 3
}

disarm() { # ID
    if [ -e "$STATE/deciding/waiter" ]; then
        read -r pid started <"$STATE/deciding/waiter"
        [ "$pid" = $$ ] || [ "$(awk '{ sub(/.*\) /, ""); print $20 }' "/proc/$pid/stat" 2>/dev/null)" != "$started" ] || kill -- "-$pid"
    else
        systemctl --quiet stop "drawbridge-rollback-$1.timer"
    fi
}

decided() { # ID WHAT: for a controller whose connection broke before it was told
    mkdir -p "$RUN"
    echo "$1 $2" >"$RUN/decided"
    rm -rf "$STATE/deciding"
    rmdir "$STATE" 2>/dev/null
}

confirm() { # ID
    decide "$1" || return 3
    disarm "$1"
    result=0
    [ ! -L "$ETC/next" ] || commit || { say "the change is in force, but not in the boot files"; result=4; }
    if [ -d "$STATE/deciding/beside" ]; then
        { exchange "$STATE/deciding/beside" && keep_undo "$STATE/deciding/beside"; } ||
            { say "the change is in force, but not all of it from a boot on"; result=4; }
    fi
    decided "$1" confirmed
    return $result
}

rollback() { # ID
    decide "$1" || return 3
    mkdir -p "$RUN"
    disarm "$1"
    settings "$STATE/deciding/beside/settings" narrow
    load_or_close "$STATE/deciding" 1
    result=$?
    settings "$STATE/deciding/beside/settings" all || result=1
    if [ -d "$ETC" ]; then rm -f "$ETC/next" "$ETC/dirty"; tidy; fi
    decided "$1" "taken back"
    say "the change that was not confirmed is taken back"
    return $result
}

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
    sets) shift; locked sets "$@";;
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
        say "what to do? boot, again, watch, stopped, relax, hold, settle, around [FILE], sets FILE..., engine, failed, previous, restore, commit," \
            "follow, confirm ID, rollback ID, wait ID SECONDS"
        exit 2
        ;;
esac
"""
