use super::*;
use crate::parse;
use continuum_model::{Plan, Prefix};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn plan() -> (Plan, Network) {
    let text = r#"infrastructure = { provider = "qemu", edge = { nodes = 2, cores = 1, memory_mib = 1024 }, endpoint = { nodes = 2, cores = 1, memory_mib = 512 } }
           network.preset = "4g"
           software.resource_manager = "mist"
           benchmark = { application = "image_classification", frequency = 1 }"#;
    let config = parse(text, "t.toml", false, "t", &[]).unwrap().config;
    (
        crate::plan(&config, Prefix::from([10, 0, 0])),
        config.network,
    )
}

fn asked(plan: &Plan, words: &[&str]) -> LinkRequests {
    let mut requests = LinkRequests::default();
    for words in words {
        requests.add(words.parse().unwrap(), None, &plan.nodes);
    }
    requests
}

fn texts(requests: &LinkRequests) -> Vec<String> {
    requests.iter().map(ToString::to_string).collect()
}

fn losses(classes: &[LinkClass]) -> Vec<(&str, f64, usize)> {
    classes
        .iter()
        .map(|c| (&*c.name, c.link.loss_percent, c.peers.len()))
        .collect()
}

#[test]
fn a_tier_stays_one_class_and_a_node_gets_its_own() {
    let (plan, network) = plan();
    let of = |index: usize, words: &[&str]| {
        asked(&plan, words).links_of(&plan.nodes[index], &plan.nodes, &network)
    };
    let tiers = ["cut endpoint edge"];
    assert_eq!(
        losses(&of(0, &tiers)),
        [("edge", 0.0, 1), ("endpoint", 100.0, 2)]
    );
    assert_eq!(losses(&of(2, &tiers)), [("edge", 100.0, 2)]);
    let nodes = ["cut edge0 endpoint1"];
    assert_eq!(
        losses(&of(0, &nodes)),
        [
            ("edge", 0.0, 1),
            ("endpoint", 0.0, 1),
            ("endpoint1", 100.0, 1)
        ]
    );
    assert_eq!(losses(&of(1, &nodes)), losses(&of(1, &[])));
    // The other end sees it too.
    assert_eq!(
        losses(&of(3, &nodes)),
        [("edge", 0.0, 1), ("edge0", 100.0, 1)]
    );
}

/// Of the link from edge0 to endpoint0: latency, loss and rate.
fn link(words: &[&str]) -> (f64, f64, f64) {
    let (plan, network) = plan();
    let classes = asked(&plan, words).links_of(&plan.nodes[0], &plan.nodes, &network);
    let to = |c: &&LinkClass| c.peers.iter().any(|p| p.node == "endpoint0");
    let class = classes.iter().find(to).unwrap();
    {
        let link = &class.link;
        (link.latency_ms, link.loss_percent, link.rate_mbit)
    }
}

#[test]
fn what_is_not_given_stays_as_it_was_set() {
    let slow = "set edge endpoint latency_ms=150";
    assert_eq!(
        link(&[slow, "set edge endpoint loss_percent=2"]),
        (150.0, 2.0, 7.21)
    );
    assert_eq!(
        link(&[slow, "set endpoint0 edge0 rate_mbit=1"]),
        (150.0, 0.0, 1.0)
    );
}

#[test]
fn a_cut_link_stays_cut_until_it_is_restored() {
    let cut = "cut edge endpoint";
    assert_eq!(
        link(&[cut, "set edge endpoint rate_mbit=1 loss_percent=3"]),
        (7.5, 100.0, 1.0)
    );
    assert_eq!(link(&[cut, "restore endpoint edge"]), (7.5, 0.0, 7.21));
}

