# Every target installs what it needs. Only Python 3.11 to 3.13 and make are required.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
BIN := .venv/bin
# Use the machine's certificates: a company's proxy may have a CA of its own.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := true
endif
INSTALL := $(UV) pip install --quiet --python $(BIN)/python

.PHONY: demo test stack test-crash test-chart test-k8s lint lock bench bench-audit bench-read fuzz clean
.DEFAULT_GOAL := demo

## demo: run the whole job for yesterday, with synthetic flows unless FLOWS_URI is set
demo: .venv/installed
	@$(BIN)/cybersec run

## test: run all tests that need no external server, with branch coverage
test: .venv/installed-dev
	$(BIN)/pytest -n auto --dist worksteal -o faulthandler_timeout=600 -m "not stack and not crash and not render and not k8s" --cov --cov-report=term

## stack: run the tests against a real MinIO and a real PostgreSQL
stack: .venv/installed-dev
	$(BIN)/pytest -m stack

## test-crash: kill workers at every point of the write path, many times; `stack` runs a sample
test-crash: .venv/installed-dev
	$(BIN)/pytest -m crash

## fuzz: read 100,000 damaged files with every reader, which takes hours; `test` runs a sample
fuzz: .venv/installed-dev
	CYBERSEC_TEST_FUZZ=100000 POLARS_MAX_THREADS=1 $(BIN)/pytest cybersec_assets_tests/fuzz

## test-chart: render the chart with a real Helm in many ways
test-chart: .venv/installed-dev
	$(BIN)/pytest -m render

## test-k8s: build the image and use the chart on a real cluster; see docs/development.md
test-k8s: .venv/installed-dev
	$(BIN)/pytest -m k8s

## lint: check formatting, lint, types, import rules, the README's picture, and the lock against pyproject.toml
lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/pictures/layers.py --check
	$(UV) pip check --python $(BIN)/python

## bench: compare the job with plain pandas code and with an empty Dagster run
bench: .venv/installed .venv-bench/installed
	$(BIN)/python -m benchmarks $(FLOWS)
	$(BIN)/python -m benchmarks.empty_run

## bench-audit: compare the journal with pgbench and the verifier with a bare pass; measure the audit's share of a job
bench-audit: .venv/installed
	$(BIN)/python -m benchmarks.appends
	$(BIN)/python -m benchmarks.verifying
	$(BIN)/python -m benchmarks.audit_share

## bench-read: compare reading logs with a bare Polars scan, and measure its memory; needs 7 GB of disk
bench-read: .venv/installed
	$(BIN)/python -m benchmarks.reading

## lock: resolve the dependencies again, with hashes
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

# Install the project last, from the checkout, without resolving its dependencies again.
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
