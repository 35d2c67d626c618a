# Two commands for everybody: `make demo` and `make test`. `make check` adds the long runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check lint clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "amtwin needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/ready
	$(BIN)/amtwin run pbf-lb --part example:bracket --alloy IN718 --speed 200 --opcua-port 0 --modbus-port 0

# Clients from outside Python are used where Node.js is there; the tests say so where it is not.
tests/system/node/node_modules: tests/system/node/package.json
	@if ! command -v npm >/dev/null; then echo "no npm: tests with Node.js clients are skipped"; \
	elif npm install --prefix tests/system/node --no-audit --no-fund --loglevel=error; then touch $@; \
	else echo "npm could not install: tests with Node.js clients are skipped"; fi

test: $(VENV)/ready tests/system/node/node_modules
	$(BIN)/pytest -m "not slow" -n 3 --dist loadgroup

check: $(VENV)/ready tests/system/node/node_modules lint
	$(BIN)/pytest --hypothesis-profile search

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) tests/system/node/node_modules .pytest_cache .mypy_cache .ruff_cache
