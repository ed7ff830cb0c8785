# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# shellcheck shell=sh
# Brings the engine's own rules back which somebody took along with ours.
#
# The engine writes its rules when it starts, and when a container or network comes or goes; nothing makes it write them again but a restart.
# So the watch keeps a copy in memory, and puts back a table that lost every jump to the engine's chains. It does so only while the engine is the
# same process and not one interface came or went since the copy: each container's has a number that is never used again, so that nothing can
# lead to an address that somebody else has by now. Otherwise, or where that is wanted, the engine is restarted if containers live through it
# (live-restore), or the journal says that it has to be.

# The engine's own rules, and which of them somebody took.
COPY=$(cat awk/target.awk awk/engine_rules.awk)
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
    # shellcheck disable=SC2034 # tool looks at it
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
