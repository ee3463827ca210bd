# What a developer runs. `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help check test golden dev bench chaos browsers schemathesis acceptance fmt deny

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)$$/  make \1\t\2/' | expand -t 22

check: ## Format, lints, house rules, licences and advisories: no database needed
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --locked --quiet --test tidy
	@if command -v cargo-deny >/dev/null; then $(MAKE) --no-print-directory deny; else echo 'deny: skipped, cargo-deny is not installed'; fi

test: ## All checks and tests, after installing what is missing
	bash scripts/test

golden: ## Write golden files of events and tables that have none (released ones are never changed), and docs/read-models.md
	GOLDEN=write cargo test --locked -p domain --test golden
	GOLDEN=write cargo test --locked -p projections --lib versions
	GOLDEN=write cargo test --locked -p projections --test projectors documenting

dev: ## Run the server on its private PostgreSQL (ARGS='--port 9000' are passed on)
	bash scripts/serve $(ARGS)

bench: ## Measure (release build)
	cargo bench --locked
	cargo bench --locked -p clientela-verify

chaos: ## Kill everything for a long time and look for losses
	CHAOS=long cargo nextest run --locked --profile long --test chaos

browsers: ## Follow the feed with Chromium and the npm package eventsource while the server is stopped and killed
	cargo build --locked
	cd tests/browsers && npm install --silent && node follow.mjs "$${CARGO_TARGET_DIR:-../../target}/debug/clientela"

schemathesis: ## Ask a server of its own all that /openapi.json describes, in every way (ARGS='--max-examples 500' are passed on)
	bash scripts/schemathesis $(ARGS)

acceptance: ## Run the supplied acceptance data (SHARED=path of its folder)
	@if [ ! -d '$(SHARED)' ]; then echo "acceptance: there is no folder '$(SHARED)'; give it as SHARED=path"; exit 1; fi
	CLIENTELA_SHARED='$(abspath $(SHARED))' cargo nextest run --locked --test acceptance
	CLIENTELA_VALIDATOR_DATA='$(abspath $(SHARED))/validators' cargo nextest run --locked -p domain --test vectors

fmt: ## Format all code
	cargo fmt --all

deny: ## Licences, advisories and sources of all dependencies
	@command -v cargo-deny >/dev/null || { echo 'deny: install it first: cargo install --locked cargo-deny'; exit 1; }
	cargo deny --workspace check
