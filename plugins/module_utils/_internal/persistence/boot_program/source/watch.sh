# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# Brings back what somebody took, for as long as this program runs.

EMPTIED=$(cat awk/empty_sets.awk)

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
