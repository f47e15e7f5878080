#!/bin/sh
# Makes the room: the stand-in's own /run, terminals and users, then waits for the end of stdin.
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/log # sshd records logins there
mount -t devpts -o newinstance,mode=620,ptmxmode=666,gid=5 devpts /dev/pts
mkdir -p /run/sshd /run/exe/failing /run/exe/keys /run/exe/vms /run/exe/dev/pts /run/exe/dev/shm

# What /dev is in VMs.
cd /run/exe/dev
mknod -m 666 null c 1 3
mknod -m 666 zero c 1 5
mknod -m 666 full c 1 7
mknod -m 666 random c 1 8
mknod -m 666 urandom c 1 9
mknod -m 666 tty c 5 0
mknod -m 666 fuse c 10 229
ln -s pts/ptmx ptmx
ln -s /proc/self/fd fd
ln -s fd/0 stdin
ln -s fd/1 stdout
ln -s fd/2 stderr
mount --bind /dev/pts pts

# Whatever name a client logs in with, it is the key that says who they are.
me=${SUDO_USER:-${USER:-captain}}
for name in root sshd exedev harbor vm+exe "$me" $(seq -f ship-%g 0 99); do
    uid=0
    [ "$name" != sshd ] || uid=74
    echo "$name:*:$uid:$uid::/:/bin/sh"
done >/run/exe/passwd
mount --bind /run/exe/passwd /etc/passwd
mount -t tmpfs -o mode=755 tmpfs /etc/ssh

trap '' CHLD # the kernel buries what is orphaned
cd /
echo ready
exec cat >/dev/null
