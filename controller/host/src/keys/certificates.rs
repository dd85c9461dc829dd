//! Certificates of one deployment: its CA signs one for each agent (server only), one for the controller (client only), and
//! those of a cluster.

use crate::error::Error;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};

/// Guests may boot with a clock that is behind.
const BACKDATE: Duration = Duration::days(2);
/// Longer than any deployment should live.
const LIFETIME: Duration = Duration::days(365);

/// A certificate with its key, PEM.
#[derive(Debug, Clone)]
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// Name that an agent's certificate is for.
pub fn agent_name(node: &str, deployment_id: &str) -> String {
    format!("{}.{deployment_id}.continuum", node.replace('_', "-"))
}

fn failed(doing: &str) -> impl FnOnce(rcgen::Error) -> Error {
    Error::key(doing)
}

fn params(common_name: &str, from: OffsetDateTime, to: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = from;
    params.not_after = to;
    params
}

/// The certificate authority of a deployment.
pub fn authority(deployment_id: &str) -> Result<Identity, Error> {
    let now = OffsetDateTime::now_utc();
    let key = KeyPair::generate().map_err(failed("make the deployment's CA key"))?;
    let mut params = params(
        &format!("continuum {deployment_id}"),
        now - BACKDATE,
        now + LIFETIME + BACKDATE,
    );
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params
        .self_signed(&key)
        .map_err(failed("make the deployment's CA"))?;
    Ok(Identity {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    })
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use<'a> {
    /// An agent, reached under a name and an address. It cannot be used to command other agents.
    Agent {
        /// See [`agent_name`].
        name: &'a str,
        address: IpAddr,
    },
    Controller,
    /// May do everything in a Kubernetes cluster.
    ClusterAdmin,
    /// cloudcore, as edges see it.
    CloudCore {
        address: IpAddr,
    },
    /// cloudcore, as the API server sees it.
    CloudCoreClient,
}

/// Signs a new certificate that is valid from two days ago for `lifetime`.
pub fn issue(
    authority: &Identity,
    purpose: Use<'_>,
    lifetime: Duration,
) -> Result<Identity, Error> {
    let now = OffsetDateTime::now_utc();
    let ca_key = KeyPair::from_pem(&authority.key_pem).map_err(failed("read the CA key"))?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate_pem, ca_key)
        .map_err(failed("read the CA certificate"))?;
    let key = KeyPair::generate().map_err(failed("make a key"))?;
    let common_name = match purpose {
        Use::Agent { name, .. } => name,
        Use::Controller => "continuum-controller",
        Use::ClusterAdmin => "continuum-admin",
        Use::CloudCore { .. } | Use::CloudCoreClient => "cloudcore",
    };
    let mut params = params(common_name, now - BACKDATE, now + lifetime);
    match purpose {
        Use::Agent { name, address } => {
            let dns = name
                .try_into()
                .map_err(failed("use the node's name in a certificate"))?;
            params.subject_alt_names = vec![SanType::DnsName(dns), SanType::IpAddress(address)];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        Use::ClusterAdmin => {
            // The group that kubeadm's own super-admin.conf uses.
            params
                .distinguished_name
                .push(DnType::OrganizationName, "system:masters");
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        Use::CloudCore { address } => {
            params.subject_alt_names = vec![SanType::IpAddress(address)];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        Use::Controller | Use::CloudCoreClient => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = params
        .signed_by(&key, &issuer)
        .map_err(failed("sign a certificate"))?;
    Ok(Identity {
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
    })
}

/// `sha256:…` of the public key of a CA, as `kubeadm join` wants it.
pub fn public_key_hash(authority: &Identity) -> Result<String, Error> {
    use sha2::Digest;
    let key = KeyPair::from_pem(&authority.key_pem).map_err(failed("read the CA key"))?;
    let digest = sha2::Sha256::digest(rcgen::PublicKeyData::subject_public_key_info(&key));
    Ok(format!("sha256:{}", hex::encode(digest)))
}

pub(crate) fn lifetime() -> Duration {
    LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_signed_and_keys_differ() {
        let authority = authority("abc").unwrap();
        let name = agent_name("cloud_controller", "abc");
        assert_eq!(name, "cloud-controller.abc.continuum");
        let purpose = Use::Agent {
            name: &name,
            address: "127.0.0.1".parse().unwrap(),
        };
        let a = issue(&authority, purpose, lifetime()).unwrap();
        let b = issue(&authority, Use::Controller, lifetime()).unwrap();
        assert!(
            a.certificate_pem.contains("BEGIN CERTIFICATE") && a.key_pem.contains("PRIVATE KEY")
        );
        assert_ne!(a.key_pem, b.key_pem);
    }
}
