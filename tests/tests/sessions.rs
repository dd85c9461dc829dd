//! What the program prints, word for word: sessions in `tests/cmd`. After a change that is meant:
//! `TRYCMD=overwrite cargo test -p continuum-tests --test sessions`, and read the difference.

use continuum_tests::process::workspace_program;

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
