//! `continuum-ctl`.

fn main() -> std::process::ExitCode {
    continuum_controller::cli::main()
}
