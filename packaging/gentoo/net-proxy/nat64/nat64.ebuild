# Copyright 2026 the nat64 authors
# Distributed under the terms of the MIT licence

EAPI=8

PYTHON_COMPAT=( python3_{11..14} )
PYTHON_REQ_USE="ssl"

inherit linux-info python-single-r1 systemd tmpfiles

DESCRIPTION="Gateway of an IPv6-only network: NAT64 translator and DNS64 server"
HOMEPAGE="https://nat64.example/"
SRC_URI="${P}.tar.gz"

# Of nat64 itself, and of the Python packages that it carries along.
LICENSE="MIT Apache-2.0 BSD BSD-2 MPL-2.0 PSF-2"
SLOT="0"
KEYWORDS="~amd64 ~arm64"
# Units and scripts are small, and installed for either init system.
IUSE="+fast-path"
REQUIRED_USE="${PYTHON_REQUIRED_USE}"
# The source is what this project's `make package-sources` built, and nowhere to be fetched from.
RESTRICT="fetch"

RDEPEND="
	${PYTHON_DEPS}
	acct-group/dns64
	acct-group/nat64
	acct-user/dns64
	acct-user/nat64
	app-misc/ca-certificates
	fast-path? ( dev-libs/libbpf )
"
BDEPEND="
	${PYTHON_DEPS}
	$(python_gen_cond_dep '
		>=dev-python/hatchling-1.27[${PYTHON_USEDEP}]
		dev-python/jinja2[${PYTHON_USEDEP}]
		dev-python/pip[${PYTHON_USEDEP}]
		dev-python/pyyaml[${PYTHON_USEDEP}]
	')
	fast-path? (
		llvm-core/clang[llvm_targets_BPF(+)]
		llvm-core/llvm
	)
"

# Without these it translates in Python, or not at all.
CONFIG_CHECK="TUN"
WARNING_TUN="CONFIG_TUN is not set: nat64d translates what it reads from a TUN."

BUNDLE=build/nat64-bundle.tar.gz
FAST_PATH=nat64/device/fast_path/fast_path.bpf.o

pkg_nofetch() {
	einfo "Build ${A} by \`make package-sources\` in a checkout of nat64, and put it into your DISTDIR."
}

pkg_setup() {
	if use fast-path; then
		CONFIG_CHECK+=" ~BPF_SYSCALL ~NET_CLS_ACT ~NET_CLS_BPF ~NET_SCH_INGRESS"
	fi
	linux-info_pkg_setup
	python-single-r1_pkg_setup
}

src_compile() {
	"${EPYTHON}" packaging/build_bundle.py --wheels wheels --output ${BUNDLE} || die
}

src_test() {
	mkdir "${T}"/check && tar -xzf ${BUNDLE} -C "${T}"/check || die
	if use fast-path && [[ ! -e ${T}/check/lib/${FAST_PATH} ]]; then
		die "clang did not compile the fast path"
	fi
	"${EPYTHON}" -I "${T}"/check/bin/nat64d --version || die
}

src_install() {
	local tree=${T}/tree
	"${EPYTHON}" packaging/package_tree.py gentoo --bundle ${BUNDLE} --output "${tree}" || die

	# A clang that is there all the same was asked to compile it.
	use fast-path || rm -f "${tree}"/usr/lib/nat64/current/lib/${FAST_PATH} || die

	python_fix_shebang "${tree}"/usr/lib/nat64/current/bin
	insinto /usr/lib
	doins -r "${tree}"/usr/lib/nat64
	local bundle=/usr/lib/nat64/$(readlink "${tree}"/usr/lib/nat64/current)
	fperms 0755 ${bundle}/bin/{nat64d,dns64d,nat64-clat,anycastd,nat64ctl}
	python_optimize "${ED}"${bundle}/lib
	dosym ../lib/nat64/current/bin/nat64d /usr/sbin/nat64d
	dosym ../lib/nat64/current/bin/dns64d /usr/sbin/dns64d
	dosym ../lib/nat64/current/bin/nat64-clat /usr/sbin/nat64-clat
	dosym ../lib/nat64/current/bin/nat64ctl /usr/bin/nat64ctl

	insinto /etc
	doins -r "${tree}"/etc/{logrotate.d,nat64}
	doinitd "${tree}"/etc/init.d/{nat64d,dns64d}
	doconfd "${tree}"/etc/conf.d/{nat64d,dns64d}
	systemd_dounit "${tree}"/usr/lib/systemd/system/*.service
	dotmpfiles "${tree}"/usr/lib/tmpfiles.d/nat64.conf
	insinto /usr/lib
	doins -r "${tree}"/usr/lib/{modules-load.d,NetworkManager}
	insinto /usr/lib/systemd
	doins -r "${tree}"/usr/lib/systemd/network

	doman man/*
	dodoc README.md CHANGELOG.md docs/packages.md
}

pkg_postinst() {
	tmpfiles_process nat64.conf
	if [[ -z ${REPLACING_VERSIONS} ]]; then
		elog "Neither nat64d nor dns64d is started: each needs a config of your network first."
		elog "Edit ${EROOT}/etc/nat64/nat64.conf and ${EROOT}/etc/nat64/dns64.conf, turn on forwarding,"
		elog "masquerade the pool; then \`rc-update add nat64d\` and \`rc-update add dns64d\`, or"
		elog "\`systemctl enable --now nat64d dns64d\`. packages.md in ${EROOT}/usr/share/doc/${PF} says it all."
		elog "Where netifrc makes the TUN (net.nat64), add rc_need=\"net.nat64\" to ${EROOT}/etc/conf.d/nat64d."
	else
		elog "What runs is still the version before, whose files are gone: \`nat64ctl upgrade dns64d\` takes the"
		elog "DNS64 server to this one without a lost query; restart nat64d, whose TUN and leases stay."
	fi
}

pkg_postrm() {
	# Also of the version before: what another Python than it was compiled for has written beside its files, and what the
	# project's Ansible roles have brought.
	local root=${EROOT}/usr/lib/nat64 bundle
	local live=$(readlink "${root}"/current)
	for bundle in "${root}"/*; do
		case ${bundle##*/} in
			current | "${live}") ;;
			*) rm -rf "${bundle}" ;;
		esac
	done
	rmdir "${root}" 2>/dev/null
	return 0
}
