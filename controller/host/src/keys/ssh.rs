//! Keys of ssh.

use crate::error::Error;

/// An ssh key pair, OpenSSH format.
#[derive(Debug, Clone)]
pub struct SshKey {
    pub private: String,
    /// Public half, one line.
    pub public: String,
}

/// A new ed25519 key.
pub(crate) fn ssh_key(comment: &str) -> Result<SshKey, Error> {
    let failed = |e: ssh_key::Error| Error::key("make an ssh key")(e);
    let mut key =
        ssh_key::PrivateKey::random(&mut ssh_key::rand_core::OsRng, ssh_key::Algorithm::Ed25519)
            .map_err(failed)?;
    key.set_comment(comment);
    Ok(SshKey {
        private: key
            .to_openssh(ssh_key::LineEnding::LF)
            .map_err(failed)?
            .to_string(),
        public: key.public_key().to_openssh().map_err(failed)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_keys_are_openssh() {
        let key = ssh_key("edge0").unwrap();
        assert!(
            key.public.starts_with("ssh-ed25519 ") && key.public.ends_with(" edge0"),
            "{}",
            key.public
        );
        assert!(
            key.private
                .starts_with("-----BEGIN OPENSSH PRIVATE KEY-----")
        );
    }
}
