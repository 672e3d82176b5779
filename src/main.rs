//! `lay`: see `lay --help`.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap_complete::CompleteEnv;
use lay::cli;

fn main() -> ExitCode {
    if let Some(args) = lay::oci::args(std::env::args_os()) {
        return lay::oci::main(args);
    }
    // Ends the process when a shell asks for completions.
    CompleteEnv::with_factory(cli::command_to_complete).var(cli::COMPLETE).bin("lay").complete();
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If nobody listens, there is nobody to tell.
            let _ = error.print();
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(cli::USAGE) };
        }
    };
    match cli::run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.message.is_empty() {
                let _ = writeln!(std::io::stderr(), "lay: {}", failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
