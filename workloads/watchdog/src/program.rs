//! Starting programs: the one place.

use tokio::process::Command;

/// A command of a program with its arguments; it ends with who holds it.
///
/// `argv` is not empty.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub(crate) fn command(argv: &[String]) -> Command {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).kill_on_drop(true);
    command
}
