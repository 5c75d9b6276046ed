# Each target is one line over a script.
.PHONY: help build test bench release install
UNITS ?= $(HOME)/.config/systemd/user

help: ## says what there is
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile

build: ## the environment in .venv, by the locks
	bash -c 'set -e; . scripts/environment.sh; ensure_environment requirements.lock'

test: ## every check; QUICK=1 leaves out the slow ones
	scripts/test.sh $(if $(QUICK),--quick)

bench: ## speed beside TRL; ROWS=P1,P8 chooses
	scripts/bench.sh $(if $(ROWS),--only $(ROWS))

release: ## dist/ and a tag: make release VERSION=0.2.0
	scripts/release.sh "$(VERSION)"

install: build ## build, and units for your systemd into UNITS
	.venv/bin/python manage.py weave --user --systemd "$(UNITS)"
