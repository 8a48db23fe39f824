# Two commands: `make demo` and `make test`. Both start from nothing but Python 3.11+, its venv, git and a network.
SHELL = bash
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What pip is asked for to get PyTorch. Left empty: on Linux without an NVIDIA device the CPU build, else pip's default,
# which on Linux is a CUDA build of several GB. To choose: make demo TORCH=torch, or make demo TORCH="$(CPU_BUILD)"
TORCH ?=
CPU_BUILD = torch --index-url https://download.pytorch.org/whl/cpu
PIP = $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
# Of what pip says, a line for each package that it downloads, enough to see that it goes on; and what conflicts.
PIP_LINES = { grep --line-buffered -E '^ *(Downloading|Using cached) .*[.]whl \(|^Installing|^The conflict|(depends on|requested) ' || true; }
PIP_FAILED = { echo "Installing failed, and pip says why above. If it speaks of conflicts, a version in constraints.txt \
  does not fit $$($(BIN)/python --version): take another Python (PYTHON=python3.12 VENV=.venv-3.12), and tell us. \
  Otherwise see to the network and say the same again: it goes on where it stopped."; exit 1; } >&2
# What grading needs; what an instructor uses besides; what the project's own tests need.
READY = $(VENV)/.ready
READY_ALL = $(VENV)/.ready-all
READY_DEV = $(VENV)/.ready-dev
PINNED = pyproject.toml autograder/pyproject.toml constraints.txt
# JupyterHub's proxy, inside the environment; this version runs on Node 18 and later.
PROXY = configurable-http-proxy@5.1.0
PROXY_READY = $(VENV)/lib/node_modules/$(PROXY).ready
# What sets the formulas of the site, inside the environment too: a few files, served by the site itself.
KATEX = katex@0.19.1
KATEX_READY = $(VENV)/lib/node_modules/$(KATEX).ready
# Where the hub is and what it offers: make hub HUB="unet --port 8001"
HUB ?=
TESTS = $(BIN)/python -m pytest
# Seeds that `rest` proves beside `proof`'s seed 0. Benchmarks: "and not stock" leaves out those that run other graders.
SEEDS ?= 1-9
BENCHMARKS ?=
# Many processes are started, and each would compile the project's files, and the tests', anew.
unexport PYTHONDONTWRITEBYTECODE
# Which tests may run at the same time: tests/conftest.py.
IN_PARALLEL = -n auto --maxprocesses 8

.PHONY: help install torch demo hub proxy docs katex serve links test proof mutants test-all rest test-gpu test-pythons pins lint build benchmarks clean

help:
	@echo "make demo       grade the sample class and say where the reports are"
	@echo "make install    all that an instructor uses: nbgrader, JupyterLab, JupyterHub, Otter-Grader"
	@echo "make hub        a JupyterHub on this machine with the course in it, for trying"
	@echo "make docs       the syllabus site, in site/; a warning is an error"
	@echo "make serve      the same, shown on this machine, and built anew when something changes"
	@echo "make links      ask every address that the site names whether it is still there"
	@echo "make test       lint, types, hidden suites and the quick tests: about 10 minutes on two cores"
	@echo "make test-all   all of them: ten seeds, mutants, notebooks executed, browser, benchmarks"
	@echo "make test-pythons  make test on each other Python that is here, in a .venv of its own"
	@echo "make pins       whether constraints.txt fits the oldest and the newest Python"
	@echo "make mutants    what the hidden tests do not see of changes of the solutions"
	@echo "make test-gpu   the whole path on a CUDA device, where there is one"
	@echo "make lint       ruff and mypy"
	@echo "make build      exercises/ from lessons and solutions"

install: $(READY_ALL)

$(READY): $(PINNED)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
	  { echo "Python 3.11 to 3.14 is needed: make demo PYTHON=python3.12"; exit 1; }
	@# Over an environment that was left without pip this makes what is missing.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@$(BIN)/python -c "import torch" 2>/dev/null || $(MAKE) --no-print-directory torch
	@echo "Installing what grading needs into $(VENV)"
	@set -o pipefail; $(PIP) --editable . --editable ./autograder | $(PIP_LINES) || $(PIP_FAILED)
	@touch $@

# Alone and first, and without what it asks for: PyTorch's own index has other versions of that than constraints.txt.
torch:
ifneq ($(TORCH),)
	@$(PIP) --no-deps $(TORCH) || $(PIP_FAILED)
else
	@if [ "$$(uname)" != Linux ] || [ -e /dev/nvidia0 ] || nvidia-smi -L >/dev/null 2>&1; then \
	  $(PIP) --no-deps torch || $(PIP_FAILED); \
	else \
	  echo "No NVIDIA device here: PyTorch's CPU build (TORCH=torch asks for pip's default)"; \
	  $(PIP) --no-deps --timeout 15 --retries 1 $(CPU_BUILD) 2>/dev/null || { \
	    echo "Not to be had from there: pip's default instead, which on Linux may be a CUDA build of several GB"; \
	    $(PIP) --no-deps torch || $(PIP_FAILED); }; \
	fi
