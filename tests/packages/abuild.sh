#!/bin/sh
# Stands in for Alpine's abuild, which only Alpine has: `busybox ash abuild.sh APORT OUTPUT`.
# Builds the packages of an APKBUILD into OUTPUT/NAME, a directory each, with their scripts in its .scripts/ and what
# apk would know of them in its .PKGINFO. Like abuild it runs every function under `set -e` in $builddir, checks the
# sources' digests, and moves what a subpackage takes out of the package. Unlike abuild it installs no makedepends, makes
# no chroot, signs nothing, writes no archive that apk reads, traces no dependencies, and runs as whoever calls it.
# shellcheck disable=SC2154  # what an APKBUILD sets
set -eu
startdir=$(cd "$1" && pwd)
output=$2

die() {
	echo "abuild stand-in: $*" >&2
	exit 1
}

# Of abuild's functions those that APKBUILDs of programs like this one call.
amove() {
	for _path; do
		(cd "$pkgdir" && find . -path "./${_path#/}" -prune) | while read -r _found; do
			mkdir -p "$subpkgdir/$(dirname "$_found")"
			mv "$pkgdir/$_found" "$subpkgdir/$_found"
			rmdir -p "$pkgdir/$(dirname "$_found")" 2>/dev/null || true
		done
	done
}

default_openrc() {
	depends=''
	pkgdesc="$pkgdesc (OpenRC init scripts)"
	install_if="openrc ${subpkgname%-openrc}=$pkgver-r$pkgrel"
	amove etc/init.d etc/conf.d
	for _script in "$subpkgdir"/etc/init.d/*; do
		[ "$(head -n 1 "$_script")" = '#!/sbin/openrc-run' ] || die "$_script is no script of OpenRC"
		[ -x "$_script" ] || die "$_script is not executable"
	done
}

default_doc() {
	depends=''
	pkgdesc="$pkgdesc (documentation)"
	install_if="docs ${subpkgname%-doc}=$pkgver-r$pkgrel"
	amove usr/share/doc usr/share/man usr/share/licenses
	find "$subpkgdir"/usr/share/man -type f -exec gzip -n9 {} +
}

openrc() { default_openrc; }
doc() { default_doc; }
prepare() { :; }
check() { :; }

srcdir=$output/.src
builddir='' depends='' install='' subpackages='' install_if=''
# shellcheck source=/dev/null
. "$startdir/APKBUILD"

for name in pkgname pkgver pkgrel pkgdesc url arch license source sha512sums; do
	eval "[ -n \"\${$name-}\" ]" || die "$name is not set"
done
echo "$pkgver" | grep -Eqx '[0-9]+([.][0-9]+)*(_(alpha|beta|pre|rc)[0-9]*)?' || die "pkgver '$pkgver' is none of apk's"
[ "${#pkgdesc}" -le 128 ] || die "pkgdesc is longer than 128 characters"
for function in build package; do
	type "$function" >/dev/null 2>&1 || die "there is no $function()"
done
for script in $install; do
	[ -f "$startdir/$script" ] || die "install names $script, which is not there"
	case ${script##*.} in
		pre-install | post-install | pre-upgrade | post-upgrade | pre-deinstall | post-deinstall) ;;
		*) die "$script is no time at which apk runs scripts" ;;
	esac
done
: "${builddir:=$srcdir/$pkgname-$pkgver}"

mkdir -p "$srcdir"
echo "$sha512sums" | sed '/^$/d' | (cd "$startdir" && sha512sum -c >/dev/null) || die "a source has another digest"
for file in $source; do tar -xzf "$startdir/$file" -C "$srcdir"; done

pkgdir=$output/$pkgname
mkdir -p "$pkgdir"
# As in abuild, `return` in a function ends that alone, and what it does to a variable stays within.
for function in prepare build check package; do
	(cd "$builddir" && "$function")
done

# The scripts, and what apk would know.
describe() { # DIRECTORY NAME
	for script in $install; do
		case $script in
			"$2".*) install -D -m 755 "$startdir/$script" "$1/.scripts/${script#"$2".}" ;;
		esac
	done
	{
		printf 'pkgname = %s\npkgver = %s-r%s\npkgdesc = %s\n' "$2" "$pkgver" "$pkgrel" "$pkgdesc"
		for name in $depends; do echo "depend = $name"; done
		[ -z "$install_if" ] || echo "install_if = $install_if"
	} >"$1/.PKGINFO"
}
for subpkgname in $subpackages; do
	subpkgdir=$output/$subpkgname
	mkdir -p "$subpkgdir"
	(
		cd "$builddir"
		"${subpkgname##*-}"
		describe "$subpkgdir" "$subpkgname"
	)
done
describe "$pkgdir" "$pkgname"
rm -rf "$srcdir"
