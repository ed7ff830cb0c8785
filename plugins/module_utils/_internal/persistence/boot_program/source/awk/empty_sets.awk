# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# ipset list -t in, then a generation of sets. Says by its exit status whether a set is empty that has entries there.

FNR == NR { if ($1 == "Name:") name = $2; if ($0 == "Number of entries: 0") empty[name] = 1; next }
$1 == "add" { filled[$2] = 1 }
$1 == "create" && / timeout / { timed[$2] = 1 }
$1 == "swap" && ($2 in filled) { filled[$3] = 1 }
END { for (name in empty) if ((name in filled) && !(name in timed)) exit 0; exit 1 }
