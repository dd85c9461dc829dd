//! Certificates made as the controller makes them (`controller/host/src/keys/certificates.rs`), and wrong ones.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::net::IpAddr;

/// What the certificates of test agents are for.
pub(crate) const AGENT_NAME: &str = "node0.test.continuum";

/// A certificate with its key, PEM.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

/// The certificate authority of one deployment.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a CA key");
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("a CA certificate");
        Self {
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, mut params: CertificateParams) -> Identity {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("a signed certificate");
        Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    /// For an agent: server only.
    pub(crate) fn agent(&self, address: IpAddr) -> Identity {
        let mut params = named(AGENT_NAME);
        let dns = AGENT_NAME.try_into().expect("a DNS name");
        params.subject_alt_names = vec![SanType::DnsName(dns), SanType::IpAddress(address)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    /// For the controller: client only.
    pub(crate) fn controller(&self) -> Identity {
        let mut params = named("continuum-controller");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    /// For a controller whose time is over.
    pub(crate) fn expired_controller(&self) -> Identity {
        let mut params = named("continuum-controller");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
        self.issue(params)
    }

    /// For a controller whose time has not come.
    pub(crate) fn early_controller(&self) -> Identity {
        let mut params = named("continuum-controller");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2900, 1, 1);
        self.issue(params)
    }
}
