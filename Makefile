# GNU make 4.3. Every target fetches what it needs first, once (tools/bootstrap.py).
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test lint acceptance chaos mutants bench infra-check package tick screenshots clean

# A pyenv shim fails when the version in .python-version is not installed: take the first Python that really starts.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 /usr/bin/python3 python,$(shell \
	$(name) -c 'import sys; sys.exit(sys.version_info < (3, 9))' >/dev/null 2>&1 && echo $(name))))
BOOTSTRAP = $(or $(PYTHON),$(error No Python 3.9 or newer found: install one with its venv module)) tools/bootstrap.py
VENV_PYTHON := .venv/bin/python
PYTEST_ARGS ?=
# Mutants: which (all), and how many side by side.
ONLY ?=
JOBS ?= 2
# Measurements: which (all).
NAMES ?=
# The issues whose acceptance rows must all be passed.
ISSUES ?= main-job

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do \
		printf 'make %-12s %s\n' "$$name" "$$what"; done

run: ## the app with a simulated Azure DevOps: prints its URL, Ctrl-C stops it
	@$(BOOTSTRAP) packages azurite
	@exec $(VENV_PYTHON) -m tools.run

test: ## the whole suite on real parts (PYTEST_ARGS='-k name')
	@$(BOOTSTRAP) packages azurite axe emulate chromium
	@$(VENV_PYTHON) -m pytest -n 2 --dist loadfile $(PYTEST_ARGS)

lint: ## ruff and mypy
	@$(BOOTSTRAP) packages
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m mypy

acceptance: ## the acceptance tests at full counts, into build/acceptance.json (ISSUES='main-job …')
	@$(BOOTSTRAP) packages azurite axe emulate chromium
	@$(VENV_PYTHON) -m pytest -m acceptance --full --issues "$(ISSUES)" $(PYTEST_ARGS)

chaos: ## the fault matrix at full counts, into build/chaos.json (PYTEST_ARGS='-k killed')
	@$(BOOTSTRAP) packages azurite
	@$(VENV_PYTHON) -m pytest -q --chaos tests/acceptance $(PYTEST_ARGS)

bench: ## measures what is promised, into build/bench.json (NAMES='refreshes operations waits')
	@$(BOOTSTRAP) packages azurite
	@exec $(VENV_PYTHON) -m tools.bench $(NAMES)

mutants: ## plants faults one at a time and sees who catches them, into build/mutants.json (ONLY='12 19a B3')
	@$(BOOTSTRAP) packages azurite axe emulate chromium
	@exec $(VENV_PYTHON) -m tools.mutants --jobs $(JOBS) --only "$(ONLY)"

infra-check: ## infra/ without Azure: our rules, checkov, and bicep where it is installed; build/infra.json
	@$(BOOTSTRAP) packages checkov
	@$(VENV_PYTHON) -m tools.infra_check

package: ## what a deployment uploads: dist/gatehouse.zip, and its bill of materials beside it
	@$(BOOTSTRAP) packages
	@$(VENV_PYTHON) -m tools.package

tick: ## one timer run now, on the app that `make run` started; prints its report
	@$(BOOTSTRAP) packages
	@$(VENV_PYTHON) -m tools.run.tick

screenshots: ## pictures of every page, into build/screenshots
	@$(BOOTSTRAP) packages azurite axe chromium
	@$(VENV_PYTHON) -m tools.screenshots

clean: ## remove what was built or cached; fetched parts (.venv, .tools) stay
	@rm -rf .run build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	@find . -path ./.venv -prune -o -path ./.tools -prune -o -name __pycache__ -type d -exec rm -rf {} +
