//! Routes of this host: who has a network that covers a prefix has a route to it.

use crate::error::ProviderError;
use continuum_host::{error::Error, process};
use continuum_model::Prefix;
use ipnet::Ipv4Net;
use std::{net::Ipv4Addr, time::Duration};

/// For a look at the kernel's tables.
const LIST_DEADLINE: Duration = Duration::from_secs(10);

/// Whether a route of the host covers the prefix.
pub(super) async fn is_routed(prefix: Prefix) -> Result<bool, Error> {
    let doing = "list the routes of this host";
    let list = process::command("ip")
        .args(["-json", "route", "show", "table", "all", "type", "unicast"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIST_DEADLINE, list)
        .await
        .map_err(|_| Error::Deadline {
            what: "`ip route`".into(),
            after: LIST_DEADLINE,
            last: String::new(),
        })?
        .map_err(|error| ProviderError::NotStarted {
            doing: doing.to_owned(),
            error,
            packages: "iproute2",
        })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let doing = doing.to_owned();
        return Err(ProviderError::Program { doing, said }.into());
    }
    Ok(routes(&output.stdout)?
        .iter()
        .any(|route| covers(route, prefix)))
}

fn routes(json: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(serde::Deserialize)]
    struct Route {
        #[serde(default)]
        dst: String,
    }
    // A network namespace without any route lists nothing at all.
    if json.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let routes = serde_json::from_slice(json).map_err(|source| ProviderError::Answer {
        doing: "read the routes of this host".to_owned(),
        source,
    });
    let routes: Vec<Route> = routes?;
    Ok(routes.into_iter().map(|r| r.dst).collect())
}

/// Whether a route that is more special than the default one overlaps with the prefix.
fn covers(route: &str, prefix: Prefix) -> bool {
    let address = || route.parse().map(|address: Ipv4Addr| address.into());
    let Ok(route) = route.parse::<Ipv4Net>().or_else(|_| address()) else {
        return false;
    };
    // A wide route, such as 192.0.0.0/8, leads elsewhere in general and not to this network in particular.
    let own = prefix.net();
    route.prefix_len() > 8 && (route.contains(&own) || own.contains(&route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_matter() {
        let prefix = Prefix::from([192, 168, 100]);
        assert!(covers("192.168.100.0/24", prefix));
        assert!(covers("192.168.0.0/16", prefix));
        assert!(covers("192.168.100.7", prefix));
        assert!(!covers("192.168.101.0/24", prefix));
        assert!(!covers("default", prefix));
        assert!(!covers("10.0.0.0/8", prefix));
        assert_eq!(
            routes(br#"[{"dst":"default"},{"dst":"10.0.0.0/24","dev":"x"}]"#).unwrap(),
            ["default", "10.0.0.0/24"]
        );
        assert!(routes(b"\n").unwrap().is_empty());
    }
}
