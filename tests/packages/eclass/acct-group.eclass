# What this stands in for, README.md says.

: "${SLOT:=0}" "${KEYWORDS:=amd64 arm64}"
S=${WORKDIR}

acct-group_src_install() {
	[[ -n ${ACCT_GROUP_ID} ]] || die "ACCT_GROUP_ID is not set"
	insinto /usr/lib/sysusers.d
	newins - "${CATEGORY}-${PN}.conf" < <(echo "g ${PN} ${ACCT_GROUP_ID/#-*/-}")
}

EXPORT_FUNCTIONS src_install
