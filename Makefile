# Everything that is done to this repository by hand or by CI. `make` lists the targets.

.PHONY: help run test check examples vectors openapi alerts fmt bench fuzz dist soak

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1	\2/p' $(MAKEFILE_LIST)

run: ## build, and run a server for development
	cargo build --release
	./target/release/signet dev

test: ## run every test, on SQLite and on PostgreSQL (whose server binaries are installed where possible)
	./scripts/postgres-binaries.sh
	cargo test --workspace --all-features --no-fail-fast

check: ## formatting, lints, documentation, dependencies, and that every migration can be undone
	cargo fmt --all --check
	cargo clippy --workspace --all-features --all-targets -- -D warnings
	cargo clippy -p signet-verifier --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps
	./scripts/check-dependencies.sh
	cargo test --test api migrations

examples: ## run the example clients against `signet dev` and the example API
	./examples/clients/run.sh

vectors: ## hold verifiers in three languages to the test vectors
	cargo test -p signet-verifier --all-features --test vectors
	./scripts/check-vectors.sh

openapi: ## try the administration API against its OpenAPI document (needs python3)
	cargo build --bin signet
	./scripts/check-openapi.sh

alerts: ## check the alert rules and the metrics with promtool (Debian's package prometheus)
	cargo build --bin signet
	./scripts/check-alerts.sh

fmt: ## format the sources
	cargo fmt --all

bench: ## measure a release server on PostgreSQL and SQLite, and signing and verifying alone
	cargo bench --bench signing
	cargo bench --bench load
	cargo bench --bench load -- --apart
	cargo bench -p signet-verifier --bench verify

fuzz: ## run each fuzz target for FUZZ_SECONDS (60)
	./scripts/fuzz.sh

dist: ## build a release: program, Debian package, list of its parts (SBOM) and checksums, into target/dist
	./scripts/dist.sh

soak: ## ten minutes of honest load while instances die, keys rotate and PostgreSQL fails over (needs haproxy and PostgreSQL)
	cargo bench --bench soak
