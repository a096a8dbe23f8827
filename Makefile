# `make` alone lists the targets. All of them use .venv, made here and re-installed into only when
# pyproject.toml or constraints.txt changed. With uv on the PATH the installation takes seconds.

VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(shell command -v uv 2>/dev/null)
# The first Python on the PATH that is new enough; `make PYTHON=/path/to/python3 test` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
ifdef UV
INSTALL := $(UV) pip install --quiet --python $(PY) -c constraints.txt
else
INSTALL := $(PIP_INSTALL)
endif

# Test processes side by side. `make test WORKERS=0` runs in one, as a debugger wants it.
WORKERS ?= 2
# Further words for pytest, and for the programs of the other targets: `make test ARGS='-k loader'`,
# `make bench ARGS='--quick --only compiled'`.
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast agreement examples bench contract lint oracles clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.installed-plot ## train a network on handwritten digits and draw what happened
	@$(VENV)/bin/pullback train digits
	@picture=$$(find runs -type f \( -name '*.png' -o -name '*.svg' \) -exec ls -t {} + 2>/dev/null | head -n 1); \
	if [ -n "$$picture" ]; then echo "The picture: $$picture"; else echo "No picture was written to runs/."; fi

test: $(VENV)/.installed-dev ## run every test and every example in the documentation strings
	@$(PY) -m pytest -n $(WORKERS) $(ARGS)

test-fast: $(VENV)/.installed-dev ## the same without the slow ones
	@$(PY) -m pytest -n $(WORKERS) -m "not slow" $(ARGS)

agreement: $(VENV)/.installed-oracles ## hold layers, losses and optimisers to PyTorch, and write docs/agreement.md
	@rm -f .agreement.jsonl
	@PULLBACK_AGREEMENT=$(CURDIR)/.agreement.jsonl $(PY) -m pytest -q -n $(WORKERS) tests/nn tests/optim tests/models $(ARGS)
	@$(PY) tests/agreement.py .agreement.jsonl docs/agreement.md && rm .agreement.jsonl

contract: $(VENV)/.installed-dev ## hold every mapping to the laws of its derivative
	@$(PY) -m pullback.testing

lint: $(VENV)/.installed-dev ## ruff and mypy
	@$(PY) -m ruff check .
	@$(PY) -m mypy

oracles: $(VENV)/.installed-oracles ## install PyTorch and JAX, against which `make test` then also checks

examples: $(VENV)/.installed-examples ## run every example in full and print which figures it reached
	@$(PY) -m examples $(ARGS)

bench: $(VENV)/.installed-bench ## time pullback beside PyTorch, JAX, TensorFlow and others; half an hour
	@$(PY) -m benchmarks $(ARGS)

clean: ## remove caches and builds; .venv and runs/ stay
	@rm -rf build dist src/*.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	@find src tests benchmarks examples -type d -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV)/.installed-plot $(VENV)/.installed-dev $(VENV)/.installed-examples: $(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing pullback[$*] into $(VENV)"
	@$(INSTALL) -e '.[$*]'
	@touch $@

# PyTorch comes through pip, which keeps a CPU build of the pinned version that is already there or
# configured; its default build brings gigabytes of GPU libraries.
$(VENV)/.installed-oracles $(VENV)/.installed-bench: $(VENV)/.installed-%: pyproject.toml constraints.txt | $(VENV)/.created
	@echo "Installing pullback[$*] into $(VENV); PyTorch is a large download"
	@$(PIP_INSTALL) -e '.[$*]'
	@touch $@

$(VENV)/.created:
	@test -n "$(UV)$(PYTHON)" || { echo "pullback needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV)"; $(MAKE_VENV); }
	@touch $@

ifdef UV
MAKE_VENV = $(UV) venv --quiet --seed --allow-existing --python '>=3.11,<3.14' $(VENV)
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
endif