#[test]
fn restore_undoes_what_it_names_whichever_words_made_it() {
    let (plan, network) = plan();
    assert_eq!(
        link(&["cut edge endpoint", "restore edge0 endpoint0"]),
        (7.5, 0.0, 7.21)
    );
    assert_eq!(
        link(&["cut edge0 endpoint0", "restore edge endpoint"]),
        (7.5, 0.0, 7.21)
    );
    let requests = asked(&plan, &["cut edge endpoint", "restore edge0 endpoint0"]);
    let of = |index: usize| {
        let classes = requests.links_of(&plan.nodes[index], &plan.nodes, &network);
        classes
            .into_iter()
            .map(|c| (c.name, c.link.loss_percent))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(0),
        [
            ("edge".into(), 0.0),
            ("endpoint".into(), 0.0),
            ("endpoint1".into(), 100.0)
        ]
    );
    assert_eq!(of(1), [("edge".into(), 0.0), ("endpoint".into(), 100.0)]);
}

#[test]
fn one_direction_changes_alone_and_comes_back_with_both() {
    let (plan, network) = plan();
    let of = |words: &[&str]| {
        let requests = asked(&plan, words);
        let class = |index: usize, name: &str| {
            let classes = requests.links_of(&plan.nodes[index], &plan.nodes, &network);
            let class = classes.into_iter().find(|c| c.name == name).unwrap();
            let is_cut_off = class.peers.iter().any(|p| p.is_cut_off);
            (class.link.loss_percent, class.link.rate_mbit, is_cut_off)
        };
        (class(0, "endpoint"), class(2, "edge"))
    };
    assert_eq!(
        of(&["cut endpoint to edge", "set edge to endpoint rate_mbit=9"]),
        ((0.0, 9.0, true), (100.0, 7.21, false))
    );
    assert_eq!(
        of(&["cut endpoint to edge", "restore edge endpoint"]),
        ((0.0, 7.21, false), (0.0, 7.21, false))
    );
    assert_eq!(
        texts(&asked(
            &plan,
            &["cut edge endpoint", "restore endpoint to edge"]
        )),
        ["cut edge endpoint", "restore endpoint to edge"]
    );
}

#[test]
fn what_holds_is_kept_in_the_words_that_asked_for_it() {
    let (plan, _) = plan();
    let kept = |words: &[&str]| texts(&asked(&plan, words));
    assert_eq!(
        kept(&["set edge endpoint latency_ms=20.0", "cut edge0 endpoint0"]),
        ["set edge endpoint latency_ms=20", "cut edge0 endpoint0"]
    );
    // Void: said again, written over, restored.
    assert_eq!(
        kept(&["cut edge endpoint", "cut endpoint edge"]),
        ["cut endpoint edge"]
    );
    assert_eq!(
        kept(&[
            "set edge0 endpoint0 rate_mbit=1",
            "set edge endpoint rate_mbit=2"
        ]),
        ["set edge endpoint rate_mbit=2"]
    );
    assert!(kept(&["cut edge0 endpoint0", "restore edge endpoint"]).is_empty());
}

#[test]
fn the_end_of_a_timeline_leaves_what_was_asked_by_hand() {
    let (plan, _) = plan();
    let before = "set edge endpoint latency_ms=20";
    let mut requests = asked(&plan, &[before]);
    let mut add = |words: &str, run| requests.add(words.parse().unwrap(), run, &plan.nodes);
    add("restore edge endpoint", Some("r1"));
    add("cut edge0 endpoint0", Some("r1"));
    add("cut edge1 endpoint1", None);
    assert!(texts(&requests).contains(&"cut edge0 endpoint0 (timeline of r1)".into()));
    assert!(requests.has_timeline());
    assert_eq!(requests.iter().count(), 4);
    requests.end_timelines(&plan.nodes);
    assert!(!requests.has_timeline());
    assert_eq!(texts(&requests), [before, "cut edge1 endpoint1"]);
}

