# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# Where a line of iptables-save leads to; empty for one without a target. Ahead of each program that needs it.

function target(rule,   words, count, i) {
    gsub(/"([^"\\]|\\.)*"/, "", rule)
    count = split(rule, words, " ")
    for (i = 1; i < count; i++) if (words[i] == "-j" || words[i] == "-g") return words[i + 1]
    return ""
}
