# Everything runs in .venv, which the first command creates. Only Python 3.11+ and make are needed.
PYTHON ?= $(firstword $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p; done))
BIN := .venv/bin
LOWEST := .venv-lowest
WORKERS ?= 2
# Python and pytest cache compiled modules, which saves seconds at each run.
export PYTHONDONTWRITEBYTECODE =
READY := .venv/.ready

.PHONY: help setup check test test-lowest test-fast interop-clients interop interop-libraries manifests faults demo bench bench-postgres bench-kit soak attack fuzz screenshots format clean
help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv with all dependencies

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

check: $(READY)  ## check style, types, layers and generated files
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/unasync.py --check
	$(BIN)/python tools/dropin.py --check
	$(BIN)/python tools/stubs.py --check
	$(BIN)/python tools/reference.py --check

test: $(READY)  ## run all tests, in WORKERS processes (about a quarter of an hour)
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile

test-lowest:  ## run the fast tests with the lowest versions that pyproject.toml allows
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python tools/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -c $(LOWEST)/constraints.txt -e '.[dev]'
	$(LOWEST)/bin/pytest -q -m 'not slow' --hypothesis-profile=fast -W default # old versions may warn

test-fast: $(READY)  ## run the tests that are not slow (about two minutes)
	$(BIN)/pytest -q -m 'not slow' --hypothesis-profile=fast -n $(WORKERS) --dist loadfile

interop-clients: $(READY)  ## run every call of Google's clients, each if its language is here; ARGS="go python"
	$(BIN)/python -m interop.run $(ARGS)

interop: interop-clients  ## run the clients, and the suites of grpc-go and h2spec (needs Go)
	$(BIN)/python -m interop.suites

interop-libraries: $(READY)  ## run libraries that others built on Cloud Tasks, with both clients (minutes at first)
	$(BIN)/python interop/libraries/run_libraries.py $(ARGS)

manifests:  ## check the manifests for Kubernetes against its types (needs Go; minutes the first time)
	cd tests/manifests && go run . ../../deploy/kubernetes/*.yaml

faults: $(READY)  ## let PostgreSQL, the network and servers fail under load (about ten minutes); ARGS="--only NAME"
	PYTHONPATH=tests $(BIN)/python tests/faults/run_faults.py $(ARGS)

demo: $(READY)  ## run a server and a worker, and watch tasks being delivered
	$(BIN)/python examples/demo.py

bench: $(READY)  ## measure the server; options in ARGS="--lines create,push"
	$(BIN)/python -m bench $(ARGS)

bench-postgres: $(READY)  ## measure the store on PostgreSQL; options in ARGS="--parts lines,peers"
	$(BIN)/python -m bench.postgres $(ARGS)

bench-kit: $(READY)  ## measure the testing kit: a thousand tests, starts and resets
	$(BIN)/python -m bench.kit $(ARGS)

soak: $(READY)  ## measure a queue's lateness beside targets that misbehave
	$(BIN)/python -m bench.soak

attack: $(READY)  ## attack a server and measure what others notice (four minutes); ARGS="--only NAME"
	$(BIN)/python -m bench.attack $(ARGS)

fuzz: $(READY)  ## search long for inputs that break parsers, rules or calls (about an hour)
	$(BIN)/pytest -q --hypothesis-profile=long tests/edge/test_edge_fuzz.py tests/api/test_api_http_protocol.py tests/wire tests/dispatch/test_dispatch_http_response.py \
		tests/api/test_api_fuzz.py tests/access/test_access_tokens.py

screenshots: $(READY)  ## write the pictures of docs/console.md again (needs Chromium)
	$(BIN)/python tools/screenshots.py

format: $(READY)  ## format the code and write generated files again
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/python tools/unasync.py
	$(BIN)/python tools/dropin.py
	$(BIN)/python tools/stubs.py
	$(BIN)/python tools/reference.py

clean:  ## remove all files that the commands created
	rm -rf .venv .venv-lowest build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis src/*.egg-info
