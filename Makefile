# SPDX-License-Identifier: Apache-2.0
BUILD_TYPE  ?= Release
PLUGIN_NAME ?= snapclone
FORCE       ?=
# As many at once as there are cores, and a gigabyte of memory for each: Beast's templates are hungry.
JOBS        ?= $(shell awk -v cores=$$(nproc) '/^MemAvailable/ { n = int($$2 / 1000000) } \
                 END { print n < 1 ? 1 : n < cores ? n : cores }' /proc/meminfo)

# A caller's own flags, such as -n or -j, mean this file, and not what CMake makes.
cmake_build = env -u MAKEFLAGS -u MAKELEVEL cmake --build build --parallel $(JOBS) --target

.DEFAULT_GOAL := all
.NOTPARALLEL:
.PHONY: all build plugin install uninstall demo test unit engine-test check format packages clean help configure

all: build

configure:
	@cmake -Wno-dev -S . -B build -DCMAKE_BUILD_TYPE=$(BUILD_TYPE) -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null || \
	  { echo "Packages that are missing here, if any (\"make packages\" installs them):" && \
	    scripts/install-packages --list build; exit 1; } >&2

build: configure ## build the program: build/snapclone (also what "make" alone does)
	$(cmake_build) snapclone

plugin: build ## stage the managed plugin: build/plugin
	@scripts/plugin stage

install: plugin ## create and enable the plugin in your Docker engine [PLUGIN_NAME=snapclone]
	@scripts/plugin install "$(PLUGIN_NAME)"

uninstall: ## remove it; refused while it has volumes, which go with it [FORCE=1]
	@FORCE="$(FORCE)" scripts/plugin uninstall "$(PLUGIN_NAME)"

demo: ## show what it does, on an engine of its own; installs missing packages
	@scripts/install-packages build engine
	@$(MAKE) --no-print-directory plugin
	@scripts/demo

test: ## everything: checks, unit tests, engine tests; installs missing packages
	@scripts/install-packages build engine test check
	@$(MAKE) --no-print-directory plugin unit_tests
	@scripts/test

unit_tests: configure
	$(cmake_build) unit_tests

unit: unit_tests ## the unit tests alone
	@scripts/test unit

engine-test: plugin ## the tests with a real engine alone
	@scripts/test engine

check: plugin ## format, lint, rules of the source tree, promises of the program
	@scripts/check

format: ## lay out the C++ files as .clang-format says
	clang-format -i $$(scripts/sources cpp)

packages: ## install the Debian packages that building, testing and checking need
	@scripts/install-packages build engine test check

clean: ## remove build/
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z_-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
