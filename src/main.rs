//! Flags to command to exit code; nothing else.

fn main() -> std::process::ExitCode {
    kedrctl::cli::main().into()
}
