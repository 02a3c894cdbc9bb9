# What one does here, one word each. `make` alone lists them.
# Nothing but Rust and a C compiler is needed, save for `clients`; crates are fetched by cargo.

.DEFAULT_GOAL := help
.PHONY: help run test clients verify bench faults clean needs

help: ## list these words
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: needs ## run the gateway, release build, on ./data
	cargo run --release -- serve

test: needs ## run every test
	cargo test

# Node 20 with npm and Python 3 with venv are needed; packages are fetched as cargo fetches crates.
clients: needs ## run Hookdeck's SDK and CLI, the Terraform provider's calls and Schemathesis against a release build
	tests/clients/run --check
	cargo build --release
	tests/clients/run

verify: needs ## check format, lints, tests, docs, licences: what has to pass before a change goes in
	.ci/run

bench: needs ## measure; each bench prints a table and writes JSON under target/bench
	cargo bench --bench '*'

# With root and strace also power cuts and failing system calls; what is missing is skipped, and said so.
faults: needs ## run the long fault tests (kills, power cuts, failing disks, slow clients), which are ignored in `make test`
	cargo test --release --test '*' -- --ignored --show-output --skip makes_the_fixtures_of_a_format

clean: ## remove build output; leaves ./data alone
	cargo clean

needs:
	@command -v cargo >/dev/null || { \
		echo "hookgate is built with Rust $$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer," >&2; \
		echo "and cargo is not on the PATH: install it from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { \
		echo "a C compiler is needed to link, and for the TLS library (ring): install gcc or clang, so that there is a 'cc'" >&2; exit 1; }
