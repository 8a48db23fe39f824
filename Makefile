# Two commands: `make demo` and `make test`. Both start from nothing but Python 3.11+ and a network.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# What pip is asked for to get PyTorch. On Linux that is a CUDA build of several GB; a CPU build is enough:
# make demo TORCH="torch --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
READY = $(VENV)/.ready
# JupyterHub's proxy, inside the environment; this version runs on Node 18 and later.
PROXY = configurable-http-proxy@5.1.0
PROXY_READY = $(VENV)/lib/node_modules/$(PROXY).ready
# What sets the formulas of the site, inside the environment too: a few files, served by the site itself.
KATEX = katex@0.19.1
KATEX_READY = $(VENV)/lib/node_modules/$(KATEX).ready
# Where the hub is and what it offers: make hub HUB="unet --port 8001"
HUB ?=
TESTS = $(BIN)/python -m pytest
# Which tests may run at the same time: tests/conftest.py.
IN_PARALLEL = -n auto --maxprocesses 8

.PHONY: help install demo hub proxy docs katex serve links test test-all rest test-gpu verify lint build benchmarks clean

help:
	@echo "make demo       grade the sample class and say where the reports are"
	@echo "make hub        a JupyterHub on this machine with the course in it, for trying"
	@echo "make docs       the syllabus site, in site/; a warning is an error"
	@echo "make serve      the same, shown on this machine, and built anew when something changes"
	@echo "make links      ask every address that the site names whether it is still there"
	@echo "make test       the tests, in under ten minutes"
	@echo "make test-all   all of them: ten seeds, notebooks executed, browser, benchmarks"
	@echo "make test-gpu   the whole path on a CUDA device, where there is one"
	@echo "make lint       ruff and mypy"
	@echo "make build      exercises/ from lessons and solutions"

install: $(READY)

$(READY): pyproject.toml autograder/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11, 3.12 or 3.13 is needed: make demo PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -c "import torch" 2>/dev/null || $(PIP) $(TORCH)
	$(PIP) --editable ".[dev,interop]" --editable ./autograder
	touch $@

demo: $(READY)
	rm -rf demo
	$(BIN)/python -m tests.sample_class demo/submissions
	$(BIN)/autograder grade demo/submissions --out demo/graded --seed 1

hub: proxy
	@$(BIN)/autograder hub up $(HUB)

proxy: $(PROXY_READY)

$(PROXY_READY): $(READY)
	@node --version 2>/dev/null | grep -Eq '^v(1[89]|[2-9][0-9])[.]' && command -v npm >/dev/null || \
	  { echo "JupyterHub's proxy needs Node 18 or later, with npm: on Debian and Ubuntu, apt install nodejs npm"; exit 1; }
	npm install --global --prefix $(VENV) --no-audit --no-fund --loglevel error $(PROXY)
	touch $@

# Material for MkDocs says at each build which tool will follow it one day; here that is no news.
docs: export NO_MKDOCS_2_WARNING = 1
docs: katex
	$(BIN)/mkdocs build --strict --quiet
	@echo "The site is in site/: make serve shows it, or open site/index.html (without its search)"

serve: export NO_MKDOCS_2_WARNING = 1
serve: katex
	$(BIN)/mkdocs serve

links: $(READY)
	$(BIN)/python -m autograder.site.links

katex: $(KATEX_READY)

$(KATEX_READY): $(READY)
	@command -v npm >/dev/null || \
	  { echo "The site's formulas are set by KaTeX, which comes from npm: on Debian and Ubuntu, apt install npm"; exit 1; }
	npm install --global --prefix $(VENV) --no-audit --no-fund --loglevel error $(KATEX)
	touch $@

test: $(READY) lint
	$(BIN)/autograder build --check
	$(BIN)/autograder verify
	$(TESTS) $(IN_PARALLEL) -m "not slow and not browser and not gpu and not benchmark"

test-all: test rest

# What `make test-all` does beyond `make test`.
rest: $(READY)
	$(BIN)/autograder verify --seeds 10
	$(TESTS) $(IN_PARALLEL) -m "(slow or browser) and not gpu and not benchmark"
	$(MAKE) benchmarks

benchmarks: $(READY)
	$(TESTS) -m benchmark --capture=no

test-gpu: $(READY)
	$(TESTS) -m gpu -rs

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

build: $(READY)
	$(BIN)/autograder build

clean:
	rm -rf $(VENV) demo site build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
