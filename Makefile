# Each target does its own set-up: a virtual environment in the checkout, pinned versions, the package.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Byte code is kept, wherever the environment says otherwise: the tests start some hundred processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run serve test lint types tests format setup sample-models clean

run: setup        ## the whole pipeline on the sample corpus, a model to search it with, the tables, where to look
	dvc repro
	erclap export
	erclap index data/sample
	erclap tables
	erclap report
	@echo "to search the corpus by how it sounds: make serve"

serve: setup      ## the page that searches what was indexed, after run
	erclap serve

test: lint types tests  ## what CI runs

lint: setup
	ruff check .
	ruff format --check .

types: setup
	mypy

# By one process more than there are cores, as some tests wait; a test file to each in turn, the longest files first
# (tests/conftest.py). A person's own `pytest` of a file or two is quicker without. More than four would wait for the
# longest file. One thread each, since threads would wait for each other.
tests: setup
	OMP_NUM_THREADS=1 pytest -n $$(python -c 'import os; print(min(4, os.cpu_count() + 1))') --dist loadscope --no-loadscope-reorder

format: setup
	ruff check --fix .
	ruff format .

sample-models: setup  ## train the two small checkpoints of the sample profile again, from their seeds
	python -m pipeline.sample.checkpoints

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { echo "Python 3.11 to 3.13 is needed, found: $$($(PYTHON) --version). Name one: make PYTHON=python3.12 run" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:            ## the environment and everything computed
	rm -rf $(VENV) dvc.lock data/dvc.lock data/sample data/*.parquet data/*.csv cache/features cache/acoustics.parquet results/*/*/ results/tables results/plots results/curves results/details results/model results/index results/report.html results/metrics.json
