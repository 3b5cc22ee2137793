# What this stands in for, README.md says.

dotmpfiles() {
	insinto /usr/lib/tmpfiles.d
	doins "$@"
}

tmpfiles_process() {
	[[ ${EBUILD_PHASE} == postinst ]] || die "tmpfiles_process has its place in pkg_postinst"
}
