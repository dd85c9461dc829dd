//! Links that cannot carry the photos: said before anything is made.

use continuum_config::{Benchmark, Config, ImageClassification};
use continuum_model::{Mode, Tier, TierPair};

/// Of the bundle's own photos, in the mean.
pub(super) const PHOTO_BYTES: f64 = 59_408.0;

/// The option whose link is too slow for photos of such a size, and why.
pub(super) fn too_slow(
    config: &Config,
    own: &ImageClassification,
    benchmark: &Benchmark,
    photo_bytes: f64,
) -> Option<(String, String)> {
    let tier = match config.mode() {
        Mode::Cloud => Tier::Cloud,
        Mode::Edge => Tier::Edge,
        Mode::Endpoint => return None,
    };
    let link = config.network.link(tier, Tier::Endpoint)?;
    let wanted_mbit = own.frequency * photo_bytes * 8.0 / 1e6;
    let rate_mbit = link.rate_mbit;
    if wanted_mbit <= rate_mbit {
        return None;
    }
    let late_s = benchmark.duration_s * (wanted_mbit / rate_mbit - 1.0);
    let pair = TierPair(tier, Tier::Endpoint).name();
    let text = format!(
        "photos of {:.0} kB, {} a second from each endpoint, are {wanted_mbit:.2} Mbit/s, and this link has {rate_mbit}: they \
         queue up, and the last is sent {late_s:.0} s late; see benchmark.frequency, {pair}.rate_mbit",
        photo_bytes / 1000.0,
        own.frequency
    );
    Some((format!("network.{pair}.rate_mbit"), text))
}

#[cfg(test)]
mod tests {
    use crate::parse;

    fn warnings(frequency: &str, rate: &str) -> Vec<String> {
        let text = format!(
            "[infrastructure]\nprovider = \"qemu\"\nedge = {{ nodes = 1, cores = 2, memory_mib = 2048 }}\n\
             endpoint = {{ nodes = 2, cores = 1, memory_mib = 512 }}\n[network]\npreset = \"4g\"\n{rate}[software]\n\
             resource_manager = \"mist\"\n[benchmark]\napplication = \"image_classification\"\n\
             frequency = {frequency}\nduration_s = 60\n"
        );
        parse(&text, "lab.toml", false, "lab", &[])
            .unwrap()
            .warnings
    }

    #[test]
    fn a_link_that_cannot_carry_the_photos_in_time_is_told_at_its_line() {
        assert_eq!(warnings("15", ""), Vec::<String>::new());
        // 0.95 Mbit/s on a quarter of one: the load of a minute takes nearly four.
        let slow = warnings("2", "[network.edge_endpoint]\nrate_mbit = 0.25\n").concat();
        for part in [
            "lab.toml:8: network.edge_endpoint.rate_mbit: ",
            "photos of 59 kB, 2 a second",
            "0.95 Mbit/s",
            "the last is sent 168 s late",
        ] {
            assert!(slow.contains(part), "no {part} in {slow}");
        }
        // Nobody wrote down the rate of the preset.
        let fast = warnings("20", "").concat();
        assert!(
            fast.contains("9.51 Mbit/s, and this link has 7.21"),
            "{fast}"
        );
    }
}
