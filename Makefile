# Everything runs in .venv, which the first call makes. Needs Python 3.11 and nothing else installed by hand.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# One thread per process: weights depend on the number of threads, and several processes share the cores.
export OMP_NUM_THREADS ?= 1

# Tests run in two processes, whole files at a time, for what a file prepares is prepared once in each. Their order is
# that of tests/conftest.py: the longest first, so that both end at about one time.
TWO := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all bench mutation lint format wheel clean

demo: $(READY)
	$(BIN)/wardround demo --out demo-run

test: $(READY)
	$(BIN)/python -m pytest $(TWO) -m "not slow"

test-all: $(READY)
	$(BIN)/python -m pytest $(TWO) --cov

bench: $(VENV)/.ready-bench
	$(BIN)/python -m benchmarks

# Which faults the tests notice: make mutation ROOM=store SAMPLE=60
ROOM ?= store
SAMPLE ?= 60
mutation: $(VENV)/.ready-mutation
	nice -n 15 $(BIN)/python -m benchmarks.mutations $(ROOM) --sample $(SAMPLE)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Made again when a pin or a dependency changes.
$(READY): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) setuptools
	$(PIP) --no-build-isolation -e '.[dev]'
	touch $@

$(VENV)/.ready-bench: $(READY)
	$(PIP) --no-build-isolation -e '.[bench]'
	touch $@

# A wheel for others, and the pins that they need beside it.
wheel: $(READY)
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation -w dist .
	cp constraints.txt dist/

$(VENV)/.ready-mutation: $(READY)
	$(PIP) --no-build-isolation -e '.[mutation]'
	touch $@

clean:
	rm -rf $(VENV) demo-run build dist *.egg-info
