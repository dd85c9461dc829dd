//! What a config may ask for and this version does not do: refused by name before anything is made.

use continuum_config::{Config, Observability, Preset};

/// Everything of that, each with the option's name and what to do without it.
pub fn not_yet(config: &Config) -> Vec<String> {
    let infrastructure = &config.infrastructure;
    let preset = config.network.preset;
    let all = [
        (
            !infrastructure.external_physical_machines.is_empty(),
            format!(
                "infrastructure.external_physical_machines ({}): this version makes machines on this host only; give --set \
                 infrastructure.external_physical_machines=[]",
                infrastructure.external_physical_machines.join(", ")
            ),
        ),
        (
            preset.is_trace() && !config.network.is_traced_both_ways(),
            format!(
                "network.preset {preset}: its recordings are not part of this; name their files in \
                 network.endpoint_to_edge.trace (up) and network.edge_to_endpoint.trace (down), or with cloud for edge, or \
                 give --set network.preset={}",
                Preset::FourthGeneration
            ),
        ),
        (
            config.software.observability == Observability::OnNode,
            "software.observability: this version installs no Prometheus and no Grafana yet; `host` is for a Prometheus that \
             you have already; for none give --set software.observability=false"
                .to_owned(),
        ),
    ];
    let asked_for = all.into_iter().filter(|(is_asked_for, _)| *is_asked_for);
    asked_for.map(|(_, reason)| reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_yet_passes_the_check_and_is_refused_by_name() {
        let text = "[infrastructure]\nprovider = qemu\nendpoint_nodes = 1\nendpoint_cores = 1\nendpoint_memory = 1\n\
            endpoint_quota = 1\nnetperf = True\nexternal_physical_machines = user@one, user@two\n\
            network_emulation = True\nwireless_network_preset = 4g_us_verizon_mahimahi\n[benchmark]\n\
            resource_manager = none\napplication = image_classification\nfrequency = 1\nobservability = True\n";
        let refused = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| (*s).to_owned()).collect();
            let config = crate::parse(text, "t.cfg", true, "t", &set).unwrap().config;
            not_yet(&config)
        };
        let reasons = refused(&[]);
        let names = [
            "infrastructure.external_physical_machines (user@one, user@two)",
            "network.preset 4g_us_verizon_mahimahi",
            "software.observability",
        ];
        assert_eq!(reasons.len(), names.len(), "{reasons:#?}");
        for (reason, name) in reasons.iter().zip(names) {
            assert!(reason.starts_with(name), "{reason}");
        }
        // What each reason says to type does away with it.
        let set: Vec<&str> = reasons
            .iter()
            .filter_map(|r| Some(r.split_once("--set ")?.1))
            .collect();
        assert_eq!(refused(&set), [""; 0], "{set:?}");
    }

    #[test]
    fn a_preset_of_recordings_wants_one_for_each_direction() {
        let dir = tempfile::tempdir().unwrap();
        let (up, down) = (dir.path().join("up"), dir.path().join("down"));
        for path in [&up, &down] {
            std::fs::write(path, "1\n2\n1000\n").unwrap();
        }
        let tier = |name| {
            format!(
                "[infrastructure.{name}]\nnodes = 1\ncores = 1\nmemory_mib = 512\nquota = 1.0\n"
            )
        };
        let base = format!(
            "[infrastructure]\nprovider = \"qemu\"\ninfra_only = true\n{}{}[network]\npreset = \
             \"4g_us_verizon_mahimahi\"\n",
            tier("edge"),
            tier("endpoint")
        );
        let one = format!(
            "{base}[network.endpoint_to_edge]\ntrace = \"{}\"\n",
            up.display()
        );
        let both = format!(
            "{one}[network.edge_to_endpoint]\ntrace = \"{}\"\n",
            down.display()
        );
        let reasons = |text: &str| {
            let checked = crate::parse(text, "t.toml", false, "t", &[]).unwrap();
            not_yet(&checked.config)
        };
        let [reason] = &reasons(&one)[..] else {
            panic!("{:?}", reasons(&one));
        };
        assert!(reason.starts_with("network.preset"), "{reason}");
        assert_eq!(reasons(&both), [""; 0]);
    }
}
