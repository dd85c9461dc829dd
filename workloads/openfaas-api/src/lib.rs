//! What `OpenFaaS`'s REST API says, as types: names and what may be left out are those of its public provider SDK.
//!
//! Shared by the gateway, which answers so, and by the controller, which asks.

#[cfg(feature = "client")]
pub mod client;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Header of an answer, not of `OpenFaaS`: the call waited for a replica to start.
pub const COLD_START: &str = "x-cold-start";
/// Header of an answer, not of `OpenFaaS`: the pod that answered.
pub const SERVED_BY: &str = "x-served-by";

pub type Texts = BTreeMap<String, String>;

/// A function that is wanted: `POST` and `PUT /system/functions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDeployment {
    pub service: String,
    pub image: String,
    /// Namespace; none = the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The watchdog's `fprocess`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_vars: Option<Texts>,
    /// Labels that its node must have, as `key=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Vec<String>>,
    /// Secrets that it sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// Labels: those that begin with `com.openfaas.scale.` say how it is scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Texts>,
    /// What a replica may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<FunctionResources>,
    /// What a replica is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<FunctionResources>,
    /// Nothing but `/tmp` can be written to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root_filesystem: bool,
}

/// Quantities as Kubernetes writes them: `64Mi`, `100m`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionResources {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

/// A function as it is: `GET /system/functions` and `GET /system/function/NAME`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionStatus {
    pub name: String,
    pub image: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The watchdog's `fprocess`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_process: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: Texts,
    /// As it was deployed with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Secrets that it sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Labels of its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Texts>,
    /// What a replica may use at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<FunctionResources>,
    /// What a replica is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<FunctionResources>,
    /// Nothing but `/tmp` can be written to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root_filesystem: bool,
    /// Calls that this gateway has answered since it started.
    #[serde(default, skip_serializing_if = "is_zero_f64")]
    pub invocation_count: f64,
    /// Wanted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replicas: u64,
    /// That take calls.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub available_replicas: u64,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

fn is_zero_f64(value: &f64) -> bool {
    *value == 0.0
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// `DELETE /system/functions`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteFunctionRequest {
    pub function_name: String,
    /// Namespace; none = the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `POST /system/scale-function/NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleServiceRequest {
    /// Name; the path has it as well.
    #[serde(default)]
    pub(crate) service_name: String,
    /// Wanted.
    pub replicas: u64,
    /// Namespace; none = the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `/system/secrets`. Answers have no values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    pub name: String,
    /// Namespace; none = the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// As text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Base64, taken before the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_value: Option<String>,
}

/// `GET /system/info`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayInfo {
    pub provider: ProviderInfo,
    pub version: VersionInfo,
    /// As Go calls it: `x86_64` is `x86_64` there too.
    pub arch: String,
}

/// See [`GatewayInfo`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInfo {
    pub provider: String,
    pub version: VersionInfo,
    /// `kubernetes`.
    pub orchestration: String,
}

/// See [`GatewayInfo`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Commit; the version where there is none.
    pub sha: String,
    pub release: String,
}

/// `/system/namespace/NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionNamespace {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Texts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Texts>,
}

/// One line of `GET /system/logs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMessage {
    pub name: String,
    pub namespace: String,
    pub instance: String,
    /// RFC 3339.
    pub timestamp: String,
    /// Without the line end.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_leaves_out_or_writes_as_null_is_understood() {
        let text =
            r#"{"service":"a","image":"i","labels":null,"envVars":null,"secrets":null,"future":1}"#;
        let request: FunctionDeployment = serde_json::from_str(text).unwrap();
        assert_eq!((&*request.service, request.labels), ("a", None));
        let missing = serde_json::from_str::<FunctionDeployment>(r#"{"service":"a"}"#);
        assert!(missing.unwrap_err().to_string().contains("image"));
        let bare = serde_json::to_string(&FunctionStatus {
            name: "a".into(),
            image: "i".into(),
            ..FunctionStatus::default()
        });
        assert_eq!(bare.unwrap(), r#"{"name":"a","image":"i"}"#);
    }
}
