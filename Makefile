# Every command of the project. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

BUNDLE := roles/bundle/files/nat64-bundle.tar.gz
SHELL_SCRIPTS := packaging/setup .ci/run tests/kernels/init $(wildcard lab/*.sh)
ASH_SCRIPTS := tests/packages/abuild.sh $(wildcard packaging/alpine/nat64*)

## Show the main job: a gateway, a host without IPv4, and the IPv4-only server it reaches (root)
.PHONY: demo
demo: setup bundle
	@$(BIN)/python -m lab demo

## Take down a demo that was kept or was killed
.PHONY: demo-down
demo-down: setup
	@$(BIN)/python -m lab down

## Remove the lab's cache of root file systems
.PHONY: clean-cache
clean-cache: setup
	@$(BIN)/python -m lab clean-cache

## Make .venv with nat64d, dns64d, nat64ctl, ansible-playbook and molecule, and install what the lab needs
.PHONY: setup
setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml packaging/setup packaging/lay_collections.py lab/requirements-debian.txt
	@packaging/setup ansible build
	@touch $@

## The same with all that tests and checks need
.PHONY: setup-dev
setup-dev: $(VENV)/.ready-dev

$(VENV)/.ready-dev: pyproject.toml packaging/setup packaging/lay_collections.py lab/requirements-debian.txt
	@packaging/setup dev
	@touch $(VENV)/.ready $@

FAST_PATH := nat64/device/fast_path

## Compile the fast path's program in place (clang; without it there is none)
.PHONY: fast-path
fast-path: $(FAST_PATH)/fast_path.bpf.o

$(FAST_PATH)/fast_path.bpf.o: $(wildcard $(FAST_PATH)/*.[ch]) packaging/build_fast_path.py | setup
	@$(BIN)/python packaging/build_fast_path.py

## Build the bundle that the role `bundle` carries to hosts
.PHONY: bundle
bundle: setup
	@$(BIN)/python packaging/build_bundle.py

## Build the collection nat64.gateway, with the bundle in it, into dist/
.PHONY: collection
collection: bundle
	@$(BIN)/python packaging/build_collection.py

## Build the Debian package, with the bundle in it, into dist/ (Debian)
.PHONY: deb
deb: bundle
	@packaging/setup --packages packaging/requirements-debian.txt
	@$(BIN)/python packaging/build_deb.py

## Build what Alpine's abuild and Gentoo's emerge take, into dist/: the sources, dist/alpine and dist/gentoo (Debian)
.PHONY: package-sources
package-sources: setup
	@packaging/setup --packages packaging/requirements-debian.txt
	@$(BIN)/python packaging/build_sources.py

## Lock the bundle's dependencies anew, with hashes
.PHONY: lock
lock: setup
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	  --output-file packaging/bundle.lock pyproject.toml

## Run all checks and tests (root; under 30 minutes on 2 cores)
.PHONY: test
test: lint-and-unit lab molecule

## All of it, with what takes too long for `make test` (root)
.PHONY: test-all
test-all: lint-and-unit lab molecule-all fleet deb-life apk-check ebuild-check kernels sanity strangers

# Beside each other: linters take one core at a time. Each prints when it is done.
.PHONY: lint-and-unit
lint-and-unit: setup-dev bundle
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint unit

## Style, types, roles, scripts
.PHONY: lint
lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline
	$(BIN)/antsibull-changelog lint
	$(BIN)/shellcheck $(SHELL_SCRIPTS)
	$(BIN)/shellcheck --shell=busybox $(ASH_SCRIPTS)

## What decides, without root or network
.PHONY: unit
unit: setup-dev bundle
	$(BIN)/pytest -n auto tests/unit tests/fuzz

# How long `make fuzz` lasts, and where libFuzzer begins.
FUZZ_SECONDS := 3600
FUZZ_SEED := 1

## Random packets and configs, guided by coverage, for FUZZ_SECONDS from FUZZ_SEED; the log goes to tests/fuzz/log
.PHONY: fuzz
fuzz: setup-dev
	$(BIN)/python -m tests.fuzz.campaign --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

# How long `make endurance` lasts, and what its random choices begin with.
SECONDS := 3600
SEED := 1

## dns64d under mixed good, bad and hostile load for SECONDS, by SEED (root); the log goes to tests/endurance/log
.PHONY: endurance
endurance: setup-dev
	$(BIN)/python -m tests.endurance --seconds $(SECONDS) --seed $(SEED)

# How many packets `make differential` compares, and what they are made from.
PACKETS := 10000000

## The fast path beside Python, packet by packet: PACKETS of them by SEED (root); the log goes to tests/fast_path/log
.PHONY: differential
differential: setup-dev
	$(BIN)/python -m tests.fast_path --packets $(PACKETS) --seed $(SEED)

## The fast path under the kernels of Debian's releases, in QEMU (root); they come from a Debian mirror
.PHONY: kernels
kernels: setup-dev fast-path
	@packaging/setup --packages tests/kernels/requirements-debian.txt
	$(BIN)/python -m tests.kernels

# How often `make hitless` restarts nat64d in each way.
RESTARTS := 100

## Packets of a running flow counted over kill -9, restarts and reloads of nat64d with the fast path, RESTARTS of each (root)
.PHONY: hitless
hitless: setup-dev fast-path
	RESTARTS=$(RESTARTS) $(BIN)/pytest tests/lab/test_fast_path_daemon_lab.py -k loses_nothing

# Three files beside each other: each test waits most of its time, and those of one file share a lab.
## The real daemons in network namespaces (root)
.PHONY: lab
lab: setup-dev fast-path
	@[ "$$(id -u)" -eq 0 ] || { echo "make lab needs root: it makes network namespaces" >&2; exit 1; }
	$(BIN)/pytest -n 3 --dist loadfile tests/lab

# The roles' scenarios choose a platform each; SCENARIO@PLATFORM is for another one.
MOLECULE_ROLES := bundle nat64 dns64 resolver resolver-adopt resolver-unbound nat44 router_advertisements
MOLECULE_VALIDATING := resolver-unbound-validating
# The long ones first: what is left over at the end is short. The whole gateways show most of what a role alone would.
MOLECULE := default alpine gentoo dns64
MOLECULE_ALL := $(sort $(MOLECULE) $(MOLECULE_ROLES)) alpine-diskless debian13 debian-openrc gentoo-systemd \
  anycast failover one-armed one-armed-advertised several-lans dual-stack delegated-prefix client late-uplink \
  late-uplink@alpine \
  nat64-ifupdown nat64-ifupdown@alpine nat64-netifrc nat64-managers \
  router_advertisements-networkd router_advertisements-refused router_advertisements-dnsmasq router_advertisements-kea \
  $(MOLECULE_VALIDATING) $(MOLECULE_VALIDATING:%=%@alpine) $(MOLECULE_VALIDATING:%=%@gentoo) \
  $(filter-out router_advertisements@%,$(MOLECULE_ROLES:%=%@debian12)) \
  $(foreach platform,debian13 alpine gentoo,$(MOLECULE_ROLES:%=%@$(platform)))
MOLECULE_TARGETS := $(sort $(MOLECULE_ALL:%=molecule-%))
# Three beside each other, on two cores: one alone waits for its hosts half of the time. Each prints when it is done.
MOLECULE_RUN = $(MAKE) --no-print-directory --jobs=3 --output-sync=target

## The whole gateway, with all roles, on three platforms, and DNS64 by itself (root)
.PHONY: molecule
molecule: setup-dev bundle
	@$(MOLECULE_RUN) $(MOLECULE:%=molecule-%)

## The same on every platform, every role, and wherever gateways stand (root)
.PHONY: molecule-all
molecule-all: setup-dev bundle
	@$(MOLECULE_RUN) $(MOLECULE_ALL:%=molecule-%)

.PHONY: $(MOLECULE_TARGETS)
$(MOLECULE_TARGETS): export MOLECULE_EPHEMERAL_DIRECTORY = $(CURDIR)/.cache/molecule/$(@:molecule-%=%)
$(MOLECULE_TARGETS): molecule-%:
	@scenario=$(firstword $(subst @, ,$*)); $(if $(findstring @,$*),export NAT64_PLATFORM=$(lastword $(subst @, ,$*));) \
	  $(BIN)/molecule test -s $$scenario || { $(BIN)/molecule destroy -s $$scenario; exit 1; }

# How many gateways `make fleet` (4 to 50) and `make bench-fleet` (1 to 50) boot; each its own default.
fleet: HOSTS := 4
bench-fleet: HOSTS := 50

## HOSTS gateways changed a part after the other, with all that can stop it (root; fifty take an hour and more)
.PHONY: fleet
fleet: setup-dev bundle
	HOSTS=$(HOSTS) $(BIN)/pytest tests/fleet

## The Debian package's whole life on Debian 12 and 13: installed, used, upgraded, broken off, removed, purged (root)
.PHONY: deb-life
deb-life: setup-dev deb
	$(BIN)/pytest tests/packages -k 'not apk and not ebuild'

## The Alpine package, built by a stand-in for abuild, and its life on a stand-in for Alpine (root)
.PHONY: apk-check
apk-check: setup-dev
	@packaging/setup --packages packaging/requirements-debian.txt
	$(BIN)/pytest tests/packages/test_apk_life.py

## The ebuilds by the real Portage and pkgcheck, and their life on a stand-in for Gentoo (root)
.PHONY: ebuild-check
ebuild-check: setup-dev
	@packaging/setup --packages packaging/requirements-debian.txt
	$(BIN)/pytest tests/packages/test_ebuild.py tests/packages/test_ebuild_life.py

## What ansible-test says of the installed collection, with each ansible-core (python3.11 and python3.13 on PATH)
.PHONY: sanity
sanity: setup-dev bundle
	$(BIN)/pytest tests/collection/test_sanity.py

## Strangers' playbooks from the built collection, with each ansible-core (root; the same Pythons)
.PHONY: strangers
strangers: setup-dev bundle
	$(BIN)/pytest tests/collection/test_stranger.py

# How often `make failover` has each event come.
ROUNDS := 3

## What clients lose while a gateway of two is killed, stopped, restarted or upgraded, ROUNDS times each (root; some 15 minutes)
.PHONY: failover
failover: setup-dev bundle
	$(BIN)/python -m tests.failover --rounds $(ROUNDS)

## nat64d beside plain forwarding and TAYGA, dns64d beside Debian's resolvers (root; half an hour; OPTIONS=--quick for five minutes)
.PHONY: bench
bench: bench-nat64 bench-dns64

## The translator's part of it
.PHONY: bench-nat64
bench-nat64: setup
	@packaging/setup --packages bench/requirements-debian.txt
	@$(BIN)/python -m bench $(OPTIONS)

## The DNS64 server's part of it
.PHONY: bench-dns64
bench-dns64: setup
	@$(BIN)/python -m bench.dns64 $(OPTIONS)

## Memory and lookup time by the number of leases and maps
.PHONY: bench-leases
bench-leases: setup
	@$(BIN)/python -m bench.leases

## A run on a fleet of HOSTS that finds nothing to do beside a bare ping of them (root; sets them up first)
.PHONY: bench-fleet
bench-fleet: setup bundle
	@$(BIN)/python -m bench.fleet --hosts $(HOSTS) $(OPTIONS)

.PHONY: help
help:
	@awk '/^## /{text=substr($$0,4)} /^\.PHONY:/{if(text){printf "  make %-13s %s\n",$$2,text; text=""}}' $(MAKEFILE_LIST)
