#!/bin/sh
# Installs Debian packages into a root file system without starting anything in it.
# Usage: layer_install.sh ROOT ARCHIVES APT-OPTION-OR-PACKAGE...
# Run in a mount namespace of its own (unshare --mount): what is mounted here goes with it.
set -eu
root=$1 archives=$2
shift 2

mount -t proc proc "$root/proc"
mkdir -p "$root/var/cache/apt/archives"
mount --bind "$archives" "$root/var/cache/apt/archives"
mkdir -p "$archives/partial"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install --quiet --yes "$@"
rm "$root/usr/sbin/policy-rc.d"
