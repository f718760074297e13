# SPDX-License-Identifier: Apache-2.0
# Each target makes the environment it needs, from a committed lock; `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
JOBS ?= 2
BIN := .venv/bin

.PHONY: help demo test test-airflow2 test-lowest test-spark integration integration-airflow2 integration-all lint format types docs bench ui edge-preflight edge-check soak soak-spark soak-airflow2 lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv-demo/.stamp ## Run the flights pipeline as a real Airflow run; leaves a table, a quarantine and a page
	.venv-demo/bin/dataops demo

test: .venv/.stamp ## Run the tests that need no server (under 5 minutes)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak" $(ARGS)

# The layers below import no Airflow, which lint-imports keeps: what they do is the same whichever is installed. What only reads files is, too.
NO_AIRFLOW = $(addprefix --ignore=tests/,faults $(addprefix unit/,core engines jobs clients report infra resources services docker) \
  $(addprefix house/test_,sources.py locks.py schemas.py fault_points.py failure_codes.py))

test-airflow2: .venv-airflow2/.stamp ## The tests of all that touches Airflow, on Airflow 2.11
	.venv-airflow2/bin/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak" $(NO_AIRFLOW) $(ARGS)

test-lowest: .venv-lowest/.stamp ## What runs without Airflow, tested without it, on the oldest admitted dependencies
	.venv-lowest/bin/python -m pytest -q -n $(JOBS) --dist loadfile -m "not integration and not soak and not airflow" tests/unit $(ARGS)

SPARK = 3.5 4.0
# The part of each line's tests; makes its environment.
SPARK_PARTS = $(foreach line,$(SPARK),"$$(tools/spark_env.sh $(line)):tests/spark")

test-spark: ## Run the tests of engine spark on each line of Spark (needs Java 17; SPARK=3.5 for one)
	tools/parts.sh $(JOBS) "$(ARGS)" $(SPARK_PARTS)

# Each file in a process of its own: they start servers that gRPC trusts once a process, and clusters that leave threads behind.
PARTS = $(sort $(shell find tests/integration tests/faults -name 'test_*.py') $(shell grep -rl --include='test_*.py' mark.integration tests))
# They wait for servers, clocks and processes now and then; the processor is what is short (what tools/parts.sh prints leaves out most of it).
LANES ?= $(shell expr 2 \* $(JOBS))
# Those of a minute and more begin first, the longest before all, so that none is left running alone at the end.
LONG = $(addprefix tests/, \
  integration/clients/test_kafka_health_faults.py integration/s3/test_check_s3.py integration/spark_k8s/test_onprem.py integration/dataproc_dask/test_faults_through_operator.py \
  integration/test_dask_standalone.py integration/airflow_kill/test_kills_in_airflow.py integration/metadata/test_whole_way.py \
  integration/metadata/test_worker.py faults/test_table_model.py integration/spark_k8s/test_faults_through_operator.py \
  integration/metadata/test_gpu_metadata.py integration/test_kill_processes.py integration/dag_factories/test_bronze_to_silver_on_dataproc.py \
  integration/dag_factories/test_composer_dask.py integration/test_dask_yarn.py integration/spark_k8s/test_onprem_applications.py \
  integration/dataproc_dask/test_google_lifecycle.py integration/spark_k8s/test_onprem_standalone.py faults/test_bad_days_disk.py \
  integration/dag_factories/test_local_run.py integration/stores/test_publish.py integration/dataproc_dask/test_faults.py \
  integration/dag_factories/test_composer_dask_on_dataproc.py integration/gcs/test_pipeline_gcs.py \
  unit/jobs/test_publish_crash.py integration/s3/test_two_writers.py integration/test_planted_bugs.py integration/spark_k8s/test_applications.py \
  integration/s3/test_kill_walk_s3.py faults/test_bad_days_source.py integration/spark_k8s/test_spark_kills_in_airflow.py \
  integration/spark_k8s/test_operator.py integration/operators/test_kafka_health.py integration/clients/test_kafka_health_many.py \
  integration/dataproc_dask/test_google_walk.py integration/operators/test_python_dag.py integration/spark_k8s/test_mlflow.py \
  integration/spark_k8s/test_kill_walk.py integration/test_dask_driver.py integration/dataproc_dask/test_real_dask.py \
  integration/metadata/test_kafka_log.py integration/test_kill_walk.py integration/edge/test_mutual_tls.py \
  integration/metadata/test_metadata_api_fuzz.py integration/operators/test_kafka_asset_watcher.py \
  integration/operators/test_kafka_health_access_operator.py integration/clients/test_kafka_health.py)

