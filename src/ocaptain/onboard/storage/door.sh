#!/bin/sh
# Everything that a ship may run on storage: harbor, git and read-only SFTP, whatever it asks for.
#
# $1 is the ship. What it asks for is in SSH_ORIGINAL_COMMAND or, if it comes through sudo, in $2.
# Through sudo there is no SFTP: here it would read as harbor, and see more than the ship may.
# git and SFTP start without Python, which takes longer to start than most of what they do.
refuse() { echo "ocaptain: $1" >&2; exit 1; }
# Through sudo a ship could name another one: who it is, sudo knows.
[ "$1" = "${SUDO_USER:-$1}" ] || exit 1
voyage=${0%/lib/onboard/storage/door.sh}
asked="${2-$SSH_ORIGINAL_COMMAND}"
export OCAPTAIN_SHIP="$1"
export PATH="$PATH:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
# harbor knows by itself which ships were let go, and makes this file anew after a crash.
[ "$asked" = harbor ] || [ -e "$voyage/ships/$1.json" ] || refuse "$1 was let go: storage has no such ship"
case "$asked" in
  harbor) exec "$voyage/python" -IS "$voyage/lib" harbor "$1" ;;
  git-upload-pack*) exec git upload-pack "$voyage/repo.git" ;;
  git-receive-pack*) exec git receive-pack "$voyage/repo.git" ;;
  internal-sftp | *sftp-server) [ "$SUDO_USER" ] || exec sftp-server -R -d "${voyage%/*}" ;;
esac
refuse "$1 may run harbor, git and sftp on storage, nothing else"
