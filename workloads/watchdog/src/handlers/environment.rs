//! What a program learns of its call, under the names that `OpenFaaS` gives.

use http::{HeaderMap, header, request::Parts};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// `x-call-id` is `X_Call_Id`, as Go writes it.
fn canonical(name: &str) -> String {
    let part = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    };
    let parts: Vec<String> = name.split('-').map(part).collect();
    parts.join("_")
}

/// As Go counts: what was announced, nothing without a body, and -1 for one that comes in chunks.
fn length(headers: &HeaderMap) -> &OsStr {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return OsStr::new("-1");
    }
    let announced = headers.get(header::CONTENT_LENGTH);
    announced.map_or(OsStr::new("0"), |v| OsStr::from_bytes(v.as_bytes()))
}

/// The whole of it. Values are bytes, as those of headers are.
///
/// # Errors
/// A path that no variable can hold.
pub(super) fn environment(request: &Parts) -> Result<Vec<(String, OsString)>, String> {
    let bytes = |value: &[u8]| OsString::from_vec(value.to_vec());
    let path: Vec<u8> = percent_encoding::percent_decode_str(request.uri.path()).collect();
    if path.contains(&0) {
        return Err("the path has a %00 in it, which no program can be told".into());
    }
    // Of headers that are repeated the first counts.
    let mut all: Vec<(String, OsString)> = request
        .headers
        .keys()
        // Programs take HTTP_PROXY for their own proxy, in whatever case.
        .filter(|name| **name != "proxy")
        .filter_map(|name| {
            let value = request.headers.get(name)?;
            let name = format!("Http_{}", canonical(name.as_str()));
            Some((name, bytes(value.as_bytes())))
        })
        .collect();
    let length = length(&request.headers).as_bytes();
    let host = request.headers.get(header::HOST);
    for (name, value) in [
        ("Http_Method", request.method.as_str().as_bytes()),
        ("Http_Path", &path),
        (
            "Http_Query",
            request.uri.query().unwrap_or_default().as_bytes(),
        ),
        ("Http_ContentLength", length),
        ("Http_Content_Length", length),
        ("Http_Host", host.map_or(b"", |v| v.as_bytes())),
    ] {
        if !value.is_empty() {
            all.push((name.to_owned(), bytes(value)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    fn of(request: http::request::Builder, name: &str) -> Option<Vec<u8>> {
        let all = environment(&request.body(()).unwrap().into_parts().0).unwrap();
        let found: Vec<_> = all.into_iter().filter(|(n, _)| n == name).collect();
        found.into_iter().next_back().map(|(_, v)| v.into_vec())
    }

    #[test]
    fn a_program_learns_of_its_call_under_the_known_names() {
        let request = || {
            Request::builder()
                .method("POST")
                .uri("/a%20b/%C3%A9?x=%201")
                .header("x-call-id", "7")
                .header("x-twice", "first")
                .header("x-twice", "second")
                .header("x-latin", HeaderValue::from_bytes(b"caf\xe9").unwrap())
                .header("proxy", "http://evil")
                .header("content-length", "3")
        };
        for (name, value) in [
            ("Http_X_Call_Id", &b"7"[..]),
            ("Http_X_Twice", b"first"),
            ("Http_X_Latin", b"caf\xe9"),
            ("Http_Method", b"POST"),
            ("Http_Path", "/a b/é".as_bytes()),
            ("Http_Query", b"x=%201"),
            ("Http_ContentLength", b"3"),
            ("Http_Content_Length", b"3"),
        ] {
            assert_eq!(of(request(), name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(of(request(), "Http_Proxy"), None);
    }

    #[test]
    fn the_length_is_what_go_counts() {
        let request = || Request::builder().uri("/");
        assert_eq!(of(request(), "Http_ContentLength").unwrap(), b"0");
        let chunked = request().header("transfer-encoding", "chunked");
        assert_eq!(of(chunked, "Http_ContentLength").unwrap(), b"-1");
    }

    #[test]
    fn a_path_that_no_variable_holds_is_refused() {
        let request = Request::builder().uri("/a%00b").body(()).unwrap();
        assert!(environment(&request.into_parts().0).is_err());
    }
}
