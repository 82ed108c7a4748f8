use std::process::ExitCode;

fn main() -> ExitCode {
    tessallite_up::cli::main()
}
