# Everything a person types here: `make help`. Each target does its own set-up first, so any of them may come first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# Arguments of `make dev`: --fresh --empty --full; of the benchmarks: what `make help` says, or nothing for all.
ARGS ?=
# How often `make soak` kills.
export ROUNDS ?= 100
# Runs of `make sim`, and the one run to be made alone.
SEEDS ?= 10000
SEED ?=
# For how long it breaks the caches.
export MINUTES ?= 10

native := --workspace --exclude echoes-edge
worker_sources := $(shell find edge shared -name build -prune -o -type f \( -name '*.rs' -o -name '*.js' -o -name Cargo.toml \) -print) \
                  Cargo.toml Cargo.lock $(wildcard wrangler.toml) package-lock.json \
                  $(addprefix infra/setup/,build-worker.sh wasm-env.sh versions.sh)

.PHONY: help
help: ## This list
	@printf 'Echoes. Targets:\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nmake dev ARGS="--fresh --empty --full" passes arguments on; make test SECTIONS="native wasm black-box" chooses.\n'

.PHONY: dev
dev: setup-$(if $(filter --full,$(ARGS)),full,dev) binaries worker ## Run the whole service on this machine until Ctrl-C (ARGS="--fresh --empty --full")
	$(start)

.PHONY: build
build: setup-dev binaries worker ## Build the core, the embedded cloud and the Worker

.PHONY: worker
worker: setup-dev edge/build/index.js ## Build the Worker alone, if its sources changed

.PHONY: test
test: setup-test binaries worker ## Run every test (SECTIONS="native wasm black-box" for some of them)
	@infra/setup/run-tests.sh $(SECTIONS)

.PHONY: soak
soak: setup-test ## The tests that kill, for longer: imports, erasures, sweeps, the stream's workers (ROUNDS=100), caches (MINUTES=10); half a minute of throttling
	@infra/setup/run-tests.sh soak

.PHONY: sim
sim: setup-dev ## The stream's workers in virtual time, killed and frozen at any await (SEEDS=10000 runs, or SEED=17 alone)
	$(if $(SEED),ECHOES_SIM_SEED=$(SEED),ECHOES_SIM_SEEDS=$(SEEDS)) cargo test --release -p echoes-core --lib stream::sim -- --nocapture

.PHONY: bench-store
bench-store: setup-test ## What the store costs, beside the same work without it (ARGS: --large for a million echoes; writes cpu sizes)
	@infra/setup/bench-store.sh $(ARGS)

.PHONY: bench-cache
bench-cache: setup-bench ## What the caches give, beside nginx, hyper, FastAPI and a bare Redis (ARGS: served shared stampede)
	@infra/setup/bench-cache.sh $(ARGS)

.PHONY: bench-stream
bench-stream: setup-bench ## What the stream's work takes and how soon it is seen, beside a poller in Python (ARGS: throughput lag)
	@infra/setup/bench-stream.sh $(ARGS)

.PHONY: lint
lint: setup-ci ## Formatting, clippy, docs, licences, boundaries; warnings are errors
	cargo fmt --all --check
	cargo clippy $(native) --all-targets -- -D warnings
	@infra/setup/clippy-edge.sh
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps $(native)
	.cache/tools/bin/cargo-deny check --hide-inclusion-graph bans licenses sources
	cargo test -p echoes-tests --test boundaries

.PHONY: fmt
fmt: ## Format all Rust sources
	cargo fmt --all

.PHONY: audit
audit: setup-ci ## Look the dependencies up in the RustSec advisory database (needs the network)
	.cache/tools/bin/cargo-deny check advisories

.PHONY: setup
setup: setup-ci ## Install everything that any target needs, and nothing twice

.PHONY: clean
clean: ## Remove what was built and the local data; tools stay (.cache and node_modules hold them)
	rm -rf target edge/build .echoes .wrangler edge/.wrangler

.PHONY: setup-dev setup-full setup-test setup-bench setup-ci
setup-dev setup-full setup-test setup-bench setup-ci: setup-%:
	@infra/setup/setup.sh $*

.PHONY: binaries
binaries:
	cargo build --release -p echoes-core -p echoes-local

edge/build/index.js: $(worker_sources)
	@infra/setup/build-worker.sh

# `make dev` turns into the supervisor (see become.c), so that Ctrl-C and SIGTERM reach it and its exit code is make's. Where
# this make cannot load the function that does it, the supervisor is an ordinary child. Under `make -n` nothing is started.
start = @exec infra/setup/dev.sh $(ARGS)
ifneq ($(and $(filter dev,$(MAKECMDGOALS)),$(filter load,$(.FEATURES))),)
ifeq ($(findstring n,$(filter-out --%,$(firstword -$(MAKEFLAGS)))),)
-load .cache/become.so
.cache/become.so: infra/setup/become.c
	-@mkdir -p .cache && cc -shared -fPIC -Wall -Wextra -o $@ $<
ifneq ($(filter .cache/become.so,$(.LOADED)),)
start = $(become exec infra/setup/dev.sh $(ARGS))
endif
endif
endif
