#!/bin/sh
# The login shell of a ship's account on storage. $2 is the command that the ship asks for.
#
# SFTP runs as the ship itself, which can only read. Everything else is for harbor's door.
PATH="$PATH:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
ship=$(id -un)
case "$2" in
  *sftp-server) [ -e "/home/harbor/voyage/ships/$ship.json" ] && exec sftp-server -R -d /home/harbor ;;
esac
exec sudo -n -u harbor /bin/sh /home/harbor/voyage/lib/onboard/storage/door.sh "$ship" "$2"
