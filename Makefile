# Every command a newcomer needs. uv is fetched into the checkout when there is none.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
UV_VERSION := 0.13.9
STAMP := $(VENV)/.ready
TEST_STAMP := $(VENV)/.ready-tests

# A real vLLM for tests lives in an environment of its own. The CPU build of torch is not on PyPI: TORCH_LINKS is a
# folder or page that has it (as pip's --find-links), by default the one that pip is configured with.
MODELS := .venv-models
MODELS_PYTHON ?= python3.11
MODELS_STAMP := $(MODELS)/.ready
TORCH_LINKS ?= $(or $(PIP_FIND_LINKS),$(shell $(MODELS_PYTHON) -m pip config get global.find-links 2>/dev/null))
WITH_TORCH = $(foreach place,$(TORCH_LINKS),--find-links $(place))

# Each of the many processes that tests and demo start would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo play test test-services test-models lock-models crash-table schedules guards check bench lock clean help

help: ## What each command does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(STAMP) ## The whole desk on this machine, with a local workspace in the browser
	@$(BIN)/quartermaster demo

play: $(STAMP) ## The whole story without a browser, checked step by step
	@$(BIN)/quartermaster demo --play

test: $(TEST_STAMP) ## Every test but the slow ones with services (installs what they need)
	$(BIN)/pytest -n 4 --dist worksteal -m "not models" --ignore tests/services

test-services: $(TEST_STAMP) ## Real Slurm and PostgreSQL, kill -9 at every step, thousands at once
	$(BIN)/pytest -n 5 --dist loadfile -m "not models" tests/services

test-models: $(TEST_STAMP) $(MODELS_STAMP) ## Model servers: a real vLLM on the CPU, and switching under load (installs 2 GB once)
	$(BIN)/pytest -m models tests/models tests/walk tests/services

crash-table: $(TEST_STAMP) ## Play every kill of the crash table and write it into workers/README.md
	@PYTHONPATH=tests $(BIN)/python -m services.crash_table

schedules: $(TEST_STAMP) ## Play ten thousand random lives of leases and write the figures into workers/README.md
	@PYTHONPATH=tests $(BIN)/python -m walk.schedules 10000

guards: $(TEST_STAMP) ## Take out one guard at a time and see its tests fail (slow)
	@$(BIN)/python -m tests.guards

check: $(TEST_STAMP) ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(TEST_STAMP) ## Ratios of speed and memory
	$(BIN)/python -m tests.bench

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@echo "Setting up (once; about a minute)"
	@$(UV) venv --quiet --allow-existing --python $(PY) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

$(TEST_STAMP): requirements-dev.lock $(STAMP)
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.lock
	@touch $@

$(MODELS_STAMP): tests/models/requirements.lock | $(UV)
	@$(MODELS_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null || { echo \
	  "make test-models needs Python 3.11, and $(MODELS_PYTHON) is none: set MODELS_PYTHON=/path/to/python3.11"; exit 1; }
	@test -n "$(TORCH_LINKS)" || { echo \
	  "make test-models needs the CPU build of torch: set TORCH_LINKS to a folder or page that has the wheel"; exit 1; }
	@echo "Setting up vLLM (once; one or two minutes)"
	@$(UV) venv --quiet --clear --python $(MODELS_PYTHON) $(MODELS)
	@$(UV) pip install --quiet --compile-bytecode --python $(MODELS)/bin/python --require-hashes --no-deps $(WITH_TORCH) -r $<
	@touch $@

.cache/uv/bin/uv:
	@echo "Fetching uv into .cache/uv"
	@$(PY) -m venv .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

lock: | $(UV) ## Pin every dependency anew
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra all -o requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra all --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

lock-models: | $(UV) ## Pin the tests' vLLM anew
	$(UV) pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links $(WITH_TORCH) --excludes tests/models/excludes.txt -o tests/models/requirements.lock tests/models/requirements.in

clean: ## Forget the environment (never the demo's state)
	rm -rf $(VENV) $(MODELS) .cache
