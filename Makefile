# SPDX-License-Identifier: Apache-2.0
# cxltab: build, test and install. `make help` explains the targets and variables.

all: ## build everything: libcxltab, BPF programs, cxltab, nicsim (default)

include mk/config.mk
include mk/bpf.mk
include mk/user.mk
include mk/tests.mk
include mk/ovs.mk
include mk/demo.mk
include mk/style.mk
include mk/install.mk

# Recipes that are stages: each is a make of its own, so that -j runs them in order. Without -j the
# building stages take one job per processor.
stage = +$(Q)$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(NPROC))

demo: ## deps, build, then the main job before your eyes (root; about a minute)
	$(stage) deps
	$(stage) all $(DEMO_PROGRAMS)
	$(Q)$(RUN_ENV) scripts/demo.sh

test: ## deps, test-deps, build, check, selftest (root)
	$(stage) deps
	$(stage) test-deps
	$(stage) all
	$(stage) check
	$(stage) selftest
	@scripts/totals.sh $(O)/check/totals $(O)/selftest/totals

deps: ## install what building and the demo need (Debian; root)
	@scripts/deps.sh

test-deps: ## install what the tests and checks need on top (Debian; root)
	@scripts/test-deps.sh

clean: ## remove what was built
	$(Q)rm -rf $(O)

help: ## this table
	@echo 'Targets:'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo 'Variables:'
	@sed -n 's/^#: \(.*[^ ]\)   *\(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F '|' '{ printf "  %-14s %s\n", $$1, $$2 }'

.PHONY: all demo test deps test-deps clean help
