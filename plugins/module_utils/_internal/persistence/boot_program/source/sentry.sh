# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# Keeps a host closed while its rules are gone: a table of nftables that others can neither flush nor delete.
#
# The table knows nothing of the policy. It has chains of type nat, which the kernel asks about the first packet of each connection only, behind
# iptables' filter. They ask for the labels that the policy's own chains set (policy/compile/labels.py), and where one is missing let in nothing new
# but SSH, ICMP and DHCP. So no packet of an open connection costs anything, and whatever takes the rules, the next packet finds the host closed.
#
# It belongs to a process that does nothing but hold a socket (flags owner, from kernel 5.12 on), and outlives it (persist, from 6.9 on
# and nft 1.1). Only what was seen to be in force is asked for, and what is taken away on purpose is asked for no more before it goes.

# iptables-save in. Out: the family, and each label that is set, by a line that all packets come to or that some pass by.
ANSWERS=$(cat awk/target.awk awk/answers.awk)
ASKED=$RUN/sentry.asked

answers() { # GENERATION: what its variant of iptables holds of them
    # shellcheck disable=SC2034 # tool looks at it
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