#[test]
fn the_file_of_an_older_version_is_read() {
    let older = r#"[{"a": "edge", "b": "endpoint", "change": "cut"},
        {"a": "edge0", "b": "endpoint0", "change": {"set": {"latency_ms": 5.0, "jitter_ms": null, "loss_percent": null, "rate_mbit": null}}}]"#;
    let requests: LinkRequests = serde_json::from_str(older).unwrap();
    assert_eq!(
        texts(&requests),
        ["cut edge endpoint", "set edge0 endpoint0 latency_ms=5"]
    );
    let written = serde_json::to_string(&requests).unwrap();
    assert_eq!(
        written,
        r#"[{"request":"cut edge endpoint"},{"request":"set edge0 endpoint0 latency_ms=5"}]"#
    );
    assert_eq!(
        serde_json::from_str::<LinkRequests>(&written).unwrap(),
        requests
    );
}

/// One thing that is done, by hand or by the timeline.
#[derive(Debug, Clone)]
enum Step {
    Ask { words: String, by_timeline: bool },
    EndTimeline,
}

fn step() -> impl Strategy<Value = Step> {
    let place = prop::sample::select(vec![
        "edge",
        "endpoint",
        "edge0",
        "edge1",
        "endpoint0",
        "endpoint1",
    ]);
    let what = prop::sample::select(vec![
        ("cut", ""),
        ("restore", ""),
        ("set", " latency_ms=1"),
        ("set", " latency_ms=2 rate_mbit=3"),
        ("set", " loss_percent=4"),
        ("set", " jitter_ms=5 loss_percent=0"),
        ("set", " jitter_distribution=pareto queue_ms=50"),
    ]);
    let to = prop::sample::select(vec!["", "to "]);
    let ask = (what, place.clone(), to, place, any::<bool>()).prop_map(
        |((verb, settings), a, to, b, by_timeline)| Step::Ask {
            words: format!("{verb} {a} {to}{b}{settings}"),
            by_timeline,
        },
    );
    prop_oneof![8 => ask, 1 => Just(Step::EndTimeline)]
}

/// What each two nodes' link is, written down at once instead of worked out from requests.
type Reference = BTreeMap<(String, String), Difference>;

fn note(reference: &mut Reference, plan: &Plan, action: &Action) {
    let request = LinkRequest {
        action: action.clone(),
        timeline: None,
    };
    for one in &plan.nodes {
        for other in &plan.nodes {
            if one.name != other.name && request.concerns(one, other) {
                let entry = reference.entry((one.name.clone(), other.name.clone()));
                let now = entry.or_default();
                *now = std::mem::take(now).after(action);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_sequence_of_requests_gives_what_a_plain_table_gives(steps in prop::collection::vec(step(), 0..24)) {
        let (plan, _) = plan();
        let mut requests = LinkRequests::default();
        let (mut all, mut by_hand) = (Reference::new(), Reference::new());
        for step in steps {
            match step {
                Step::EndTimeline => {
                    requests.end_timelines(&plan.nodes);
                    all = by_hand.clone();
                }
                Step::Ask { words, by_timeline } => {
                    let action: Action = words.parse().unwrap();
                    note(&mut all, &plan, &action);
                    if !by_timeline {
                        note(&mut by_hand, &plan, &action);
                    }
                    requests.add(action, by_timeline.then_some("run"), &plan.nodes);
                }
            }
            for one in &plan.nodes {
                for other in plan.nodes.iter().filter(|other| other.name != one.name) {
                    let want = all.get(&(one.name.clone(), other.name.clone()));
                    prop_assert_eq!(
                        difference(requests.iter(), one, other),
                        want.cloned().unwrap_or_default(),
                        "{} {}: {:?}", one.name, other.name, texts(&requests)
                    );
                }
            }
        }
        // Nothing holds that does nothing.
        let differs = all.values().chain(by_hand.values()).any(|d| *d != Difference::default());
        prop_assert_eq!(requests.is_empty(), !differs, "{:?}", texts(&requests));
    }
}
