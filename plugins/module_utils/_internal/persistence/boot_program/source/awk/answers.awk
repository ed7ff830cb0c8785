# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# iptables-save in. Out: the family, and each label that is set, by a line that all packets come to or that some pass by.

# Whether packets can leave by this line before they come to a later one of the same chain.
function leaves(rule, depth,   to, i) {
    to = target(rule)
    if (to == "ACCEPT" || (to == "RETURN" && depth == 0)) return 1
    if (depth > 8) return 1
    for (i = 1; i <= count[table_of, to]; i++) if (leaves(lines[table_of, to, i], depth + 1)) return 1
    return 0
}
function reached(table, parent, chain,   i, passed) {
    table_of = table
    for (i = 1; i <= count[table, parent]; i++) {
        if (target(lines[table, parent, i]) == chain) return passed ? "passed" : "stands"
        if (leaves(lines[table, parent, i], 0)) passed = 1
    }
    return ""
}
function tell(label, table, parent, chain,   way) {
    if (answer[table, chain] != label) return
    way = reached(table, parent, chain)
    if (way == "stands" && parent == "DOCKER-USER") way = reached(table, "FORWARD", parent)
    if (way != "") print family, label, way
}
/^\*/ { table = substr($0, 2) }
/^-A / {
    rule = $0
    sub(/^-A [^ ]+ ?/, "", rule)
    lines[table, $2, ++count[table, $2]] = rule
    if (rule ~ /-m connlabel --label "?[0-9]+"? --set$/) {
        sub(/.*--label "?/, "", rule)
        sub(/"? --set$/, "", rule)
        answer[table, $2] = rule
    }
}
END {
    tell(127, "mangle", "PREROUTING", "DB-SOURCE")
    tell(126, "filter", "INPUT", "DB-INPUT")
    tell(125, "filter", "DOCKER-USER", "DB-USER-policy")
    tell(124, "filter", "DOCKER-USER", "DB-USER-policy-EGRESS")
    tell(123, "filter", "INPUT", "DB-HOST-policy")
}
