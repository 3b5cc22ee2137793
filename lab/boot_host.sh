#!/bin/sh
# Boots one host of the lab and stays until it is powered off.
# Usage: boot_host.sh LOWER DIRECTORY CGROUP NAMESPACE NSPAWN-ARGUMENT...
#   LOWER      read-only root file system that the host starts from
#   DIRECTORY  the host's own: upper, work, root; this script writes `process` there. A directory `first` there
#              makes it forget with each reboot what it has not committed, see forget_host.sh
#   CGROUP     name of a cgroup to make for the host, or `systemd` where systemd takes care of that
#   NAMESPACE  name of the host's network namespace
# Run in a mount namespace of its own (unshare --mount): the mounts made here go with this process. File descriptor 9
# is the machine's mount namespace.
set -eu
lower=$1 directory=$2 cgroup=$3 namespace=$4
shift 4
here=$(dirname "$0")

# Who we are, for `lab down`: the pid, and the start time that tells it from a later process of that pid.
# Written before anything is started and renamed into place, so it is never missing and never half there.
cat "/proc/$$/stat" > "$directory/process.part"
mv "$directory/process.part" "$directory/process"

# What runs from RAM has a tmpfs as its root, by which such hosts are known: the lab's own.
mount_root() {
    if [ -d "$directory/first" ]; then
        sh "$here/forget_host.sh" "$lower" "$directory"
        return
    fi
    mount -t overlay overlay \
        -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
}

on_machine() {
    nsenter --mount=/proc/self/fd/9 "$@"
}

# A reboot keeps the wires alone: no TUN, address, route, firewall rule or kernel setting of the last one may be there
# when the host boots again. A host that took its loopback down first cannot tell who is connected to it from outside.
renew_network() {
    spare=$namespace-spare
    on_machine ip netns pids "$namespace" | xargs -r kill || true
    on_machine ip netns add "$spare"
    move_wires "$namespace" "$spare"
    on_machine ip netns delete "$namespace"
    on_machine ip netns add "$namespace"
    move_wires "$spare" "$namespace"
    on_machine ip netns delete "$spare"
}

move_wires() { # FROM TO
    on_machine ip -netns "$1" -oneline link show type veth | while IFS=': @' read -r _ wire _; do
        on_machine ip -netns "$1" link set dev "$wire" netns "$2"
    done
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
        exec systemd-nspawn --directory="$directory/root" "$@" 9<&-
    ) || status=$?
    [ "$status" -ne 133 ] || renew_network
    [ "$status" -ne 133 ] || [ ! -d "$directory/first" ] || mount_root
done
exit "$status"
