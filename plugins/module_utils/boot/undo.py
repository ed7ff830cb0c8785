# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part of the boot program that confirms a change or takes it back, with what it did beside rules: kernel settings, FORWARD's policy,
files. ``covered.py`` writes what it reads."""

from __future__ import annotations

UNDO = r"""# In a folder: settings (a setting and its value before the change, one a line), paths (a number and a file, one a line), NUMBER.old and
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
    (umask 022 && mkdir -p "${2%/*}") && cp "$1" "$2.drawbridge" && chmod 644 "$2.drawbridge" || { rm -f "$2.drawbridge"; return 1; }
    if [ -e "$2" ]; then
        chown --reference="$2" "$2.drawbridge" && chmod --reference="$2" "$2.drawbridge" || { rm -f "$2.drawbridge"; return 1; }
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
        exchange "$STATE/deciding/beside" && keep_undo "$STATE/deciding/beside" || { say "the change is in force, but not all of it from a boot on"; result=4; }
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
"""
