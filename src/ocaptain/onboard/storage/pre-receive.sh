#!/bin/sh
# Git's hook for pushes: a ship may write the work refs of its own claims and nothing else, and only
# while the disk has 500 MB left. harbor makes a file under allowed/ for each such ref. What does not
# land with it goes to further refs, of the same name with + and more.
refuse() { echo "ocaptain: $1" >&2; exit 1; }
free_kb=$(df -Pk . | { read -r _; read -r _ _ _ free _; echo "$free"; })
[ "$free_kb" -gt 500000 ] || refuse "storage has no room for pushes"
while read -r _ _ ref; do
  [ -f "../allowed/${OCAPTAIN_SHIP:-nobody}/${ref%%+*}" ] || refuse "$OCAPTAIN_SHIP may not write $ref"
done
