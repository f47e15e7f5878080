#!/bin/sh
# What a ship may run on storage, whatever it asks for: harbor, git, read-only SFTP, or nothing. It
# asks by its SSH login, or through sudo by the second argument: then there is no SFTP, which would
# not end at what the ship may read.
# No Python for git and SFTP: its start-up takes longer than most of what they do.
refuse() { echo "ocaptain: $1" >&2; exit 1; }
# sudo compares its arguments as one line, and so takes "ship-0 x" for "ship-0" with an x after it.
[ "$1" = "${SUDO_USER:-$1}" ] || exit 1
voyage=${0%/lib/onboard/storage/door.sh} asked="${2-$SSH_ORIGINAL_COMMAND}"
export OCAPTAIN_SHIP="$1" PATH="$PATH:/usr/lib/openssh:/usr/libexec/openssh:/usr/libexec:/usr/lib/ssh"
# harbor knows by itself whom it let go; after a crash of storage it makes this file anew.
[ "$asked" = harbor ] || [ -e "$voyage/ships/$1.json" ] || refuse "$1 was let go: storage has no such ship"
case "$asked" in
  harbor) exec "$voyage/python" -IS "$voyage/lib" harbor "$1" ;;
  git-upload-pack*) exec git upload-pack "$voyage/repo.git" ;;
  git-receive-pack*) exec git receive-pack "$voyage/repo.git" ;;
  internal-sftp | *sftp-server) [ "$SUDO_USER" ] || exec sftp-server -R -d "${voyage%/*}" ;;
esac
refuse "$1 may run harbor, git and sftp on storage, nothing else"
