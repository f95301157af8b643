# `make demo` and `make test` each build .venv when it is missing or older than what it is built from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEVELOP := $(VENV)/.develop
THREADS := $(shell nproc 2>/dev/null || echo 2)

.PHONY: demo test check format studies lock clean

demo: $(RUNTIME)
	$(BIN)/ocp-dc demo

test: $(DEVELOP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(THREADS) --dist loadfile

# every study that ships at the smoke budget: half an hour on two cores
studies: $(RUNTIME)
	for study in configs/studies/[a-z]*.yml; do \
		$(BIN)/ocp-dc study run $$study --out smoke/$$(basename $$study .yml) --budget smoke || exit 1; \
	done

check: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEVELOP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# torch first, in the build that suits this machine; then the exact set, whose versions are known to fit together
# although fairchem-core 1.10.0 declares an older torch
$(RUNTIME): requirements/torch.txt requirements/lock.txt setup.cfg pyproject.toml
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

lock:
	sh requirements/lock.sh

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .hypothesis
