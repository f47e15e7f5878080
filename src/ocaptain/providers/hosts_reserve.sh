#!/bin/sh
# Reserve a machine as the VM $2, unless it is reserved or somebody else's. Making a link succeeds
# once, whoever tries.
mkdir -p "$SHIP_HOMES"
if [ ! -e "$1voyage" ] && [ ! -e "$HARBOR" ] && ln -sT "$2" "$SHIP_HOMES/reserved"; then
    # Write down how to undo that these are closed to ships.
    for folder in $WORLD_WRITABLE; do
        stat -c 'chown %u:%g %n && chmod %a %n' "$folder" || echo "rmdir $folder || :"
    done 2>/dev/null >"$SHIP_HOMES/reopen.sh"
fi
