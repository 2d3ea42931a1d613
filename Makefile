# Everything a developer or CI does here. `make` alone prints this list.
PYTHON ?= python3
BIN := .venv/bin
CODE := services shared deploy tests
TESTS ?=
PROMISE ?=
FAULT ?=
PASSES ?= 1000000

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup run test test-unit check lint types layers format bench bench-growth soak promises ledger message-map openapi clean rabbitmq chromium

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## Make .venv with what uv.lock says (instant when it is there)
	@:

.venv/.ready: uv.lock pyproject.toml deploy/local/setup.sh
	@PYTHON="$(PYTHON)" deploy/local/setup.sh

run: setup ## Run all five services with an own PostgreSQL; PASSWRIGHT_PORT and PASSWRIGHT_DATA say where
	@exec $(BIN)/python -m services run

test: setup rabbitmq chromium ## Run all tests in two workers, each with own servers; TESTS=path runs some
	@exec $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(TESTS)

test-unit: setup ## Run the tests that need no server
	@exec $(BIN)/pytest tests/unit

check: setup ## Run everything CI demands: format, lint, types, layers, tests
	@echo "Format ..." && $(BIN)/ruff format --quiet --check $(CODE)
	@$(MAKE) lint types layers test

lint: setup ## Look for mistakes with ruff
	@echo "Lint ..." && $(BIN)/ruff check --quiet $(CODE)

types: setup ## Check types with basedpyright
	@echo "Types ..." && $(BIN)/basedpyright $(CODE)

layers: setup ## Check who imports whom with import-linter
	@echo "Layers ..." && $(BIN)/lint-imports

format: setup ## Format the code and repair what ruff can
	@$(BIN)/ruff format --quiet $(CODE) && $(BIN)/ruff check --quiet --fix $(CODE)

bench: setup rabbitmq ## Measure throughput and latency on this machine
	@exec $(BIN)/python -m tests.bench

bench-growth: setup rabbitmq ## Measure with few passes and with PASSES=1000000
	@exec $(BIN)/python -m tests.bench.growth --passes $(PASSES)

soak: setup rabbitmq ## Run a fleet of phones with kills and faults for PASSWRIGHT_SOAK_MINUTES
	@exec $(BIN)/python -m tests.soak

promises: setup rabbitmq ## Try what is promised, for hours, and write tests/promises.md; PROMISE=7 tries one
	@exec $(BIN)/python -m tests.promises $(PROMISE)

ledger: setup rabbitmq ## Compare what was acknowledged with what is found amid each fault; FAULT=kill_triggers
	@exec $(BIN)/python -m tests.promises.ledger $(FAULT)

message-map: setup ## Print which service sends and handles which message
	@exec $(BIN)/python -m services message-map

openapi: setup ## Print the HTTP interface as OpenAPI 3.1
	@exec $(BIN)/python -m services openapi

clean: ## Remove .venv and caches; data in .data stay
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

rabbitmq:
	@deploy/local/ensure_rabbitmq.sh

chromium:
	@deploy/local/ensure_chromium.sh
