# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# The saved states, and the ways from one to another.

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
        # shellcheck disable=SC2034 # keep_undo looks at it
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
