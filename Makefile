# The two commands: `make run` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --quiet
PARALLEL := --numprocesses 2 --dist loadgroup
WAITING  := --numprocesses 4 --dist loadgroup # a deployed test waits more than it computes
MIXED    := --numprocesses 5 --dist loadgroup # and one of the page computes meanwhile
STAGE  ?= dev
ARGS   ?=
PORT   ?= 8000
PYTHON313 ?= $(shell $(BIN)/python -m dev.lambda_runtime.interpreters 3.13)
AT     := $(if $(URL),--url $(URL),--stage $(STAGE))

.DEFAULT_GOAL := help
.PHONY: help setup run status test check drop jobs plan verify audit openapi new-action
.PHONY: watch pause resume capacity letters object bench-pace
.PHONY: deploy fetch destroy policies test-second-opinion test-unit test-deploy test-faults test-corpus simulate
.PHONY: bench-drain bench-cold-start bench-thumbnails

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## the virtual environment with everything the other commands need

$(VENV)/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

run: setup ## the whole pipeline on a local AWS: make run ARGS="--once"
	@$(BIN)/python -m dev run $(ARGS)

status: setup ## the page of a deployed stage, with your own AWS credentials: make status STAGE=prod PORT=8000
	@$(BIN)/python -m infra status --stage $(STAGE) --port $(PORT)

test-unit: setup ## the quick loop: no local AWS, nothing deployed: make test-unit ARGS="-k drain"
	@$(PYTEST) $(PARALLEL) tests/unit -m "not slow and not long" $(ARGS)

test: check ## lint, types, and all tests but the long ones
	@echo "1/2 Unit tests"
	@$(PYTEST) $(PARALLEL) -m "not long" tests/unit
	@echo "2/2 Deployed onto the local AWS, against it and fakes, the package, and the page over a stand-in"
	@$(PYTEST) $(MIXED) -m "not long" tests/deployed tests/local_aws tests/package tests/page

test-deploy: setup ## the long tests: the package for each Python, whole deploys and failed ones, scale, the page over it
	@echo "1/4 The package"
	@$(PYTEST) -m long tests/package $(ARGS)
	@echo "2/4 At scale"
	@$(PYTEST) $(PARALLEL) -m long tests/unit tests/local_aws $(ARGS)
	@echo "3/4 Whole deploys"
	@$(PYTEST) $(WAITING) -m "long and not minutes" tests/deployed $(ARGS)
	@echo "4/4 The page over the whole pipeline"
	@$(PYTEST) -m long tests/page $(ARGS) # one browser, one story: its tests build on each other

check: setup ## lint and types; the template and the policies too
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/cfn-lint infra/deploying/template.yaml
	@PYTHONWARNINGS=ignore $(BIN)/parliament --files "$$(echo .chalice/policy-local-*.json | tr ' ' ',')" </dev/null

openapi: setup ## chalicelib/openapi.json from the routes, and the page of the dead letters' codes
	@$(BIN)/python -m infra openapi

new-action: setup ## an action of your own, and its test, to be filled in: make new-action NAME=index
	@$(BIN)/python -m infra new-action --name "$(NAME)"

drop: setup ## one more image into a running `make run`: make drop FILE=photo.jpg
	@$(BIN)/python -m dev drop $(ARGS) -- "$(FILE)"

jobs: setup ## bulk jobs of a stage: make jobs ARGS="list --stage dev"
	@$(BIN)/python -m infra jobs $(ARGS)

watch: setup ## does it keep up, what failed and why: make watch STAGE=prod, or URL=http://127.0.0.1:8000 of a `make run`
	@$(BIN)/python -m infra watch $(AT) $(ARGS)

pause: setup ## forward nothing until resume: make pause STAGE=prod ARGS='--note "the database is down"'
	@$(BIN)/python -m infra pause $(AT) $(ARGS)

resume: setup ## forward again
	@$(BIN)/python -m infra resume $(AT) $(ARGS)

capacity: setup ## show the capacity, or set it: make capacity STAGE=prod ARGS="500 --until 2026-01-31T12:00:00Z"
	@$(BIN)/python -m infra capacity $(AT) $(ARGS)

