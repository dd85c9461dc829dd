//! What a deployment was really made with. On disk and in results it is one list of names and texts.

use super::Tier;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const ACCELERATOR: &str = "accelerator";
const LINK_OVERHEAD: &str = "link_overhead_ms.";
const COMPONENT: &str = "component ";
const IMAGE: &str = "image ";
const RUNNING: &str = "running ";

/// How guests run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acceleration {
    /// On the processor.
    Kvm,
    /// Otherwise: how, in words.
    Without(String),
}

impl Acceleration {
    pub fn as_text(&self) -> &str {
        match self {
            Self::Kvm => "kvm",
            Self::Without(how) => how,
        }
    }

    fn read(text: String) -> Self {
        if text == Self::Kvm.as_text() {
            Self::Kvm
        } else {
            Self::Without(text)
        }
    }
}

/// A file of the store that nodes were given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComponentFile {
    pub component: String,
    pub version: String,
    pub file: String,
}

/// What a deployment was really made with; `None` = not known, or not of this deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Texts", into = "Texts")]
pub struct Facts {
    pub acceleration: Option<Acceleration>,
    /// Content key of the guest image.
    pub image: Option<String>,
    /// Content key of the workload bundle.
    pub bundle: Option<String>,
    /// Why `auto` took this provider.
    pub provider_choice: Option<String>,
    /// Version of the kernel of `uml` guests.
    pub uml_kernel: Option<String>,
    /// Which limits were asked for and are not enforced.
    pub unlimited: Option<String>,
    /// Nodes that have fewer processors than were asked for, and why.
    pub fewer_processors: Option<String>,
    /// Who brought it up, as in login names.
    pub login_owner: Option<String>,
    /// The gateway for functions, with its version.
    pub gateway: Option<String>,
    /// What a packet's way takes by itself, from nodes of this tier.
    pub link_overhead_ms: BTreeMap<Tier, f64>,
    /// `sha256:…` by file.
    pub components: BTreeMap<ComponentFile, String>,
    /// Digests of container images, by reference.
    pub images: BTreeMap<String, String>,
    /// What running programs say that they are, by program or node.
    pub running: BTreeMap<String, String>,
    /// Names that this version does not know, as they are.
    pub others: Texts,
}

type Texts = BTreeMap<String, String>;
type Field = fn(&mut Facts) -> &mut Option<String>;

/// Facts that are a text under a fixed name.
const TEXTS: [(&str, Field); 8] = [
    ("image", |f| &mut f.image),
    ("bundle", |f| &mut f.bundle),
    ("provider_choice", |f| &mut f.provider_choice),
    ("uml_kernel", |f| &mut f.uml_kernel),
    ("limits_not_enforced", |f| &mut f.unlimited),
    ("fewer_processors", |f| &mut f.fewer_processors),
    ("person", |f| &mut f.login_owner),
    ("openfaas gateway", |f| &mut f.gateway),
];

impl Facts {
    /// As results and `state.json` have them.
    pub fn by_name(&self) -> BTreeMap<String, String> {
        self.clone().into()
    }

    /// What is newer counts.
    pub fn extend(&mut self, mut newer: Self) {
        for (_, field) in TEXTS {
            if let Some(text) = field(&mut newer).take() {
                *field(self) = Some(text);
            }
        }
        self.acceleration = newer.acceleration.or(self.acceleration.take());
        self.link_overhead_ms.extend(newer.link_overhead_ms);
        self.components.extend(newer.components);
        self.images.extend(newer.images);
        self.running.extend(newer.running);
        self.others.extend(newer.others);
    }

    fn read(&mut self, name: String, text: String) -> Result<(), WrongFact> {
        if let Some((_, field)) = TEXTS.iter().find(|(known, _)| *known == name) {
            *field(self) = Some(text);
        } else if name == ACCELERATOR {
            self.acceleration = Some(Acceleration::read(text));
        } else if let Some(tier) = name.strip_prefix(LINK_OVERHEAD) {
            let tier = Tier::ALL.into_iter().find(|t| t.name() == tier);
            let (Some(tier), Ok(ms)) = (tier, text.parse()) else {
                return Err(WrongFact { name, text });
            };
            self.link_overhead_ms.insert(tier, ms);
        } else if let Some(words) = name.strip_prefix(COMPONENT) {
            let mut words = words.splitn(3, ' ').map(str::to_owned);
            let (Some(component), Some(version), Some(file)) =
                (words.next(), words.next(), words.next())
            else {
                return Err(WrongFact { name, text });
            };
            let file = ComponentFile {
                component,
                version,
                file,
            };
            self.components.insert(file, text);
        } else if let Some(reference) = name.strip_prefix(IMAGE) {
            self.images.insert(reference.to_owned(), text);
        } else if let Some(program) = name.strip_prefix(RUNNING) {
            self.running.insert(program.to_owned(), text);
        } else {
            self.others.insert(name, text);
        }
        Ok(())
    }
}

