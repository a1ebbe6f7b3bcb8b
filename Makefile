# The jobs of this repository; `make test` is the one that must pass.

.PHONY: build check test test-setup

build:
	cargo build --workspace --bins --examples

# Everything the tests need that the machine lacks goes into ignored folders below tests/, Debian's packages apart.
test-setup:
	tests/setup

test: test-setup build
	tests/all

# Style, lints, documentation and its book, licences, directions, sizes.
check:
	.ci/check
