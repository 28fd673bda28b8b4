# Everything runs in .venv, which the first command creates. Only Python 3.11+ and make are needed.
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help setup check test demo bench soak format clean
help:  ## show the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with everything in it

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

check: $(READY)  ## style, types, layers
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/dropin.py --check
	$(BIN)/python tools/reference.py --check

test: $(READY)  ## all tests
	$(BIN)/pytest -q

demo: $(READY)  ## a server, a worker and tasks that travel between them
	$(BIN)/python examples/demo.py

bench: $(READY)  ## measure the server; options in ARGS="--lines create,push"
	$(BIN)/python -m bench $(ARGS)

soak: $(READY)  ## measure a queue's lateness beside targets that misbehave
	$(BIN)/python -m bench.soak

format: $(READY)  ## put the code into its style
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/python tools/reference.py

clean:  ## remove what the commands created
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
