#!/bin/sh
# Git's hook: a ship may write the work refs of its own claims, nothing else, and while there is room.
refuse() { echo "ocaptain: $1" >&2; exit 1; }
room=$(df -Pk . | awk 'NR == 2 { print $4 }')
[ "$room" -gt 500000 ] || refuse "storage has no room for pushes"
while read -r _ new ref; do
  case $new in *[!0]*) ;; *) refuse "$OCAPTAIN_SHIP may not remove $ref" ;; esac
  [ -f "../allowed/${OCAPTAIN_SHIP:-nobody}/$ref" ] || refuse "$OCAPTAIN_SHIP may not write $ref"
done
