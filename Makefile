# The two set-up commands are `make up` and `make test`; both install what they need.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
APT_TEST := chromium fonts-noto-core mosquitto-clients
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# A virtual environment holds the path that it was made for: where the clone was moved or copied, it is made anew.
MADE_FOR := $(shell sed -n "s/^ *\(export \)\{0,1\}VIRTUAL_ENV=[\"']\{0,1\}\(\/[^\"']*\).*/\2/p" $(VENV)/bin/activate 2>/dev/null | head -n 1)
ifneq ($(MADE_FOR),)
ifneq ($(realpath $(MADE_FOR)),$(realpath $(VENV)))
MOVED := yes
.PHONY: $(BIN)/python
endif
endif

.PHONY: up install test check bench soak packages screenshots lock clean

up: $(VENV)/.runtime  ## install and start the whole platform with a demo fleet
	@exec $(BIN)/iotsphere up $(ARGS)

install: $(VENV)/.runtime  ## install only

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)"; exit 1; }
	@[ -z "$(MOVED)" ] || { echo "$(VENV) was made for $(MADE_FOR): it is made anew"; rm -rf $(VENV); }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python requirements/runtime.lock pyproject.toml hatch_build.py $(shell git ls-files dashboard 2>/dev/null)
	@echo "installing IoTSphere into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/runtime.lock
	@$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.lock
	@echo "installing the test tools …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.lock
	@touch $@

test: $(VENV)/.dev packages check  ## everything that must hold before a change lands
	$(BIN)/python -m pytest tests --ignore tests/bench --durations 25 --durations-min 5

check: $(VENV)/.dev  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

packages:
	@command -v chromium >/dev/null && command -v mosquitto_pub >/dev/null || { \
	  echo "installing what the tests need from Debian's packages: $(APT_TEST) …"; \
	  run=; [ "$$(id -u)" = 0 ] || run=sudo; \
	  { $$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends $(APT_TEST) >/dev/null; } \
	  || { [ -z "$$REQUIRE_BROWSER" ] && echo "they cannot be installed: the tests that need them will be skipped"; }; }

screenshots: $(VENV)/.dev packages  ## pictures of every page into docs/images
	$(BIN)/python -m tests.support.screenshots

bench: $(VENV)/.dev  ## figures, into build/bench.json; ONLY=ingest, fleet, command, shadow, live, store, history, export, import, sdk or peers runs a part
	@[ -x /usr/sbin/mosquitto ] || [ "$(or $(ONLY),peers)" != peers ] || { \
	  echo "installing Debian's package mosquitto, the yardstick of the part peers (it also starts a broker on port 1883 of loopback) …"; \
	  run=; [ "$$(id -u)" = 0 ] || run=sudo; \
	  { $$run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$run apt-get install -y -qq --no-install-recommends mosquitto >/dev/null; } \
	  || echo "it cannot be installed: the part peers will be skipped"; }
	$(BIN)/python -m tests.bench $(ONLY)

soak: $(VENV)/.dev  ## load while parts are killed, into build/bench.json; SOAK_SECONDS=600 by default
	$(BIN)/python -m tests.soak $(SOAK_SECONDS)

lock:  ## renew the pinned dependencies (needs uv)
	uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --python-version 3.11 --extra cloud --extra embedded pyproject.toml -o requirements/runtime.lock
	uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate --python-version 3.11 --extra cloud --extra embedded --extra dev pyproject.toml -o requirements/dev.lock

clean:
	rm -rf $(VENV) build dist dashboard/dist dashboard/node_modules
