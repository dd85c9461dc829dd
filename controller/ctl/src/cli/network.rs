//! network: links of a deployment, shown and changed. It locks nothing: links may change during a bench.

use super::{
    link_cells::{latency, rate, without_empty_column},
    output::{Output, warn},
    verify::{self, Verify},
};
use crate::{deploy, session::Session, verify::Scope};
use clap::Subcommand;
use continuum_config::Action;
use continuum_host::{context::Context, error::Error};
use continuum_model::VerifyMode;
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
        /// Two tiers or nodes, with `to` between them for one direction, then settings of a link as in configs: `latency_ms=…`
        #[arg(required = true, num_args = 3.., value_name = "A [to] B NAME=VALUE")]
        words: Vec<String>,
        /// Measure whether the changed link is what was asked for
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
    },
    /// Measure links and machines, and compare them with what was asked for; exit code 6 if one is not
    Verify {
        /// Every way and every node, for longer
        #[arg(long)]
        full: bool,
    },
    /// Let nothing through between two tiers or nodes
    Cut {
        /// Two tiers or nodes, with `to` between them for one direction
        #[arg(required = true, num_args = 2..=3, value_name = "A [to] B")]
        ends: Vec<String>,
    },
    /// Make a link what the config says; `up` does it for all
    Restore {
        /// Two tiers or nodes, with `to` between them for one direction
        #[arg(required = true, num_args = 2..=3, value_name = "A [to] B")]
        ends: Vec<String>,
    },
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    action: &NetworkAction,
) -> Result<(), Error> {
    let session = Session::open(context, name)?;
    let mut mode = VerifyMode::Off;
    let words = match action {
        NetworkAction::Show { raw } => return show_links(output, &session, *raw).await,
        NetworkAction::Verify { full } => {
            let mode = if *full {
                VerifyMode::Full
            } else {
                VerifyMode::Quick
            };
            return verify::command(&session, output, mode).await;
        }
        NetworkAction::Set { words, verify } => {
            mode = (*verify).into();
            format!("set {}", words.join(" "))
        }
        NetworkAction::Cut { ends } => format!("cut {}", ends.join(" ")),
        NetworkAction::Restore { ends } => format!("restore {}", ends.join(" ")),
    };
    let action: Action = words.parse().map_err(|why| Error::Words {
        doing: format!("read `{words}`"),
        why,
    })?;
    let changed = deploy::change_link(&session, &action, None).await?;
    warn(&deploy::moved_means(&session)?);
    let text = if changed.is_empty() {
        format!("{words}: it was so already")
    } else {
        format!("{words}: changed on {}", changed.join(", "))
    };
    output.text(&text);
    output
        .json(&json!({ "changed": changed, "links": deploy::link_requests(&session.deployment)? }));
    if let Some(ends) = action.ends()
        && mode != VerifyMode::Off
        && !changed.is_empty()
    {
        let scope = Scope::Between(&ends.a, &ends.b);
        let verification = verify::measure(&session, mode, scope).await?;
        session.context.progress.finish();
        verify::tell(output, &verification);
    }
    Ok(())
}

async fn show_links(output: &Output, session: &Session, raw: bool) -> Result<(), Error> {
    if !session.provider.capabilities().emulates_network {
        let provider = session.provider.name();
        output.text(&format!(
            "links are not emulated: provider {provider} cannot, they are as fast as this machine"
        ));
        output.json(&json!({ "links": {}, "in_force": [] }));
        return Ok(());
    }
    let (mut rows, mut all) = (Vec::new(), serde_json::Map::new());
    let (mut texts, mut followed) = (Vec::new(), Vec::new());
    for agent in session.agents() {
        let links = agent.links().await?;
        for link in &links {
            let trace = link.trace.as_ref();
            rows.push(vec![
                agent.node().to_owned(),
                link.name.clone(),
                latency(&link.link),
                format!("{:.2} ms", link.overhead_ms),
                format!("{:?} %", link.link.loss_percent),
                rate(&link.link, trace.map(|trace| &*trace.name)),
                link.queue_limit_packets.to_string(),
                link.peers.join(" "),
                link.link.extras().join(" "),
            ]);
            followed.extend(
                trace.map(|trace| {
                    format!("{} to {}: {}", agent.node(), link.name, trace.followed())
                }),
            );
        }
        all.insert(agent.node().to_owned(), json!(links));
        if raw {
            texts.push(format!("{}:\n{}", agent.node(), agent.tc_text().await?));
        }
    }
    let columns = [
        "from",
        "to",
        "latency (one way)",
        "host's own",
        "loss",
        "rate",
        "queue (packets)",
        "peers",
        "also",
    ];
    let (columns, rows) = without_empty_column(&columns, rows);
    output.table(columns, rows);
    for text in &followed {
        output.text(text);
    }
    let in_force = deploy::link_requests(&session.deployment)?;
    for request in in_force.iter() {
        output.text(&format!("in force: {request}"));
    }
    for text in &texts {
        output.text(text);
    }
    output.json(&json!({ "links": all, "in_force": in_force }));
    Ok(())
}
