//! `openfaas`: functions on Kubernetes. The distribution `builtin` is our own gateway; `upstream` is the real one, for who
//! accepts its terms.

use super::ExecutionModel;
use continuum_config::{Config, ExecutionModelKind, ManagerKind, OpenFaasDistribution};

/// Images of the gateway and of the suite, as the catalogue names them.
pub const IMAGES: &str = "faas-images";
/// Programs of it, each an image.
pub const PARTS: [&str; 4] = ["gateway", "faas-netes", "queue-worker", "nats"];

/// `openfaas`.
#[derive(Debug)]
pub(super) struct OpenFaas;

impl ExecutionModel for OpenFaas {
    fn kind(&self) -> ExecutionModelKind {
        ExecutionModelKind::OpenFaas
    }

    fn check(&self, config: &Config) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if config.software.resource_manager != ManagerKind::Kubernetes {
            faults.push((
                "software.execution_model",
                "openfaas needs resource_manager = kubernetes".to_owned(),
            ));
        }
        let own = &config.software.openfaas;
        if own.distribution == OpenFaasDistribution::Upstream && own.images.is_empty() {
            faults.push((
                "software.openfaas_images",
                format!(
                    "is required for distribution upstream: NAME=IMAGE for {}",
                    PARTS.join(", ")
                ),
            ));
        }
        faults.extend(check_images(&own.images));
        faults
    }

    fn components(&self, _config: &Config) -> &'static [&'static str] {
        &[IMAGES]
    }
}

/// `NAME=IMAGE` of each part.
fn check_images(images: &[String]) -> Vec<(&'static str, String)> {
    let path = "software.openfaas_images";
    let mut faults = Vec::new();
    let names: Vec<&str> = images
        .iter()
        .filter_map(|i| Some(i.split_once('=')?.0))
        .collect();
    for image in images {
        let known = image
            .split_once('=')
            .filter(|(n, i)| PARTS.contains(n) && !i.is_empty());
        if known.is_none() {
            faults.push((
                path,
                format!(
                    "`{image}` is not NAME=IMAGE with a name of {}",
                    PARTS.join(", ")
                ),
            ));
        }
    }
    if !images.is_empty() {
        for missing in PARTS.iter().filter(|p| !names.contains(p)) {
            faults.push((path, format!("has no image for {missing}")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_image_or_is_named() {
        let images: Vec<String> = PARTS
            .iter()
            .map(|p| format!("{p}=example.org/{p}:1"))
            .collect();
        assert_eq!(check_images(&images), []);
        let faults = check_images(&images[..3]);
        assert!(faults[0].1.contains("nats"), "{faults:?}");
        assert!(check_images(&["what".to_owned()])[0].1.contains("`what`"));
        assert!(check_images(&[]).is_empty());
    }
}
