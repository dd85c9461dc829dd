//! The table of options: with those that a kind of thing has for itself (`model/`) the only place that names them. A config is
//! shown in this order.

use super::{
    choices::{Broker, ExecutionModelKind, ManagerKind, Preset, ProviderKind, Runtime},
    model::{
        self, LinkTable,
        field::{Access, Field, field},
        keys::{Cfg, CfgUnit, Key, Kind, OfLink, TRACE_OPTIONS, both, key, unit},
    },
};
use continuum_model::{SETTINGS, Setting, TierPair};

const MANY: i64 = 1_000_000;
const MIB: Kind = Kind::Mib(64.0, 16_777_216.0);

/// What is there of a tier: values of one without nodes say nothing.
macro_rules! of_tier {
    ($tier:ident, $field:ident) => {
        Access {
            put: field!(infrastructure.tiers.$tier.$field).put,
            get: |config| {
                let tier = &config.infrastructure.tiers.$tier;
                (tier.nodes > 0).then(|| tier.$field.get())?
            },
        }
    };
}

macro_rules! tier {
    ($tier:ident) => {
        [
            both(
                concat!("infrastructure.", stringify!($tier), ".nodes"),
                "infrastructure",
                concat!(stringify!($tier), "_nodes"),
                Kind::Int(0, 10_000),
                "how many machines (0)",
            )
            .at(of_tier!($tier, nodes)),
            both(
                concat!("infrastructure.", stringify!($tier), ".cores"),
                "infrastructure",
                concat!(stringify!($tier), "_cores"),
                Kind::Int(1, 1024),
                "virtual cores of each; required with nodes",
            )
            .at(of_tier!($tier, cores)),
            unit(
                concat!("infrastructure.", stringify!($tier), ".memory_mib"),
                "infrastructure",
                concat!(stringify!($tier), "_memory"),
                CfgUnit::Gigabytes,
                MIB,
                "memory of each in MiB (in a .cfg: GB); required with nodes",
            )
            .at(of_tier!($tier, memory_mib)),
            both(
                concat!("infrastructure.", stringify!($tier), ".quota"),
                "infrastructure",
                concat!(stringify!($tier), "_quota"),
                Kind::Float(0.1, 1.0),
                "share of each core (1.0; in a .cfg required)",
            )
            .at(of_tier!($tier, quota)),
            both(
                concat!("infrastructure.", stringify!($tier), ".disk_read_mb_s"),
                "infrastructure",
                concat!(stringify!($tier), "_read_speed"),
                Kind::Int(0, MANY),
                "disk read limit in MB/s, 0 = none (0)",
            )
            .at(of_tier!($tier, disk_read_mb_s)),
            both(
                concat!("infrastructure.", stringify!($tier), ".disk_write_mb_s"),
                "infrastructure",
                concat!(stringify!($tier), "_write_speed"),
                Kind::Int(0, MANY),
                "disk write limit in MB/s, 0 = none (0)",
            )
            .at(of_tier!($tier, disk_write_mb_s)),
        ]
    };
}

const NO_PROVIDER: &str =
    "machines of this provider are not supported; use auto, qemu, uml or local";
const NO_KATA: &str = "Kata containers are not supported; use kubernetes or kubecontrol";

