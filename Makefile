# What a newcomer guesses: run, test, lint, bench. Each target sets itself up.
SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
# The first Python 3.11 or newer on the PATH.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
  command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# The lock files name all there is to install, for a pip that takes a third of the time of the one that Python brings.
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check
# How far a long installation is, in pip's stead: a line that counts on a terminal, elsewhere one now and then.
SHOW_PROGRESS = awk -v all="$$(grep -c '^[A-Za-z].*==' $(1))" -v live="$$([ -t 2 ] && echo 1)" ' \
    /^Ignoring / { all-- } \
    /^(Collecting|Processing) / { n++; if (live) printf "\r      %d of %d packages are here", n, all; \
      else if (n % 20 == 0) printf "      %d of %d packages are here\n", n, all; fflush() } \
    /^Installing / { printf "%s      all of them are here; it takes about as long again to put them in place\n", live ? "\r" : ""; fflush() } \
    /^FAILED/ { failed = 1 } \
    END { exit failed }'
INSTALL_LOCKED = { $(subst -qq ,,$(PIP_INSTALL)) --progress-bar off --no-deps -r $(1) 2>$(VENV)/pip.log || echo FAILED; } \
  | $(SHOW_PROGRESS) || { grep -v '^WARNING' $(VENV)/pip.log >&2; exit 1; }
# A path, and not the finder that setuptools makes else: that takes 20 ms of every start.
EDITABLE := --config-settings editable_mode=compat
ARGS ?=
# Each has a stack of its own. The tests wait more than they compute.
WORKERS ?= 5
CONFIG ?= configs/default.yaml
# Lambda's Python: the newest one here, so that its bytecode can be made here; a function cannot keep any it makes itself.
LAMBDA_PYTHON ?= $(shell for v in 3.14 3.13 3.12; do \
  python$$v -c 'pass' >/dev/null 2>&1 && echo $$v && exit; done; echo 3.14)
LAMBDA_PLATFORM = --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 --implementation cp \
  --python-version $(LAMBDA_PYTHON) --only-binary=:all:

# The database, the terminal and Prometheus are rtp run's alone.
NOT_IN_THE_LAMBDA = psycopg psycopg-binary psycopg-pool prometheus-client typer rich annotated-doc markdown-it-py mdurl pygments shellingham
LAMBDA_CODE = build/lambda build/notify build/consumer

.DEFAULT_GOAL := help
.PHONY: help install run test test-long lint format bench faults backlog space overhead layers peers detection judging cache live handler notify kills package docs reference pictures sbom audit deployment lock clean

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 11

install: $(VENV)/.run ## Set up .venv with rtp, for a database of your own
	@echo "Next, with RTP_POSTGRES_DSN and RTP_REDIS_URL set: $(BIN)/rtp init"

run: $(VENV)/.run ## Start the demo: PostgreSQL, Redis, SQS, a market, rtp, its page, and who is told (ARGS="--for 30s")
	@$(BIN)/rtp run --demo --serve --notify $(ARGS)

test: $(VENV)/.dev ## Run all tests, with coverage (ARGS="-k cursor", WORKERS=0 for one process)
	@$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal --cov --cov-report=term $(ARGS)

test-long: export TEST_LONG := 1
test-long: override ARGS += --timeout=3600
test-long: test ## The same, with all cases and many random examples, other ones each time: half an hour

lint: $(VENV)/.dev ## Check style, types and the layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## Mend style
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure latency and drain rate on the embedded stack
	@$(BIN)/python -m loadtests.benchmarks.spine $(ARGS)

faults: $(VENV)/.dev ## Hurt rtp and its services at random, and account for every event
	@$(BIN)/python -m loadtests.faults $(ARGS)

backlog: $(VENV)/.dev ## Measure rtp's memory behind a million events, and what live events wait meanwhile
	@$(BIN)/python -m loadtests.benchmarks.backlog $(ARGS)

space: $(VENV)/.dev ## Measure what the log costs in space, and what emptying it costs
	@$(BIN)/python -m loadtests.benchmarks.space $(ARGS)

