# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The part of the boot program that brings the engine's own rules back which somebody took along with ours.

The engine writes its rules when it starts, and when a container or network comes or goes; nothing makes it write them again but a restart.
So the watch keeps a copy in memory, and puts back a table that lost every jump to the engine's chains. It does so only while the engine is the
same process and not one interface came or went since the copy: each container's has a number that is never used again, so that nothing can
lead to an address that somebody else has by now. Otherwise, or where that is wanted, the engine is restarted if containers live through it
(live-restore), or the journal says that it has to be.
"""

from __future__ import annotations

PUT_BACK, RESTART, LEAVE = "put_back", "restart", "leave"
CHOICES = (PUT_BACK, RESTART, LEAVE)

# In: the copy and what is live, divided by a line %%, both as iptables-save prints them. Out, for only=kept: the engine's part of the live ones;
# for only=lost: the tables that are lost, as iptables-restore input.
COPY = r"""function target(rule,   words, count, i) {
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
"""

ENGINE_RULES = r"""# The engine's own rules, and which of them somebody took.
COPY='
@COPY@'
NFT_OF_ENGINE="ip docker-bridges
ip6 docker-bridges"

engine_pid() { pidof dockerd 2>/dev/null | tr " " "\n" | sort -n | head -n 1 | grep .; }

# Who the engine is, and each interface by a number that no other one ever has.
engine_state() {
    engine_pid
    grep -s . /sys/class/net/*/ifindex
}

docker_bridges() { # for awk
    { echo docker0; bridges; ls /sys/class/net | grep -E '^(br-[0-9a-f]{12}|docker_gwbridge)$'; } | grep -xE '[A-Za-z0-9_-]+' | sort -u | paste -sd'|' -
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
    echo "$NFT_OF_ENGINE" | while read -r table; do nft list table $table 2>/dev/null; done >"$RUN/engine.new/nft"
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
""".replace("@COPY@", COPY)
