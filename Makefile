# Vigil: `make` lists the targets. All of them work in .venv, which the first one that needs it makes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PYTHON ?= python3
PATIENTS ?= 20
RATE ?= 0.2
HISTORY ?= 24
PARTITIONS ?= 2
WORKERS ?= 2
SEED ?= 1
ARGS ?=
BIN := $(VENV)/bin
CODE := vitals runtime ingest stream alerts dashboards simulators compose
UV_COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header \
	--python-version 3.11 --universal

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: install ## run a ward of simulated patients with all servers and open its page; Ctrl-C ends it
	@VIGIL_PARTITIONS=$(PARTITIONS) exec $(BIN)/vigil up --patients $(PATIENTS) --rate $(RATE) --history $(HISTORY) $(ARGS)

.PHONY: test
test: install-dev page ## start the test servers and run every test (ARGS="-k late" for some of them)
	@exec $(BIN)/python -m compose.testbed run -- bash tests/run $(BIN)/python $(WORKERS) $(ARGS)

.PHONY: property
property: install-dev ## the processor against the oracle on 20,000 generated logs (SEED=, by chance; COUNT=; WORKERS=)
	@exec $(BIN)/python -m tests.strategies $(if $(filter command line environment,$(origin SEED)),--seed $(SEED)) \
		--count $(or $(COUNT),20000) --workers $(WORKERS) $(ARGS)

.PHONY: mutants
mutants: install-dev ## do the tests notice it when the processor is changed? (MODULES="trends rules"; WORKERS=)
	@exec $(BIN)/python -m tests.mutants $(MODULES) --workers $(WORKERS) $(ARGS)

.PHONY: check
check: install-dev ## style, types, imports and tidiness; needs no server
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q tests/tidy

.PHONY: drill-replay
drill-replay: install ## replay a real person's month through everything (KILL=1: while services are killed)
	@exec $(BIN)/python -m compose.drills.replay $(if $(filter-out 0,$(KILL)),--kill) $(ARGS)

.PHONY: drill-page
drill-page: install-dev page ## how fast an alert stands on the page at 200 patients, and what the page costs
	@exec $(BIN)/python -m compose.drills.page $(ARGS)

.PHONY: drill-chart
drill-chart: install-dev page ## how long a chart of fourteen days takes, at the API and on the page, with 5 million readings
	@exec $(BIN)/python -m compose.drills.chart $(ARGS)

.PHONY: drill-feedlost
drill-feedlost: install-dev page ## stop gateway, network, processors, a partition: does the page say so, and get over it
	@exec $(BIN)/python -m compose.drills.feedlost $(ARGS)

.PHONY: drill-kill
drill-kill: install ## kill -9 every service at seeded moments under load, alone and in pairs (SEED=)
	@exec $(BIN)/python -m compose.drills.kill --seed $(SEED) $(ARGS)

.PHONY: drill-stop
drill-stop: install ## SIGSTOP every service for 30 s under load, then SIGCONT, and one for good (SEED=)
	@exec $(BIN)/python -m compose.drills.stop --seed $(SEED) $(ARGS)

.PHONY: drill-database
drill-database: install ## the database away for a minute under load, then killed in mid-transaction (SEED=)
	@exec $(BIN)/python -m compose.drills.database --seed $(SEED) $(ARGS)

.PHONY: drill-kafka
drill-kafka: install ## Kafka away for a minute under load, then killed (SEED=)
	@exec $(BIN)/python -m compose.drills.kafka --seed $(SEED) $(ARGS)

.PHONY: drill-broker
drill-broker: install ## mosquitto restarted under load, with sessions and queues that must survive (SEED=)
	@exec $(BIN)/python -m compose.drills.broker --seed $(SEED) $(ARGS)

.PHONY: drill-input
drill-input: install ## 10^5 generated and mutated payloads; the sum of outcomes is the sum of inputs (SEED=)
	@exec $(BIN)/python -m compose.drills.input --seed $(SEED) $(ARGS)

