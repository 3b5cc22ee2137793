# What this stands in for, README.md says.

: "${SLOT:=0}" "${KEYWORDS:=amd64 arm64}"
: "${ACCT_USER_HOME:=/dev/null}" "${ACCT_USER_SHELL:=/sbin/nologin}"
S=${WORKDIR}

acct-user_add_deps() {
	RDEPEND+=${ACCT_USER_GROUPS[*]/#/ acct-group/}
}

acct-user_src_install() {
	[[ -n ${ACCT_USER_ID} ]] || die "ACCT_USER_ID is not set"
	[[ -n ${RDEPEND} ]] || die "acct-user_add_deps was not called"
	insinto /usr/lib/sysusers.d
	newins - "${CATEGORY}-${PN}.conf" < <(
		echo "u ${PN} ${ACCT_USER_ID/#-*/-}:${ACCT_USER_GROUPS[0]} \"${DESCRIPTION}\" ${ACCT_USER_HOME} ${ACCT_USER_SHELL}"
		local group
		for group in "${ACCT_USER_GROUPS[@]:1}"; do echo "m ${PN} ${group}"; done
	)
}

EXPORT_FUNCTIONS src_install
