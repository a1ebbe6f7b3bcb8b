# The jobs of this repository; `make test` is the one that must pass.

PREFIX ?= /usr/local
bindir ?= $(PREFIX)/bin
datadir ?= $(PREFIX)/share
unitdir ?= $(PREFIX)/lib/systemd/system
# Where the units have their settings and secrets, wherever the programs are.
confdir := /etc/pushnote

# What is installed and packed: `make release` makes it, `make build` a slower one for tests, in target/debug.
BUILT ?= target/release
GENERATED := target/generated
PROGRAMS := pushnote pushnote-server pushnote-mq
UNITS := pushnote-server.service pushnote-server.socket pushnote-mq.service

.PHONY: build release deb cargo-deb install uninstall check test test-setup

build:
	cargo build --workspace --bins --examples
	target/debug/pushnote generate $(GENERATED)

release:
	cargo build --release --locked --bins
	target/release/pushnote generate $(GENERATED)

# Builds nothing, so that root needs no cargo.
install:
	@test -x $(BUILT)/pushnote-server -a -d $(GENERATED) || \
	    { echo "not everything is built yet: run 'make release' first, or 'make build' with BUILT=target/debug" >&2; exit 1; }
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(unitdir) $(DESTDIR)$(confdir) $(DESTDIR)$(datadir)/man/man1 \
	    $(DESTDIR)$(datadir)/bash-completion/completions $(DESTDIR)$(datadir)/zsh/site-functions \
	    $(DESTDIR)$(datadir)/fish/vendor_completions.d
	install $(PROGRAMS:%=$(BUILT)/%) $(DESTDIR)$(bindir)
	install -m 644 $(GENERATED)/man/*.1 $(DESTDIR)$(datadir)/man/man1
	install -m 644 $(GENERATED)/bash/* $(DESTDIR)$(datadir)/bash-completion/completions
	install -m 644 $(GENERATED)/zsh/* $(DESTDIR)$(datadir)/zsh/site-functions
	install -m 644 $(GENERATED)/fish/* $(DESTDIR)$(datadir)/fish/vendor_completions.d
	for unit in $(UNITS); do \
	    sed 's#/usr/bin/pushnote#$(bindir)/pushnote#' packaging/$$unit > $(DESTDIR)$(unitdir)/$$unit || exit 1; \
	done
	test -e $(DESTDIR)$(confdir)/pushnote.toml || \
	    install -m 644 packaging/pushnote.toml $(DESTDIR)$(confdir)/pushnote.toml

# Settings and secrets stay.
uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(bindir)/%) $(UNITS:%=$(DESTDIR)$(unitdir)/%)
	rm -f $(DESTDIR)$(datadir)/man/man1/pushnote.1 $(DESTDIR)$(datadir)/man/man1/pushnote-*.1
	rm -f $(PROGRAMS:%=$(DESTDIR)$(datadir)/bash-completion/completions/%)
	rm -f $(PROGRAMS:%=$(DESTDIR)$(datadir)/zsh/site-functions/_%)
	rm -f $(PROGRAMS:%=$(DESTDIR)$(datadir)/fish/vendor_completions.d/%.fish)

cargo-deb:
	@cargo deb --version >/dev/null 2>&1 || \
	    { echo "what packs is not there yet: cargo install --locked cargo-deb" >&2; exit 1; }

# target/debian/pushnote_*.deb
deb: cargo-deb release
	cargo deb --quiet --package pushnote-tool --no-build

# Everything the tests need that the machine lacks goes into ignored folders below tests/, Debian's packages apart.
test-setup:
	tests/setup

test: test-setup build
	tests/all

# Style, lints, documentation and its book, licences, directions, sizes.
check:
	.ci/check
