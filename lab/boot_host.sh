#!/bin/sh
# Boots one host of the lab and stays until it is powered off.
# Usage: boot_host.sh LOWER DIRECTORY CGROUP NSPAWN-ARGUMENT...
#   LOWER      read-only root file system that the host starts from
#   DIRECTORY  the host's own: upper, work, root; this script writes `process` there. A directory `first` there
#              makes it forget with each reboot what it has not committed, see forget_host.sh
#   CGROUP     name of a cgroup to make for the host, or `systemd` where systemd takes care of that
# Run in a mount namespace of its own (unshare --mount): the mounts made here go with this process.
set -eu
lower=$1 directory=$2 cgroup=$3
shift 3

# Who we are, for `lab down`: the pid, and the start time that tells it from a later process of that pid.
# Written before anything is started and renamed into place, so it is never missing and never half there.
cat "/proc/$$/stat" > "$directory/process.part"
mv "$directory/process.part" "$directory/process"

mount_root() {
    mount -t overlay overlay \
        -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
}

mount_root
if [ "$cgroup" != systemd ]; then
    # Without systemd as PID 1 all hosts would share one cgroup, and with it the processes of each other's units.
    umount --recursive --lazy /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p "/sys/fs/cgroup/$cgroup"
fi

status=133
while [ "$status" -eq 133 ]; do # how `nspawn --keep-unit` says that the host wants to reboot
    status=0
    (
        [ "$cgroup" = systemd ] || echo 0 > "/sys/fs/cgroup/$cgroup/cgroup.procs"
        exec systemd-nspawn --directory="$directory/root" "$@"
    ) || status=$?
    if [ "$status" -eq 133 ] && [ -d "$directory/first" ]; then
        umount "$directory/root"
        sh "$(dirname "$0")/forget_host.sh" "$directory"
        mount_root
    fi
done
exit "$status"
