# Everything that is done to this repository by hand or by CI. `make` lists the targets.

.PHONY: help run test check examples fmt bench

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1	\2/p' $(MAKEFILE_LIST)

run: ## build, and run a server for development
	cargo build --release
	./target/release/signet dev

test: ## run every test, on SQLite and on PostgreSQL (whose server binaries are installed where possible)
	./scripts/postgres-binaries.sh
	cargo test --workspace --no-fail-fast

check: ## formatting, lints, documentation, dependencies, and that every migration can be undone
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	./scripts/check-dependencies.sh
	cargo test --test api migrations

examples: ## run the example clients against `signet dev` and the example API
	./examples/clients/run.sh

fmt: ## format the sources
	cargo fmt --all

bench: ## measure a release server on PostgreSQL and SQLite, and signing alone
	cargo bench --bench signing
	cargo bench --bench load
