# Each target builds the environments that it needs when they are missing or older than what they are built from: .venv
# for fairchem 1.10, and .venv-fairchem2 for fairchem 2, since one environment cannot hold both.
PYTHON ?= python3
HOST ?= fairchem1
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOP := $(VENV)/.develop
VENV2 := .venv-fairchem2
BIN2 := $(VENV2)/bin
RUNTIME2 := $(VENV2)/.runtime
DEVELOP2 := $(VENV2)/.develop
WORKERS := $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))  # one more than cores: some tests wait for processes
MARKDOWN := *.md docs/*.md docs/models docs/api patches/README.md .github

.PHONY: demo demo-fairchem1 demo-fairchem2 test test-fairchem1 test-fairchem2 test-long quick coverage check types format docs wheel studies notebook lock clean

# a subset of the tests that touches every layer, in less than a minute: for the inner loop
QUICK := tests/test_architecture.py tests/test_readme.py tests/test_docs.py tests/test_cli.py \
	tests/core/test_errors.py tests/core/test_options.py tests/core/test_files.py tests/core/test_units.py \
	tests/nn/test_integrated.py tests/surgery tests/labels tests/training \
	tests/data/test_splits.py tests/data/test_edges.py tests/data/test_plausibility.py tests/data/readers/test_npz.py \
	tests/evaluation/test_metrics.py tests/evaluation/test_tables.py \
	tests/fairchem1/wrappers/test_dc_schnet.py tests/fairchem1/checks/test_unknown_keys.py \
	tests/pinn/physics/tasks/test_task_registry.py tests/pinn/test_pinn_config.py \
	tests/study/test_spec.py tests/study/report/test_statistics.py tests/study/report/test_verdict.py

demo: demo-$(HOST)

demo-fairchem1: $(RUNTIME)
	$(BIN)/ocp-dc demo

demo-fairchem2: $(RUNTIME2)
	$(BIN2)/ocp-dc demo --out demo-fairchem2

# the tests of both hosts, each in its environment
test: test-fairchem1 test-fairchem2

test-fairchem1: $(DEVELOP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not long"

# the tests of fairchem 1.10 that take longest: ranks that compile, searches that are killed
test-long: $(DEVELOP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m long

test-fairchem2: $(DEVELOP2)
	OMP_NUM_THREADS=1 $(BIN2)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

quick: $(DEVELOP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow" $(QUICK)

# the lines that the tests run, also in the processes that they start; a report, no gate
coverage: $(DEVELOP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --cov-report=xml

# executes the notebook of the docs in an empty folder, and writes its page; two to three minutes
notebook: $(RUNTIME)
	$(BIN)/python -m pip install --quiet nbconvert ipykernel
	$(BIN)/python docs/notebooks/execute.py

# every study that ships at the smoke budget: half an hour on two cores
studies: $(RUNTIME)
	for study in configs/studies/[a-z]*.yml; do \
		$(BIN)/ocp-dc study run $$study --out smoke/$$(basename $$study .yml) --budget smoke || exit 1; \
	done

check: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/pymarkdown scan $(MARKDOWN)
	$(BIN)/yamllint --strict .

types: $(DEVELOP)
	$(BIN)/mypy

# the site, in site/; any warning is an error, and nothing is loaded from a network
docs: $(DEVELOP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(RUNTIME)
	$(BIN)/python -m pip wheel -q --no-deps --no-build-isolation --wheel-dir dist .

format: $(DEVELOP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch first, in the build that suits this machine; then the exact set, whose versions are known to fit together
# although fairchem-core 1.10.0 declares an older torch
$(RUNTIME): requirements/torch.txt requirements/lock.txt setup.cfg pyproject.toml ocp_dc/packaging.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "ocp_dc needs Python 3.10, 3.11 or 3.12; say which as: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q -r requirements/torch.txt
	$(BIN)/python -m pip install -q --no-deps -r requirements/lock.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

$(DEVELOP): $(RUNTIME) requirements/dev.txt
	$(BIN)/python -m pip install -q --no-deps -r requirements/dev.txt
	touch $@

$(RUNTIME2): requirements/torch.txt requirements/fairchem2.txt setup.cfg pyproject.toml ocp_dc/packaging.py
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || \
		{ echo "fairchem 2 needs Python 3.11 to 3.14; say which as: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV2)
	$(BIN2)/python -m pip install -q -r requirements/torch.txt
	$(BIN2)/python -m pip install -q --no-deps -r requirements/fairchem2.txt
	$(BIN2)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

$(DEVELOP2): $(RUNTIME2) requirements/fairchem2-dev.txt
	$(BIN2)/python -m pip install -q --no-deps -r requirements/fairchem2-dev.txt
	touch $@

lock:
	sh requirements/lock.sh

clean:
	rm -rf $(VENV) $(VENV2) build dist site htmlcov .coverage* coverage.xml *.egg-info .mypy_cache .ruff_cache .hypothesis
