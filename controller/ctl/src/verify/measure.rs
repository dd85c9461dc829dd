//! One comparison of a deployment with what was asked of it.

use super::{
    cost::Cost,
    host::{self, Look},
    kept, machines,
    pace::Pace,
    ways::{self, Direction, directions},
};
use crate::{deploy, session::Session};
use continuum_host::error::Error;
use continuum_model::{
    Asked, ControllerClock, Measurements, NodePlan, Quantity, Subject, Verdict, Verification,
    VerifyMode, VerifyRow,
};
use continuum_plan::verify::{
    Way, asked_of_nodes, asked_of_ways, best_of, judge, notes, ways as ways_of,
};
use tokio::time::Instant;

/// A number that is not as asked is measured so often at most: whatever else a host does comes and goes, and a limit that
/// is not there stays away.
const TRIES: u32 = 3;

/// What of a deployment is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Ways and nodes.
    All,
    /// Ways between two places: tiers or nodes.
    Between(&'a str, &'a str),
}

/// Measures and judges. What cannot be measured is a row that says why.
pub async fn verify(
    session: &Session,
    mode: VerifyMode,
    scope: Scope<'_>,
) -> Result<Verification, Error> {
    let Session {
        config,
        plan,
        provider,
        deployment,
        ..
    } = session;
    let (begun, begun_unix_ns) = (Instant::now(), ControllerClock::start().now());
    let capabilities = provider.capabilities();
    let requests = deploy::link_requests(deployment)?;
    let is_emulated = config.network.is_emulated() && capabilities.emulates_network;
    let mut ways = ways_of(&plan.nodes, &config.network, &requests, mode);
    if !is_emulated {
        // Asked for or not, nobody made them.
        for way in &mut ways {
            (way.there, way.back) = (None, None);
        }
    }
    let nodes: &[NodePlan] = match scope {
        Scope::Between(..) => &[],
        // Processes of one machine: what one has, all have.
        Scope::All if !capabilities.has_machines => plan.nodes.get(..1).unwrap_or_default(),
        Scope::All => &plan.nodes,
    };
    if let Scope::Between(a, b) = scope {
        ways.retain(|way| {
            let (one, other) = (&way.from, &way.to);
            (one.is_at(a) && other.is_at(b)) || (one.is_at(b) && other.is_at(a))
        });
    }
    let has_limits = capabilities.has_machines && deployment.facts().unlimited.is_none();
    let mut asked = asked_of_ways(&ways, mode);
    asked.extend(asked_of_nodes(nodes, has_limits));
    let tolerances = provider.tolerances(deployment);
    let pace = Pace::of(mode, is_emulated, has_limits);
    let first = Look::now(machines::conditions(session).await);
    let mut cost = Cost::default();
    let mut rows: Vec<VerifyRow> = Vec::new();
    let mut wanted = asked.clone();
    let mut tries = 0;
    loop {
        let found = measure(session, &ways, nodes, &wanted, &pace, &first, &mut cost).await;
        let last = Look::now(machines::conditions(session).await);
        let host = last.since(&first, session);
        let judged = judge(&wanted, &found, tolerances, &host);
        if tries == 0 {
            rows = judged;
        } else {
            best_of(&mut rows, judged);
        }
        let out = |asked: &Asked| {
            let own =
                |row: &&VerifyRow| (&row.subject, row.quantity) == (&asked.subject, asked.quantity);
            let row = rows.iter().find(own);
            row.is_some_and(|row| row.verdict == Verdict::OutOfTolerance)
        };
        wanted = asked.iter().filter(|asked| out(asked)).cloned().collect();
        tries += 1;
        if wanted.is_empty() || tries == TRIES {
            let verification = Verification {
                mode,
                tolerances: tolerances.map(|all| all.name),
                begun_unix_ns,
                seconds: begun.elapsed().as_secs_f64(),
                network_bytes: cost.network_bytes,
                disk_bytes: cost.disk_bytes,
                notes: notes(&host, &rows),
                rows,
                host,
            };
            kept::keep(deployment, &verification);
            return Ok(verification);
        }
    }
}

/// Everything that is wanted, in an order in which nothing disturbs another.
async fn measure(
    session: &Session,
    ways: &[Way],
    nodes: &[NodePlan],
    wanted: &[Asked],
    pace: &Pace,
    first: &Look,
    cost: &mut Cost,
) -> Measurements {
    let is_wanted = |subject: &Subject, quantities: &[Quantity]| {
        let mut own = wanted.iter().filter(|asked| asked.subject == *subject);
        own.any(|asked| quantities.contains(&asked.quantity))
    };
    let of_ways = [Quantity::RoundTrip, Quantity::Jitter, Quantity::Loss];
    let mut found = Measurements::new();
    let round: Vec<&Way> = ways
        .iter()
        .filter(|way| is_wanted(&Subject::way(&way.from.name, &way.to.name), &of_ways))
        .collect();
    ways::round_trips(session, &round, pace, &mut found, cost).await;
    let all = || ways.iter().flat_map(directions);
    let by_datagrams = |direction: &Direction<'_>| {
        // What is lost there and back is one number, by the name of the way.
        let round = [direction.subject(), direction.turned()];
        let mut round = round.iter();
        is_wanted(&direction.subject(), &[Quantity::Reordering])
            || (direction.is_lossy && round.any(|way| is_wanted(way, &[Quantity::Loss])))
    };
    let trains: Vec<Direction<'_>> = all().filter(by_datagrams).collect();
    ways::trains(session, &trains, pace, &mut found, cost).await;
    let rated = |direction: &Direction<'_>| is_wanted(&direction.subject(), &[Quantity::Rate]);
    let rated: Vec<Direction<'_>> = all().filter(rated).collect();
    ways::transfers(session, &rated, pace, &mut found, cost).await;
    let nodes_with = |quantities: &[Quantity]| {
        let of_node = |node: &&NodePlan| is_wanted(&Subject::node(&node.name), quantities);
        nodes.iter().filter(of_node).cloned().collect::<Vec<_>>()
    };
    let busy = nodes_with(&[Quantity::Processor]);
    machines::processors(session, &busy, pace, host::cores(), &mut found).await;
    let disks = nodes_with(&[Quantity::DiskRead, Quantity::DiskWrite]);
    machines::disks(session, &disks, pace, &mut found, cost).await;
    let kernels = nodes_with(&[Quantity::Memory, Quantity::Clock]);
    machines::kernels(session, &kernels, first.nodes(), &mut found).await;
    found
}
