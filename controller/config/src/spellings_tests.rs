//! Every option of the table that upstream has, in both spellings: the same value, at the same place.

use super::{
    Checked,
    entry::Value,
    model::keys::{Cfg, CfgUnit, Key, Kind},
    options::KEYS,
    parse,
    values::typed,
};

/// An option of these has its place in one of them.
const APPLICATIONS: [&str; 3] = ["image_classification", "empty", "stress"];
const TIERS: [&str; 3] = ["cloud", "edge", "endpoint"];

/// Everything that must be given, but for one option, which stands where `added` says.
fn cfg_of(application: &str, without: Cfg, added: &str) -> String {
    let mut infrastructure = vec![("provider".to_owned(), "qemu")];
    for tier in TIERS {
        let of_tier = [
            ("nodes", "2"),
            ("cores", "2"),
            ("memory", "2"),
            ("quota", "1"),
        ];
        infrastructure.extend(of_tier.map(|(name, value)| (format!("{tier}_{name}"), value)));
    }
    infrastructure.push(("network_emulation".to_owned(), "True"));
    let benchmark = vec![
        ("resource_manager".to_owned(), "kubecontrol"),
        ("application".to_owned(), application),
    ];
    let execution_model = vec![("model".to_owned(), "openfaas")];
    let sections = [
        ("infrastructure", infrastructure),
        ("benchmark", benchmark),
        ("execution_model", execution_model),
    ];
    let mut text = String::new();
    for (section, options) in sections {
        let others = options
            .iter()
            .filter(|(option, _)| *option != without.option);
        let mut lines: Vec<String> = others
            .map(|(o, value)| format!("{o} = {value}\n"))
            .collect();
        if section == without.section {
            lines.push(format!("{added}\n"));
        }
        // A section of upstream's that has nothing in it lacks something.
        if lines.iter().any(|line| line.contains('=')) {
            text.push_str(&format!("[{section}]\n{}", lines.concat()));
        }
    }
    text
}

/// Values as upstream's files and as `--set` have them.
fn samples(kind: Kind, unit: CfgUnit) -> Vec<(String, String)> {
    let same = |all: Vec<String>| all.into_iter().map(|v| (v.clone(), v)).collect();
    match kind {
        Kind::Bool if unit == CfgUnit::Not => {
            vec![
                ("True".into(), "false".into()),
                ("no".into(), "true".into()),
            ]
        }
        Kind::Bool => vec![
            ("True".into(), "true".into()),
            ("off".into(), "false".into()),
        ],
        Kind::TruthOr(names) => {
            let named = same(names.iter().map(|name| (*name).to_owned()).collect());
            [samples(Kind::Bool, unit), named].concat()
        }
        Kind::Int(low, high) => same(vec![low.to_string(), (low + 3).min(high).to_string()]),
        Kind::Float(low, high) => same(vec![low.to_string(), (low + 1.5).min(high).to_string()]),
        Kind::Mib(..) => [("0.5", "512"), ("2", "2048"), ("1.0", "1024")]
            .map(|(gb, mib)| (gb.to_owned(), mib.to_owned()))
            .into(),
        Kind::Choice(allowed, _) => {
            let written = |name: &str| match unit {
                CfgUnit::Lowercase => name.to_uppercase(),
                _ => name.to_owned(),
            };
            allowed
                .iter()
                .map(|n| (written(n), (*n).to_owned()))
                .collect()
        }
        Kind::Text | Kind::Prefixes => same(vec!["10.20".to_owned()]),
        Kind::List | Kind::Timeline | Kind::Functions | Kind::Overrides => {
            vec![("one, two".into(), "[\"one\", \"two\"]".into())]
        }
    }
}

/// The value that stands in a config at an option's place is the one that was given.
fn is_there(key: &Key, checked: &Checked, native: &str) -> bool {
    let Some(access) = key.access else {
        return true;
    };
    let given = match key.kind {
        Kind::Bool => Value::Bool(native == "true"),
        Kind::TruthOr(_) if ["true", "false"].contains(&native) => Value::Bool(native == "true"),
        Kind::Int(..) => Value::Int(native.parse().unwrap()),
        Kind::Float(..) | Kind::Mib(..) => Value::Float(native.parse().unwrap()),
        Kind::List => Value::List(vec!["one".into(), "two".into()]),
        _ => Value::Text(native.to_owned()),
    };
    let given = typed(&given, key.kind).unwrap();
    let number = |value: &Value| value.to_string().parse::<f64>().ok();
    let is_given = |shown: Value| {
        shown == given || number(&shown).is_some() && number(&shown) == number(&given)
    };
    // Of a tier without nodes nothing is shown, not even that.
    (access.get)(&checked.config).map_or(given == Value::Int(0), is_given)
}

#[test]
fn each_option_means_the_same_in_both_spellings() {
    let mut wrong = Vec::new();
    for key in KEYS.iter() {
        let Some(cfg) = key.cfg else { continue };
        for (written, native) in samples(key.kind, cfg.unit) {
            let name = format!("[{}] {} = {written}", cfg.section, cfg.option);
            let mut is_anywhere = false;
            for application in APPLICATIONS {
                let line = format!("{} = {written}", cfg.option);
                let read = |added: &str, set: &[String]| {
                    let text = cfg_of(application, cfg, added);
                    parse(&text, "t.cfg", true, "t", set, |_, _| ())
                };
                let of_cfg = read(&line, &[]);
                let of_set = read("", &[format!("{}={native}", key.path)]);
                match (of_cfg, of_set) {
                    (Ok(of_cfg), Ok(of_set)) => {
                        if of_cfg.config != of_set.config {
                            wrong.push(format!("{name}: is not {} = {native}", key.path));
                        }
                        is_anywhere |= is_there(key, &of_cfg, &native);
                    }
                    (of_cfg, of_set) => {
                        let why = [of_cfg.err(), of_set.err()].into_iter().flatten();
                        wrong.extend(why.map(|error| format!("{name}: {error}")));
                    }
                }
            }
            if !is_anywhere {
                wrong.push(format!("{name}: is nowhere in a config"));
            }
        }
    }
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