overhead: $(VENV)/.dev ## Measure what the triggers cost the writer, beside other triggers
	@$(BIN)/python -m loadtests.benchmarks.overhead $(ARGS)

layers: $(VENV)/.dev ## Measure what each part of a trigger costs the writer
	@$(BIN)/python -m loadtests.benchmarks.layers $(ARGS)

peers: $(VENV)/.dev ## Measure rtp beside its peers: LISTEN/NOTIFY, outbox, logical decoding, PgQ, PgQueuer
	@$(BIN)/python -m loadtests.benchmarks.peers $(ARGS)

detection: $(VENV)/.dev ## Measure how soon a reader has an event, beside a bare NOTIFY
	@$(BIN)/python -m loadtests.benchmarks.detection $(ARGS)

judging: $(VENV)/.dev ## Measure how rtp judges the samples of a history: rate, CPU, latency
	@$(BIN)/python -m loadtests.benchmarks.judging $(ARGS)

cache: $(VENV)/.dev ## Measure the cache: hit ratio, speed beside bare Redis, age of what readers see
	@$(BIN)/python -m loadtests.benchmarks.cache $(ARGS)

live: $(VENV)/.dev ## Measure the gateway: 5,000 WebSocket clients, a frozen one, a restart
	@$(BIN)/python -m loadtests.benchmarks.live $(ARGS)

handler: $(VENV)/.dev ## Measure the stream handler on a bad day: kills, outages, throttling
	@$(BIN)/python -m loadtests.benchmarks.handler $(ARGS)

notify: $(VENV)/.dev ## Measure rtp notify: alerts per second, latency, a crash of 2,000 alerts
	@$(BIN)/python -m loadtests.benchmarks.notify $(ARGS)

kills: $(VENV)/.dev ## Kill rtp notify 200 times at random, and account for every message
	@$(BIN)/python -m loadtests.faults.notify $(ARGS)

