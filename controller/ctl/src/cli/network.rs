//! network: links of a deployment, shown and changed. It locks nothing: links may change during a bench.

use super::output::Output;
use crate::{deploy, session::Session};
use clap::Subcommand;
use continuum_config::Action;
use continuum_host::{context::Context, error::Error};
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkAction {
    /// Link classes as applied on each node
    Show {
        /// Also what `tc` itself says
        #[arg(long)]
        raw: bool,
    },
    /// Give a link other numbers; what is not given stays
    Set {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
        /// `latency_ms=…`, `jitter_ms=…`, `loss_percent=…`, `rate_mbit=…`
        #[arg(required = true)]
        numbers: Vec<String>,
    },
    /// Let nothing through between two tiers or nodes
    Cut {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
    },
    /// Make a link what the config says; `up` does it for all
    Restore {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
    },
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    action: &NetworkAction,
) -> Result<(), Error> {
    let session = Session::open(context, name)?;
    let (words, places) = match action {
        NetworkAction::Show { raw } => return show_links(output, &session, *raw).await,
        NetworkAction::Set { a, b, numbers } => {
            (format!("set {a} {b} {}", numbers.join(" ")), (a, b))
        }
        NetworkAction::Cut { a, b } => (format!("cut {a} {b}"), (a, b)),
        NetworkAction::Restore { a, b } => (format!("restore {a} {b}"), (a, b)),
    };
    let (a, b) = places;
    let action: Action = words.parse().map_err(|why| Error::Words {
        doing: format!("read `{words}`"),
        why,
    })?;
    let changed = deploy::change_link(&session, (a, b), &action, None).await?;
    let text = if changed.is_empty() {
        format!("{words}: it was so already")
    } else {
        format!("{words}: changed on {}", changed.join(", "))
    };
    output.text(&text);
    output
        .json(&json!({ "changed": changed, "links": deploy::link_requests(&session.deployment)? }));
    Ok(())
}

async fn show_links(output: &Output, session: &Session, raw: bool) -> Result<(), Error> {
    let (mut rows, mut all, mut texts) = (Vec::new(), serde_json::Map::new(), Vec::new());
    for agent in session.agents() {
        let (links, text) = agent.links().await?;
        for link in &links {
            rows.push(vec![
                agent.node().to_owned(),
                link.name.clone(),
                format!("{:?} ± {:?} ms", link.latency_ms, link.jitter_ms),
                format!("{:.2} ms", link.overhead_ms),
                format!("{:?} %", link.loss_percent),
                format!("{:?} Mbit/s", link.rate_mbit),
                link.queue_limit_packets.to_string(),
                link.peers.join(" "),
            ]);
        }
        all.insert(agent.node().to_owned(), json!(links));
        texts.push(format!("{}:\n{text}", agent.node()));
    }
    output.table(
        &[
            "from",
            "to",
            "latency (one way)",
            "host's own",
            "loss",
            "rate",
            "queue (packets)",
            "peers",
        ],
        rows,
    );
    let in_force = deploy::link_requests(&session.deployment)?;
    for request in in_force.iter() {
        output.text(&format!("in force: {request}"));
    }
    if raw {
        for text in &texts {
            output.text(text);
        }
    }
    output.json(&json!({ "links": all, "in_force": in_force }));
    Ok(())
}
