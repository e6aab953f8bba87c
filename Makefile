# The front door. Every target is a line or two; CI calls only these.
# Needs Python 3.11 or newer, make, and at the first run a network.

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
STAMP := .venv/.set-up

.DEFAULT_GOAL := help
.PHONY: help setup up demo test browser javascript dashboards check audit sbom fmt contracts bench faults load secrets lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## Set up .venv from the lock file

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) deploy/local/venv.py

up: setup  ## Run the whole stack in the foreground, until Ctrl-C
	@$(BIN)/wabus up

demo: setup  ## Play the story on a stack of its own, and check every step
	@$(BIN)/wabus demo

test: setup  ## Every test that belongs in CI, real Kafka and real mongod included
	$(BIN)/python -m tests.side_by_side

browser: setup  ## The sandbox's page in a headless chromium, which is installed (apt-get) if need be
	tests/browser/install.sh && $(PYTEST) tests/browser

javascript: setup  ## The guides' JavaScript by node (apt-get, npm), the AsyncAPI document by its schema; says so without npm
	@tests/javascript/install.sh && $(PYTEST) tests/javascript || test $$? = 75

dashboards: setup  ## Alerts by promtool, and every query of dashboards and rules against a real Prometheus (apt-get)
	tests/dashboards/install.sh && $(PYTEST) tests/dashboards

check: setup  ## Lint, types, contracts and dashboards up to date
	$(BIN)/ruff check --no-cache . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m libs.events.contracts --check && $(BIN)/python -m deploy.openapi --check
	$(BIN)/python -m deploy.grafana --check
	$(BIN)/python -m deploy.supply.audit

audit: setup  ## Are there known vulnerabilities in what the lock names? Says so if it could not ask
	$(BIN)/python -m deploy.supply.audit

sbom: setup  ## What the image is made of, as CycloneDX JSON: sbom.cdx.json
	$(BIN)/python -m deploy.supply.sbom

fmt: setup  ## Format, and mend what the linter can
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

contracts: setup  ## Print contracts/ and the dashboards anew from what they are made of
	$(BIN)/python -m libs.events.contracts && $(BIN)/python -m deploy.openapi && $(BIN)/python -m deploy.grafana

faults: setup  ## The long fault tests: kill -9, resets, pauses, over thousands of messages
	$(PYTEST) tests/faults

load: setup  ## The long load tests: memory, many messages
	$(PYTEST) tests/load

bench: setup  ## Drive the public API and print messages/s, latencies and CPU per message
	$(BIN)/python -m tests.load.bench

secrets:  ## The secrets of a deployment with Docker, as files in ./secrets
	@$(PYTHON) deploy/docker/make_secrets.py

lock: setup  ## Resolve requirements.lock anew, and of it the image's part (needs uv)
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --extra local --extra dev \
		pyproject.toml -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --python-version 3.11 --no-annotate -c requirements.lock \
		pyproject.toml -o deploy/docker/requirements.lock

clean:  ## Stop the stack in .wabus, remove it, the virtual environment and the caches
	@if [ -x $(BIN)/wabus ]; then $(BIN)/wabus down --wipe; fi
	rm -rf .venv .venv-before .wabus .mypy_cache .ruff_cache .hypothesis *.egg-info
