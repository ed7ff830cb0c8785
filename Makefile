# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, The Drawbridge authors
#
# Two commands on a fresh Debian or Ubuntu machine, as root: "make demo" and "make test". Each installs what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# The machine's own Python: it makes the environments and drives the lab.
PYTHON ?= /usr/bin/python3
NEWEST := .build/venv-newest/bin/python
GATES := $(PYTHON) -m tests.tools.gates
LABS := $(PYTHON) -m tests.tools.labs
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help env demo picture test check goldens lab-up lab-down lab-status shell schema drill bench clean
.PHONY: unit kernel coverage lab molecule sanity sanity-oldest lint docs site types syntax ruff shellcheck build release changelog

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: env ## show Docker hosts before and after hardening, and what happens to one later (sets everything up by itself)
	@$(NEWEST) -m tests.demo

picture: env ## draw README's picture from what the demo printed; CAPTURE=1 runs the demo anew
	@$(NEWEST) -m tests.demo.picture $(if $(CAPTURE),--capture)

test: env ## run every gate (sets everything up by itself)
	@$(GATES)

check: env ## the quick gates: unit, types, syntax, ruff, shellcheck
	@$(GATES) unit types syntax ruff shellcheck

env: ## make the environments that everything below runs in
	@tests/tools/bootstrap
	@$(PYTHON) tests/tools/env.py $(ENVIRONMENTS)

# These need no tools, and the first demo on a fresh machine is not to wait for them.
demo picture bench goldens schema lab-up: ENVIRONMENTS = newest

lab-up: env ## boot two labs: each with Docker hosts and clients on this machine
	@$(LABS) up

lab-down: ## end the labs and everything they started
	@$(LABS) down

lab-status: ## say what of the labs is there
	@$(LABS) status

unit: env ## gate: unit tests, no root needed
	@$(GATES) unit

goldens: env ## show where the code differs from its golden files; ACCEPT=1 writes them
	@$(NEWEST) -m tests.goldens $(if $(ACCEPT),--accept)

kernel: env ## gate: tests in network namespaces of the real kernel
	@$(GATES) kernel

coverage: env ## gate: which branches of plugins/ the unit and kernel tests run
	@$(GATES) coverage

lab: env ## gate: tests on the lab's Docker hosts
	@$(GATES) lab

molecule: env ## gate: the roles on the lab's hosts, idempotence included
	@$(GATES) molecule

sanity: env ## gate: ansible-test sanity, newest ansible-core
	@$(GATES) sanity

sanity-oldest: env ## gate: ansible-test sanity, oldest ansible-core
	@$(GATES) sanity-oldest

lint: env ## gate: ansible-lint, profile production
	@$(GATES) lint

docs: env ## gate: documentation of plugins and roles
	@$(GATES) docs

site: env ## gate: documentation as a site in .build/site, which needs no server
	@$(GATES) site

types: env ## gate: mypy --strict on plugins and tests' support
	@$(GATES) types

syntax: env ## gate: what runs on targets is Python 3.8
	@$(GATES) syntax

ruff: env ## gate: ruff on every Python file
	@$(GATES) ruff

shellcheck: env ## gate: shellcheck on every shell script
	@$(GATES) shellcheck

build: env ## gate: the collection builds to the same bytes twice, installs and lists its modules
	@$(GATES) build

release: env ## put archive, bill of materials (SPDX) and checksums of the last commit into .build/release
	@$(GATES) release

changelog: env ## gate: changelog fragments
	@$(GATES) changelog

shell: ## write the boot program's sources into the Python file that hosts get it from
	@$(PYTHON) -m tests.tools.boot_program

schema: env ## write the JSON Schemas of docs/schema from the parser's tables
	@$(NEWEST) -m tests.tools.policy_schema

drill: env ## the tests that take too long for "make test"
	@$(PYTHON) -m tests.tools.browser
	@$(GATES) drill

bench: env ## measure against the bare tools and print the ratios
	@$(NEWEST) -m tests.bench

clean: ## remove what was built inside this tree (the cache outside stays)
	@rm -rf .build .pytest_cache .mypy_cache .ansible tests/output
