//! `docs/options.md`, generated from the table of options; a test compares the committed file with it. After a change of
//! the table: `UPDATE_DOCS=1 cargo test -p continuum-config options_doc`.

use super::{
    model::keys::{Cfg, CfgUnit, Key, Kind},
    options::KEYS,
};
use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

const FILE: &str = "docs/options.md";
const HEAD: &str = "\
# Options

<!-- Generated from the table of options. Do not edit: UPDATE_DOCS=1 cargo test -p continuum-config options_doc -->

Every option of a config, by TOML table. The path for `--set` is table and key with a dot between them, as in
`--set infrastructure.edge.nodes=2`, for both kinds of files. *In a .cfg* is section and option in upstream's spelling; an
option without one can be set in a `.cfg` deployment with `--set` only. `continuum-ctl config show FILE` prints the values
that are in force, and `continuum-ctl config options` this list.

A value that is out of range or of the wrong type, an option that does not exist, and an option of upstream that is not
supported are faults: all of them are reported at once, with file and line, and nothing is made. Numbers have the unit
that their name ends with.
";

/// Both forms of what is a list of tables, each pair the same.
const ROWS: [(&str, &str, &str); 3] = [
    (
        "`timeline`: `at_s` (0 to 864000), and one of `cut` or `restore` (two tiers or nodes), `set` (the same, with settings of a \
         [link](#links)), each of these with `one_way = true` from the first to the second alone, and `restart` (node and unit: cloudcore, containerd, edgecore, \
         kubelet). As a text: `SECONDS ACTION`.",
        r#"[[benchmark.timeline]]
at_s = 20
cut = ["cloud", "edge"]

[[benchmark.timeline]]
at_s = 60
set = ["edge0", "endpoint"]
latency_ms = 20
loss_percent = 1.5

[[benchmark.timeline]]
at_s = 120
restart = ["edge0", "edgecore"]

[[benchmark.timeline]]
at_s = 160
restore = ["cloud", "edge"]
"#,
        r#"[benchmark]
timeline = [
    "20 cut cloud edge",
    "60 set edge0 endpoint latency_ms=20 loss_percent=1.5",
    "120 restart edge0 edgecore",
    "160 restore cloud edge",
]
"#,
    ),
    (
        "`override`: `node` (all links of a node), `between` (two tiers or nodes), or `from` and `to` (one direction), with \
         settings of a [link](#links); later ones win. As a text: `node NODE`, `between A B` or `from A to B`, then \
         `name=value` for each.",
        r#"[[network.override]]
between = ["edge0", "endpoint"]
latency_ms = 40

[[network.override]]
from = "endpoint"
to = "edge0"
rate_mbit = 2.5
jitter_distribution = "pareto"

[[network.override]]
node = "edge0"
loss_percent = 0.5
"#,
        r#"[network]
override = [
    "between edge0 endpoint latency_ms=40",
    "from endpoint to edge0 rate_mbit=2.5 jitter_distribution=pareto",
    "node edge0 loss_percent=0.5",
]
"#,
    ),
    (
        "`functions`: `name`, `frequency` in calls per second and endpoint, and `parameters` as the function has them \
         ([functions.md](functions.md)). As a text: `NAME FREQUENCY [PARAMETERS]`, these as JSON.",
        r#"[[benchmark.functions]]
name = "fibonacci"
frequency = 1
parameters = { n = 24 }

[[benchmark.functions]]
name = "image"
frequency = 0.5
"#,
        r#"[benchmark]
functions = ['fibonacci 1 {"n":24}', "image 0.5"]
"#,
    ),
];

/// Where an option stands: its TOML table, and its key there.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

/// Meaning and default: a description ends with its default in parentheses, unless the option is required or without
/// effect.
fn meaning(doc: &str) -> (&str, &str) {
    if let Some((text, default)) = doc
        .strip_suffix(')')
        .and_then(|text| text.rsplit_once(" ("))
        .filter(|(_, default)| !default.contains(')'))
    {
        return (text, default);
    }
    match doc.rfind("; required") {
        Some(at) => {
            let (text, rest) = doc.split_at(at);
            (text, rest.trim_start_matches("; "))
        }
        None => (doc, ""),
    }
}

