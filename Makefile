# Everything starts with `make demo`. Any Python from 3.9 on starts the set-up: PYTHON=python3.9 make demo
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# Extras to install beside everything else; once installed, later set-ups keep them.
EXTRAS ?=

.PHONY: help setup demo test docs lint format lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make demo    set up, then 5 PickCube episodes as a LeRobot dataset in data/pickcube_demo'
	@echo 'make test    set up, then all tests               (make test ARGS="-k stats -x")'
	@echo 'make docs    set up, then the documentation site in site/: open site/index.html'
	@echo 'make setup   Python 3.12, .venv, Vulkan driver; at once when they are there; EXTRAS=libero'
	@echo 'make lint    ruff check, ruff format --check, mypy'
	@echo 'make format  let ruff put the code right'
	@echo 'make lock    write requirements.lock anew         (make lock ARGS=--upgrade)'
	@echo 'make clean   remove .venv and caches, never data'

setup:
	@$(PYTHON) tools/setup.py $(EXTRAS:%=--extra %) $(ARGS)

# The set-up as the first step of a recipe, so that ARGS go to the command itself.
demo:
	@$(PYTHON) tools/setup.py
	@$(BIN)/mstool convert --env PickCube-v1 --episodes 5 --demos generate --output data/pickcube_demo --overwrite $(ARGS)

test:
	@$(PYTHON) tools/setup.py
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# Strict: a link or an anchor that leads nowhere ends it. Nothing is fetched.
docs:
	@$(PYTHON) tools/setup.py --no-driver
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet $(ARGS)
	@echo 'site/index.html'

lint:
	@$(PYTHON) tools/setup.py --no-driver
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format:
	@$(PYTHON) tools/setup.py --no-driver
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock:
	@$(PYTHON) tools/setup.py --lock $(ARGS)

clean:
	rm -rf .venv .setup site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find mstool tests tools benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
