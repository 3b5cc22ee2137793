# What the stand-ins for apk and emerge have in common: packages of the lab's own kind, which lab/stand_in_packages.py
# makes of Debian's. A package is a tar archive of files; `.install` in it is a script that runs once it is unpacked, and
# `.scripts/` has those of apk's times: {pre,post}-{install,upgrade,deinstall}.
# The index has a line for each: NAME|VERSION|SHA256|FILE|NAMES OF WHAT IT NEEDS|DESCRIPTION|NAMES OF WHAT BRINGS IT ALONG
# The database has a directory for each that is installed: version, needs, description, files, checksums (of /etc), scripts.
# Sourced by a POSIX shell (busybox ash, dash, bash), which sets
#   database     directory of what is installed, and of the index
#   repository   where the index and the archives are: addresses, or directories of this host
#   new_suffix   what a new configuration file is called beside one that is there already
# and which may have a function restore_file, called with each file that was removed.

index=$database/index

is_installed() {
    [ -e "$database/installed/$1/version" ]
}

installed_names() {
    (cd "$database/installed" && find . -name version) | sed 's|^\./||; s|/version$||' | sort
}

version_of() {
    cat "$database/installed/$1/version"
}

# The field of a package in the index: 2 version, 3 digest, 4 file, 5 needs, 6 description, 7 what brings it along.
indexed() {
    awk -F '|' -v name="$1" -v field="$2" '$1 == name { print $field; found = 1 } END { exit !found }' "$index"
}

fetch() {
    case $1 in
        /*) cp "$1" "$2" 2>/dev/null ;;
        *) wget -q -T 10 -O "$2" "$1" 2>/dev/null ;;
    esac
}

# From then on the index says where each file is, not only what it is called.
update_index() {
    mkdir -p "$database"
    : > "$index.part"
    for each in $repository; do
        if ! fetch "$each/index" "$index.one"; then
            rm -f "$index.part" "$index.one"
            return 1
        fi
        awk -F '|' -v OFS='|' -v at="$each" '{ $4 = at "/" $4; print }' "$index.one" >> "$index.part"
    done
    rm -f "$index.one"
    mv "$index.part" "$index"
}

# What comes along when all of what brings it is there or in the list: NAMES
brought_along_by() {
    { installed_names; echo "$*" | tr ' ' '\n'; } | awk -F '|' '
        FNR == NR { there[$1] = 1; next }
        $7 != "" && !($1 in there) {
            count = split($7, list, " ")
            for (i = 1; i <= count; i++) if (!(list[i] in there)) next
            print $1
        }
    ' - "$index"
}

# What has to be installed for the named packages, the needed ones first; all of it, installed or not.
# A name that the index does not have goes to standard error, and the status is 1.
with_needs() {
    awk -F '|' -v wanted="$*" '
        FNR == NR { needs[$1] = $5; next }
        function visit(name,    list, count, i) {
            if (name in seen) return
            seen[name] = 1
            if (!(name in needs)) { print name | "cat >&2"; missing = 1; return }
            count = split(needs[name], list, " ")
            for (i = 1; i <= count; i++) visit(list[i])
            print name
        }
        END {
            count = split(wanted, names, " ")
            for (i = 1; i <= count; i++) visit(names[i])
            exit missing
        }
    ' "$index"
}

# What is installed that none of the named packages needs, those that need others first.
not_needed_by() {
    for name in $(installed_names); do
        printf '%s|%s\n' "$name" "$(cat "$database/installed/$name/needs")"
    done | awk -F '|' -v kept="$*" '
        { needs[$1] = $2; order[NR] = $1 }
        function keep(name,    list, count, i) {
            if (name in seen || !(name in needs)) return
            seen[name] = 1
            count = split(needs[name], list, " ")
            for (i = 1; i <= count; i++) keep(list[i])
        }
        function drop(name,    i, j, list, count) {
            if (name in seen) return
            seen[name] = 1
            for (i = 1; i <= NR; i++) {
                if (order[i] in seen) continue
                count = split(needs[order[i]], list, " ")
                for (j = 1; j <= count; j++) if (list[j] == name) { drop(order[i]); break }
            }
            print name
        }
        END {
            count = split(kept, names, " ")
            for (i = 1; i <= count; i++) keep(names[i])
            for (i = 1; i <= NR; i++) drop(order[i])
        }
    '
}

# Fetch and unpack one package; a configuration file that is there already stays, the new one lies beside it.
install_package() {
    name=$1
    part=$database/part
    rm -rf "$part"
    mkdir -p "$part/tree" "$database/installed"
    file=$(indexed "$name" 4)
    # The index that the image has says no more than the name.
    case $file in */*) ;; *) file=${repository%% *}/$file ;; esac
    fetch "$file" "$part/archive" || return 1
    echo "$(indexed "$name" 3)  $part/archive" | sha256sum -c >/dev/null 2>&1 || return 1
    tar -xzf "$part/archive" -C "$part/tree"
    [ ! -e "$part/tree/.install" ] || mv "$part/tree/.install" "$part/install"
    [ ! -e "$part/tree/.scripts" ] || mv "$part/tree/.scripts" "$part/scripts"
    moment=install
    ! is_installed "$name" || moment=upgrade
    (cd "$part/tree" && find . ! -type d) | sed 's/^\.//' | sort > "$part/files"
    (cd "$part/tree" && find . -type d) | sed 's/^\.//; /^$/d' | sort > "$part/directories"
    grep '^/etc/' "$part/files" | while read -r file; do
        sha256sum "$part/tree$file" 2>/dev/null | sed "s|$part/tree||"
        if [ -e "$file" ] && ! is_unchanged "$name" "$file"; then
            mv "$part/tree$file" "$part/tree$file$new_suffix"
        fi
    done > "$part/checksums"
    indexed "$name" 2 > "$part/version"
    indexed "$name" 5 > "$part/needs"
    indexed "$name" 6 > "$part/description"
    # Else a link of busybox's would have its target written over.
    while read -r file; do
        [ ! -L "$file" ] || rm "$file"
    done < "$part/files"
    run_script "$part/scripts/pre-$moment"
    cp -a "$part/tree/." / || return 1
    remove_stale "$name" "$part/files"
    [ ! -e "$part/install" ] || sh "$part/install" || return 1
    run_script "$part/scripts/post-$moment"
    rm -rf "$part/tree" "$part/archive" "$part/install" "$database/installed/$name"
    case $name in */*) mkdir -p "$database/installed/${name%/*}" ;; esac
    mv "$part" "$database/installed/$name"
}

# What a script of apk's says is shown; that it fails stops nothing.
run_script() {
    [ ! -x "$1" ] || "$1" || echo "${1##*/}: script failed" >&2
}

