# Every command of the project. `make` and `make help` list them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint protos protos-check bench bench-detector gifs clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the environment in .venv

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## Stream a real clip through a real server and print the reactions
	$(BIN)/gifcue demo

test: $(STAMP) ## Lint, check types, imports and generated code, and run the tests
	$(MAKE) lint protos-check
	$(BIN)/pytest

lint: $(STAMP) ## Check style, types and import rules
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/buf lint

protos: $(STAMP) ## Generate the code of the wire from protos/
	$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=src --grpc_python_out=src --mypy_out=src protos/gifcue/v1/*.proto

protos-check: $(STAMP) ## Fail where the generated code is not what protos/ says
	@rm -rf build/protos && mkdir -p build/protos
	@$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --python_out=build/protos --grpc_python_out=build/protos --mypy_out=build/protos protos/gifcue/v1/*.proto
	@diff -r -x __pycache__ -x __init__.py build/protos/gifcue/v1 src/gifcue/v1 \
	  || { echo "src/gifcue/v1 is not what protos/ says: run 'make protos'"; exit 1; }

bench: $(STAMP) ## Measure everything in one table, in less than 15 minutes; BENCH=--quick for a minute's smoke test
	$(BIN)/python -m benchmarks.suite $(BENCH)

bench-detector: $(STAMP) ## Compare: one frame on one core, gifcue's detector beside MediaPipe
	$(BIN)/python -m benchmarks.detector

gifs: $(STAMP) ## Draw the default GIF pack anew
	$(BIN)/python -m tools.gifpack.draw

clean: ## Remove what commands made
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
