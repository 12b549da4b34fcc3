# SPDX-License-Identifier: Apache-2.0
BUILD_TYPE  ?= Release
PLUGIN_NAME ?= snapclone
FORCE       ?=
POOL         =
IMAGE        =
TIME        ?= 60
REGISTRY     =
TAG          =
MAINTAINER   =
# Another architecture to build for; it has a directory of its own below build/.
ARCH         =
cross        = $(filter-out $(shell uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/'),$(ARCH))
# Another build, below build/ as well: with a sanitizer, address or thread.
SANITIZE    ?=
build        = build$(if $(cross),/$(cross))$(SANITIZE:%=/%)
variant      = "POOL=$(POOL)" "IMAGE=$(IMAGE)"
plugin       = SNAPCLONE_BUILD=$(build) ARCH=$(cross) scripts/plugin
suites       = unit conformance fault power load
QUICK       ?=
SECONDS      = 120
GROUND       =
MINUTES      = 10
# As many at once as there are cores, and a gigabyte of memory for each: Beast's templates are hungry.
JOBS        ?= $(shell awk -v cores=$$(nproc) '/^MemAvailable/ { n = int($$2 / 1000000) } \
                 END { print n < 1 ? 1 : n < cores ? n : cores }' /proc/meminfo)

# A caller's own flags, such as -n or -j, mean this file, and not what CMake makes.
cmake_build = env -u MAKEFLAGS -u MAKELEVEL cmake --build $(build) --parallel $(JOBS) --target

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all configure build check-variant plugin check-install install deb check-push push uninstall demo \
  test tests unit conformance fault power load engine-test check format packages clean help \
  fuzz soak test-arm64 test-engines test-faults test-kernels test-load test-power test-sanitizers \
  bench bench-docs bench-postgres

all: build

configure:
	@$(if $(cross),test -e packaging/$(cross).cmake || { echo "ARCH=$(ARCH): of other architectures only arm64 can be built here" >&2; exit 1; })
	@$(if $(cross),scripts/sysroot $(cross))
	@ARCH=$(cross) scripts/configure $(build) -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DSANITIZE=$(SANITIZE) \
	  $(if $(cross),-DCMAKE_TOOLCHAIN_FILE=packaging/$(cross).cmake)

build: configure ## build the program: build/snapclone (also what "make" alone does) [ARCH=arm64, here and below]
	$(cmake_build) snapclone

check-variant:
	@$(plugin) check $(variant)

plugin: check-variant build ## stage the managed plugin: build/plugin; of a variant build/plugin-pool or -image [POOL=/srv/pool] [IMAGE=on]
	@$(plugin) stage $(variant)

# What can fail is looked at first: building takes two minutes.
check-install:
	@$(plugin) check-install "$(PLUGIN_NAME)" $(variant)

install: check-install plugin ## create and enable it in your Docker engine [PLUGIN_NAME=snapclone] [POOL=/srv/pool] [IMAGE=on]
	@$(plugin) install "$(PLUGIN_NAME)" $(variant)

deb: build ## make a Debian package, to run it as a service and not as a managed plugin [MAINTAINER="Name <address>"]
	@rm -f $(build)/snapclone_*.deb
	@cd $(build) && cpack $(if $(MAINTAINER),-D CPACK_PACKAGE_CONTACT="$(MAINTAINER)") >cpack.log || { cat cpack.log; exit 1; }
	@echo "made $$(echo $(build)/snapclone_*.deb)"

check-push:
	@TAG="$(TAG)" $(plugin) check-push "$(REGISTRY)" $(variant)

push: check-push build ## publish it as REGISTRY=host:port/name, its version and "latest" [TAG=nightly] [POOL=/srv/pool] [IMAGE=on]
	@$(plugin) stage $(variant)
	@TAG="$(TAG)" $(plugin) push "$(REGISTRY)" $(variant)

uninstall: ## remove it; refused while it has volumes, which go with it unless they lie in a POOL [FORCE=1]
	@FORCE="$(FORCE)" $(plugin) uninstall "$(PLUGIN_NAME)"

demo: ## show what it does, on an engine of its own; installs missing packages
	@scripts/install-packages build engine
	@$(MAKE) --no-print-directory plugin
	@$(plugin) stage IMAGE=on
	@scripts/demo

test: ## everything: checks, unit tests, engine tests; installs missing packages
	@scripts/install-packages build engine test check
	@$(MAKE) --no-print-directory tests
	@scripts/test

# All that "test" needs, as many at once as there is room for.
tests: configure
	$(cmake_build) snapclone $(suites:%=%_tests)
	@$(MAKE) --no-print-directory plugin deb

$(suites:%=%_tests): configure
	$(cmake_build) $@

unit: unit_tests ## the unit tests alone
conformance: conformance_tests ## what every backend promises, on every kind of pool
fault: fault_tests ## kills, and calls that fail, at every kind of system call
power: power_tests ## power cuts at some moments, on recorded disks
load: load_tests ## a thousand clones, 64 clients at once, many pairs of verbs: the short forms
$(suites):
	@scripts/test $@

engine-test: plugin deb ## the tests with a real engine alone
	@scripts/test engine

fuzz: ## look for input that breaks what the decoders promise [TIME=60], in seconds for each of them
	@scripts/install-packages build test
	@scripts/fuzz $(TIME)

test-kernels: ## the conformance tests on the kernels of Debian releases, under qemu [KERNELS="11 12 13"]
	@scripts/install-packages build kernels
	@$(MAKE) --no-print-directory conformance_tests
	@scripts/test-kernels $(KERNELS)

test-power: ## power cuts at every moment of many days, on every kind of pool [SEEDS=1]
	@scripts/install-packages build test
	@$(MAKE) --no-print-directory power_tests
	@scripts/test-power $(SEEDS)

test-engines: ## the engine tests with the Docker engines of Debian releases [ENGINES="12 13 sid"]
	@scripts/install-packages build engines
	@$(MAKE) --no-print-directory plugin deb
	@scripts/test-engines $(ENGINES)

test-arm64: ## the tests of a build for arm64, under user emulation
	@scripts/install-packages build arm64 test
	@$(MAKE) --no-print-directory ARCH=arm64 plugin deb unit_tests conformance_tests
	@scripts/test-arm64

bench: ## measure it, and what it is compared with; writes build/bench; takes 15 minutes [QUICK=1: three minutes]
	@scripts/install-packages build engine bench
	@$(MAKE) --no-print-directory plugin
	$(cmake_build) snapclone_bench
	@bench/run $(if $(QUICK),--quick)

bench-postgres: ## the same with PostgreSQL in containers; adds to the report of "make bench" [QUICK=1]
	@scripts/install-packages build engine bench postgres
	@$(MAKE) --no-print-directory plugin
	$(cmake_build) snapclone_bench
	@bench/run $(if $(QUICK),--quick) postgres databases

bench-docs: ## put the report into docs/performance.md
	@bench/report.py --docs build/bench

test-faults: ## kills before, and failures of, every single system call; takes hours [GROUND="overlay on ext4"]
	@scripts/install-packages build test
	@$(MAKE) --no-print-directory fault_tests
	$(if $(filter-out 0,$(shell id -u)),sudo )$(build)/fault_tests --log_level=message -- all $(if $(GROUND),"$(GROUND)")

test-load: ## "make load" for two minutes each, with the program as it is and with sanitizers [SECONDS=120]
	@scripts/install-packages build test
	@for sanitize in '' address thread; do \
	  $(MAKE) --no-print-directory load_tests SANITIZE=$$sanitize && \
	    SANITIZE=$$sanitize LOAD_SECONDS=$(SECONDS) LOAD_TESTS='!@soak' scripts/test load || exit; \
	done

soak: load_tests ## whether it holds no more after many pairs of verbs, for a long time on each backend [MINUTES=10]
	@LOAD_SECONDS=$$(($(MINUTES) * 60)) LOAD_TESTS=@soak scripts/test load

test-sanitizers: ## unit, conformance and load tests with sanitizers: of addresses and undefined behaviour, of threads
	@scripts/install-packages build test
	@for sanitize in address thread; do \
	  $(MAKE) --no-print-directory unit_tests conformance_tests load_tests SANITIZE=$$sanitize && \
	    SANITIZE=$$sanitize scripts/test unit conformance load || exit; \
	done

check: plugin ## format, lint, rules of the source tree, promises of the program
	@scripts/check

format: ## lay out the C++ files as .clang-format says
	clang-format -i $$(scripts/sources cpp)

packages: ## install the Debian packages that building, testing and checking need
	@scripts/install-packages build engine test check

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