# No Airflow takes part in these, or what is tested is below it: once is enough.
JOB_LEVEL = $(wildcard tests/faults/test_*.py $(addprefix tests/integration/,clients/*.py edge/*.py gcs/*.py s3/*.py stores/*.py test_kill_*.py test_dask_*.py \
    test_result_page*.py test_package.py test_planted_bugs.py test_dq_gate_great_expectations.py dag_factories/test_cli_*.py)) \
  tests/unit/jobs/test_publish_crash.py $(filter-out %/test_gpu_metadata.py,$(wildcard tests/integration/metadata/test_*.py)) \
  $(addprefix tests/integration/dataproc_dask/,test_faults.py test_deaths.py test_kill_walk.py test_real_dask.py) \
  $(filter-out $(addprefix %/,test_operator.py test_faults_through_operator.py test_spark_kills_in_airflow.py), \
    $(wildcard tests/integration/spark_k8s/test_*.py))

ON_AIRFLOW2 = $(filter-out $(JOB_LEVEL),$(PARTS))

long = $(addprefix $(1)/python:,$(filter $(2),$(LONG)))
rest = $(addprefix $(1)/python:,$(filter-out $(LONG),$(2)))
parts = $(call long,$(1),$(2)) $(call rest,$(1),$(2))

integration: .venv/.stamp ## Run the tests that cross areas or start processes (LANES=4: so many at a time)
	tools/parts.sh $(LANES) "$(ARGS)" $(call parts,$(BIN),$(PARTS))

integration-airflow2: .venv-airflow2/.stamp ## The same on Airflow 2.11
	tools/parts.sh $(LANES) "$(ARGS)" $(call parts,.venv-airflow2/bin,$(ON_AIRFLOW2))

integration-all: .venv/.stamp .venv-airflow2/.stamp ## The same on both, and engine spark's tests, all in the same lanes
	tools/parts.sh $(LANES) "$(ARGS)" $(SPARK_PARTS) $(call long,$(BIN),$(PARTS)) $(call long,.venv-airflow2/bin,$(ON_AIRFLOW2)) \
	  $(call rest,$(BIN),$(PARTS)) $(call rest,.venv-airflow2/bin,$(ON_AIRFLOW2))

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

edge-preflight: .venv/.stamp ## Look at the servers of a metadata pipeline: make edge-preflight FILE=gpu_metadata.yaml TARGET=edge
	$(BIN)/dataops preflight $(FILE) --target $(or $(TARGET),edge) $(ARGS)

edge-check: .venv/.stamp ## The same, and a marked event from the API to store and archive, from where it is taken out again
	$(BIN)/dataops preflight $(FILE) --target $(or $(TARGET),edge) --round-trip $(ARGS)

soak: .venv/.stamp ## Run the long tests (hours), or those of one area: make soak AREA=refine
	$(BIN)/python -m pytest -m soak $(if $(AREA),-k "$(AREA)") --timeout=0 $(ARGS)
	$(if $(filter spark,$(or $(AREA),spark)),$(MAKE) soak-spark)

soak-spark: ## Run the long tests of engine spark on each line of Spark (also by make soak, and make soak AREA=spark)
	for line in $(SPARK); do python=$$(tools/spark_env.sh $$line) && $$python -m pytest -m soak tests/spark --timeout=0 $(ARGS) || exit 1; done

soak-airflow2: .venv-airflow2/.stamp ## Run the long tests that need Airflow 2.11
	.venv-airflow2/bin/python -m pytest -m soak -k "kills_in_airflow2 or faults_through_operator" --timeout=0 $(ARGS)

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
