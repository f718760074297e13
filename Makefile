# SPDX-License-Identifier: Apache-2.0
# Each target makes the environment it needs, from a committed lock; `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
JOBS ?= 2
BIN := .venv/bin

.PHONY: help demo test test-airflow2 test-lowest integration integration-airflow2 lint format types docs bench ui soak lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv-demo/.stamp ## Run the flights pipeline as a real Airflow run; leaves a table, a quarantine and a page
	.venv-demo/bin/dataops demo

test: .venv/.stamp ## Run the tests that need no server (under 5 minutes)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak" $(ARGS)

test-airflow2: .venv-airflow2/.stamp ## The same tests on Airflow 2.11
	.venv-airflow2/bin/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak" $(ARGS)

test-lowest: .venv-lowest/.stamp ## What runs without Airflow, tested without it, on the oldest admitted dependencies
	.venv-lowest/bin/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak and not airflow" tests/unit $(ARGS)

integration: .venv/.stamp ## Run the tests that cross areas or start processes
	$(BIN)/python -m pytest -q -m "integration and not soak" $(ARGS)

# No Airflow takes part in these: once is enough.
JOB_LEVEL := tests/faults tests/integration/test_kill_walk.py tests/integration/test_kill_processes.py

integration-airflow2: .venv-airflow2/.stamp ## The same on Airflow 2.11
	.venv-airflow2/bin/python -m pytest -q -m "integration and not soak" $(addprefix --ignore=,$(JOB_LEVEL)) $(ARGS)

lint: .venv/.stamp ## Check style, formatting and the layers' imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

format: .venv/.stamp ## Format the code, and fix what can be fixed by a tool
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/.stamp ## Check the types (mypy --strict)
	$(BIN)/mypy

docs: .venv/.stamp ## Build the docs into build/docs; a warning is an error
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

bench: .venv/.stamp ## Run the benchmarks (SMOKE=1: once, small)
	tools/bench.sh $(BIN)/python $(if $(SMOKE),--smoke)

ui: .venv-demo/.stamp ## Start Airflow on this machine only, with the example DAGs (PORT=8080)
	tools/ui.sh .venv-demo $(or $(PORT),8080)

soak: .venv/.stamp ## Run the long tests of one area: make soak AREA=refine
	@test -n "$(AREA)" || { echo "which area? e.g. make soak AREA=refine"; exit 2; }
	$(BIN)/python -m pytest -m soak -k "$(AREA)" --timeout=0 $(ARGS)

lock: ## Resolve all dependencies anew into requirements/*.txt
	tools/lock.sh

clean: ## Remove environments and everything that was built
	rm -rf .venv .venv-airflow2 .venv-demo .venv-lowest .tools build dist airflow-home demo-output .ci/.out \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.stamp: requirements/airflow3.txt pyproject.toml
	tools/env.sh .venv requirements/airflow3.txt

.venv-airflow2/.stamp: requirements/airflow2.txt pyproject.toml
	tools/env.sh .venv-airflow2 requirements/airflow2.txt '>=3.11,<3.13'

.venv-demo/.stamp: requirements/demo.txt pyproject.toml
	tools/env.sh .venv-demo requirements/demo.txt

.venv-lowest/.stamp: requirements/lowest.txt pyproject.toml
	tools/env.sh .venv-lowest requirements/lowest.txt '>=3.11,<3.13'
