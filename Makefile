# Everything runs from a virtual environment made here. Only python3, make and a package registry are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --no-compile --quiet --disable-pip-version-check
PACKAGE := pyproject.toml src/striate/__init__.py
export OMP_NUM_THREADS_TEST ?= 1
# Byte code is written even where the environment turns that off: without it every process compiles torch anew, for seconds
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check docs soak bench bench-mnist bench-photographs clean
.DELETE_ON_ERROR:

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.use: $(PACKAGE) | $(BIN)/python
	$(PIP) -e .
	touch $@

$(VENV)/.dev: $(PACKAGE) | $(BIN)/python
	$(PIP) -e '.[dev]'
	touch $@

$(VENV)/.docs: $(PACKAGE) | $(BIN)/python
	$(PIP) -e '.[docs]'
	touch $@

demo: $(VENV)/.use  ## train, test and use a classifier on the embedded digits
	PATH="$(abspath $(BIN)):$$PATH" bash bench/demo.sh

# Three processes for two cores: a part of the tests waits for processes, browsers and clocks
test: $(VENV)/.dev  ## all tests but the long ones, at most 10 minutes on 2 cores
	OMP_NUM_THREADS=$(OMP_NUM_THREADS_TEST) $(BIN)/python -m pytest -n 3 --dist worksteal

check: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs  ## the manual, in docs/_build
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build

$(VENV)/.soak: $(PACKAGE) | $(BIN)/python
	$(PIP) -e '.[dev,soak]'
	touch $@

soak: $(VENV)/.soak  ## the tests too long for every day
	OMP_NUM_THREADS=$(OMP_NUM_THREADS_TEST) $(BIN)/python -m pytest -n 2 -m soak

bench: $(VENV)/.dev  ## speed, as ratios against a peer in the same run
	$(BIN)/python bench/limits.py
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/overhead.py
	$(BIN)/python bench/optimizers.py
	$(BIN)/python bench/augment.py
	$(BIN)/python bench/loader.py

bench-mnist: $(VENV)/.dev  ## seconds until 99.0 % of MNIST beside fastai and Keras, which it installs; long, wants a quiet machine
	$(PIP) fastai keras tensorflow-cpu jax
	$(BIN)/python bench/mnist_99.py --seeds 3 --threads 2

bench-photographs: $(VENV)/.dev  ## PHOTOS=FOLDER: a folder of photographs beside fastai and Keras, which get an environment of their own; an hour
	$(PYTHON) -m venv $(VENV)/peers
	$(VENV)/peers/bin/python -m pip install --quiet fastai keras timm
	$(BIN)/python bench/photographs.py $(PHOTOS) --python $(VENV)/peers/bin/python

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache docs/_build docs/_generated dist