const INFRASTRUCTURE: [Key; 11] = [
    key(
        "name",
        Kind::Text,
        "name of the deployment (name of the file)",
    )
    .at(field!(name)),
    both(
        "infrastructure.provider",
        "infrastructure",
        "provider",
        Kind::Choice(
            ProviderKind::NAMES,
            &[
                ("gcp", NO_PROVIDER),
                ("aws", NO_PROVIDER),
                ("baremetal", NO_PROVIDER),
            ],
        ),
        "where machines come from; auto: qemu where KVM boots a kernel, else uml, else qemu emulated; required",
    )
    .at(field!(infrastructure.provider)),
    both(
        "infrastructure.infra_only",
        "infrastructure",
        "infra_only",
        Kind::Bool,
        "stop after machines and network (false)",
    )
    .at(field!(infrastructure.infra_only)),
    both(
        "infrastructure.cpu_pin",
        "infrastructure",
        "cpu_pin",
        Kind::Bool,
        "pin each virtual core to a physical one (false)",
    )
    .at(field!(infrastructure.cpu_pin)),
    unit(
        "infrastructure.keep",
        "infrastructure",
        "delete",
        CfgUnit::Not,
        Kind::Bool,
        "leave everything running after `run` (TOML: false; in a .cfg: unless delete = True)",
    )
    .at(field!(infrastructure.keep)),
    both(
        "infrastructure.prefix_ip",
        "infrastructure",
        "prefixIP",
        Kind::Prefixes,
        "first two numbers of addresses (192.168; local: 127.77)",
    )
    .at(field!(infrastructure.prefix_ip)),
    both(
        "infrastructure.middle_ip",
        "infrastructure",
        "middleIP",
        Kind::Int(1, 254),
        "third number of addresses (first free one from 100)",
    )
    .at(field!(infrastructure.middle_ip)),
    both(
        "infrastructure.middle_ip_base",
        "infrastructure",
        "middleIP_base",
        Kind::Int(1, 254),
        "of no effect: there are no base machines",
    )
    .without_effect("", "there are no base machines"),
    both(
        "infrastructure.base_path",
        "infrastructure",
        "base_path",
        Kind::Text,
        "of no effect: disks lie in a libvirt storage pool",
    )
    .without_effect("~", "disks lie in a libvirt storage pool"),
    both(
        "infrastructure.netperf",
        "infrastructure",
        "netperf",
        Kind::Bool,
        "measure every link and node, as --verify full does; not with netperf itself (false)",
    )
    .at(field!(infrastructure.netperf))
    .quiet(),
    unit(
        "infrastructure.external_physical_machines",
        "infrastructure",
        "external_physical_machines",
        CfgUnit::List,
        Kind::List,
        "more hosts, as USER@HOST; `up` refuses them: not there yet (none)",
    )
    .at(field!(infrastructure.external_physical_machines)),
];

const HOST: [Key; 2] = [
    key(
        "infrastructure.bridge",
        Kind::Text,
        "existing bridge of the host to attach to (a network of its own)",
    )
    .at(field!(infrastructure.bridge)),
    key(
        "infrastructure.internet",
        Kind::Bool,
        "nodes reach beyond their network (false)",
    )
    .at(field!(infrastructure.internet)),
];

const CONTROLLER: [Key; 3] = [
    key(
        "infrastructure.cloud.controller.cores",
        Kind::Int(1, 1024),
        "cores of the controller (as cloud)",
    )
    .at(field!(infrastructure.controller.cores)),
    key(
        "infrastructure.cloud.controller.memory_mib",
        MIB,
        "memory of the controller (as cloud)",
    )
    .at(field!(infrastructure.controller.memory_mib)),
    key(
        "infrastructure.cloud.controller.quota",
        Kind::Float(0.1, 1.0),
        "share of each core of the controller (as cloud)",
    )
    .at(field!(infrastructure.controller.quota)),
];

const NETWORK: [Key; 4] = [
    both(
        "network.emulation",
        "infrastructure",
        "network_emulation",
        Kind::Bool,
        "emulate links (true when there is a preset or a link)",
    )
    .at(Access::shown(|config| config.network.is_emulated().get())),
    unit(
        "network.preset",
        "infrastructure",
        "wireless_network_preset",
        CfgUnit::Lowercase,
        Kind::Choice(Preset::NAMES, &[]),
        "where latencies and rates come from (none; in a .cfg with emulation: 4g)",
    )
    .at(Access::shown(|config| {
        let network = &config.network;
        network.is_emulated().then(|| network.preset.get())?
    })),
    key(
        "network.mtu_bytes",
        Kind::Int(576, 1500),
        "largest IP packet of every node; IPv6 needs 1280 (1500)",
    )
    .at(field!(network.mtu_bytes)),
    key(
        "network.override",
        Kind::Overrides,
        "what is different for the links of one node, or between two nodes (nothing)",
    )
    .at(field!(network.overrides)),
];