fn names(all: &[&str]) -> String {
    let quoted: Vec<String> = all.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::Prefixes => "text".to_owned(),
        Kind::List => "list of texts".to_owned(),
        Kind::Timeline | Kind::Functions | Kind::Overrides => {
            "list of tables, or of texts: see [below](#lists-of-tables)".to_owned()
        }
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::TruthOr(allowed) => format!("`true`, `false`, {}", names(allowed)),
        Kind::Int(low, high) => format!("whole number, {low} to {high}"),
        Kind::Float(low, high) => format!("number, {low} to {high}"),
        Kind::Mib(low, high) => format!("whole number, {low} to {high}"),
        Kind::Choice(allowed, refused) => {
            let mut text = format!("one of {}", names(allowed));
            let mut reasons: Vec<&str> = refused.iter().map(|(_, why)| *why).collect();
            reasons.dedup();
            for reason in reasons {
                let of: Vec<&str> = refused
                    .iter()
                    .filter(|(_, why)| *why == reason)
                    .map(|(name, _)| *name)
                    .collect();
                write!(text, "; refused: {} ({reason})", names(&of)).ok();
            }
            text
        }
    }
}

fn cfg(cfg: Option<Cfg>) -> String {
    let Some(cfg) = cfg else {
        return String::new();
    };
    let unit = match cfg.unit {
        CfgUnit::Same => "",
        CfgUnit::Gigabytes => ", in GB",
        CfgUnit::List => ", separated by commas",
        CfgUnit::Lowercase => ", in any case",
        CfgUnit::Not => ", which means the opposite",
    };
    format!("`[{}] {}`{unit}", cfg.section, cfg.option)
}

fn row(key: &Key, cfg: String) -> String {
    let (meaning, default) = meaning(key.doc);
    let cells = [
        format!("`{}`", split(key.path).1),
        value(key.kind),
        default.to_owned(),
        meaning.to_owned(),
        cfg,
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

fn is_of_link(key: &Key) -> bool {
    split(key.path).0.starts_with("network.")
}

/// Tables of links have the same keys: they are told once.
fn links() -> String {
    let of_links = || KEYS.iter().filter(|key| is_of_link(key));
    let mut tables: Vec<&str> = of_links().map(|key| split(key.path).0).collect();
    tables.dedup();
    let (directions, pairs): (Vec<&str>, Vec<&str>) =
        tables.iter().partition(|table| table.contains("_to_"));
    let brackets = |tables: &[&str]| {
        let all: Vec<String> = tables.iter().map(|table| format!("`[{table}]`")).collect();
        all.join(", ")
    };
    let mut text = format!(
        "\n## Links\n\nThe same keys are in the tables of two tiers, for both directions: {}; and in those of one direction, \
         where what is given wins: {}. [Network](network.md) says what they do. In a .cfg they are in `[infrastructure]`, as \
         in `cloud_edge_latency_avg`, with `cloud` and `edge` alone for links within those tiers.\n\n\
         | key | value | default | meaning | in a .cfg |\n|---|---|---|---|---|\n",
        brackets(&pairs),
        brackets(&directions)
    );
    let first = pairs.first().copied().unwrap_or_default();
    for key in of_links().filter(|key| split(key.path).0 == first) {
        let cfg = key
            .cfg
            .map(|cfg| cfg.option.split_once('_').map_or("", |(_, end)| end));
        let cfg = cfg.map_or_else(String::new, |end| format!("`…_{end}`"));
        text.push_str(&row(key, cfg));
    }
    text
}

/// The whole file.
fn document() -> String {
    let top = |table: &str| table.split('.').next().unwrap_or_default().to_owned();
    let mut tables: Vec<&str> = Vec::new();
    let mut tops: Vec<String> = Vec::new();
    for key in KEYS.iter().filter(|key| !is_of_link(key)) {
        let table = split(key.path).0;
        if !tables.contains(&table) {
            tables.push(table);
        }
        if !tops.contains(&top(table)) {
            tops.push(top(table));
        }
    }
    // What belongs together stands together, in the order in which a config has it.
    tables.sort_by_key(|table| (tops.iter().position(|t| *t == top(table)), *table));
    let of_link = KEYS.iter().find(|key| is_of_link(key));
    let above_links = of_link.map_or("", |key| split(split(key.path).0).0);
    let mut text = HEAD.to_owned();
    for table in tables {
        let title = match table {
            "" => "Before the first table".to_owned(),
            table => format!("`[{table}]`"),
        };
        write!(
            text,
            "\n## {title}\n\n| key | value | default | meaning | in a .cfg |\n|---|---|---|---|---|\n"
        )
        .ok();
        let own = KEYS.iter().filter(|key| split(key.path).0 == table);
        text.extend(own.map(|key| row(key, cfg(key.cfg))));
        if table == above_links {
            text.push_str(&links());
        }
    }
    text.push_str("\n## Lists of tables\n\nEach may be written as a table or as a text; `config show` prints texts.\n");
    for (what, tables, texts) in ROWS {
        write!(
            text,
            "\n{what}\n\n```toml\n{tables}```\n\n```toml\n{texts}```\n"
        )
        .ok();
    }
    text
}

fn committed() -> io::Result<PathBuf> {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = crate_dir.ancestors().map(|dir| dir.join(FILE));
    let found = above.find(|path| path.exists());
    found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no {FILE} above {}", crate_dir.display()),
        )
    })
}

