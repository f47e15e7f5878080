#!/bin/sh
# Undo what was done for the VM $2: end what runs, remove what was made, and the reservation last.
# If something fails that stays, and release can be tried again.
[ "$(readlink "$SHIP_HOMES/reserved")" = "$2" ] || exit 0
home=$1
voyage=${2%-*}

# Thrice, for what is killed may just have started something else. The brackets keep grep from
# finding this script, which is among the arguments of its own shell.
for _ in 1 2 3; do
    systemctl kill -s KILL ocaptain-helm
    systemctl disable --now ocaptain-helm
    grep -lsaE "$home"'voyage/|OCAPTAIN_WOR[K]=' /proc/[0-9]*/cmdline /proc/[0-9]*/environ |
        cut -d/ -f3 | xargs -r kill -KILL
    pkill -KILL -u harbor
    pkill -KILL -G "$SHIP_GROUP"
    sleep 0.1
done >/dev/null 2>&1
umount -l "${home}voyage/storage" 2>/dev/null

set -e
find /tmp /var/tmp -user harbor -delete 2>/dev/null || :
getent passwd | grep -E ":($SHIP_HOMES/|$HARBOR:)" | cut -d: -f1 | xargs -rn1 userdel
getent group "$SHIP_GROUP" >/dev/null && groupdel "$SHIP_GROUP"

rm -f /etc/sudoers.d/ocaptain /etc/tmpfiles.d/ocaptain.conf
rm -f /etc/systemd/system/ocaptain-helm.service
rm -f /etc/systemd/system/shelley.socket /etc/systemd/system/shelley.service
rm -rf --one-file-system "${home}voyage" "$HARBOR" "$LOGIN_SHELL_FOLDER"
rm -rf --one-file-system "$SHIP_HOMES"/ship-* "/tmp/oc-$voyage"-*
rm -f "$home.claude/tasks/$voyage-tasks"
rmdir "$home.claude/tasks" "$home.claude" 2>/dev/null || :

[ ! -e "$SHIP_HOMES/reopen.sh" ] || sh -e "$SHIP_HOMES/reopen.sh"
rm -f "$SHIP_HOMES/reopen.sh" "$SHIP_HOMES/reserved"
rmdir "$SHIP_HOMES" 2>/dev/null || :
