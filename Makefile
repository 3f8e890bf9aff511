# Everything that can be done with this repository; `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Both cores are busy inside one cargo; two of them would wait for each other's locks.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
.PHONY: help setup build contracts hostile fmt fmt-check lint deny edges reproducible test test-rust \
	test-contracts test-clients contract-javascript test-unit test-e2e test-determinism test-hostile fuzz fuzz-smoke bless \
	import-demo demo bench doc network ci clean

# Two profiles, each for one purpose and none compiled three times:
# - release: what is shipped, and what the whole-system tests, the demo and the benchmark run.
# - dev: unit tests and the code of the whole-system tests. Debug assertions are on, our own crates
#   compile quickly, and dependencies have opt-level 2 (Cargo.toml), as cryptography and Cranelift
#   crawl without. Testing in release would save one compilation of the dependencies and lose both.
# clippy shares build scripts and macros with dev; of the rest it makes metadata only, which is cheap.
# Every command on the workspace says --workspace and nothing narrower (tests are chosen by filter):
# cargo joins features over what it is asked for, so another choice would be another compilation.
# For the same reason warnings are denied by an argument and not by RUSTFLAGS.

# The lock is not rewritten unnoticed where nobody looks.
LOCKED := $(if $(CI),--locked)
CORDON := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/cordon
# Whole-system tests run this binary.
export CORDON_BIN := $(CORDON)

NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
NEXTEST_RUN := cargo nextest run $(LOCKED) --workspace --config-file .ci/nextest.toml
HOSTILE := --manifest-path tests/hostile/Cargo.toml --target-dir target/hostile-native
COMPONENTIZE := --manifest-path contracts/componentize/Cargo.toml --target-dir target/componentize

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# === building ===

setup: ## install what a fresh Debian machine lacks (asks for nothing when all is there)
	@.ci/setup.sh

build: ## the host: target/release/cordon
	cargo build $(LOCKED) --release -p cordon

contracts: ## all contracts as components: target/contracts/
	contracts/build.sh

contract-javascript: ## the contracts in JavaScript: target/javascript/, and those of tests
	contracts/javascript/build.sh
	CORDON_CONTRACTS=tests/javascript contracts/javascript/build.sh

hostile: ## the contracts that only tests deploy: target/hostile/
	CORDON_CONTRACTS=tests/hostile contracts/build.sh

doc: ## documentation of our crates: target/doc/
	RUSTDOCFLAGS=-Dwarnings cargo doc $(LOCKED) --workspace --no-deps

# === checks ===

fmt: ## format all Rust
	cargo fmt --all
	cd contracts && cargo fmt --all
	cd tests/hostile && cargo fmt --all
	cargo fmt --manifest-path contracts/componentize/Cargo.toml
	cargo fmt --manifest-path tests/fuzz/Cargo.toml

fmt-check: ## is all Rust formatted?
	cargo fmt --all --check
	cd contracts && cargo fmt --all --check
	cd tests/hostile && cargo fmt --all --check
	cargo fmt --manifest-path contracts/componentize/Cargo.toml --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check

lint: ## clippy, warnings refused
	cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	cd contracts && cargo clippy $(LOCKED) --workspace --all-targets -- -D warnings
	cargo clippy $(LOCKED) $(HOSTILE) -- -D warnings
	cargo clippy $(LOCKED) $(COMPONENTIZE) --all-targets -- -D warnings

deny: ## licences, banned and duplicate packages, advisories (installs cargo-deny into target/tools)
	@.ci/deny.sh

edges: ## do all dependencies point down the table in host/README.md?
	@.ci/edges.sh

reproducible: ## do contracts built twice, in two folders, have the same bytes?
	contracts/check-reproducible.sh

# === tests ===

test: setup contracts build test-rust test-contracts test-clients ## everything that tests

test-rust: contracts contract-javascript hostile build
ifdef NEXTEST
	$(NEXTEST_RUN)
	cargo test $(LOCKED) --workspace --doc
