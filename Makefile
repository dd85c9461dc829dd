# The README's commands. `make demo` and `make image` need root.
CTL = target/debug/continuum-ctl
PACKAGES = mmdebstrap bubblewrap qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients libvirt-dev \
	pkg-config gcc libc6-dev python3-pip iproute2 nftables openssh-client debian-archive-keyring util-linux

.PHONY: deps build image demo test test-long check bench
deps:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) >/dev/null; }

build: deps
	cargo build --workspace --locked

image: build
	$(CTL) image build

# Makes an edge and an endpoint machine, measures, and removes them again.
demo: image
	target/debug/testbed $(CTL) run examples/mist-edge.toml

# All tiers; what this machine cannot run is skipped with the reason.
test: build
	cargo test --workspace --locked

test-long: image test

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --all-targets --locked --no-default-features -- -D warnings

# Milliseconds a photo, natively, one thread.
bench: build
	cargo test --locked -p continuum-tests --test bundle -- --nocapture local_run
