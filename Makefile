# Two commands: `make demo` and `make test`. Each makes .venv and installs what it lacks; a second run is quick.
#
#   make demo                  install zettel and its model, take in a sample conversation, ask it questions
#   make test                  install what the tests need too, and run them; EXTRAS=all adds the heavy extras
#                              (with COVERAGE=1, as in CI, coverage is measured, and must not fall below its floor)
#   make lint                  ruff, mypy --strict, import rules
#   make schemas               write schemas/*.json from the models again

PYTHON ?= python3
EXTRAS ?=
VENV   := .venv
BIN    := $(VENV)/bin

# Coverage is measured with these: they run in this process, and few of them draw many random examples. Measured, a test
# takes 1.8 times the processor time, so not all are.
MEASURED := tests/test_memory.py tests/test_bad_input.py tests/test_erasure.py tests/test_sharing.py \
	tests/test_ingest_files.py tests/test_plugins.py tests/test_asking.py \
	tests/transcripts/test_locomo.py tests/transcripts/test_openai.py tests/transcripts/test_plain.py \
	tests/linker/test_bounds.py tests/linker/test_next.py tests/linker/test_similar.py \
	tests/linker/test_elaborates.py tests/linker/test_same_entity.py tests/evolution/test_card.py \
	tests/evolution/test_guardrails.py tests/evolution/test_policies.py tests/analyzer/test_local.py \
	tests/test_verification.py tests/test_old_files.py tests/store/test_sqlite.py \
	tests/embedder/test_hashing.py tests/embedder/test_minilm.py

.PHONY: demo test lint schemas clean

demo: $(VENV)/.base
	@HF_HUB_OFFLINE=1 $(BIN)/zettel demo

test: $(VENV)/.dev$(EXTRAS)
ifdef COVERAGE
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest --cov --cov-report=term $(MEASURED)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(MEASURED:%=--ignore=%)
else
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest
endif

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
