# Every target sets up what it needs. Only Python 3.11 to 3.13 and make have to be there.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
# A machine's own certificates go before uv's, as those of a company's proxy are only there.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
INSTALL := $(UV) pip install --quiet --python $(BIN)/python

.PHONY: demo test stack test-crash test-chart test-k8s lint lock bench bench-audit bench-read fuzz clean
.DEFAULT_GOAL := demo

## demo: yesterday's flows (synthetic ones, unless FLOWS_URI says where) become an audited model
demo: .venv/installed
	@$(BIN)/cybersec run

## test: all tests that need no server of their own, with branch coverage
test: .venv/installed-dev
	$(BIN)/pytest -n auto --dist worksteal -o faulthandler_timeout=600 -m "not stack and not crash and not render and not k8s" --cov --cov-report=term

## stack: the tests against a real MinIO and a real PostgreSQL
stack: .venv/installed-dev
	$(BIN)/pytest -m stack

## test-crash: workers killed at every point of the write path, again and again; `stack` has a sample of it
test-crash: .venv/installed-dev
	$(BIN)/pytest -m crash

## fuzz: a hundred thousand damaged files for every reader; hours. `test` has a sample of it
fuzz: .venv/installed-dev
	CYBERSEC_TEST_FUZZ=100000 POLARS_MAX_THREADS=1 $(BIN)/pytest cybersec_assets_tests/fuzz

## test-chart: the chart, rendered by a real Helm in many ways
test-chart: .venv/installed-dev
	$(BIN)/pytest -m render

## test-k8s: the image built, the chart installed and used on a real cluster; see CYBERSEC_TEST_CLUSTER in the README
test-k8s: .venv/installed-dev
	$(BIN)/pytest -m k8s

## lint: formatting, lint, types, import rules, and whether the lock has what pyproject.toml asks for
lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(UV) pip check --python $(BIN)/python

## bench: the job beside the plain way, as ratios, and beside an empty Dagster run
bench: .venv/installed .venv-bench/installed
	$(BIN)/python -m benchmarks $(FLOWS)
	$(BIN)/python -m benchmarks.empty_run

## bench-audit: the journal beside pgbench, the verifier beside a bare pass, the audit's share of a job
bench-audit: .venv/installed
	$(BIN)/python -m benchmarks.appends
	$(BIN)/python -m benchmarks.verifying
	$(BIN)/python -m benchmarks.audit_share

## bench-read: logs to Parquet beside a bare Polars scan of the same files, and the memory that it takes; 7 GB of disk
bench-read: .venv/installed
	$(BIN)/python -m benchmarks.reading

## lock: resolve the dependencies anew, with hashes
lock: $(UV)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --extra build --extra dev pyproject.toml -o requirements-dev.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock --extra build pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header -c requirements-dev.lock --extra bench pyproject.toml -o requirements-bench.lock

clean:
	rm -rf .venv .venv-bench .tools

.tools/bin/uv:
	@$(PYTHON) -m venv .tools || { echo "Python's venv module is missing: install python3-venv, or uv" >&2; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv

.venv/bin/python: | $(UV)
	@$(UV) venv --quiet --python $(PYTHON) .venv

# The project itself goes in last, from the checkout, with nothing resolved anew.
.venv/installed: requirements.lock pyproject.toml | .venv/bin/python
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/installed-dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@ .venv/installed

.venv-bench/installed: requirements-bench.lock | $(UV)
	@$(UV) venv --quiet --python $(PYTHON) .venv-bench
	@$(UV) pip install --quiet --python .venv-bench/bin/python --require-hashes -r requirements-bench.lock
	@touch $@
