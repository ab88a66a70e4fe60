# Everything a newcomer needs: `make demo`, `make test`, `make up`. Bare Python 3.11+ and make.

VENV := .venv
BIN := $(VENV)/bin
PYTHON := $(BIN)/python
STATION := $(PYTHON) -m apps.station.local
# Scripts in the environment hold its path: after a move it is made anew.
STAMP := $(VENV)/.installed-$(firstword $(shell pwd -P | cksum))

.DEFAULT_GOAL := help
# Targets share one environment and one set of folders; nothing here gains from running at once.
.NOTPARALLEL:
# A half-made environment must not look finished.
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

# --- The station --------------------------------------------------------------------------------

.PHONY: demo
demo: venv ## Import people, mail them, sync a list, text it; then compare
	@exec $(PYTHON) -m apps.station.demo

.PHONY: up
up: venv ## Start the station and leave it running (honours DATABASE_URL and REDIS_URL)
	@exec $(STATION) up $(if $(PORT),--port $(PORT))

.PHONY: down
down: venv ## End the station that `make up` started
	@exec $(STATION) down

.PHONY: status
status: venv ## Show what runs, with process ids and uptimes
	@exec $(STATION) status

# --- Development --------------------------------------------------------------------------------

# JOBS says how many processes run tests side by side; 0 is a single one.
TESTS = JOBS="$(JOBS)" $(PYTHON) -m tests $(ARGS)

.PHONY: test
test: venv ## Run the whole test suite against servers of its own (ARGS="-k word -x")
	@$(TESTS)

.PHONY: check
check: venv ## Format, lint, types, import contracts, migrations, tests: what must be green
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(STATION) run --no-durability -- sh -ec 'mypy; python manage.py makemigrations --check --dry-run'
	@$(TESTS)

.PHONY: format
format: venv ## Put the code into its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

.PHONY: bench
bench: venv ## Run all benchmarks, or one: make bench NAME=…
	@exec $(PYTHON) -m tests.benchmarks $(NAME)

.PHONY: browser
browser: venv ## Drive admin in headless Chromium (installs it); pictures are left in var/browser
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/browser.txt
	@sh deploy/find-chromium >/dev/null
	@exec $(PYTHON) -m pytest tests/browser $(ARGS)

.PHONY: faults
faults: venv ## Send under fire, all scenarios or one: make faults NAME=…
	@exec $(PYTHON) -m tests.faults $(NAME)

# --- The environment ----------------------------------------------------------------------------

.PHONY: venv
venv: $(STAMP) ## Install the locked dependencies into .venv

# Runs again only when a lock changed or the project moved. Any Python from 3.11 on will do;
# PYTHON3=/path/to/it chooses one.
$(STAMP): requirements/base.txt requirements/dev.txt
	@sh deploy/make-venv $(VENV) "$(PYTHON3)"
	@echo "installing the locked dependencies ..."
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/base.txt -r requirements/dev.txt
	@touch $@

.PHONY: lock
lock: venv ## Write the locks anew from pyproject.toml (UPGRADE=1 takes the newest versions)
	$(BIN)/uv pip compile $(LOCKING) pyproject.toml -o requirements/base.txt
	$(BIN)/uv pip compile $(LOCKING) --group dev -c requirements/base.txt -o requirements/dev.txt
	$(BIN)/uv pip compile $(LOCKING) --group browser -c requirements/dev.txt -o requirements/browser.txt

LOCKING := --quiet --generate-hashes --no-header --python-version 3.11 --universal \
	$(if $(UPGRADE),--upgrade)

.PHONY: clean
clean: ## Remove the environment, caches and what throwaway runs left; never the data of `make up`
	rm -rf $(VENV) var/demo* var/test* var/faults* var/bench* var/browser var/locks staticfiles
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find apps config tests -name __pycache__ -type d -prune -exec rm -rf {} +
