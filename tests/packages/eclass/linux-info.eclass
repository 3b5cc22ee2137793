# What this stands in for, README.md says. It looks at no kernel, only at how the settings are written.

linux-info_pkg_setup() {
	local setting
	for setting in ${CONFIG_CHECK}; do
		[[ ${setting} =~ ^~?!?[A-Z0-9_]+$ ]] || die "CONFIG_CHECK: '${setting}' is no setting of a kernel"
	done
}

EXPORT_FUNCTIONS pkg_setup
