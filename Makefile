# Two commands: `make demo` and `make test`. Each makes .venv and installs what it lacks; a second run is quick.
#
#   make demo                  install zettel and its model, take in a sample conversation, ask it questions
#   make test                  install what the tests need too, and run them; EXTRAS=all adds the heavy extras
#   make lint                  ruff, mypy --strict, import rules
#   make schemas               write schemas/*.json from the models again

PYTHON ?= python3
EXTRAS ?=
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint schemas clean

demo: $(VENV)/.base
	@HF_HUB_OFFLINE=1 $(BIN)/zettel demo

test: $(VENV)/.dev$(EXTRAS)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

lint: $(VENV)/.dev$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

schemas: $(VENV)/.base
	$(BIN)/python schemas/generate.py

clean:
	rm -rf $(VENV)

# A stamp a state of the environment: made again when pyproject.toml changes.
$(VENV)/.pip:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and f"zettel needs Python 3.11 to 3.13, this is {sys.version.split()[0]}: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/.base: $(VENV)/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	$(BIN)/zettel models get
	@touch $@

$(VENV)/.dev: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(VENV)/.dev%: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
