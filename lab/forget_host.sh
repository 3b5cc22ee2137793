#!/bin/sh
# Makes a host that runs from RAM forget, as a reboot does, what it had not written to its medium.
# Usage: forget_host.sh DIRECTORY
#   DIRECTORY  the host's own: `upper`, which is not mounted anywhere, and `first`, what it was at its first boot
# What stays: /media with what `lbu commit` wrote there, and the files of packages, which Alpine installs again from
# the cache on that medium: those of /etc/apk/world as committed, here all that are installed.
set -eu
directory=$1
old=$directory/old new=$directory/upper

mv "$new" "$old"
cp -a "$directory/first" "$new"
[ ! -d "$old/media" ] || cp -a "$old/media" "$new/"

database=usr/lib/apk/db
if [ -d "$old/$database" ]; then
    cat "$old/$database"/installed/*/files 2>/dev/null | sed 's|^/||' | (
        cd "$old"
        while read -r file; do
            if [ -e "$file" ] || [ -L "$file" ]; then
                echo "$file"
            fi
        done
        echo "$database"
    ) > "$directory/kept"
    tar -c -C "$old" -T "$directory/kept" | tar -x -C "$new"
fi
for committed in "$new"/media/*/*.apkovl.tar.gz; do
    [ ! -e "$committed" ] || tar -xzf "$committed" -C "$new"
done
rm -rf "$old" "${directory:?}/work"
mkdir "$directory/work"