endif

$(READY_ALL): $(READY)
	@echo "Installing nbgrader, JupyterLab, JupyterHub and Otter-Grader into $(VENV)"
	@set -o pipefail; $(PIP) --editable . --editable "./autograder[all]" | $(PIP_LINES) || $(PIP_FAILED)
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing what the tests need into $(VENV)"
	@set -o pipefail; $(PIP) --editable . --editable "./autograder[dev]" | $(PIP_LINES) || $(PIP_FAILED)
	@touch $(READY_ALL) $@

demo: $(READY)
	rm -rf demo
	$(BIN)/python -m tests.sample_class demo/submissions
	$(BIN)/python -m autograder grade demo/submissions --out demo/graded --seed 1

hub: proxy
	@$(BIN)/python -m autograder hub up $(HUB)

proxy: $(PROXY_READY)

$(PROXY_READY): $(READY_ALL)
	@node --version 2>/dev/null | grep -Eq '^v(1[89]|[2-9][0-9])[.]' && command -v npm >/dev/null || \
	  { echo "JupyterHub's proxy needs Node 18 or later, with npm: on Debian and Ubuntu, apt install nodejs npm"; exit 1; }
	npm install --global --prefix $(VENV) --no-audit --no-fund --loglevel error $(PROXY)
	touch $@

# Material for MkDocs says at each build which tool will follow it one day; here that is no news.
docs: export NO_MKDOCS_2_WARNING = 1
docs: katex
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo "The site is in site/: make serve shows it, or open site/index.html (without its search)"

serve: export NO_MKDOCS_2_WARNING = 1
serve: katex
	$(BIN)/python -m mkdocs serve

links: $(READY_DEV)
	$(BIN)/python -m autograder.site.links

katex: $(KATEX_READY)

$(KATEX_READY): $(READY_DEV)
	@command -v npm >/dev/null || \
	  { echo "The site's formulas are set by KaTeX, which comes from npm: on Debian and Ubuntu, apt install npm"; exit 1; }
	npm install --global --prefix $(VENV) --no-audit --no-fund --loglevel error $(KATEX)
	touch $@

test: $(READY_DEV)
	$(MAKE) --jobs 2 lint proof
	$(TESTS) $(IN_PARALLEL) -m "not slow and not browser and not gpu and not benchmark"

test-all: test rest

# One seed, and what it takes seconds to prove of a module; `rest` has the other nine and all the rest.
proof: $(READY_DEV)
	$(BIN)/python -m autograder build --check
	$(BIN)/python -m autograder verify --quick

mutants: $(READY_DEV)
	$(BIN)/python -m autograder verify --mutants

# What `make test-all` does beyond `make test`.
rest: $(READY_DEV)
	$(BIN)/python -m autograder verify --seeds $(SEEDS)
	$(MAKE) mutants
	$(TESTS) $(IN_PARALLEL) -m "(slow or browser) and not gpu and not benchmark"
	$(MAKE) benchmarks

benchmarks: $(READY_DEV)
	$(TESTS) -m "benchmark $(BENCHMARKS)" --capture=no

test-gpu: $(READY_DEV)
	$(TESTS) -m gpu -rs

# On each other Python that is here, whatever fails on one.
test-pythons:
	@failed=; for version in 3.11 3.12 3.13 3.14; do \
	  if [ "Python $$version" = "$$($(PYTHON) --version | cut -d. -f1,2)" ]; then continue; fi; \
	  if ! python$$version -c 'import ensurepip, venv' 2>/dev/null; then echo "Python $$version is not here"; continue; fi; \
	  echo "Python $$version"; \
	  $(MAKE) test PYTHON=python$$version VENV=.venv-$$version || failed="$$failed $$version"; \
	done; if [ -n "$$failed" ]; then echo "make test fails on:$$failed"; exit 1; fi

# Found, not downloaded: a few seconds.
pins: $(READY_DEV)
	@for version in 3.11.0 3.14.0; do \
	  printf '%s\n' '-e .[interop,lab]' '-e ./autograder[dev]' | \
	    $(BIN)/python -m uv pip compile --quiet --no-header --python-version $$version --only-binary :all: \
	    --constraint constraints.txt --output-file $(VENV)/pins-$$version.txt - || exit 1; \
	  echo "constraints.txt fits Python $$version"; \
	done

lint: $(READY_DEV)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

build: $(READY_DEV)
	$(BIN)/python -m autograder build

clean:
	rm -rf $(VENV) .venv-3.* demo site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
