//! The `NoCloud` disk of a node: a FAT image with user-data, meta-data and network-config, in memory.

use crate::error::ProviderError;
use continuum_config::Config;
use continuum_host::{
    error::Error,
    keys::Secrets,
    state::{Deployment, login_user},
};
use continuum_images::{
    guest::BUNDLE_DIR,
    templates::{Seed, SeedFile, SeedText},
};
use continuum_model::{GUEST_DATA_DIR, NodePlan, Prefix};
use std::io::{Cursor, Write};

const BYTES: usize = 1 << 20;
const CERTIFICATES: &str = "/etc/continuum";

pub(super) fn image(
    config: &Config,
    node: &NodePlan,
    secrets: &Secrets,
    deployment: &Deployment,
    prefix: Prefix,
) -> Result<Vec<u8>, Error> {
    let user = login_user(deployment, &node.name);
    let hostname = user.replace('_', "");
    let identity = secrets.agent(node)?;
    let host_key = secrets.host_key(&node.name)?;
    let file = |path: &str, mode: &str, content: String| SeedFile {
        path: path.to_owned(),
        mode: mode.to_owned(),
        content,
    };
    let in_guest = |name: &str| format!("{CERTIFICATES}/{name}");
    let agent_config = secrets.agent_config(
        node,
        CERTIFICATES,
        GUEST_DATA_DIR,
        &format!("/{BUNDLE_DIR}"),
        true,
    );
    let seed = Seed {
        node: node.name.clone(),
        deployment_id: deployment.id(),
        instance_id: format!("{}-{}", deployment.id(), node.name),
        hostname: hostname.clone(),
        user,
        ssh_public_key: secrets.user_key()?.public.trim().to_owned(),
        host_private_key: host_key.private,
        host_public_key: host_key.public.trim().to_owned(),
        files: vec![
            file(
                &in_guest("ca.pem"),
                "0644",
                secrets.authority()?.certificate_pem,
            ),
            file(&in_guest("agent.pem"), "0644", identity.certificate_pem),
            file(&in_guest("agent.key"), "0600", identity.key_pem),
            file(
                "/etc/hosts",
                "0644",
                format!(
                    "127.0.0.1 localhost\n{} {hostname}\n::1 localhost\n",
                    node.address
                ),
            ),
            // Last: the agent's unit waits for it.
            file(&in_guest("agent.toml"), "0644", agent_config),
        ],
        mac: node.mac.clone(),
        address_with_prefix: format!("{}/24", node.address),
        gateway: config
            .infrastructure
            .internet
            .then(|| prefix.gateway().to_string()),
        nameservers: vec!["9.9.9.9".into(), "1.1.1.1".into()],
    };
    let text = seed.render().map_err(|e| ProviderError::Seed(e.into()))?;
    fat(&text).map_err(|e| ProviderError::Seed(e.into()).into())
}

fn fat(text: &SeedText) -> std::io::Result<Vec<u8>> {
    let mut disk = Cursor::new(vec![0; BYTES]);
    fatfs::format_volume(
        &mut disk,
        fatfs::FormatVolumeOptions::new().volume_label(*b"CIDATA     "),
    )?;
    {
        let volume = fatfs::FileSystem::new(&mut disk, fatfs::FsOptions::new())?;
        for (name, content) in [
            ("user-data", &text.user_data),
            ("meta-data", &text.meta_data),
            ("network-config", &text.network_config),
        ] {
            volume
                .root_dir()
                .create_file(name)?
                .write_all(content.as_bytes())?;
        }
        volume.unmount()?;
    }
    Ok(disk.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_seed_is_a_fat_volume_named_cidata() {
        let text = SeedText {
            user_data: "#cloud-config\n".repeat(2000),
            meta_data: "instance-id: x\n".into(),
            network_config: "version: 2\n".into(),
        };
        let bytes = fat(&text).unwrap();
        let volume = fatfs::FileSystem::new(Cursor::new(bytes), fatfs::FsOptions::new()).unwrap();
        assert_eq!(volume.volume_label(), "CIDATA");
        let mut read = String::new();
        volume
            .root_dir()
            .open_file("user-data")
            .unwrap()
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, text.user_data);
    }
}
