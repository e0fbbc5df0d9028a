# Two commands for a newcomer: `make demo` and `make test`. Both make .venv and need only PyPI.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint types imports fuzz bench accuracy papers wheel clean help

help:
	@echo "make demo    make .venv, install, replay a shipped trace on two devices  (< 1 min after install)"
	@echo "make test    lint, types, import rules and the whole test suite          (minutes)"
	@echo "make bench   benchmarks of the hot paths (ratios measured in one run)"
	@echo "make accuracy  run the measured files beside the checkout, rewrite docs/accuracy.md"
	@echo "make papers  every figure and table of the three papers: analysis/README.md  (20 min cold)"
	@echo "make fuzz    a long run of the mutation tests"
	@echo "make wheel   build dist/gpusim-*.whl and run 'gpusim demo' from it alone"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("gpusim needs Python 3.11 or newer, found " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/gpusim demo

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

check: lint types imports

test: check
	$(BIN)/pytest -n 2 --dist loadfile --ignore=tests/bench

bench: $(VENV)/.installed-dev
	$(BIN)/pytest tests/bench --benchmark-enable -p no:xdist

accuracy: $(VENV)/.installed-dev
	$(BIN)/python analysis/accuracy.py

papers: $(VENV)/.installed-dev
	$(BIN)/python analysis/gallery.py

fuzz: $(VENV)/.installed-dev
	GPUSIM_FUZZ=1 $(BIN)/pytest tests/property --timeout 7200

wheel: $(VENV)/.installed-dev
	$(BIN)/python -m build --wheel --outdir dist .
	sh .ci/wheel_demo dist

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
