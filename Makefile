# Every command a newcomer needs. uv is fetched into the checkout when there is none.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo .cache/uv/bin/uv)
UV_VERSION := 0.13.9
STAMP := $(VENV)/.ready
TEST_STAMP := $(VENV)/.ready-tests

# Each of the many processes that tests and demo start would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo play test test-services crash-table schedules guards check bench lock clean help

help: ## What each command does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: $(STAMP) ## The whole desk on this machine, with a local workspace in the browser
	@$(BIN)/quartermaster demo

play: $(STAMP) ## The whole story without a browser, checked step by step
	@$(BIN)/quartermaster demo --play

test: $(TEST_STAMP) ## Every test but the slow ones with services (installs what they need)
	$(BIN)/pytest -n 4 --dist worksteal --ignore tests/services

test-services: $(TEST_STAMP) ## Real Slurm and PostgreSQL, kill -9 at every step, thousands at once
	$(BIN)/pytest -n 3 --dist loadfile tests/services

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

.cache/uv/bin/uv:
	@echo "Fetching uv into .cache/uv"
	@$(PY) -m venv .cache/uv
	@.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

lock: | $(UV) ## Pin every dependency anew
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra all -o requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --extra all --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean: ## Forget the environment (never the demo's state)
	rm -rf $(VENV) .cache
