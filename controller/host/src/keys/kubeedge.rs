//! What `KubeEdge` wants of its certificate authority: the key in its own form, and a token that edges show once.

use super::Identity;
use crate::error::Error;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use hmac::{Hmac, Mac};
use sec1::{EcParameters, EcPrivateKey, der::Encode};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// The curve of all our keys, prime256v1.
const CURVE: sec1::der::asn1::ObjectIdentifier =
    sec1::der::asn1::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

fn failed<E: std::fmt::Display>(error: E) -> Error {
    // Not all of these crates' errors are errors in std's sense.
    Error::key("read the edges' certificate authority")(error.to_string())
}

/// The body of a PEM text.
fn der(pem: &str) -> Result<Vec<u8>, Error> {
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    BASE64.decode(body.as_bytes()).map_err(failed)
}

/// The key as SEC1 with its curve: cloudcore reads no other.
fn sec1_key(authority: &Identity) -> Result<Vec<u8>, Error> {
    let whole = der(&authority.key_pem)?;
    let outer = pkcs8::PrivateKeyInfo::try_from(&*whole).map_err(failed)?;
    let mut key = EcPrivateKey::try_from(outer.private_key).map_err(failed)?;
    key.parameters = Some(EcParameters::NamedCurve(CURVE));
    key.to_der().map_err(failed)
}

/// The same as PEM.
pub fn sec1_key_pem(authority: &Identity) -> Result<String, Error> {
    let text = BASE64.encode(&sec1_key(authority)?);
    let mut pem = String::from("-----BEGIN EC PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem.push_str("-----END EC PRIVATE KEY-----\n");
    Ok(pem)
}

/// What an edge shows to get its certificate: the hash of the CA that it shall trust, and a JSON web token that only who
/// has the CA's key can sign.
pub fn token(authority: &Identity, lifetime: Duration) -> Result<String, Error> {
    let expires = (OffsetDateTime::now_utc() + lifetime).unix_timestamp();
    let ca = hex::encode(Sha256::digest(der(&authority.certificate_pem)?));
    let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    let header = encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = encode(&format!(r#"{{"exp":{expires}}}"#));
    let signed = format!("{header}.{claims}");
    let mut mac = Hmac::<Sha256>::new_from_slice(&sec1_key(authority)?).map_err(failed)?;
    mac.update(signed.as_bytes());
    let signature = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
    Ok(format!("{ca}.{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same_and_names_its_curve() {
        let authority = crate::keys::authority("edge").unwrap();
        let pem = sec1_key_pem(&authority).unwrap();
        assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
        assert!(pem.lines().all(|l| l.len() <= 64));
        let bytes = der(&pem).unwrap();
        let key = EcPrivateKey::try_from(&*bytes).unwrap();
        assert_eq!(key.parameters.unwrap().named_curve(), Some(CURVE));
        let whole = der(&authority.key_pem).unwrap();
        let outer = pkcs8::PrivateKeyInfo::try_from(&*whole).unwrap();
        let own = EcPrivateKey::try_from(outer.private_key).unwrap();
        assert_eq!(key.private_key, own.private_key);
    }

    #[test]
    fn a_token_has_four_parts_and_the_hash_of_its_ca() {
        let authority = crate::keys::authority("edge").unwrap();
        let token = token(&authority, Duration::days(1)).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[0].len(), 64);
        let claims = BASE64URL_NOPAD.decode(parts[2].as_bytes()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let now = OffsetDateTime::now_utc().unix_timestamp();
        assert!(claims["exp"].as_i64().unwrap() > now + 86_000);
        let other = crate::keys::authority("other").unwrap();
        assert_ne!(super::token(&other, Duration::days(1)).unwrap(), token);
    }
}
