# Set-up, demonstration and tests. What is missing on a Debian machine is installed when this runs as root.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test test-systems lint unit parts fuzz audit engine boot netboot faults bench docs clean host usable

help:
	@echo "make setup   install what is missing, as root, and make .venv with rootstream in it"
	@echo "make demo    build examples/hello from source, boot it, run its checks"
	@echo "make test    lint, types, every test"
	@echo "make test-systems   the examples on every processor, built from source and booted (about an hour)"
	@echo "make lint | unit | parts | engine | boot | netboot    pieces of it"
	@echo "make faults  a thousand kills at random moments (hours); goes on where it was interrupted"
	@echo "make fuzz    readers of foreign bytes for an hour, from where the last run stopped (FUZZ_SECONDS)"
	@echo "make audit   look the locked packages up among known vulnerabilities"
	@echo "make bench   the measurements of docs/performance.md, side by side with peers"
	@echo "make docs    the reference pages, made from the code, and the site of all pages in build/site/"
	@echo "make clean   delete what was made here (not the shared cache)"

# Programs of the host for the tests, Rootstream with its development tools.
host:
	@sh tools/host.sh test

$(VENV)/.installed: pyproject.toml tools/venv.sh tools/requirements-dev.txt | host
	@sh tools/venv.sh "$(PYTHON)" "$(VENV)" dev

# What building and booting need, and no more.
usable:
	@sh tools/host.sh demo

$(VENV)/.usable: pyproject.toml tools/venv.sh | usable
	@sh tools/venv.sh "$(PYTHON)" "$(VENV)"

setup: $(VENV)/.usable
	@echo "ready; next: . $(VENV)/bin/activate"

demo: $(VENV)/.usable
	@sh tools/demo.sh "$(BIN)/rootstream"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(VENV)/.installed
	$(PYTEST) tests/unit

# What takes processes of its own: the command, pip, installed packages, the site of the documents.
parts: $(VENV)/.installed
	$(PYTEST) tests/parts

# Goes on where the last run stopped; counts and what went wrong are in .fuzz/.
FUZZ_SECONDS ?= 3600
fuzz: $(VENV)/.installed
	$(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS)

audit: $(VENV)/.installed
	$(BIN)/python tools/audit.py $(VENV)/audit

engine: $(VENV)/.installed
	$(PYTEST) tests/engine

boot: $(VENV)/.installed
	$(PYTEST) tests/boot

netboot: $(VENV)/.installed
	$(PYTEST) tests/netboot

# One run of pytest, so that its summary counts everything; it takes the folders in this order. Two files at once:
# most boots wait, and a guest without KVM has one core.
# SYSTEMS may name files of tests/systems that are to run, too.
test: lint
	@[ -z "$(SYSTEMS)" ] || sh tools/host.sh systems
	$(PYTEST) -n 2 --dist loadfile tests/unit tests/fuzz tests/parts tests/engine tests/boot tests/netboot tests/buildroot tests/faults $(SYSTEMS)

# The examples on every processor, from source: about an hour where nothing is in the cache.
test-systems: $(VENV)/.installed
	@sh tools/host.sh systems
	$(PYTEST) tests/systems

# A thousand kills of every long command at moments that the seed decides; interrupted, it goes on where it was.
FAULTS := $(VENV)/faults
faults: $(VENV)/.installed
	$(BIN)/python -m tests.faults.kills $(FAULTS) --count 1000 --seed 1 --journal $(FAULTS).jsonl

bench: $(VENV)/.installed
	$(BIN)/python bench/run.py

docs: $(VENV)/.installed
	$(BIN)/python -m rootstream.description.reference > $(VENV)/page && cp $(VENV)/page docs/reference/system-yaml.md
	$(BIN)/python -m rootstream.cli.commands_page > $(VENV)/page && cp $(VENV)/page docs/reference/commands.md
	rm -rf build/site
	$(BIN)/python -m sphinx -q -n -W --keep-going -c docs -d build/doctrees . build/site
	@echo "open build/site/index.html"

clean:
	rm -rf $(VENV) build examples/*/out examples/*/.rootstream .mypy_cache .ruff_cache .pytest_cache
