//! What the program prints, word for word: sessions in `tests/cmd`. After a change that is meant:
//! `TRYCMD=overwrite cargo test -p continuum-tests --test sessions`, and read the difference.

use continuum_tests::{
    ctl::{Ctl, source},
    process::workspace_program,
};

#[test]
fn sessions_are_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .register_bin("continuum-ctl", workspace_program("continuum-ctl"))
        .env(
            "CONTINUUM_STATE",
            dir.path().join("state").display().to_string(),
        )
        .env(
            "CONTINUUM_CACHE",
            dir.path().join("cache").display().to_string(),
        )
        .env("COLUMNS", "120")
        .env("USER", "you")
        .case("cmd/*.trycmd");
}

/// What the README tells a user to type as a first own config is one.
#[test]
fn the_readmes_config_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(source().join("README.md")).unwrap();
    let config = readme
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let path = dir.path().join("lab.toml");
    std::fs::write(&path, config).unwrap();
    let ctl = Ctl::new(dir.path().join("state"));
    let text = ctl
        .expect(0, &["config", "show", &path.display().to_string()])
        .unwrap();
    assert!(
        text.contains("latency_ms = 12.0") && text.contains("quota = 0.5"),
        "{text}"
    );
}
