# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# ipset list -t and a generation of sets in, divided by a line %%. Out: ipset restore input.
# An entry that ends gets the seconds that are left of it at the time that `now` says, and is left out if there are none.

# Days since 1970 of a date.
function days(year, month, day) {
    if (month < 3) { year--; month += 12 }
    return 365 * year + int(year / 4) - int(year / 100) + int(year / 400) + int((153 * month - 457) / 5) + day - 719469
}
# 2026-12-01T18:00:00Z
function seconds(time,  day) {
    day = days(substr(time, 1, 4) + 0, substr(time, 6, 2) + 0, substr(time, 9, 2) + 0)
    return day * 86400 + substr(time, 12, 2) * 3600 + substr(time, 15, 2) * 60 + substr(time, 18, 2)
}
BEGIN { side = "live" }
$0 == "%%" { side = "want"; next }
side == "live" {
    if ($1 == "Name:") name = $2
    if ($1 == "Type:") kind[name] = $2
    if ($1 == "Header:") { family[name] = $2 == "family" ? $3 : ""; timed[name] = / timeout / }
    next
}
$1 == "create" && ($2 in kind) {
    if ($2 ~ /^DBT-/) print "flush " $2
    if ($2 !~ /^DB[A-Z]*-/) { foreign[$2] = 1; next }
    # A set whose entries end and one whose entries stay may be swapped, but the scratch set has to be of the right one.
    if (kind[$2] == $3 && (family[$2] == "" || family[$2] == $5) && ($2 !~ /^DBT-/ || timed[$2] == / timeout /)) next
    print "destroy " $2
}
$1 == "add" && ($2 in foreign) { next }
$1 == "add" && $4 == "until" {
    left = seconds($5) - now
    if (left > 0) printf "%s timeout %d comment \"until %s\"\n", $1 " " $2 " " $3, left < 2147483 ? left : 2147483, $5
    next
}
{ print }
