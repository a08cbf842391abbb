# Two commands: `make demo` shows the whole product on the bundled corpus, `make test` passes the tests.
# Each prepares what it needs; both use one cargo profile and one target folder, so that llama.cpp is
# compiled once.

MODELS := .models
TUNED := sh crates/models/setup/tuned.sh
# Where tools are kept that only the tests and benchmarks need.
FRONTLOAD_TOOLS ?= $(CURDIR)/.tools
export FRONTLOAD_TOOLS

.PHONY: demo test setup build test-setup lint advisories

demo: build
	sh crates/cli/demo.sh

test: test-setup
	FRONTLOAD_MODELS="$(CURDIR)/$(MODELS)" $(TUNED) cargo test --release --locked --workspace

setup:
	sh crates/models/setup/setup.sh $(MODELS)

build: setup
	$(TUNED) cargo build --release --locked

test-setup: setup
	sh tests/setup.sh $(MODELS)
	sh tests/peer.sh "$(FRONTLOAD_TOOLS)"
	sh tests/training.sh "$(FRONTLOAD_TOOLS)"
	sh tests/milvus.sh "$(FRONTLOAD_TOOLS)"

# The house rules: format, lints, documentation, dependency policy, unused dependencies.
lint: setup
	$(TUNED) sh tests/lint.sh

# Whether anything is known against a dependency today. It needs the advisory database, which is fetched.
advisories: lint
	"$(FRONTLOAD_TOOLS)/bin/cargo-deny" --locked check advisories
