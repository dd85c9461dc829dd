# The README's commands. `make demo` and `make image` need root.
CTL = target/debug/continuum-ctl
PACKAGES = mmdebstrap bubblewrap qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-clients libvirt-dev \
	pkg-config gcc libc6-dev curl python3-pip iproute2 iputils-ping nftables openssh-client debian-archive-keyring util-linux
# Parts that link libtorch, checked where it is: in the build root.
TORCH = -p continuum-image-recognition -p continuum-workload --features torch --profile guest

.PHONY: deps browser build image kernel components demo test test-torch test-long check check-torch bench bench-gateway bench-cluster
INSTALL = DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
deps:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { apt-get update -qq && $(INSTALL) $(PACKAGES) >/dev/null; }

# For the tests that look at pages, and for those that ask promtool; without it they are skipped. A Prometheus that was not
# there before does not run as a service.
browser:
	@dpkg -s chromium chromium-driver >/dev/null 2>&1 || { apt-get update -qq && $(INSTALL) chromium chromium-driver >/dev/null; }
	@dpkg -s prometheus >/dev/null 2>&1 || { apt-get update -qq && $(INSTALL) prometheus >/dev/null; \
		systemctl disable --quiet --now prometheus 2>/dev/null || true; }

build: deps
	cargo build --workspace --locked

image: build
	$(CTL) image build

# Kubernetes from Go modules, its container images, and the guest image that has them: minutes once, seconds
# afterwards. Needs Go.
components: image
	$(CTL) artifact build
	$(CTL) image build --role kubernetes

# The kernel of guests at native speed where there is no KVM: minutes once.
kernel: image
	$(CTL) artifact build uml-kernel

# Makes an edge and an endpoint machine, measures, and removes them again: half a minute, as its links are taken for what
# they should be. More options: make demo DEMO="--keep"
demo: kernel
	CONTINUUM_VERIFY=off $(CTL) run examples/mist-edge.toml $(DEMO)

# All tiers; what this machine cannot run is skipped with the reason.
test: build
	cargo test --workspace --locked

# The same, and what takes minutes more.
test-long: components test-torch
	CONTINUUM_LONG=1 cargo test --workspace --locked

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p continuum-provider -p continuum-ctl --all-targets --locked --no-default-features -- -D warnings

check-torch: build
	$(CTL) image cargo -- clippy --all-targets $(TORCH) -- -D warnings

test-torch: build
	$(CTL) image cargo -- test $(TORCH)

# Ratios against a floor of the same run: the network beside a matrix product of as much work, a message through the
# broker beside one through a plain socket, recording a sample beside writing it.
bench: build
	cargo test --release --locked -p continuum-results --test cost -- --ignored --nocapture recording_a_sample
	cargo test --release --locked -p continuum-agent --test bench_broker -- --ignored --nocapture
	cargo test --locked -p continuum-tests --test bundle -- --nocapture the_bundle_loads_only_its_own_libraries

# The gateway for functions beside nginx as a plain proxy, and a process per call beside fork and exec. Needs nginx.
bench-gateway: components
	CONTINUUM_BENCH=1 cargo test --locked -p continuum-tests --test gateway -- --nocapture speed_of

# The software stage of `up` against a plain kubeadm script on the same image, in turn: a quarter of an hour.
bench-cluster: components
	CONTINUUM_BENCH=2 cargo test --locked -p continuum-tests --test vm -- --nocapture benchmark_of_the
