//! Whether a certificate can be used at the time that a clock shows: it is made by one clock and looked at by another.

use crate::error::Error;
use time::{OffsetDateTime, macros::format_description};
use x509_parser::pem::parse_x509_pem;

#[derive(Debug, thiserror::Error)]
#[error("read a certificate of the deployment: {0}")]
struct UnreadableCertificate(String);

fn date(unix_s: i64) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]");
    let at = OffsetDateTime::from_unix_timestamp(unix_s).ok();
    at.and_then(|at| at.format(&format).ok())
        .unwrap_or_else(|| format!("{unix_s} s after 1970"))
}

/// Why it is of no use at that time; `None` = it is.
pub(super) fn fault(certificate_pem: &str, now: OffsetDateTime) -> Result<Option<String>, Error> {
    let failed = |why: String| Error::layer(UnreadableCertificate(why));
    let (_, pem) = parse_x509_pem(certificate_pem.as_bytes()).map_err(|e| failed(e.to_string()))?;
    let certificate = pem.parse_x509().map_err(|e| failed(e.to_string()))?;
    let validity = certificate.validity();
    let (from, until) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let now = now.unix_timestamp();
    let clock = format!("this machine's clock says {} (UTC)", date(now));
    Ok(if now < from {
        Some(format!(
            "its keys are not valid before {}, and {clock}: one of both clocks was wrong",
            date(from)
        ))
    } else if now > until {
        Some(format!(
            "its keys were valid until {}, and {clock}: if that is right they have expired",
            date(until)
        ))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Use, authority, issue, lifetime};
    use time::Duration;

    #[test]
    fn a_certificate_says_when_it_cannot_be_used_and_why() {
        let authority = authority("abc").unwrap();
        let made = issue(&authority, Use::Controller, lifetime()).unwrap();
        let now = OffsetDateTime::now_utc();
        let at = |offset| fault(&made.certificate_pem, now + offset).unwrap();
        for fine in [Duration::ZERO, Duration::days(-1), Duration::days(364)] {
            assert_eq!(at(fine), None);
        }
        // The clock was five days ahead when they were made.
        let early = at(Duration::days(-5)).unwrap();
        assert!(early.contains("not valid before"), "{early}");
        let late = at(Duration::days(400)).unwrap();
        assert!(late.contains("have expired"), "{late}");
        fault("no certificate", now).unwrap_err();
    }
}