package: $(VENV)/bin/python ## Make the Lambdas' code for `cdk deploy` (CONFIG=rtp.yaml)
	@rm -rf build/lambda build/notify build/consumer build/service
	@mkdir -p build/lambda build/notify build/consumer build/service
	@for set in lambda notify; do \
	  $(PIP_INSTALL) --no-deps --target build/$$set $(LAMBDA_PLATFORM) -r requirements-$$set.lock && \
	  cp -R core rtp_client build/$$set/ && cp $(CONFIG) build/$$set/rtp.yaml || exit 1; \
	done
	@$(PIP_INSTALL) --no-deps --target build/consumer $(LAMBDA_PLATFORM) "$$(grep '^aws-lambda-powertools==' requirements-lambda.lock)" \
	  "$$(grep '^jmespath==' requirements-lambda.lock)" "$$(grep '^typing-extensions==' requirements-lambda.lock)"
	@cp infrastructure/consumer/alerts.py build/consumer/ && cp $(CONFIG) build/service/rtp.yaml
	@(cd $(dir $(CONFIG)) && find . -maxdepth 3 -name '*.j2' | tar -cf - -T -) | tar -xf - -C build/notify
	@echo $(LAMBDA_PYTHON) >build/lambda/.python-version
	@find $(LAMBDA_CODE) -name __pycache__ -prune -exec rm -r {} +
	@for set in lambda notify; do $(BIN)/python infrastructure/trim_package.py build/$$set; done
	@python$(LAMBDA_PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash $(LAMBDA_CODE) 2>/dev/null \
	  || echo "Without bytecode, as there is no python$(LAMBDA_PYTHON) on the PATH: a cold start takes four times the CPU"
	@du -sh $(LAMBDA_CODE)

docs: build/docs-tools/.docs ## Make the site of the documents: build/site (ARGS=--serve: look at it on 127.0.0.1:8000)
	@$(BIN)/python -m documents.site build/docs
	@build/docs-tools/bin/zensical $(if $(filter --serve,$(ARGS)),serve --dev-addr 127.0.0.1:8000,build --clean --strict && echo build/site/index.html)

reference: $(VENV)/.dev ## Write the pages of the documents that come from the code: commands, settings, events, messages, paths, metrics, names
	@$(BIN)/python -m documents

pictures: $(VENV)/.dev build/docs-tools/.docs ## Record the documents' pictures of page and board from a running demo (needs Chromium)
	@$(BIN)/python -m documents.record build/frames
	@build/docs-tools/bin/python documents/animate.py build/frames/page-*.png docs/images/page.png
	@mv build/frames/board.svg docs/images/board.svg && ls -s docs/images/page.png docs/images/board.svg

sbom: build/release-tools/.release ## Write a bill of materials of the container's image: build/sbom.json
	@build/release-tools/bin/cyclonedx-py requirements requirements-image.lock --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.json 2>/dev/null && echo "build/sbom.json"

audit: build/release-tools/.release ## Ask the public databases of advisories about what the lock files name (needs the network)
	@build/release-tools/bin/pip-audit --requirement requirements-image.lock --no-deps --disable-pip

deployment: build/release-tools/.release ## Check Dockerfile, Kubernetes manifests and systemd units with linters of their own
	@build/release-tools/bin/hadolint Dockerfile infrastructure/Dockerfile
	@build/release-tools/bin/kubernetes-validate --strict deploy/kubernetes/[!k]*.yaml
	@if command -v systemd-analyze >/dev/null; then for unit in deploy/systemd/*.service; do \
	  sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#' $$unit >build/$$(basename $$unit) && systemd-analyze verify build/$$(basename $$unit) || exit 1; done; \
	  else echo "Without systemd-analyze: the units were not checked"; fi

lock: ## Write the lock files anew from pyproject.toml (needs uv)
	@for set in run dev image; do \
	  case $$set in run) extras="--extra embedded --extra serve --extra tui --extra notify";; dev) extras=--all-extras;; \
	    image) extras="--extra aws --extra notify --extra serve --extra webhook";; esac; \
	  uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate \
	    $$extras --group build pyproject.toml --output-file requirements-$$set.lock || exit 1; \
	done
	@for group in docs release; do \
	  uv pip compile --quiet --universal --python-version 3.11 --no-header --no-emit-index-url --no-annotate \
	    --group $$group --output-file requirements-$$group.lock || exit 1; \
	done
	@for set in service lambda notify; do \
	  left_out=$$( [ $$set != service ] && printf -- '--no-emit-package %s ' $(NOT_IN_THE_LAMBDA) ); \
	  people=$$( [ $$set = notify ] && echo "--extra notify" ); \
	  uv pip compile --quiet --python-version 3.14 --python-platform aarch64-manylinux2014 --no-header --no-emit-index-url \
	    --no-annotate --no-emit-package awscrt $$left_out --extra aws $$people pyproject.toml \
	    --output-file requirements-$$set.lock || exit 1; \
	done

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "rtp needs Python 3.11 or newer; none was found on the PATH"; exit 2; }
	@echo "Setting up $(VENV), which takes about a minute, once"
	@echo "[1/4] a virtual environment, by $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@echo "[2/4] a pip that takes a third of the time"
	@$(PIP_INSTALL) "$$(grep '^pip==' requirements-run.lock)"

$(VENV)/.run: requirements-run.lock pyproject.toml | $(VENV)/bin/python
	@echo "[3/4] what rtp needs ($<)"
	@$(call INSTALL_LOCKED,$<)
	@echo "[4/4] rtp itself"
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e . $(EDITABLE)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(VENV)/bin/python
	@echo "[3/4] what rtp and its tests need ($<)"
	@$(call INSTALL_LOCKED,$<)
	@echo "[4/4] rtp itself"
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e . $(EDITABLE)
	@touch $@ $(VENV)/.run

build/docs-tools/.docs build/release-tools/.release: build/%: requirements-docs.lock requirements-release.lock | $(VENV)/bin/python
	@echo "Setting up $(@D) ..."
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install -qq --no-compile --disable-pip-version-check --no-deps -r requirements$(subst .,-,$(suffix $@)).lock
	@touch $@
