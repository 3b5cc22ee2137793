# What this stands in for, README.md says.

systemd_dounit() {
	insinto /usr/lib/systemd/system
	doins "$@"
}
