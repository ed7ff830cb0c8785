# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# What a change did beside rules: files.

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
