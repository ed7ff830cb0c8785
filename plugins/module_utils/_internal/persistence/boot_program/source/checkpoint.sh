# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# Confirms a change or takes it back.

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
