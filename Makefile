# Two targets a newcomer needs: `make demo` and `make test`. The others are what those are made of.
PYTHON ?= python3
BIN := .venv/bin
TESTS ?= tests
VIEWER_FILES := $(shell find viewer hatch_build.py -type f -not -path '*/node_modules/*' 2>/dev/null)
.PHONY: setup demo test check lock docs bench clean
.DELETE_ON_ERROR:

setup: .venv/.lamelle  ## everything into .venv; does nothing when nothing changed

.venv/.locked: requirements.lock
	.ci/venv $(PYTHON) .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

# the build hook makes the viewer with the node of requirements.lock, and only when viewer/ changed
.venv/.lamelle: .venv/.locked pyproject.toml $(VIEWER_FILES)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: setup  ## slides made here, stored, served: says what to open
	$(BIN)/lamelle demo

test: setup  ## every test; says what is skipped and why
	@.ci/prepare
	@.ci/viewer test
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TESTS)

check: setup  ## style, types, floors of the house, holes, viewer, lock, leaks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml src
	@$(BIN)/python .ci/audit
	@.ci/viewer
	$(BIN)/python -m pytest -q tests/house tests/integration/serve/test_reference.py

lock:  ## write requirements.lock again, after a change of dependencies; needs the network
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --all-extras --strip-extras --no-header \
	  --annotation-style=line --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --output-file=requirements.lock pyproject.toml

docs: setup  ## write docs/reference again from the code
	$(BIN)/python -m lamelle.ops.reference docs/reference

bench: setup  ## measure against peers; see bench/README.md
	bench/run

clean:  ## back to a fresh clone
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist test-results \
	  viewer/node_modules tests/integration/access/provider/node_modules src/lamelle/doors/web/static
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
