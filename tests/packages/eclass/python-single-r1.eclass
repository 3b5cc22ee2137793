# What this stands in for, README.md says. Python is python3.13 by name; what builds is CHECK_PYTHON of make.conf.

IUSE="python_single_target_python3_13"
PYTHON_REQUIRED_USE="python_single_target_python3_13"
PYTHON_DEPS="python_single_target_python3_13? ( dev-lang/python:3.13[${PYTHON_REQ_USE}(+)] )"
PYTHON_SINGLE_USEDEP="python_single_target_python3_13(-)?"

python_gen_cond_dep() {
	echo "python_single_target_python3_13? ( ${1//\$\{PYTHON_USEDEP\}/python_targets_python3_13(-)} )"
}

python-single-r1_pkg_setup() {
	EPYTHON=${CHECK_PYTHON}
	PYTHON_NAME=python3.13
}

python_fix_shebang() {
	sed -i -E "1s|^#!.*/python3|#!${EPREFIX}/usr/bin/${PYTHON_NAME}|" "$1"/* || die
}

python_optimize() {
	"${EPYTHON}" -m compileall -q -s "${D}" "$@" || die
}

EXPORT_FUNCTIONS pkg_setup