.PHONY: drill-clients
drill-clients: install ## 200 sockets that stall, die and come back, and some that never read (SEED=)
	@exec $(BIN)/python -m compose.drills.clients --seed $(SEED) $(ARGS)

.PHONY: drill-disk
drill-disk: install ## the database's disk is full under load, then Kafka's (SEED=; root)
	@exec $(BIN)/python -m compose.drills.disk --seed $(SEED) $(ARGS)

.PHONY: drill-storm
drill-storm: install ## 500 devices come back with a day of readings while 200 patients go on at 1 Hz (SEED=)
	@exec $(BIN)/python -m compose.drills.storm --seed $(SEED) $(ARGS)

.PHONY: drill-engine
drill-engine: install-dev ## three processors killed, stopped and restarted for 5 min; the oracle judges the log (SEED=)
	@exec $(BIN)/python -m compose.drills.engine --seed $(SEED) $(ARGS)

.PHONY: drill-load
drill-load: install ## what a stack holds: latency from reading to socket under load (ARGS=--find-limit: the most)
	@exec $(BIN)/python -m compose.drills.load $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: drills
drills: install-dev page ## every drill, and a table of what they came to (SEEDS=1,2,3 ONLY=kill,stop OUT=folder to go on in)
	@exec $(BIN)/python -m compose.drills.table $(if $(SEEDS),--seeds $(SEEDS)) $(if $(ONLY),--only $(ONLY)) \
		$(if $(OUT),--out $(OUT)) $(ARGS)

.PHONY: bench
bench: install-dev ## every benchmark beside its yardstick (ARGS="bridge fanout" for some of them; --turns 3)
	@exec $(BIN)/python -m benchmarks $(ARGS)

.PHONY: bench-engine
bench-engine: install-dev ## the stream engine beside Kafka Streams, Bytewax, Faust and Quix (ARGS="--only sketch --turns 3")
	@exec $(BIN)/python -m benchmarks.engine $(ARGS)

.PHONY: screens
screens: install-dev page ## pictures of every screen of a demonstration, into OUT (a folder)
	@exec $(BIN)/python -m compose.drills.screens --out $(OUT) $(ARGS)

.PHONY: screenshot
screenshot: install-dev page ## the picture of the ward in the README
	@exec $(BIN)/python -m compose.drills.screens --readme docs/ward.png $(ARGS)

.PHONY: install
install: $(VENV)/.installed page ## install what Vigil needs to run, and build its page

.PHONY: page
page: $(VENV)/.installed ## build the page where its sources are newer
	@exec $(BIN)/python -m compose.page

.PHONY: install-dev
install-dev: $(VENV)/.installed-dev ## install what work on Vigil needs too

.PHONY: lock
lock: install-dev ## write both lock files anew from pyproject.toml
	@$(UV_COMPILE) --upgrade pyproject.toml --group build -o requirements.lock
	@$(UV_COMPILE) --upgrade pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock
	@$(UV_COMPILE) --upgrade --group page -o requirements-page.lock
	@! grep -n '://' requirements.lock requirements-dev.lock requirements-page.lock || { echo "a lock must not hold addresses"; exit 1; }

.PHONY: clean
clean: ## remove the environment and caches; data in .vigil stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find $(CODE) tests -name __pycache__ -type d -prune -exec rm -rf {} +

# One pip run from a lock, hashes required, then the project itself. A large file gets a line of progress.
define install_lock
	@count=$$(grep -c '^[a-z0-9].*==' $(1)); echo "installing about $$count packages from $(1) ($(2), once)"
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --progress-bar off --require-hashes \
		-r $(1) | awk '/Downloading .* MB\)/ {sub(/^ */, ""); print "  " $$0; fflush()}'
	@$(BIN)/python -m pip install --disable-pip-version-check --no-input --quiet --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.installed: requirements.lock pyproject.toml | $(BIN)/pip
	$(call install_lock,requirements.lock,about 90 MB)

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml | $(BIN)/pip
	$(call install_lock,requirements-dev.lock,about 140 MB)
	@touch $(VENV)/.installed

$(BIN)/pip:
	@bash compose/environment.sh $(PYTHON) $(VENV)
