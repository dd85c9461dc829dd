//! Secrets of functions.

use crate::{api::is, fixture::Fixture};
use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

pub(crate) fn kept(fixture: &Fixture) -> anyhow::Result<()> {
    let all = "/system/secrets";
    let secret = |value: &str| json!({ "name": "token", "value": value });
    is(fixture, Method::POST, all, &secret("one"), 202)?;
    is(fixture, Method::POST, all, &secret("one"), 409)?;
    is(fixture, Method::PUT, all, &secret("two"), 202)?;
    is(
        fixture,
        Method::POST,
        all,
        &json!({ "name": "raw", "rawValue": "AAEC" }),
        202,
    )?;
    let list = is(fixture, Method::GET, all, &Value::Null, 200)?;
    ensure!(
        list.contains("token") && list.contains("raw") && !list.contains("two"),
        "{list}"
    );
    is(
        fixture,
        Method::PUT,
        all,
        &json!({ "name": "nobody", "value": "x" }),
        404,
    )?;
    is(
        fixture,
        Method::POST,
        all,
        &json!({ "name": "Bad_Name", "value": "x" }),
        400,
    )?;
    is(fixture, Method::POST, all, &json!({ "name": "empty" }), 400)?;
    is(
        fixture,
        Method::POST,
        all,
        &json!({ "name": "raw2", "rawValue": "%" }),
        400,
    )?;
    // A function that uses one, and one that uses none that there is.
    let wanted = json!({ "service": "with-secret", "image": "x", "secrets": ["token"] });
    is(fixture, Method::POST, "/system/functions", &wanted, 202)?;
    let one = is(
        fixture,
        Method::GET,
        "/system/function/with-secret",
        &Value::Null,
        200,
    )?;
    ensure!(one.contains(r#""secrets":["token"]"#), "{one}");
    is(
        fixture,
        Method::DELETE,
        "/system/functions",
        &json!({ "functionName": "with-secret" }),
        202,
    )?;
    is(
        fixture,
        Method::DELETE,
        all,
        &json!({ "name": "token" }),
        202,
    )?;
    is(
        fixture,
        Method::DELETE,
        all,
        &json!({ "name": "token" }),
        404,
    )?;
    Ok(())
}
