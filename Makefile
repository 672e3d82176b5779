.PHONY: build install test demo bench fuzz lint

prefix ?= /usr/local

build:
	cargo build --release

# The binary, its manual pages and completions, below $(DESTDIR)$(prefix).
install: build
	install -D target/release/lay $(DESTDIR)$(prefix)/bin/lay
	ln -sf lay $(DESTDIR)$(prefix)/bin/lay-oci
	target/release/lay man $(DESTDIR)$(prefix)/share/man/man1
	mkdir -p $(DESTDIR)$(prefix)/share/bash-completion/completions $(DESTDIR)$(prefix)/share/zsh/site-functions \
		$(DESTDIR)$(prefix)/share/fish/vendor_completions.d
	target/release/lay completion bash >$(DESTDIR)$(prefix)/share/bash-completion/completions/lay
	target/release/lay completion zsh >$(DESTDIR)$(prefix)/share/zsh/site-functions/_lay
	target/release/lay completion fish >$(DESTDIR)$(prefix)/share/fish/vendor_completions.d/lay.fish

# Installs what the tests need (Debian or Ubuntu), runs all of them, and proves that nothing of them is left.
test:
	scripts/install-deps test
	scripts/leaks before
	cargo test --workspace --no-fail-fast
	LAY_LAYER_FORM=loop cargo test --test it --no-fail-fast
	LAY_LAYER_FORM=directory cargo test --test it --no-fail-fast
	tests/vm/run
	scripts/leaks after

# Installs what is missing, builds, pulls centos:7 and shows isolation, connectivity and limits.
demo:
	scripts/install-deps demo
	cargo build --release
	scripts/demo

# Measures lay beside docker, BuildKit, podman, buildah, containerd and runc where they are installed.
bench:
	scripts/install-deps bench
	cargo build --release --bins --examples
	benches/network
	benches/run
	benches/build

# Runs every fuzz target for a minute.
fuzz:
	scripts/fuzz 60

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	if command -v shellcheck >/dev/null; then shellcheck -x scripts/* benches/run benches/build benches/detached benches/logs benches/network benches/large-image tests/vm/run .ci/run; fi
	if command -v cargo-deny >/dev/null; then cargo deny check licenses bans sources; fi
