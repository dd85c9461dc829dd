//! Whether a certificate that an edge has can still serve it.

use super::SHORT;
use crate::{error::AgentError, system::System};
use x509_parser::pem::parse_x509_pem;

/// Whether its time is over. edgecore itself does not look: it renews with the old one in hand, which cloudcore refuses,
/// and goes on trying. What is no certificate at all has not expired: edgecore says what is wrong with it.
pub(super) async fn has_expired(path: &str, system: &dyn System) -> Result<bool, AgentError> {
    let text = system.run(&["cat", path], SHORT).await?;
    Ok(is_over(&text))
}

fn is_over(pem: &str) -> bool {
    let Ok((_, pem)) = parse_x509_pem(pem.as_bytes()) else {
        return false;
    };
    pem.parse_x509()
        .is_ok_and(|certificate| !certificate.validity().is_valid())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn certificate(until_year: i32) -> String {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until_year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn a_certificate_is_over_when_its_last_day_is() {
        assert!(is_over(&certificate(2001)));
        assert!(!is_over(&certificate(2101)));
        assert!(!is_over("CERT"));
    }
}
