#!/bin/bash
# Makes of the folder $1, a Debian as debootstrap leaves it, a machine of its own: what happens in it is in memory and gone
# with it. The folder $2 is to be seen in it. Its first process is its systemd. Is run by unshare, in namespaces of its own.
set -e
base=$1
given=$2
mount --make-rprivate /
state=$(mktemp -d)
mount -t tmpfs tmpfs "$state"
mkdir "$state"/{upper,work,root}
mount -t overlay -o "lowerdir=$base,upperdir=$state/upper,workdir=$state/work" overlay "$state/root"
cd "$state/root"

# Nothing is started while something is installed, unless systemd runs.
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
: > dev/console
ip link set lo up

# What it is given from outside stays to be seen at /given.
mkdir given
mount --bind "$given" given
mkdir old
pivot_root . old
umount -l /old
rmdir /old
# As systemd's own mount namespaces want it.
mount --make-rshared /
exec env -i container=machine PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