# Remove what the installed version has and the next one, whose files a list names, has not: NAME FILES
remove_stale() {
    [ -e "$database/installed/$1/files" ] || return 0
    grep -vxF -f "$2" "$database/installed/$1/files" | while read -r file; do
        case $file in /etc/*) is_unchanged "$1" "$file" || continue ;; esac
        rm -f "$file"
    done
    sort -r "$database/installed/$1/directories" | while read -r directory; do
        rmdir "$directory" 2>/dev/null || true # another has files there, or the next version
    done
}

# Whether a file of /etc is as its installed package brought it.
is_unchanged() {
    [ -e "$database/installed/$1/checksums" ] || return 1
    grep "  $2\$" "$database/installed/$1/checksums" | sha256sum -c >/dev/null 2>&1
}

# Remove one package; a configuration file that was changed stays, unless the second argument is `purge`.
remove_package() {
    run_script "$database/installed/$1/scripts/pre-deinstall"
    while read -r file; do
        case $file in
            /etc/*) [ "${2:-}" = purge ] || is_unchanged "$1" "$file" || continue ;;
        esac
        rm -f "$file"
        command -v restore_file >/dev/null && restore_file "$file"
    done < "$database/installed/$1/files"
    mv "$database/installed/$1/directories" "$database/directories"
    rm -rf "${database:?}/installed/$1"
    # What another package has too stays, empty or not.
    find "$database/installed" -name directories -exec cat {} + > "$database/kept"
    grep -vxF -f "$database/kept" "$database/directories" | sort -r | while read -r directory; do
        rmdir "$directory" 2>/dev/null || true # somebody has files there
    done
    rm -f "$database/kept" "$database/directories"
}
