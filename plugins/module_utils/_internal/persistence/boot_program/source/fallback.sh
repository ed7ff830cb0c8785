# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# What is loaded where a generation cannot be.

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
    # shellcheck disable=SC2034 # tool looks at it
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
