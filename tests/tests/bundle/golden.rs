//! What a result consists of is written down in `tests/golden/result.txt`. After a change that is meant:
//! `UPDATE_GOLDEN=1 cargo test -p continuum-tests --test bundle files_fields_and_columns`, and read the difference.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_tests::{ctl::source, results, shape::Shape};

pub(crate) fn shape_of_a_result() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let to = fixture.results("results").display().to_string();
    let words = [
        "run",
        "examples/mist-edge.toml",
        "--allow-unemulated",
        "--set",
        "infrastructure.provider=local",
        "--set",
        "benchmark.duration_s=3",
        "--results",
        &to,
    ];
    fixture.ctl.expect(0, &words)?;
    let seen = Shape::of(&results::only_result(&fixture.results("results"))?)?;
    let path = source().join("tests/golden/result.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        // Types that only some runs have are kept: whether a clock drifts is not for a test to decide.
        let known = Shape::parse(&std::fs::read_to_string(&path).unwrap_or_default());
        let text = seen.with_types_of(&known).text();
        return std::fs::write(&path, text).with_context(|| format!("write {}", path.display()));
    }
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let found = Shape::parse(&text).differences(&seen);
    ensure!(
        found.is_empty(),
        "a result is not what tests/golden/result.txt says; if that is meant, write it anew with UPDATE_GOLDEN=1:\n{}",
        found.join("\n")
    );
    Ok(())
}