/// A fact of a known name that says something else than such facts do.
#[derive(Debug, thiserror::Error)]
#[error("fact `{name}` cannot be `{text}`")]
pub struct WrongFact {
    name: String,
    text: String,
}

impl TryFrom<Texts> for Facts {
    type Error = WrongFact;

    fn try_from(texts: Texts) -> Result<Self, WrongFact> {
        let mut facts = Self::default();
        for (name, text) in texts {
            facts.read(name, text)?;
        }
        Ok(facts)
    }
}

impl From<Facts> for Texts {
    fn from(mut facts: Facts) -> Self {
        let mut texts = std::mem::take(&mut facts.others);
        for (name, field) in TEXTS {
            texts.extend(field(&mut facts).take().map(|text| (name.to_owned(), text)));
        }
        let acceleration = facts.acceleration.iter();
        texts.extend(acceleration.map(|a| (ACCELERATOR.to_owned(), a.as_text().to_owned())));
        let overheads = facts.link_overhead_ms.into_iter();
        texts.extend(overheads.map(|(t, ms)| (format!("{LINK_OVERHEAD}{t}"), format!("{ms:.3}"))));
        let components = facts.components.into_iter();
        texts.extend(components.map(|(f, digest)| {
            let name = format!("{COMPONENT}{} {} {}", f.component, f.version, f.file);
            (name, digest)
        }));
        let images = facts.images.into_iter();
        texts.extend(images.map(|(reference, digest)| (format!("{IMAGE}{reference}"), digest)));
        let running = facts.running.into_iter();
        texts.extend(running.map(|(program, version)| (format!("{RUNNING}{program}"), version)));
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_any_deployment_comes_back_as_it_was() {
        let text = r#"{"accelerator":"kvm","bundle":"b1","component kubernetes 1.35.4 kubelet":"sha256:aa","fewer_processors":"edge0 (asked 2)","image":"i1","image example.org/f:1":"sha256:bb","limits_not_enforced":"memory","link_overhead_ms.edge":"0.120","openfaas gateway":"continuum 0.1.0","person":"ann","provider_choice":"uml: no KVM","running docker edge0":"28.1","uml_kernel":"6.12","word of another version":"kept"}"#;
        let facts: Facts = serde_json::from_str(text).unwrap();
        assert_eq!(facts.acceleration, Some(Acceleration::Kvm));
        assert_eq!(
            facts.link_overhead_ms[&Tier::Edge].to_bits(),
            0.12_f64.to_bits()
        );
        assert_eq!(facts.running["docker edge0"], "28.1");
        assert_eq!(facts.image.as_deref(), Some("i1"));
        assert_eq!(facts.images["example.org/f:1"], "sha256:bb");
        assert_eq!(facts.others.len(), 1);
        assert_eq!(serde_json::to_string(&facts).unwrap(), text);
    }

    #[test]
    fn a_fact_that_cannot_be_is_named() {
        for text in [
            r#"{"link_overhead_ms.edge":"much"}"#,
            r#"{"component kubernetes":"x"}"#,
        ] {
            let error = serde_json::from_str::<Facts>(text).unwrap_err().to_string();
            assert!(
                error.starts_with("fact `") && error.contains("cannot be"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_newer_counts_and_the_rest_stays() {
        let mut facts = Facts {
            image: Some("old".into()),
            bundle: Some("kept".into()),
            ..Facts::default()
        };
        let acceleration = Some(Acceleration::Without("none (simulated)".into()));
        facts.extend(Facts {
            image: Some("new".into()),
            acceleration: acceleration.clone(),
            ..Facts::default()
        });
        facts.extend(Facts::default());
        assert_eq!(
            (facts.image.as_deref(), facts.bundle.as_deref()),
            (Some("new"), Some("kept"))
        );
        assert_eq!(facts.acceleration, acceleration);
    }
}
