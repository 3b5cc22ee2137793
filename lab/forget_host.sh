#!/bin/sh
# Makes a host that runs from RAM forget, as a reboot does, what it had not written to its medium.
# Usage: forget_host.sh LOWER DIRECTORY
#   LOWER      root file system that the host starts from
#   DIRECTORY  the host's own: `root`, which it has used so far if it has booted before, and `first`, what it was at its
#              first boot beside LOWER
# What stays: /media with what `lbu commit` wrote there, and the files of packages, which Alpine installs again from
# the cache on that medium: those of /etc/apk/world as committed, here all that are installed.
set -eu
lower=$1 directory=$2
old=$directory/old new=$directory/root

mv "$new" "$old"
mkdir -m 0755 "$new"
cp -a "$lower/." "$new/"
cp -a "$directory/first/." "$new/"
[ ! -d "$old/media" ] || cp -a "$old/media" "$new/"

database=usr/lib/apk/db
if [ -d "$old/$database" ]; then
    cat "$old/$database"/installed/*/directories "$old/$database"/installed/*/files 2>/dev/null | sed 's|^/||' | (
        cd "$old"
        while read -r file; do
            if [ -e "$file" ] || [ -L "$file" ]; then
                echo "$file"
            fi
        done
    ) > "$directory/kept"
    tar -c -C "$old" --no-recursion -T "$directory/kept" --recursion "$database" | tar -x -C "$new"
fi
for committed in "$new"/media/*/*.apkovl.tar.gz; do
    [ ! -e "$committed" ] || tar -xzf "$committed" -C "$new"
done
rm -rf "$old"