letters: setup ## dead letters: make letters STAGE=prod, ARGS="show ID", "redrive --code gave-up", "discard ...", "stop"
	@$(BIN)/python -m infra letters $(or $(ARGS),list) $(AT)

object: setup ## where one object is: make object STAGE=prod KEY=photos/cat.png
	@$(BIN)/python -m infra object $(AT) $(ARGS) -- "$(KEY)"

deploy: setup ## make or update a stage in your AWS account: make deploy STAGE=dev
	@$(BIN)/python -m infra deploy --stage $(STAGE)

fetch: setup ## make a clone ready for Chalice's own commands: make fetch STAGE=dev
	@$(BIN)/python -m infra fetch --stage $(STAGE)

destroy: setup ## remove a stage from your AWS account: make destroy STAGE=dev (FORCE=1 deletes objects and waiting messages unasked)
	@$(BIN)/python -m infra destroy --stage $(STAGE) $(if $(FORCE),--force)

verify: setup ## is it deployed as it should be? read only: make verify STAGE=prod ARGS="--upload" sends one picture through
	@$(BIN)/python -m infra verify --stage $(STAGE) $(ARGS)

audit: setup ## from a stage's own log: did every event end once, and no tick exceed the capacity? make audit STAGE=prod ARGS="--hours 2"
	@$(BIN)/python -m infra audit --stage $(STAGE) $(ARGS)

plan: setup ## what if: make plan ARGS="--objects 1e9 --per 24h --size 2MB --capacity 50000"
	@$(BIN)/python -m infra plan $(ARGS)

policies: setup ## the IAM policies of a stage from the code: make policies STAGE=dev
	@$(BIN)/python -m infra policies --stage $(STAGE)

bench-drain: setup $(VENV)/.bench ## the drain against the original's algorithm; writes benchmarks/results/drain.json
	@$(BIN)/python -m benchmarks.drain.bench $(ARGS)
	@$(BIN)/python -m benchmarks.drain.plot

bench-pace: setup $(VENV)/.bench ## how evenly the downstream is called, beside what was before; writes benchmarks/results/pace.json, takes some minutes
	@$(BIN)/python -m benchmarks.pace.bench $(ARGS)
	@$(BIN)/python -m benchmarks.pace.plot

bench-cold-start: setup ## each function's cold start against an empty handler; writes benchmarks/results/cold_start.json
	@$(BIN)/python -m benchmarks.cold_start.bench $(ARGS)

test-faults: setup ## the drain and consume killed hundreds of times: prints what was lost (nothing)
	@$(BIN)/python -m tests.faults $(ARGS)

simulate: setup ## the pipeline against a hostile SQS and Lambda on a virtual clock: make simulate ARGS="--minutes 3", "--replay SEED", "--faults"
	@$(BIN)/python -m dev.simulation $(ARGS)

$(VENV)/.bench: $(VENV)/.ready requirements-bench.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix .cache/node aws-sdk@2.1693.0 || true; fi
	@touch $@

bench-thumbnails: $(VENV)/.bench ## thumbnails against sharp, pyvips and plain Pillow (needs node, npm and apt-get)
	@$(BIN)/python -m benchmarks.thumbnails.run $(ARGS)

SECOND := .cache/second-opinion
test-second-opinion: setup $(SECOND)/.ready ## a stage's life on LocalStack, and SQS's contract there and on moto's server (needs Python 3.13)
	@$(BIN)/python -m dev.second_opinion $(ARGS)

$(SECOND)/.ready: requirements-second-opinion.txt
	@test -x "$(PYTHON313)" || { echo "Python 3.13 is needed: make test-second-opinion PYTHON313=/path/to/python3.13"; exit 1; }
	@$(PYTHON313) -m venv $(SECOND)/localstack && $(PYTHON313) -m venv $(SECOND)/moto
	@$(SECOND)/localstack/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-second-opinion.txt
	@$(SECOND)/moto/bin/python -m pip install --quiet --disable-pip-version-check "moto[server]==5.2.5"
	@touch $@

test-corpus: setup ## a thousand odd and hostile images and some thousand damaged ones, each in a process of 512 MB
	@$(BIN)/python -m tests.corpus.run
