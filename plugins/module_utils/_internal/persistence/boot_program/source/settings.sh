# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# What a change did beside rules: kernel settings, FORWARD's policy. covered.py writes what is read here.

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
