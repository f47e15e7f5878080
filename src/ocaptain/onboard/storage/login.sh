#!/bin/sh
# The login shell of a ship's account on storage: SFTP as itself, which can only read, all else by harbor.
PATH="$PATH:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
case "$2" in
  *sftp-server) [ -e "/home/harbor/voyage/ships/$(id -un).json" ] && exec sftp-server -R -d /home/harbor ;;
esac
exec sudo -n -u harbor /bin/sh /home/harbor/voyage/lib/onboard/storage/door.sh "$(id -un)" "$2"