else
	cargo test $(LOCKED) --workspace
endif

bless: contracts ## record anew what contracts do in their cases; look at the difference before you commit
	BLESS=1 cargo test $(LOCKED) --workspace --test golden contracts_do_what_is_recorded -- --nocapture

test-contracts: ## the contracts' rules, natively
	cd contracts && cargo test $(LOCKED) --workspace

test-clients: contracts build ## the official Fabric client for Node against a running host
	cd tests/clients && npm ci --no-audit --no-fund && npm test

test-unit: contracts ## the host's crates, each on its own
ifdef NEXTEST
	$(NEXTEST_RUN) -E 'not package(cordon-tests)'
else
	cargo test $(LOCKED) --workspace --exclude cordon-tests
endif

test-determinism: contracts build ## same inputs, same bytes (CORDON_DETERMINISM_CASES=500 for more cases)
ifdef NEXTEST
	$(NEXTEST_RUN) -E 'binary(determinism) + binary(golden) + binary(replay)' --success-output final
else
	cargo test $(LOCKED) --workspace --test determinism --test golden --test replay -- --nocapture
endif

test-e2e: contracts contract-javascript hostile build ## the whole system: target/release/cordon from outside
ifdef NEXTEST
	$(NEXTEST_RUN) -E 'package(cordon-tests)'
else
	cargo test $(LOCKED) -p cordon-tests
endif

fuzz: ## every fuzz target for FUZZ_SECONDS (600) each (installs cargo-fuzz into target/tools)
	@.ci/fuzz.sh

fuzz-smoke: ## the fuzz targets without a fuzzer: seeds, mutations, what once failed (part of test-rust)
ifdef NEXTEST
	$(NEXTEST_RUN) -E 'package(cordon-fuzz-bodies)'
else
	cargo test $(LOCKED) -p cordon-fuzz-bodies
endif

test-hostile: contracts hostile build ## what contracts try to harm; CORDON_HOSTILE_ROUNDS=n goes through their calls n times
ifdef NEXTEST
	$(NEXTEST_RUN) -E 'package(cordon-execute) + package(cordon-compile) + binary(hostile) + binary(uploads) + binary(bent)'
else
	cargo test $(LOCKED) -p cordon-execute -p cordon-compile
	cargo test $(LOCKED) -p cordon-tests --test hostile --test uploads --test bent
endif

# === running ===

demo: setup contracts build ## start a town of hosts in one process and tell its three stories with real calls
	$(CORDON) demo

import-demo: setup contracts build ## import generated patients through the official Node client
	tests/clients/import-demo.sh

network: contracts build ## keep a development network running until Ctrl-C
	$(CORDON) up

bench: contracts build ## measure; the last line is JSON
	@$(CORDON) bench

# === all of it ===

# Exactly what continuous integration runs, quick refusals first. Steps repeat `contracts` and `build`
# where they need them; what is built already costs seconds.
ci: export CI := true
ci: export CARGO_INCREMENTAL := 0
ci: export CI_TIMES := $(CURDIR)/target/ci-times
ci: ## every check, as continuous integration runs it
	@mkdir -p target && : >"$$CI_TIMES"
	@.ci/step setup $(MAKE) setup
	@.ci/step format $(MAKE) fmt-check
	@.ci/step edges $(MAKE) edges
	@.ci/step contracts $(MAKE) contracts
	@.ci/step javascript $(MAKE) contract-javascript
	@.ci/step lint $(MAKE) lint
	@.ci/step build $(MAKE) build
	@.ci/step test $(MAKE) test
	@.ci/step demo $(MAKE) demo
	@.ci/step reproducible $(MAKE) reproducible
	@.ci/step deny $(MAKE) deny
	@printf '\n=== passed\n' && .ci/step --summary

clean: ## remove everything that was built (not network/, which holds keys and ledgers)
	cargo clean
	rm -rf target tests/clients/node_modules
