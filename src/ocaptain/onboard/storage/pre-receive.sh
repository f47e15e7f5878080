#!/bin/sh
# Git's hook: a ship may write the work refs of its own claims, nothing else, and while there is room.
refuse() { echo "ocaptain: $1" >&2; exit 1; }
[ "$(df -Pk . | awk 'NR == 2 { print $4 }')" -gt 500000 ] || refuse "storage has no room for pushes"
while read -r _ _ ref; do
  [ -f "../allowed/${OCAPTAIN_SHIP:-nobody}/$ref" ] || refuse "$OCAPTAIN_SHIP may not write $ref"
done
