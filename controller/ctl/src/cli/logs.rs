//! logs.

use super::output::Output;
use crate::session::Session;
use clap::ValueEnum;
use continuum_agents::Agent;
use continuum_host::{
    context::Context,
    error::{Error, chain},
    progress::note,
};
use futures_util::future::join_all;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, json};
use std::time::Duration;

/// Between two looks while logs are followed.
const PERIOD: Duration = Duration::from_secs(1);
/// How many lines a look asks for until it knows where the last one ended; agents keep no more than the most.
const LOOKS: [u32; 3] = [50, 500, 2000];

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogSource {
    Agent,
    Broker,
    Workload,
}

impl LogSource {
    /// As agents know it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Broker => "broker",
            Self::Workload => "workload",
        }
    }

    /// Whether a node has such lines now. An agent that is asked for others notes it in its own log.
    async fn is_there(self, session: &Session, agent: &dyn Agent) -> bool {
        match self {
            Self::Agent => true,
            Self::Broker => session.plan.brokers.iter().any(|node| node == agent.node()),
            Self::Workload => {
                let sample = agent.metrics().await.ok().flatten();
                sample.is_some_and(|sample| sample.workload_rss_bytes > 0)
            }
        }
    }
}

/// What is to be shown.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) node: Option<String>,
    /// None = of all that are there.
    pub(super) sources: Vec<LogSource>,
    /// Of each source of each node.
    pub(super) lines: u32,
    /// A text that lines must have.
    pub(super) grep: Option<String>,
}

impl Wanted {
    fn sources(&self) -> &[LogSource] {
        if self.sources.is_empty() {
            return LogSource::value_variants();
        }
        &self.sources
    }

    fn has(&self, line: &str) -> bool {
        let text = self.grep.as_deref().unwrap_or_default();
        line.contains(text)
    }
}

/// One line, as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line<'a> {
    /// By the node's clock, where the line says it; while logs are followed, else when it was heard here.
    time: Option<String>,
    node: &'a str,
    source: LogSource,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn new(node: &'a str, source: LogSource, line: &'a str, heard: Option<Timestamp>) -> Self {
        let own = line.split_once(' ').filter(|(word, _)| word.contains('T'));
        let own = own.and_then(|(word, text)| Some((word.parse::<Timestamp>().ok()?, text)));
        let (time, text) = own.map_or((heard, line), |(time, text)| (Some(time), text));
        Self {
            time: time.map(|time| format!("{time:.3}")),
            node,
            source,
            text: text.trim_start(),
        }
    }

    fn as_text(&self) -> String {
        let time = self.time.as_deref().unwrap_or("-");
        let Self { node, text, .. } = self;
        let source = self.source.name();
        format!("{time:<24} {node:<12} {source:<8} {text}")
    }
}

/// The last lines.
pub(super) async fn show(
    context: &Context,
    output: &Output,
    name: &str,
    wanted: &Wanted,
) -> Result<(), Error> {
    let session = Session::open(context, name)?;
    let (mut all, mut errors) = (Vec::new(), Map::new());
    for agent in agents(&session, wanted)? {
        let node = agent.node();
        for source in wanted.sources() {
            if wanted.sources.is_empty() && !source.is_there(&session, agent).await {
                continue;
            }
            match agent.logs(source.name(), wanted.lines).await {
                Ok(found) => {
                    for line in found.iter().filter(|line| wanted.has(line)) {
                        let line = Line::new(node, *source, line, None);
                        output.text(&line.as_text());
                        all.push(json!(line));
                    }
                }
                // One node may have no broker, or not answer; the others still do.
                Err(error) => {
                    let why = chain(&error);
                    note(&format!("{node}: {why}"));
                    errors.insert(node.to_owned(), json!(why));
                }
            }
        }
    }
    output.json(&json!({ "lines": all, "errors": errors }));
    Ok(())
}

/// The last lines, and then every one that is written, until interrupted.
pub(super) async fn follow(
    context: &Context,
    output: &Output,
    name: &str,
    wanted: &Wanted,
) -> Result<(), Error> {
    let session = Session::open(context, name)?;
    context.progress.finish();
    let agents = agents(&session, wanted)?;
    let session = &session;
    let each = agents.into_iter().flat_map(|agent| {
        let sources = wanted.sources().iter();
        sources.map(move |source| follow_one(output, session, agent, *source, wanted))
    });
    tokio::select! {
        _ = join_all(each) => {}
        () = context.cancel.cancelled() => {}
        () = output.closed() => {}
    }
    Ok(())
}

fn agents<'a>(session: &'a Session, wanted: &Wanted) -> Result<Vec<&'a dyn Agent>, Error> {
    if let Some(node) = &wanted.node {
        return Ok(vec![&**session.agent(node)?]);
    }
    Ok(session.agents().iter().map(|agent| &**agent).collect())
}

