# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# In: the copy and what is live, divided by a line %%, both as iptables-save prints them. Out, for only=kept: the engine's part of the live ones;
# for only=lost: the tables that are lost, as iptables-restore input.

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
