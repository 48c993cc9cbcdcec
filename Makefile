# Every command of the project. `make` and `make help` list them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# One environment, installed in two steps: what the demo needs, and everything else. A stamp stands for each step.
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
# The variables make the constraints hold for the isolated environment that builds gifcue, too. Which one pip reads
# depends on its version.
INSTALL := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
  $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt
# Locked tools that need not be in .venv, and the environment that deploy/Dockerfile makes.
TOOLS := build/tools/.installed
TOOL_BIN := build/tools/bin
IMAGE := build/image
# The validators of deploy/ (1 GB), in an environment of their own.
DEPLOY_TOOLS := build/deploy-tools
INSTALL_LOCKED := install -q --disable-pip-version-check --require-hashes --only-binary :all:
# Every file of a version is listed, so that one lock serves Python 3.11 to 3.13 on x86_64 and aarch64.
LOCK := $(TOOL_BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-index-url --custom-compile-command "make lock" -c constraints.txt
PROTOC := $(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy
PROTOS := protos/gifcue/v1/*.proto protos/gifcue/triton/v2/*.proto
CODE := src tests benchmarks tools

.DEFAULT_GOAL := help
.PHONY: help setup setup-peers demo test coverage chaos hostile fuzz fuzz-rtp soak test-faults test-peers test-triton examples lint protos \
  protos-check web-vendor screenshots wheel check-wheel lock image images manifests check-deploy sbom licences audit bench bench-pair failover bench-detector dashboard capacity-clip model-digest model-card evidence gifs clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(DEV) ## Install everything into .venv

setup-peers: ## Install the programs that tests run against: Chromium, Janus, HAProxy, Prometheus (Debian, as root), livekit-server, Envoy, nginx
	tools/setup_peers.sh

$(DEMO): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[demo]'
	@touch $(DEMO)

$(DEV): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) -e '.[dev]'
	@touch $(DEMO) $(DEV)

demo: $(DEMO) ## Stream a real clip through a real server and print the reactions
	$(BIN)/gifcue demo

test: $(DEV) ## Lint, check the protos and run the tests
	$(MAKE) lint protos-check
	$(BIN)/pytest --numprocesses=2 --dist=loadgroup --durations=15

coverage: $(DEV) ## Coverage of engine/ by its own unit tests
	$(BIN)/pytest tests/engine --cov=gifcue.engine --cov-report=term-missing

chaos: $(DEV) ## Attack a real server and check what it costs others, 45 minutes; CHAOS="--case NAME" for one case
	$(BIN)/python -m tests.chaos $(CHAOS)

hostile: $(DEV) ## One hostile client that mixes all attacks beside two bystanders, for MINUTES=10
	$(BIN)/python -m tests.chaos --hostile --minutes $(or $(MINUTES),10) $(CHAOS)

fuzz: $(DEV) ## Send mutated messages, video, stills and HTTP requests to a real server, for SECONDS=60
	$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(FUZZ)

fuzz-rtp: $(DEV) ## Mutated RTP packets, SDP files and messages of Janus and LiveKit for their parsers; FUZZ="--packets 100000 --seed 2"
	$(BIN)/python -m tests.fuzz.rtp $(FUZZ)

soak: $(DEV) ## Let streams come and go, and compare what a server holds before and after, for MINUTES=20
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),20) $(SOAK)

test-peers: $(DEV) ## Chromium through Janus over a lossy network, and through LiveKit; clips of people in the pages; 3 minutes, not in CI
	GIFCUE_PEERS=1 $(BIN)/pytest tests/ingest/janus/test_end_to_end.py tests/web/test_live.py tests/web/test_tap.py \
	  tests/web/test_teach.py -k "loss or simulcast or slow_costs or room_of_clips or three_minutes"
	GIFCUE_PEERS=1 $(BIN)/pytest tests/ingest/livekit/test_end_to_end.py

test-triton: $(DEV) ## gifcue beside a real tritonserver, which is killed and stopped; 2 minutes and an environment of its own, not in CI
	$(BIN)/python -m benchmarks.peers setup triton
	GIFCUE_TRITON=1 $(BIN)/pytest tests/triton/test_tritonserver.py tests/lab/export/test_triton.py -n0 -s

# Each has servers of its own and judges no time, so that `make --jobs=2` may run two at once.
FAULTS := chaos-quick hostile-quick fuzz-quick fuzz-rtp-quick soak-quick
.PHONY: $(FAULTS)
test-faults: $(FAULTS) ## What CI runs of chaos, hostile, fuzz and soak, in 3 minutes; judges no latency and no growth
chaos-quick: $(DEV)
	$(BIN)/python -m tests.chaos --quick
hostile-quick: $(DEV)
	$(BIN)/python -m tests.chaos --hostile --minutes 0.5 --quick
fuzz-quick: $(DEV)
	$(BIN)/python -m tests.fuzz --seconds 20
fuzz-rtp-quick: $(DEV)
	$(BIN)/python -m tests.fuzz.rtp --packets 50000
soak-quick: $(DEV)
	$(BIN)/python -m tests.soak --minutes 0.3 --quick

examples: $(DEV) ## Build the clients in Node and Go, run them against real servers; check the mediasoup example
	cd examples/node && npm install --no-audit --no-fund --ignore-scripts --no-package-lock
	PYTHON=$(abspath $(BIN))/python examples/go/generate.sh
	cd examples/mediasoup && npm install --no-audit --no-fund --ignore-scripts --no-package-lock && npx tsc --noEmit
	GIFCUE_EXAMPLES=1 $(BIN)/pytest tests/examples

lint: $(DEV) ## Check style, types, import contracts and import cycles
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.import_cycles

protos: $(DEV) ## Generate the code of the wire from protos/
	$(PROTOC) --python_out=src --grpc_python_out=src --mypy_out=src $(PROTOS)

protos-check: $(DEV) ## Check protos/: style, no break with protos/baseline.binpb, generated code up to date
	$(BIN)/buf lint
	$(BIN)/buf breaking --against protos/baseline.binpb
	@rm -rf build/protos && mkdir -p build/protos
	@$(PROTOC) --python_out=build/protos --grpc_python_out=build/protos --mypy_out=build/protos $(PROTOS)
	@for package in v1 triton/v2; do \
	  diff -r -x __pycache__ -x __init__.py build/protos/gifcue/$$package src/gifcue/$$package \
	  || { echo "src/gifcue/$$package was not generated from protos/: run 'make protos'"; exit 1; }; done

# npm is asked only for the versions and digests of package-lock.json, and runs no script of a package.
web-vendor: $(DEV) ## Write the libraries of the web pages and the wire's JavaScript into src/gifcue/web/static/vendor
	cd tools/web && npm ci --ignore-scripts --no-audit --no-fund
	@rm -rf tools/web/generated && mkdir -p tools/web/generated
	$(BIN)/python -m grpc_tools.protoc -I protos --plugin=protoc-gen-es=tools/web/node_modules/.bin/protoc-gen-es \
	  --es_out=tools/web/generated --es_opt=target=js,import_extension=js \
	  protos/gifcue/v1/media.proto protos/gifcue/v1/reaction_service.proto
	node tools/web/build.mjs

screenshots: $(DEV) ## Take the pictures of README again, with Chromium, into docs/images
	$(BIN)/python -m tools.screenshots

wheel: $(DEV) ## Build the sdist and, from it, the wheel into dist/
	@rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist .

lock: $(TOOLS) ## Write the hash-locked requirements of the image and of the tools
	$(LOCK) pyproject.toml -o deploy/requirements.txt
	$(LOCK) pyproject.toml --extra gpu -o deploy/requirements-gpu.txt
	$(LOCK) pyproject.toml --extra otel -o deploy/requirements-otel.txt
	$(LOCK) pyproject.toml --extra webrtc -o deploy/requirements-webrtc.txt
	$(LOCK) --group image-build -o deploy/requirements-build.txt
	$(LOCK) --group supply-chain -o tools/requirements.txt
	$(subst -c constraints.txt,,$(LOCK)) --group deploy-checks -o tools/deploy/requirements.txt

$(TOOLS): tools/requirements.txt
	$(PYTHON) -m venv --clear build/tools
	$(TOOL_BIN)/pip $(INSTALL_LOCKED) -r tools/requirements.txt
	@touch $(TOOLS)

# The commands of deploy/Dockerfile, without a container.
image: wheel ## Make the image's environment in build/image from the locks
	$(PYTHON) -m venv --clear --without-pip $(IMAGE)
	$(BIN)/pip --python $(IMAGE)/bin/python $(INSTALL_LOCKED) -r deploy/requirements.txt
	$(BIN)/pip --python $(IMAGE)/bin/python install -q --disable-pip-version-check --no-deps --no-index dist/*.whl

sbom: image ## Write the bill of materials of the image's environment, CycloneDX JSON, into dist/
	$(BIN)/python -m tools.sbom $(IMAGE)/bin/python dist

images: $(DEV) ## Build both images without a registry, enter them, serve a clip, print sizes (Debian, as root; 10 GB)
	$(BIN)/python -m tools.images cpu --contents
	$(BIN)/python -m tools.images gpu --remove

$(DEPLOY_TOOLS)/.installed: tools/deploy/requirements.txt tools/deploy/package-lock.json tools/deploy/get_helm.py
	$(PYTHON) -m venv --clear $(DEPLOY_TOOLS)
	$(DEPLOY_TOOLS)/bin/pip $(INSTALL_LOCKED) -r tools/deploy/requirements.txt
	$(DEPLOY_TOOLS)/bin/python tools/deploy/get_helm.py $(DEPLOY_TOOLS)/bin
	cp tools/deploy/package.json tools/deploy/package-lock.json tools/deploy/crds.mjs $(DEPLOY_TOOLS)
	cd $(DEPLOY_TOOLS) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

manifests: $(DEV) $(DEPLOY_TOOLS)/.installed ## Write the Kustomize files that follow from the Helm chart
	HELM=$(DEPLOY_TOOLS)/bin/helm $(BIN)/python -m tools.deploy.manifests

check-deploy: $(DEV) $(DEPLOY_TOOLS)/.installed ## Validate chart and manifests: helm, kubectl, schemas, CRDs, checkov (a minute)
	HELM=$(DEPLOY_TOOLS)/bin/helm $(BIN)/python -m tools.deploy.check $(DEPLOY_TOOLS)

licences: $(DEV) ## Print the licences of what the image contains
	$(BIN)/python -m tools.licences

audit: $(DEV) $(TOOLS) ## Look for known vulnerabilities; AUDIT="--advisories FILE.zip" without a network
	$(BIN)/python -m tools.audit $(AUDIT)

check-wheel: wheel ## Install the wheel into an empty environment elsewhere, serve and run the demo; print sizes
	$(BIN)/python -m tools.check_wheel dist/*.whl

bench: $(DEV) ## Measure everything in one table, in less than 15 minutes; BENCH=--quick for a minute's smoke test
	$(BIN)/python -m benchmarks.suite $(BENCH)

bench-pair: $(DEV) ## Two one-core servers against one, behind each proxy and with client placement, 8 minutes; PAIR="--through haproxy"
	$(BIN)/python -m benchmarks.fleet_pair $(PAIR)

failover: $(DEV) ## End one of two servers, and reload proxies, under 20 participants, 6 minutes
	$(BIN)/python -m benchmarks.failover $(FAILOVER)

bench-detector: $(DEV) ## Compare one frame on one core in gifcue's detector and in MediaPipe
	$(BIN)/python -m benchmarks.detector

dashboard: $(DEV) ## Write the Grafana dashboard, deploy/grafana/gifcue.json
	$(BIN)/python -m tools.dashboard

capacity-clip: $(DEV) ## Encode the clip that gifcue capacity streams
	$(BIN)/python -m tools.capacity_clip

model-digest: $(DEV) ## Write the digest of models/ into the code, after a change of the model
	$(BIN)/python -m tools.model_digest

comma := ,
model-card: $(DEV) ## Measure the model on the labelled pictures in DATA=FOLDER, and write the figures into models/README.md and README.md; TAGS=FILE: glasses and beards
	@test -d "$(DATA)/dev" || { echo "expected DATA=FOLDER with a folder dev of labelled pictures, got DATA=$(DATA)"; exit 1; }
	mkdir -p build
	$(BIN)/gifcue-lab evaluate images $(DATA) --split dev --parts tools/model_card/parts.toml \
	  --by light,distance,hand_at_face,skin$(if $(TAGS),$(comma)glasses$(comma)beard --tags $(TAGS)) --json >build/model-card.json
	$(BIN)/python -m tools.model_card <build/model-card.json

evidence: $(DEV) ## Measure the figures of docs/evidence.md, from the labelled pictures in DATA=FOLDER; writes to OUT=FOLDER, with JOBS=N processes
	@test -d "$(DATA)/dev" || { echo "expected DATA=FOLDER with a folder dev of labelled pictures, got DATA=$(DATA)"; exit 1; }
	@test -n "$(OUT)" || { echo "expected OUT=FOLDER for clips and reports"; exit 1; }
	PATH=$(abspath $(BIN)):$$PATH PRESETS=$(PRESETS) tools/evidence.sh $(DATA) $(OUT) $(or $(JOBS),1)

gifs: $(DEV) ## Draw the default GIFs again
	$(BIN)/python -m tools.gifpack.draw

clean: ## Remove what commands made
	rm -rf build dist .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
