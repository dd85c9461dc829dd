//! `continuum-ctl`.

fn main() -> std::process::ExitCode {
    continuum_ctl::cli::main()
}
