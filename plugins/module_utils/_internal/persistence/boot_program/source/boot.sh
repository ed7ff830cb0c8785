#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
# Written by the Ansible collection drawbridge.docker; changes are overwritten.
#
#   boot          load the current generation; where that fails, close what containers publish, and fail
#   again         the same for another firewall's unit that took the rules; does nothing before the first boot
#   watch         the same whenever something of the newest generation is gone, until this program is ended; meanwhile hold the table that closes
#   stopped       take that table away, unless systemd starts the program again
#   relax         have the table ask for nothing: rules are about to go on purpose
#   hold          close what containers publish, by a table of nftables, before another firewall takes the rules
#   settle        have the rules back, and open again once nobody has taken them for two seconds
#   around [FILE] have nft load a file, or flush everything, and what the generation says in the same moment
#   sets FILE...  before the first boot: have the sets of ours that another firewall's dump names, which is refused as a whole without them
#   engine        tell the kernel the cgroup of the unit that runs this: the engine's, ahead of its first process
#   failed        close what containers publish if systemd had to end this program
#   previous      go back to what was before the last change
#   restore       go back to the newest generation
#   commit        make the prepared generation the current one
#   follow        the same, of the current state brought up to date: what was before it stays what can be gone back to
#   confirm ID    keep the change that the checkpoint ID covers
#   rollback ID   take it back
#   wait ID N     the same in N seconds
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
umask 077
ETC=/etc/drawbridge
STATE=/var/lib/drawbridge
RUN=/run/drawbridge
LOCK=/run/drawbridge.lock
moved=

say() { echo "drawbridge: $*" >&2; }

## "make shell" writes the parts in the place of these lines, and the awk programs into the parts.
. ./load.sh
. ./fallback.sh
. ./generations.sh
. ./other_firewalls.sh
. ./sentry.sh
. ./watch.sh
. ./engine_rules.sh
. ./settings.sh
. ./changed_files.sh
. ./checkpoint.sh
. ./engine_cgroup.sh

locked() { # another run may be in the middle of its own change; one that calls this program holds the lock itself
    [ -z "${DRAWBRIDGE_LOCKED-}" ] || { "$@"; return; }
    (
        exec 9>>"$LOCK"
        flock -w 30 9 2>/dev/null
        "$@"
    )
}

case ${1-} in
    boot) locked boot;;
    again) [ ! -e "$RUN/loaded" ] || locked boot;;
    watch) watch;;
    stopped) locked stopped;;
    relax) locked relax;;
    hold) locked hold;;
    settle) locked settle;;
    around) locked around "${2-}";;
    sets) shift; locked sets "$@";;
    engine) engine;;
    failed) [ "${SERVICE_RESULT:-success}" = success ] || [ "$SERVICE_RESULT" = exit-code ] || fallback "$(generation)";;
    previous) locked previous;;
    restore) locked load_or_close "$(generation)" 1;;
    commit) locked commit;;
    follow) locked follow;;
    confirm) locked confirm "$2";;
    rollback) locked rollback "$2";;
    wait) sleep "$3"; locked rollback "$2";;
    *)
        say "what to do? boot, again, watch, stopped, relax, hold, settle, around [FILE], sets FILE..., engine, failed, previous, restore, commit," \
            "follow, confirm ID, rollback ID, wait ID SECONDS"
        exit 2
        ;;
esac
