# shellcheck shell=bash
# Sourced by a script in its beginning: has it run again with /tmp in memory, where root may have it
# so and nothing is hidden.
#
# Tests and measurements make and remove many thousands of files. Some disks take longer over that
# than everything else takes, and the longer, the more was removed in the minute before.
# OCAPTAIN_IN_MEMORY=no leaves /tmp as it is.
room_kb=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
if [[ -z ${OCAPTAIN_IN_MEMORY-} && $PWD/$HOME/ != *"/tmp/"* && $room_kb -gt 6000000 ]] &&
    unshare --mount mount -t tmpfs tmpfs /tmp 2>/dev/null; then
    export OCAPTAIN_IN_MEMORY=yes
    unset TMPDIR # which may be hidden then
    exec unshare --mount bash -c \
        'mount -t tmpfs -o mode=1777 tmpfs /tmp && exec bash "$0" "$@"' "script/${0##*/}" "$@"
fi
