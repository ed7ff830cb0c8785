# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# Two texts in, what is live and what is wanted, divided by a line %%. Out: iptables-restore input that leads from one to the other.
# The targets in restricts() are those of netfilter/kernel/state.py.

function ours(chain) { return chain ~ /^DBX?-/ || chain == "DOCKER-FILTER" }
function remember_table(name) { table = name; if (!(name in known)) { known[name] = 1; order[++tables] = name } }
function remember_chain(name, policy) {
    exists[side, table, name] = 1
    if (!ours(name)) { if (side == "want") declared[table] = declared[table] " " name }
    else chains[side, table] = chains[side, table] " " name
}
function remember_rule(line,   parent, rule) {
    rule = line; sub(/^-[AI] /, "", rule)
    parent = rule; sub(/ .*/, "", parent); sub(/^[^ ]+ ?/, "", rule)
    if (line ~ /^-I/) sub(/^[0-9]+ /, "", rule)
    if (ours(parent)) { body[side, table, parent] = body[side, table, parent] "-A " parent " " rule "\n"; return }
    if (side == "live") length_of[table, parent]++
    if (side == "live" && table == "filter") lines_of[parent] = lines_of[parent] rule "\n"
    if (ours(target(rule))) {
        if (!((table, parent) in hooked)) { hooked[table, parent] = 1; parents[table] = parents[table] " " parent }
        jumps[side, table, parent] = jumps[side, table, parent] rule "\n"
        if (side == "live" && ++on_top[table, parent] != length_of[table, parent]) displaced[table, parent] = 1
    } else if (parent == "FORWARD" && target(rule) == "DOCKER-USER" && side == "want") enters[table] = 1
}
function restricts(rule, depth,   name, lines, count, i) {
    name = target(rule)
    if (name == "" || name ~ /^(AUDIT|CONNMARK|CT|DROP|DSCP|LOG|MARK|NFLOG|NOTRACK|REJECT|SET|TCPMSS|TOS|TRACE)$/) return 1
    if (!(("live", table, name) in exists) || name ~ /^(INPUT|FORWARD|OUTPUT)$/ || depth > 16 || (" " rule) ~ / -g /) return 0
    count = split(lines_of[name], lines, "\n")
    for (i = 1; i < count; i++) if (target(lines[i]) != "RETURN" && !restricts(lines[i], depth + 1)) return 0
    return 1
}
function takes_everything(rule) {
    sub(/^-m comment --comment ("([^"\\]|\\.)*"|[^ "]+) /, "", rule)
    return rule == "-j DOCKER-USER"
}
function enter(   lines, count, i, first, leading, passed) {
    count = split(lines_of["FORWARD"], lines, "\n")
    first = ""
    for (i = 1; i < count; i++) {
        if (target(lines[i]) == "DOCKER-USER") {
            leading++
            if (first == "" && takes_everything(lines[i])) first = lines[i]
        } else if (first == "" && !ours(target(lines[i])) && !restricts(lines[i], 0)) passed = 1
    }
    if (first == "") return "-I FORWARD 1 -j DOCKER-USER\n"
    if (!passed) return ""
    return (leading == 1 ? "-D FORWARD " first "\n" : "") "-I FORWARD 1 " first "\n"
}
function rehook(parent,   before, after, lines, count, i) {
    before = jumps["live", table, parent]; after = jumps["want", table, parent]
    if (before == after && (keep || !((table, parent) in displaced))) return
    count = split(before, lines, "\n")
    for (i = 1; i < count; i++) text = text "-D " parent " " lines[i] "\n"
    count = split(after, lines, "\n")
    for (i = 1; i < count; i++) text = text "-I " parent " " i " " lines[i] "\n"
}
function commit(   names, count, i, gone, rules) {
    text = rules = gone = ""
    count = split(declared[table], names, " ")
    for (i = 1; i <= count; i++) if (!(("live", table, names[i]) in exists)) text = text ":" names[i] " - [0:0]\n"
    count = split(chains["want", table], names, " ")
    for (i = 1; i <= count; i++) {
        if ((("live", table, names[i]) in exists) && body["live", table, names[i]] == body["want", table, names[i]]) continue
        text = text ":" names[i] " - [0:0]\n"
        rules = rules body["want", table, names[i]]
    }
    count = split(chains["live", table], names, " ")
    for (i = 1; i <= count; i++) if (!(("want", table, names[i]) in exists)) {
        text = text ":" names[i] " - [0:0]\n"
        gone = gone "-X " names[i] "\n"
    }
    if (enters[table]) text = text enter()
    count = split(parents[table], names, " ")
    for (i = 1; i <= count; i++) rehook(names[i])
    if (text rules gone != "") printf "*%s\n%s%s%sCOMMIT\n", table, text, rules, gone
}
BEGIN { side = "live" }
$0 == "%%" { side = "want"; next }
/^\*/ { remember_table(substr($0, 2)) }
/^:/ { remember_chain(substr($1, 2)) }
/^-[AI] / { remember_rule($0) }
END { for (at = 1; at <= tables; at++) { table = order[at]; commit() } }
