# Everything a developer types. Needs make and Python 3.11 or later; whatever else is used comes from the lock files.
#
#   make demo                   a fictitious directory on http://127.0.0.1:8000, or the next free port
#   make test                   lint, types and tests, as the server runs them

PYTHON ?= python3
SIZE ?= medium

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Lock files say versions and hashes, never where to fetch: that is the business of whoever installs.
# `editable` brings the build backend, so that the project itself is installed without fetching anything unpinned.
COMPILE := PIP_FIND_LINKS= $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --build-deps-for editable $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help demo test test-long lint bench lock clean

help:  ## Show this help
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name told; do \
		printf '  make %-10s %s\n' "$$name" "$$told"; done

demo: $(VENV)/.runtime  ## Make a fictitious directory and serve it on http://127.0.0.1:8000
	$(BIN)/ror demo

test: lint  ## Run lint, types, then every test
	$(BIN)/pytest -n 2

test-long: $(VENV)/.development  ## Run laws, kills and fuzzing with large amounts (an hour)
	ROR_TEST_LONG=1 $(BIN)/pytest -n 2 -m long

lint: $(VENV)/.development  ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.development  ## Measure on a generated directory (SIZE=small, medium or national)
	$(BIN)/python -m benchmarks --size $(SIZE)

lock: $(VENV)/.development  ## Write the lock files from pyproject.toml (UPGRADE=1 for the newest versions)
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:  ## Remove the environment, the caches and the demonstration
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist var/demo
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment: each stamp is newer than what it was made from ---------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is older than Python 3.11; name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: requirements.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

# The development lock holds the runtime one.
$(VENV)/.development: requirements-dev.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/.runtime $@
