//! Namespaces of functions.

use crate::{
    api::is,
    fixture::{Fixture, NAMESPACE},
};
use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

pub(crate) fn made(fixture: &Fixture) -> anyhow::Result<()> {
    let one = "/system/namespace/staging";
    let wanted = json!({ "name": "staging", "labels": { "a": "b" } });
    is(fixture, Method::POST, one, &wanted, 201)?;
    is(fixture, Method::POST, one, &wanted, 409)?;
    is(fixture, Method::PUT, one, &wanted, 202)?;
    let list = is(
        fixture,
        Method::GET,
        "/system/namespaces",
        &Value::Null,
        200,
    )?;
    ensure!(
        list.contains("staging") && list.contains(NAMESPACE) && !list.contains("kube-system"),
        "{list}"
    );
    let text = is(fixture, Method::GET, one, &Value::Null, 200)?;
    ensure!(text.contains(r#""openfaas":"1""#), "{text}");
    // A function there is not one of the default namespace.
    let function = json!({ "service": "far", "image": "x", "namespace": "staging" });
    is(fixture, Method::POST, "/system/functions", &function, 202)?;
    let there = is(
        fixture,
        Method::GET,
        "/system/functions?namespace=staging",
        &Value::Null,
        200,
    )?;
    let here = is(fixture, Method::GET, "/system/functions", &Value::Null, 200)?;
    ensure!(
        there.contains("\"far\"") && !here.contains("\"far\""),
        "{there} {here}"
    );
    let gone = json!({ "functionName": "far", "namespace": "staging" });
    is(fixture, Method::DELETE, "/system/functions", &gone, 202)?;
    is(
        fixture,
        Method::GET,
        "/system/functions?namespace=kube-system",
        &Value::Null,
        400,
    )?;
    is(
        fixture,
        Method::GET,
        "/system/namespace/kube-system",
        &Value::Null,
        404,
    )?;
    is(
        fixture,
        Method::POST,
        "/system/namespace/Bad_Name",
        &json!({ "name": "Bad_Name" }),
        400,
    )?;
    is(
        fixture,
        Method::POST,
        "/system/namespace/one",
        &json!({ "name": "other" }),
        400,
    )?;
    is(
        fixture,
        Method::DELETE,
        "/system/namespace/openfaas-fn",
        &Value::Null,
        403,
    )?;
    is(fixture, Method::DELETE, one, &Value::Null, 202)?;
    // As `OpenFaaS`'s own clients do it.
    let unnamed = "/system/namespace/";
    is(
        fixture,
        Method::POST,
        unnamed,
        &json!({ "name": "told" }),
        201,
    )?;
    is(
        fixture,
        Method::POST,
        unnamed,
        &json!({ "labels": {} }),
        400,
    )?;
    let told = "/system/namespace/told";
    is(fixture, Method::GET, told, &Value::Null, 200)?;
    is(fixture, Method::DELETE, told, &Value::Null, 202)?;
    Ok(())
}
