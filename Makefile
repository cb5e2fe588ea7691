# Everything runs in .venv, which these targets make themselves. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench
COMPILED := .make/compiled

# The first Python of 3.11 to 3.14 that can make an environment: the embedded PostgreSQL comes for
# these. Or say: make PYTHON=/path/to/python
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	if command -v $$p >/dev/null && $$p -c '$(FITS)' 2>/dev/null; then echo $$p; break; fi; done)

# ARGS goes to the demo and the benchmark, PYTEST_ARGS to pytest.
ARGS ?=
PYTEST_ARGS ?=
PYTEST = $(BIN)/python -m pytest $(PYTEST_ARGS)
TESTED := $(addprefix tests/,property contract integration acceptance faults)
# Before the checkout, which an installed program does not see either.
AS_COMPILED = PYTHONPATH=$(CURDIR)/$(COMPILED):$(CURDIR) PYTHONSAFEPATH=1 COMPILED=$(COMPILED)

.PHONY: demo check static test bench bench-quick compiled faults install clean help

demo: $(RUNTIME) ## Start PostgreSQL, stream and receiver, and watch changes arrive (ARGS="--keep")
	@$(BIN)/python -m cdc_triggers.demo $(ARGS)

check: static ## Format, lint, types, import rules, unit and property tests
	$(PYTEST) --numprocesses 2 --dist loadfile $(wildcard tests/unit tests/property)

# Unit and property tests run on the sources, all but the unit tests on what is compiled of them.
test: ## The same, and all tests on real servers, compiled (ADR 0022), two at a time
	@$(MAKE) --no-print-directory --jobs 2 check $(COMPILED)/.made
	$(AS_COMPILED) $(BIN)/pytest $(PYTEST_ARGS) --override-ini pythonpath=tests \
		--numprocesses 2 --dist loadfile $(TESTED)

static: $(DEV) # The checks that run nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The package as CDC_TRIGGERS_COMPILE=1 pip install makes it; empty where nothing can be compiled.
$(COMPILED)/.made: $(DEV) hatch_build.py $(shell find cdc_triggers sql -type f -not -name '*.pyc')
	@rm -rf $(COMPILED) && mkdir -p $(COMPILED)
	@if lacks=$$($(BIN)/python -c 'import hatch_build; print(hatch_build.missing() or "")') \
		&& test -n "$$lacks"; then \
		echo "not compiled: $$lacks is missing. What follows runs on the sources." >&2; \
	else \
		echo "compiling the hot path into $(COMPILED)" >&2; \
		CDC_TRIGGERS_COMPILE=1 $(BIN)/python -m pip install --quiet --no-deps \
			--no-build-isolation --target $(COMPILED) .; \
	fi
	@touch $@

compiled: $(COMPILED)/.made # What `make test` and `make bench` run

# A run that fails leaves the page as it was. Run what failed again with
# PYTEST_ARGS=--last-failed: what passed stays in the log.
faults: $(COMPILED)/.made ## The whole fault matrix, compiled (hours); writes docs/reference/faults.md
	@test -n "$(PYTEST_ARGS)" || rm -f .make/faults.jsonl
	$(AS_COMPILED) $(BIN)/pytest $(PYTEST_ARGS) --override-ini pythonpath=tests \
		--numprocesses 2 tests/faults --whole --faults-log .make/faults.jsonl
	PYTHONPATH=tests $(BIN)/python -m support.report .make/faults.jsonl docs/reference/faults.md

# Rows alone: make bench ARGS="--rows 3,5". What was measured stays in .make; python -m bench.page
# makes the page of several such files.
bench: $(BENCH) $(COMPILED)/.made ## The benchmark (40 minutes); writes docs/reference/benchmark.md
	@bench/install
	$(AS_COMPILED) $(BIN)/python -m bench --json .make/bench.json $(ARGS)
	$(BIN)/python -m bench.page .make/bench.json

bench-quick: $(BENCH) $(COMPILED)/.made ## A small one (3 minutes); prints, writes no page
	@bench/install
	$(AS_COMPILED) $(BIN)/python -m bench --scale quick $(ARGS)

install: $(DEV) ## Make the environment and do nothing else

clean: ## Remove the environment and all that was built
	rm -rf $(VENV) .demo .make build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find cdc_triggers tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Remade when pyproject.toml changes, so that it never has what is no longer declared.
$(RUNTIME): pyproject.toml
	@test -n "$(PYTHON)" || { \
		echo "no Python 3.11 to 3.14 with venv found: install python3 and python3-venv," \
			"or say make PYTHON=/path/to/python" >&2; exit 2; }
	@test ! -L $(VENV) || { \
		echo "$(VENV) is a link, and what it points to would be emptied: remove the link" >&2; exit 2; }
	@echo "making $(VENV) with $(PYTHON)" >&2
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[embedded]'
	@touch $@

$(DEV): $(RUNTIME)
	@$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(BENCH): $(DEV)
	@$(BIN)/python -m pip install --quiet --group bench
	@touch $@
