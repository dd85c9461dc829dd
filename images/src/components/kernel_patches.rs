//! What is changed in the kernel's source, and where the source has it already.

use crate::error::{ImageError, Report};

/// Each says what goes wrong without it.
pub(super) const PATCHES: [(&str, &str); 1] = [(
    "lost-events.patch",
    include_str!("../../uml/lost-events.patch"),
)];

/// Whether a source has a patch already. Not with `--batch`, which would turn one around that it lacks.
const HAS_IT: [&str; 3] = ["--force", "--dry-run", "--reverse"];
/// Asks nothing, and turns nothing around.
const APPLY: [&str; 2] = ["--batch", "--forward"];

/// Applies a patch, unless the source has it: a later kernel may.
pub(super) fn apply(
    name: &str,
    report: &dyn Report,
    patch: impl Fn(&[&str]) -> Result<(), ImageError>,
) -> Result<(), ImageError> {
    if patch(&HAS_IT).is_ok() {
        report.step(&format!("the kernel's source has {name} already"));
        return Ok(());
    }
    patch(&APPLY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Program;

    #[test]
    fn a_patch_that_the_source_has_is_left_out_and_said() {
        #[derive(Default)]
        struct Said(std::sync::Mutex<Vec<String>>);
        impl Report for Said {
            fn step(&self, text: &str) {
                self.0.lock().unwrap().push(text.to_owned());
            }
        }
        let is_there = Program::new("look for patch", "patch")
            .arg("--version")
            .run();
        if is_there.is_err() {
            eprintln!("skipped: no patch on this machine");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let input = dir.path().join("x.patch");
        let text = "--- a/file\n+++ b/file\n@@ -1,3 +1,4 @@\n one\n two\n+more\n three\n";
        std::fs::write(&input, text).unwrap();
        let said = Said::default();
        let once = || {
            apply("x.patch", &said, |options| {
                Program::new("patch", "patch")
                    .args(["--strip=1", "--directory"])
                    .arg(dir.path().display().to_string())
                    .args(options.iter().copied())
                    .args(["--input".to_owned(), input.display().to_string()])
                    .run()
                    .map(|_| ())
            })
        };
        std::fs::write(&file, "one\ntwo\nthree\n").unwrap();
        once().unwrap();
        let patched = || std::fs::read_to_string(&file).unwrap();
        assert_eq!(patched(), "one\ntwo\nmore\nthree\n");
        assert!(said.0.lock().unwrap().is_empty());
        once().unwrap();
        assert_eq!(patched(), "one\ntwo\nmore\nthree\n");
        assert_eq!(
            *said.0.lock().unwrap(),
            ["the kernel's source has x.patch already"]
        );
        // One that fits neither way is a failure, as it was.
        std::fs::write(&file, "something else\n").unwrap();
        assert!(once().is_err());
    }
}
