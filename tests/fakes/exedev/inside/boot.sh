#!/bin/sh
# boot.sh FOLDER NAME CLAUDE APT: from new namespaces to a VM's init, on the disk in FOLDER/root.
set -e
read -r pid _ </proc/self/stat # as the room numbers it
root=$1/root
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount --rbind /run/exe/dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
[ -z "$3" ] || mount --bind -o ro "$3" "$root/opt/claude"
mkdir -p "$root/run/systemd/system" "$root/run/lock"
echo "$4" >"$root/run/apt"
hostname "$2"
cd "$root"
pivot_root . .
umount -l .
echo "$pid"
exec /usr/lib/systemd/systemd