async fn follow_one(
    output: &Output,
    session: &Session,
    agent: &dyn Agent,
    source: LogSource,
    wanted: &Wanted,
) {
    let node = agent.node();
    let mut known: Option<Vec<String>> = None;
    let (mut is_there, mut is_silent) = (false, false);
    let mut tick = tokio::time::interval(PERIOD);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        is_there = is_there || source.is_there(session, agent).await;
        if !is_there {
            // All that it writes when it is there is new.
            known.get_or_insert_default();
            continue;
        }
        let looked = match &known {
            None => first_look(agent, source, wanted.lines).await,
            Some(known) => look(agent, source, known).await,
        };
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                if !is_silent {
                    note(&format!("{node}: {}", chain(&error)));
                }
                (is_there, is_silent) = (false, true);
                continue;
            }
        };
        is_silent = false;
        if !look.is_whole {
            let name = source.name();
            note(&format!(
                "{node}: more lines of {name} were written than it keeps; some are missing"
            ));
        }
        let heard = Some(Timestamp::now()).filter(|_| known.is_some());
        for line in look.new.iter().filter(|line| wanted.has(line)) {
            let line = Line::new(node, source, line, heard);
            output.text(&line.as_text());
            output.json_line(&json!(line));
        }
        known = Some(look.last);
    }
}

/// So many lines of those that are there already.
async fn first_look(agent: &dyn Agent, source: LogSource, lines: u32) -> Result<Look, Error> {
    let last = agent.logs(source.name(), lines.max(LOOKS[0])).await?;
    let earlier = last.len().saturating_sub(lines as usize);
    Ok(Look {
        new: last[earlier..].to_vec(),
        last,
        is_whole: true,
    })
}

/// What was written since the last look.
struct Look {
    new: Vec<String>,
    /// The last lines that there are, by which the next look knows where this one ended.
    last: Vec<String>,
    /// Nothing is missing between the last look and this one.
    is_whole: bool,
}

async fn look(agent: &dyn Agent, source: LogSource, known: &[String]) -> Result<Look, Error> {
    let mut last = Vec::new();
    for lines in LOOKS {
        last = agent.logs(source.name(), lines).await?;
        // All that is kept was told: an agent that was started again has written all of it since then.
        let is_all = last.len() < lines as usize;
        if let Some(new) = after(known, &last).or_else(|| is_all.then_some(&last[..])) {
            let new = new.to_vec();
            return Ok(Look {
                new,
                last,
                is_whole: true,
            });
        }
    }
    Ok(Look {
        new: last.clone(),
        last,
        is_whole: false,
    })
}

/// Lines behind those that are known, if those are seen in it. Of lines that only repeat what is known nothing can be told
/// apart, and they are taken for known.
fn after<'a>(known: &[String], last: &'a [String]) -> Option<&'a [String]> {
    let is_end = |end: &usize| {
        let before = &last[..*end];
        let common = before.len().min(known.len());
        common > 0 && before[before.len() - common..] == known[known.len() - common..]
    };
    let end = (1..=last.len()).rev().find(is_end)?;
    Some(&last[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_line_that_says_its_time_is_shown_with_it_and_others_with_that_of_hearing() {
        let own = "2026-11-28T10:57:51.123456Z  INFO broker: started";
        let line = Line::new("edge0", LogSource::Broker, own, None);
        assert_eq!(line.time.as_deref(), Some("2026-11-28T10:57:51.123Z"));
        assert_eq!(line.text, "INFO broker: started");
        let heard = "2026-11-28T11:00:00Z".parse().ok();
        let plain = Line::new("edge0", LogSource::Workload, "photo 7 answered", heard);
        assert_eq!(plain.time.as_deref(), Some("2026-11-28T11:00:00.000Z"));
        assert_eq!(plain.text, "photo 7 answered");
        let unknown = Line::new("edge0", LogSource::Workload, "photo 7 answered", None);
        assert!(unknown.as_text().starts_with("- "), "{}", unknown.as_text());
    }

    #[test]
    fn what_is_new_is_what_stands_behind_the_lines_that_are_known() {
        let new =
            |known: &str, last: &str| after(&lines(known), &lines(last)).map(|new| new.join(" "));
        assert_eq!(new("a b c", "a b c").as_deref(), Some(""));
        assert_eq!(new("a b c", "b c d e").as_deref(), Some("d e"));
        assert_eq!(new("a b c", "a b c d").as_deref(), Some("d"));
        // As if nothing was there before, or all of it is gone.
        assert_eq!(new("", "a b"), None);
        assert_eq!(new("a b c", "x y z"), None);
        assert_eq!(new("tick tick", "tick tick tick").as_deref(), Some(""));
    }
}
