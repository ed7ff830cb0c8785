# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# ipset list -t and a generation of sets in, divided by a line %%. Out: ipset restore input.

BEGIN { side = "live" }
$0 == "%%" { side = "want"; next }
side == "live" {
    if ($1 == "Name:") name = $2
    if ($1 == "Type:") kind[name] = $2
    if ($1 == "Header:") family[name] = $2 == "family" ? $3 : ""
    next
}
$1 == "create" && ($2 in kind) {
    if ($2 ~ /^DBT-/) print "flush " $2
    if ($2 !~ /^DB[A-Z]*-/) { foreign[$2] = 1; next }
    if (kind[$2] == $3 && (family[$2] == "" || family[$2] == $5)) next
    print "destroy " $2
}
$1 == "add" && ($2 in foreign) { next }
{ print }