#[test]
fn the_committed_list_of_options_is_what_the_table_gives() -> io::Result<()> {
    let (path, want) = (committed()?, document());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, want);
    }
    let have = std::fs::read_to_string(path)?;
    let line = want
        .lines()
        .zip(have.lines())
        .find(|(want, have)| want != have);
    assert!(
        want == have,
        "{FILE} is not what the table of options gives: run UPDATE_DOCS=1 cargo test -p {} options_doc; the first line \
         that differs, as it should be and as it is: {line:?}",
        env!("CARGO_PKG_NAME")
    );
    Ok(())
}

#[test]
fn both_forms_in_the_document_are_the_same() -> Result<(), super::ConfigError> {
    for (what, tables, texts) in ROWS {
        let shown = |form: &str| -> Result<String, super::ConfigError> {
            let text = format!(
                "{form}\n[infrastructure]\nprovider = \"auto\"\nedge = {{ nodes = 1, cores = 1, memory_mib = 512 }}\n"
            );
            // The application belongs to the table, wherever that is.
            let set = ["benchmark.application=functions".to_owned()];
            let checked = crate::parse(&text, "d", false, "d", &set, |_, _| ())?;
            Ok(crate::to_toml(&checked.config))
        };
        let (of_tables, of_texts) = (shown(tables)?, shown(texts)?);
        assert_eq!(of_tables, of_texts, "{what}");
        let rows = |shown: String| {
            let texts = ["timeline", "functions = [", "override = ["];
            texts
                .iter()
                .map(|text| shown.matches(text).count())
                .sum::<usize>()
        };
        assert_eq!(rows(of_tables), 1, "{what}");
    }
    Ok(())
}

#[test]
fn every_option_says_its_default_or_that_it_has_none() {
    for key in KEYS.iter() {
        let (text, default) = meaning(key.doc);
        let has_none = text.starts_with("of no effect") && key.without_effect.is_some();
        assert!(
            !default.is_empty() || has_none,
            "{}: `{}` ends with no default in parentheses and is not required",
            key.path,
            key.doc
        );
    }
}

#[test]
fn a_default_may_itself_have_a_comma_but_no_parentheses() {
    let of = |doc| meaning(doc);
    assert_eq!(of("length in seconds (300)"), ("length in seconds", "300"));
    assert_eq!(
        of("memory (in a .cfg: GB); required with nodes"),
        ("memory (in a .cfg: GB)", "required with nodes")
    );
    assert_eq!(
        of("an archive (*.tar) or a name (none)"),
        ("an archive (*.tar) or a name", "none")
    );
}
