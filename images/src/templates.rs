//! The cloud-init seed of a node, rendered from templates. No I/O here.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

/// A file that cloud-init writes.
#[derive(Debug, Clone, Serialize)]
pub struct SeedFile {
    /// Absolute.
    pub path: String,
    /// As `0600`.
    pub mode: String,
    pub content: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Seed {
    pub node: String,
    pub deployment_id: String,
    /// Changes when the node is made anew, so that cloud-init runs again.
    pub instance_id: String,
    pub hostname: String,
    pub user: String,
    /// Key that may log in.
    pub ssh_public_key: String,
    /// The node's own ssh key, OpenSSH format.
    pub host_private_key: String,
    pub host_public_key: String,
    pub files: Vec<SeedFile>,
    /// Of the network card.
    pub mac: String,
    /// As 192.168.100.2/16.
    pub address_with_prefix: String,
    /// None: the node does not reach beyond its network.
    pub gateway: Option<String>,
    /// With a gateway.
    pub nameservers: Vec<String>,
}

/// The three files of a `NoCloud` seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedText {
    /// `user-data`.
    pub user_data: String,
    /// `meta-data`.
    pub meta_data: String,
    /// `network-config`.
    pub network_config: String,
}

impl Seed {
    /// Renders. Values are written as JSON strings, which are YAML strings: nothing in them can end one.
    pub fn render(&self) -> Result<SeedText, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut render = |name, text| {
            environment.add_template(name, text)?;
            environment.get_template(name)?.render(Serde(self))
        };
        Ok(SeedText {
            user_data: render("user-data", include_str!("../templates/user-data.j2"))?,
            meta_data: render("meta-data", include_str!("../templates/meta-data.j2"))?,
            network_config: render(
                "network-config",
                include_str!("../templates/network-config.j2"),
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_whole_and_values_cannot_break_out() {
        let seed = Seed {
            node: "edge0".into(),
            deployment_id: "0123".into(),
            instance_id: "i-1".into(),
            hostname: "edge0\nrunning: x".into(),
            user: "edge0_user".into(),
            ssh_public_key: "ssh-ed25519 AAAA".into(),
            host_private_key: "-----BEGIN\nkey\n-----END\n".into(),
            host_public_key: "ssh-ed25519 BBBB".into(),
            files: vec![SeedFile {
                path: "/etc/x".into(),
                mode: "0600".into(),
                content: "a\n\"b\": {{ c }}\n".into(),
            }],
            mac: "52:54:00:00:00:01".into(),
            address_with_prefix: "192.168.100.2/16".into(),
            gateway: None,
            nameservers: Vec::new(),
        };
        let text = seed.render().unwrap();
        assert!(text.user_data.starts_with("#cloud-config\n"));
        assert!(
            text.user_data.contains(r#"hostname: "edge0\nrunning: x""#),
            "{}",
            text.user_data
        );
        assert!(
            text.user_data.contains(r#"content: "a\n\"b\": {{ c }}\n""#),
            "{}",
            text.user_data
        );
        assert!(!text.network_config.contains("routes"));
        assert!(
            text.network_config
                .contains(r#"addresses: ["192.168.100.2/16"]"#)
        );
        let routed = Seed {
            gateway: Some("192.168.100.1".into()),
            nameservers: vec!["9.9.9.9".into()],
            ..seed
        };
        assert!(
            routed
                .render()
                .unwrap()
                .network_config
                .contains("via: \"192.168.100.1\"")
        );
    }
}