const SOFTWARE: [Key; 7] = [
    both(
        "software.resource_manager",
        "benchmark",
        "resource_manager",
        Kind::Choice(
            ManagerKind::NAMES,
            &[("kube_kata", NO_KATA)],
        ),
        "who places applications; required unless infra_only",
    )
    .at(field!(software.resource_manager)),
    both(
        "software.resource_manager_only",
        "benchmark",
        "resource_manager_only",
        Kind::Bool,
        "install the manager and run nothing (false)",
    )
    .at(field!(software.resource_manager_only)),
    key(
        "software.broker",
        Kind::Choice(Broker::NAMES, &[]),
        "MQTT broker of each worker (rumqttd)",
    )
    .at(field!(software.broker)),
    key(
        "software.max_connections",
        Kind::Int(1, 7000),
        "connections that each broker admits (1000)",
    )
    .at(field!(software.max_connections)),
    key(
        "software.services",
        Kind::List,
        "services beyond those that the manager installs: mqtt, containerd, docker (none)",
    )
    .at(field!(software.services)),
    key(
        "software.container_runtime",
        Kind::Choice(Runtime::NAMES, &[]),
        "how endpoints, and workers outside a cluster, run applications: as a process or in a container (native)",
    )
    .at(field!(software.container_runtime)),
    unit(
        "software.execution_model",
        "execution_model",
        "model",
        CfgUnit::Lowercase,
        Kind::Choice(ExecutionModelKind::NAMES, &[]),
        "functions on top of the manager (none)",
    )
    .at(field!(software.execution_model)),
];

/// Options of one thing, or those of all links.
enum Group {
    Own(&'static [Key]),
    Links,
}

const GROUPS: &[Group] = &[
    Group::Own(&INFRASTRUCTURE),
    Group::Own(&model::QEMU),
    Group::Own(&HOST),
    Group::Own(&const { tier!(cloud) }),
    Group::Own(&CONTROLLER),
    Group::Own(&const { tier!(edge) }),
    Group::Own(&const { tier!(endpoint) }),
    Group::Own(&NETWORK),
    Group::Links,
    Group::Own(&SOFTWARE),
    Group::Own(&model::OBSERVABILITY),
    Group::Own(&model::OPENFAAS),
    Group::Own(&model::KUBERNETES),
    Group::Own(&model::KUBEEDGE),
    Group::Own(&model::RUN),
    Group::Own(&model::KUBECONTROL),
    Group::Own(&model::LOAD),
    Group::Own(&model::LENGTH),
    Group::Own(&model::EMPTY),
    Group::Own(&model::STRESS),
    Group::Own(&model::PHOTOS),
    Group::Own(&model::CONTAINER),
    Group::Own(&model::TIMELINE),
    Group::Own(&model::FUNCTIONS),
    Group::Own(&model::IDLE),
];

/// Upstream's spelling of a setting of both directions between two tiers.
fn cfg_of_link(pair: TierPair, setting: &Setting) -> Option<Cfg> {
    let TierPair(a, b) = pair;
    let tiers = if a == b { a.to_string() } else { pair.name() };
    let end = match setting.name {
        "latency_ms" => "latency_avg",
        "jitter_ms" => "latency_var",
        "rate_mbit" => "throughput",
        _ => return None,
    };
    Some(Cfg {
        section: "infrastructure",
        option: format!("{tiers}_{end}").leak(),
        unit: CfgUnit::Same,
    })
}

fn of_links() -> impl Iterator<Item = Key> {
    LinkTable::all().flat_map(|table| {
        let settings = SETTINGS.iter().map(move |setting| {
            let cfg = match table {
                LinkTable::Pair(pair) => cfg_of_link(pair, setting),
                LinkTable::Direction(_) => None,
            };
            Key::of_link(table, OfLink::Setting(setting), cfg)
        });
        let traces = TRACE_OPTIONS.iter();
        settings.chain(traces.map(move |option| Key::of_link(table, OfLink::Trace(option), None)))
    })
}

/// Every option.
pub static KEYS: std::sync::LazyLock<Vec<Key>> = std::sync::LazyLock::new(|| {
    let mut keys = Vec::new();
    for group in GROUPS {
        match group {
            Group::Own(own) => keys.extend(own.iter().copied()),
            Group::Links => keys.extend(of_links()),
        }
    }
    keys
});

pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|k| k.path == path)
}
