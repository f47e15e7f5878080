#!/bin/sh
# Print whose a machine is: the name of the VM that it is reserved as, or else the paths of
# somebody else's that are in our way, or what it lacks. Nothing if it is free.
#
# This and its sisters run as root. $1 is the login user's home directory, with a slash at its end,
# $2 the VM's name. What is in capitals is in the environment, from onboard/storage/accounts.py.
lacking() {
    for program in git tar; do
        command -v "$program" >/dev/null || echo "no $program"
    done
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
        echo "no python3 of 3.10 or newer"
}
readlink "$SHIP_HOMES/reserved" || ls -d "$1voyage" "$HARBOR" 2>/dev/null || lacking
